"""A radius as settings write it: a number or a fraction."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return float(Fraction(value.replace(" ", "")))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"eps must be a number or a fraction such as 8/255, got {value!r}") from None


Radius = Annotated[float, BeforeValidator(_number), Field(ge=0.0, le=1.0)]
"""Of a ball, in pixels of [0, 1]; ``0.03`` or ``8/255``."""
