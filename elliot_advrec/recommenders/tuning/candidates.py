"""What stands in a recipe in place of one value: a list of values, or a distribution with its arguments."""

from __future__ import annotations

import math
import re
from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import norm

from elliot_advrec.errors import UserError

#: Elliot's distributions, which are hyperopt's, and their arguments.
DISTRIBUTIONS = {
    "uniform": ("low", "high"),
    "quniform": ("low", "high", "q"),
    "loguniform": ("low", "high"),
    "qloguniform": ("low", "high", "q"),
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
    "randint": ("low", "high"),
}
#: Normal distributions are cut here: what lies beyond is drawn once in 10 ** 12 times.
TAIL = 1e-12
#: The largest exponent whose power is a finite number.
LARGEST = 709.0


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    options: tuple[Any, ...]

    def probes(self) -> tuple[Any, ...]:
        """Values that stand for all of them: all of them."""
        return self.options


@dataclass(frozen=True)
class Drawn:
    """A draw from a distribution.

    With u uniform on [0, 1]: uniform is low + u (high - low), loguniform the exponential of that (low and
    high are exponents), normal the u-quantile, lognormal the exponential of that; a leading q rounds to
    multiples of q; randint is a whole number from low up to high - 1.

    Args:
        function: a key of ``DISTRIBUTIONS``.
        arguments: its arguments, in their order.
        whole: whether the setting is a whole number; the draw is then cut to one, as Elliot does.
    """

    function: str
    arguments: tuple[float, ...]
    whole: bool = False

    def at(self, u: float) -> float | int:
        """The value whose share of smaller draws is u, in [0, 1]."""
        first, second, *rest = self.arguments
        if self.function == "randint":
            return min(int(first + u * (second - first)), int(second) - 1)
        if "normal" in self.function:
            value = float(norm.ppf(min(max(u, TAIL), 1 - TAIL), first, second))
        else:
            value = first + u * (second - first)
        if "log" in self.function:
            value = math.exp(min(value, LARGEST))
        if rest:
            value = round(value / rest[0]) * rest[0]
        return int(value) if self.whole else value

    def probes(self) -> tuple[float | int, ...]:
        """Values that stand for all: the lowest and the highest; of a normal one, of one draw in 1,000."""
        ends = (1e-3, 0.5, 1 - 1e-3) if "normal" in self.function else (0.0, 1.0)
        return tuple(self.at(u) for u in ends)


def parse(written: Sequence[Any], *, whole: bool, where: str) -> Choice | Drawn:
    """What a list in a recipe means.

    Args:
        written: e.g. ``[8, 16]``, ``["uniform", 0, 1]`` or ``["choice", ["a", "b"]]``.
        whole: whether the setting is a whole number.
        where: the key, for messages.

    Raises:
        UserError: an empty list, or a distribution with other arguments than it takes.
    """
    if not written:
        raise UserError("the list is empty", where=where, remedy="name at least one value")
    name, arguments = written[0], list(written[1:])
    if name == "choice":
        nested = len(arguments) == 1 and isinstance(arguments[0], list)
        return parse_values(arguments[0] if nested else arguments, whole=whole, where=where)
    if isinstance(name, str) and name in DISTRIBUTIONS:
        return Drawn(name, _arguments(name, arguments, where), whole)
    called = re.match(r"(\w+)\s*\(", name) if isinstance(name, str) else None
    if called and called[1] in DISTRIBUTIONS:
        raise UserError(
            f"'{called[1]}(...)' is no distribution here",
            where=where,
            remedy=f"write [{called[1]}, {', '.join(DISTRIBUTIONS[called[1]])}]",
        )
    return parse_values(written, whole=whole, where=where)


def parse_values(written: Sequence[Any], *, whole: bool, where: str) -> Choice:
    """A list of values; among others than texts, texts are read as Python writes numbers, as Elliot does."""
    if not written:
        raise UserError("the list is empty", where=where, remedy="name at least one value")
    texts = all(isinstance(value, str) for value in written)
    values = list(written) if texts else [_literal(value) for value in written]
    if whole:
        values = [int(v) if isinstance(v, float) and math.isfinite(v) else v for v in values]
    return Choice(tuple(values))


def _literal(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return literal_eval(value.strip())
    except (ValueError, SyntaxError):
        return value


def _arguments(name: str, written: Sequence[Any], where: str) -> tuple[float, ...]:
    expected = DISTRIBUTIONS[name]
    remedy = f"write [{name}, {', '.join(expected)}]"
    numbers = [_literal(value) for value in written]
    if name == "randint" and len(numbers) == 1:
        numbers.insert(0, 0)
    if len(numbers) != len(expected):
        raise UserError(f"'{name}' takes {' and '.join(expected)}", where=where, remedy=remedy)
    for argument, value in zip(expected, numbers, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UserError(
                f"{argument} of '{name}' must be a number, got {value!r}", where=where, remedy=remedy
            )
        if name == "randint" and value != int(value):
            raise UserError(f"{argument} of '{name}' must be a whole number, got {value!r}", where=where)
        if argument in ("sigma", "q") and value <= 0:
            raise UserError(f"{argument} of '{name}' must be above 0, got {value!r}", where=where)
    if "low" in expected and not numbers[0] < numbers[1]:
        raise UserError(f"low of '{name}' must be below high, got {numbers[0]} and {numbers[1]}", where=where)
    return tuple(float(value) for value in numbers)
