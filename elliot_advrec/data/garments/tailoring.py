"""What all garments with shoulders are cut from: trunk, sleeves, neck, buttons, ribs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elliot_advrec.data.garments.geometry import (
    Part,
    Seam,
    band,
    ellipse,
    mirrored,
    outline,
    polygon,
    symmetric,
)


@dataclass(frozen=True)
class Cut:
    """Measures of a top in garment units; y grows downwards."""

    top: float = -0.78
    hem: float = 0.75
    shoulder: float = 0.44
    chest: float = 0.45
    waist: float = 0.43
    hip: float = 0.46
    neck: float = 0.18
    depth: float = 0.14
    slope: float = 0.1
    armpit: float = 0.36
    sleeve: float = 0.4
    sleeve_width: float = 0.27
    sleeve_angle: float = 52.0
    taper: float = 0.85


def trunk(cut: Cut) -> np.ndarray:
    """The outline of the trunk, neckline included."""
    middle = (cut.top + cut.armpit + cut.hem) / 2
    side = outline(
        [
            (cut.shoulder, cut.top + cut.slope),
            (cut.chest * 0.93, cut.top + cut.slope + 0.45 * cut.armpit),
            (cut.chest, cut.top + cut.armpit),
            (cut.waist, middle),
            (cut.hip, cut.hem),
        ],
        closed=False,
    )
    neckline = ellipse(0, cut.top, cut.neck, cut.depth, 0, 90)[::-1]
    hem = polygon((cut.hip * 0.5, cut.hem + 0.02), (0, cut.hem + 0.03))
    return symmetric(np.concatenate([neckline[:-1], [(cut.neck, cut.top)], side, hem]))


def sleeves(cut: Cut, cuff: float = 0.0) -> list[Part]:
    """Both sleeves, with a trim cuff of ``cuff`` length when above zero."""
    if cut.sleeve <= 0:
        return []
    turn = np.radians(cut.sleeve_angle)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    start = np.array([cut.shoulder - 0.02, cut.top + cut.slope - 0.01])
    pit = np.array([cut.chest - 0.04, cut.top + cut.armpit + 0.02])
    tip = start + along * cut.sleeve
    low = tip + across * cut.sleeve_width * cut.taper
    elbow = (start + tip) / 2 + np.array([0.03, -0.02])
    inner = (pit + low) / 2 + np.array([0.012, 0.0])
    shape = np.stack([start, elbow, tip, low, inner, pit])
    made = [Part(shape, "sleeve", grain=turn - np.pi / 2, shade=0.93)]
    if cuff > 0:
        back_tip, back_low = tip - along * cuff, low - along * cuff
        made.append(Part(np.stack([back_tip, tip, low, back_low]), "trim", shade=0.9))
    return [
        part
        for piece in made
        for part in (piece, Part(mirrored(piece.points), piece.fill, -piece.grain, piece.shade))
    ]


def inside(cut: Cut) -> Part:
    """The back of the neck, seen through the neckline."""
    return nape(cut.top, cut.neck, cut.depth)


def nape(top: float, neck: float, depth: float) -> Part:
    """Fills a neckline up to the back of the neck, which curves down a little."""
    front, back = ellipse(0, top, neck, depth, 0, 180), ellipse(0, top, neck, min(0.045, depth / 3), 180, 0)
    return Part(np.concatenate([front, back]), "inside", edge=False)


def neckband(cut: Cut, width: float) -> Part:
    line = ellipse(0, cut.top, cut.neck + width / 3, cut.depth + width / 3, 0, 180)
    return Part(band(line, width), "trim", shade=0.97)


def buttons(x: float, top: float, bottom: float, count: int, radius: float = 0.024) -> list[Part]:
    return [Part(ellipse(x, float(y), radius, radius), "button") for y in np.linspace(top, bottom, count)]


def ribs(left: float, right: float, top: float, bottom: float, count: int) -> list[Seam]:
    return [Seam(polygon((x, top), (x, bottom)), 0.012, 0.8) for x in np.linspace(left, right, count)]
