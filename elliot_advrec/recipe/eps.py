"""Budgets as a person writes them: ``0.03``, ``8/255``."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from elliot_advrec.errors import UserError

REMEDY = "write a number or a fraction above 0 and at most 1, e.g. 0.03 or 8/255 (pixels are in [0, 1])"


def parse_eps(value: Any, *, where: str | None = None, norm: str = "linf") -> float:
    """A budget's radius in pixel units of [0, 1].

    Args:
        value: a number, or its text, or a fraction ``a/b``.
        where: the place to name in a complaint.
        norm: ``linf``, whose radius is at most 1; an ``l2`` ball may be wider than one pixel's range.

    Returns:
        a float in (0, 1]; for ``l2`` any finite one above 0.

    Raises:
        UserError: no number, or out of range.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        eps = ratio(value) if isinstance(value, str) else float(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise UserError(f"eps must be a number, got {value!r}", where=where, remedy=REMEDY) from None
    if not math.isfinite(eps) or eps <= 0:
        raise UserError(f"eps must be above 0, got {value}", where=where, remedy=REMEDY)
    if eps > 1 and norm == "linf":
        hint = f"{eps:g}/255?" if eps <= 255 else "0.03?"
        raise UserError(
            f"eps must be at most 1, got {value}", where=where, remedy=f"did you mean {hint} {REMEDY}"
        )
    return eps


def ratio(text: str) -> float:
    """``a`` or ``a/b`` as a number; both parts may be decimal.

    Raises:
        ValueError, ZeroDivisionError: it is neither.
    """
    above, _, below = text.partition("/")
    return float(Fraction(above.strip()) / Fraction(below.strip())) if "/" in text else float(text)
