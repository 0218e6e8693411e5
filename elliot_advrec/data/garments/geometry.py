"""What a garment is made of before it has colours: outlines, seams, and the helpers that bend them.

Coordinates are garment units: x to the right and y down, both within [-1, 1] before the pose is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Fill = Literal["cloth", "sleeve", "trim", "inside", "pale", "button"]
"""cloth and sleeve carry the first and the second texture; the others are one plain colour each."""


@dataclass(frozen=True)
class Part:
    """One filled outline; later parts cover earlier ones.

    Args:
        points: (P, 2) float corners of the outline.
        fill: what covers it.
        grain: angle of the cloth in radians: a sleeve's stripes turn with the sleeve.
        shade: brightness in (0, 1] that the part is multiplied with.
        edge: whether its outline is drawn.
    """

    points: np.ndarray
    fill: Fill = "cloth"
    grain: float = 0.0
    shade: float = 1.0
    edge: bool = True


@dataclass(frozen=True)
class Seam:
    """A darker line on the cloth: a pleat, a placket, a pocket's stitches.

    Args:
        points: (P, 2) float, an open line.
        width: in garment units.
        shade: brightness in (0, 1) under the line.
    """

    points: np.ndarray
    width: float = 0.012
    shade: float = 0.7


@dataclass
class Garment:
    """A drawn thing: parts from back to front, then seams on top."""

    parts: list[Part] = field(default_factory=list)
    seams: list[Seam] = field(default_factory=list)


Shape = Callable[[np.random.Generator], Garment]
"""Draws one garment of a category; all its variation comes from the generator."""


def outline(points: Sequence[tuple[float, float]], rounds: int = 2, closed: bool = True) -> np.ndarray:
    """``points`` with corners cut ``rounds`` times (Chaikin 1974): (P, 2) float, a smooth line.

    An open line keeps its two ends.
    """
    line = np.asarray(points, dtype=float)
    for _ in range(rounds):
        after = np.roll(line, -1, axis=0) if closed else line[1:]
        before = line if closed else line[:-1]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1).reshape(-1, 2)
        line = cut if closed else np.concatenate([line[:1], cut, line[-1:]])
    return line


def symmetric(right: np.ndarray) -> np.ndarray:
    """The whole outline of which ``right`` (P, 2) is the right half, listed from top to bottom."""
    return np.concatenate([right, (right * (-1.0, 1.0))[::-1]])


def mirrored(points: np.ndarray) -> np.ndarray:
    """``points`` (P, 2) on the other side of the garment."""
    return points * (-1.0, 1.0)


def polygon(*points: tuple[float, float]) -> np.ndarray:
    """(P, 2) float of sharp corners."""
    return np.asarray(points, dtype=float)


def ellipse(x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0) -> np.ndarray:
    """(25, 2) points of an ellipse, or of its arc between two angles in degrees (0 right, 90 down)."""
    angle = np.radians(np.linspace(start, stop, 25))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def band(line: np.ndarray, width: float) -> np.ndarray:
    """The outline of a ribbon of ``width`` around an open ``line`` (P, 2): handles, cords, belts."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * (width / 2)
    return np.concatenate([line + across, (line - across)[::-1]])
