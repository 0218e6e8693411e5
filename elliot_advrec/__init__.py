"""Red-team and harden visual recommenders from one YAML recipe."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {"Guard": "elliot_advrec.guards"}


def __getattr__(name: str) -> Any:
    """``Guard``, imported when first asked for: torch and all that a guard needs take seconds."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'elliot_advrec' has no attribute '{name}'")
