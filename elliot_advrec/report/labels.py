"""How names and numbers are written for a reader."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from elliot_advrec.errors import plain

_KNOWN = {
    "none": "Undefended", "at": "AT", "cat": "CAT", "fat": "Free AT",
    "fgsm": "FGSM", "bim": "BIM", "mi_fgsm": "MI-FGSM", "pgd": "PGD", "pgd_cosine": "PGD-cosine",
    "apgd": "APGD", "cw": "CW", "cw_l2": "CW-L2", "rank_auto": "RankAuto",
    "bb": "BB", "nes": "NES", "square": "Square",
    "replace": "Replace", "blend": "Blend", "paste": "Paste",
    "linf": "L∞", "l2": "L2",
    "item_to_item": "item to item",
}  # fmt: skip
_WITHOUT_STEPS = {"fgsm", "rank_auto", "nes", "square", "replace", "blend", "paste"}
_KNOWLEDGE = re.compile(r" \((oblivious|adaptive|evading)\)$")
MINUS, DASH, TIMES, EPS, ARROW, PLUS_MINUS = "−", "–", "×", "ε", "→", "±"


def name_of(name: str | None) -> str:
    """A component's name as the literature writes it; unknown names stay as they are."""
    return DASH if name is None else _KNOWN.get(name, plain(name))


def bare(attack: str) -> str:
    """The attack's own name, without what its attacker knows: ``pgd`` of ``pgd (adaptive)``."""
    return _KNOWLEDGE.sub("", attack)


def attack_name(attack: str | None, steps: int | None) -> str:
    """``PGD-64``, ``PGD-64 (adaptive)``; an attack that is not told its steps carries no number."""
    if attack is None:
        return "untouched"
    name = bare(attack)
    known = attack.removeprefix(name)
    return (name_of(name) if steps is None or name in _WITHOUT_STEPS else f"{name_of(name)}-{steps}") + known


def budget(eps: float | None) -> str:
    """eps as a person wrote it: ``0.03``, or ``8/255`` for whole 255ths that are no short decimal."""
    if eps is None:
        return DASH
    short = f"{eps:.6g}"
    levels = eps * 255
    if len(short) > 5 and abs(levels - round(levels)) < 1e-3:
        return f"{round(levels)}/255"
    return f"{eps:.3g}"


def sized(eps: float | None, norm: str | None) -> str:
    """``0.05``, ``1 L2``; the norm is named where it is not L-infinity."""
    return budget(eps) + ("" if norm in (None, "linf") else f" {name_of(norm)}")


def attack_at(attack: str | None, steps: int | None, eps: float | None, norm: str | None = None) -> str:
    """``PGD-64, ε 0.05``; the norm is named where it is not L-infinity."""
    name = attack_name(attack, steps)
    return name if eps is None else f"{name}, {EPS} {sized(eps, norm)}"


def number(value: float | None, digits: int = 3) -> str:
    """Fixed decimals with a true minus sign; a dash where there is no value."""
    if value is None:
        return DASH
    text = f"{value:.{digits}f}"
    return (text if float(text) != 0 else f"{0:.{digits}f}").replace("-", MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """A difference: always with its sign, but for zero."""
    text = number(value, digits)
    return f"+{text}" if value is not None and float(f"{value:.{digits}f}") > 0 else text


def count(value: float | None) -> str:
    """A whole number with thin spaces between thousands."""
    return DASH if value is None else f"{round(value):,}".replace(",", "\u202f")


def percent_digits(n: int | None) -> int:
    """Decimals of a percentage that ``n`` trials can carry."""
    return 2 if n is not None and n >= 5000 else 1


def duration(seconds: float | None) -> str:
    """``0.4 s``, ``42 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    if seconds is None:
        return DASH
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def undefended_first(defenses: Iterable[str | None]) -> list[str | None]:
    """The same names with ``none`` in front, the others in their order."""
    return sorted(dict.fromkeys(defenses), key=lambda name: name != "none")
