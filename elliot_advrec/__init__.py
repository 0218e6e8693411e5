"""Red-team and harden visual recommenders from one YAML recipe."""

__version__ = "0.1.0"
