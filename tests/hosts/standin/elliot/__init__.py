"""A stand-in with Elliot's doors and none of its code, for machines that have no Elliot."""

__version__ = "0.3.1"
