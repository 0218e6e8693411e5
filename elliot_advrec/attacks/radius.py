"""A radius as settings write it: a number or a fraction."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return float(Fraction(value.replace(" ", "")))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"eps must be a number or a fraction such as 8/255, got {value!r}") from None


_WRITTEN = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*/\s*[1-9]\d*\s*$|\$\{[A-Za-z_][A-Za-z0-9_]*\}"},
    ]
}
Radius = Annotated[float, BeforeValidator(_number), Field(ge=0.0, le=1.0), WithJsonSchema(_WRITTEN)]
"""Of a ball, in pixels of [0, 1]; ``0.03`` or ``8/255``."""
