"""Garments that cover more than a top: hoodie, coat, dress."""

from __future__ import annotations

import numpy as np

from elliot_advrec.data.garments.geometry import (
    Garment,
    Part,
    Seam,
    band,
    ellipse,
    mirrored,
    outline,
    polygon,
    symmetric,
)
from elliot_advrec.data.garments.tailoring import Cut, buttons, inside, sleeves, trunk


def hoodie(generator: np.random.Generator) -> Garment:
    """A hood behind the neck, draw-strings, a kangaroo pocket; sometimes a zip."""
    draw = generator.uniform
    cut = Cut(
        top=-0.62, hem=draw(0.66, 0.78), shoulder=0.46, chest=0.5, waist=draw(0.48, 0.54),
        hip=draw(0.45, 0.5), depth=0.2, neck=0.2,
        sleeve=draw(1.0, 1.15), sleeve_angle=draw(64, 74), sleeve_width=0.27, taper=0.7, armpit=0.42,
    )  # fmt: skip
    top = cut.top
    hood = symmetric(
        outline(
            [(0.0, top - 0.3), (0.22, top - 0.28), (0.31, top - 0.06), (0.24, top + 0.16), (0.0, top + 0.3)],
            closed=False,
        )
    )
    hole = ellipse(0, top - 0.02, 0.17, 0.2)
    hip = cut.hip
    rib = polygon(
        (-hip, cut.hem - 0.08),
        (hip, cut.hem - 0.08),
        (hip * 0.95, cut.hem + 0.04),
        (-hip * 0.95, cut.hem + 0.04),
    )
    pocket = symmetric(polygon((0.2, 0.18), (0.32, 0.38), (0.32, cut.hem - 0.1)))
    parts = [
        *sleeves(cut, cuff=0.11),
        Part(trunk(cut)),
        Part(hood, "sleeve", shade=0.95),
        Part(hole, "inside", shade=0.9),
    ]
    parts += [Part(rib, "trim"), Part(pocket, shade=0.95)]
    for side in (-1, 1):
        cord = outline(
            [(side * 0.1, top + 0.17), (side * 0.12, top + 0.4), (side * 0.1, top + draw(0.45, 0.6))],
            closed=False,
        )
        parts.append(Part(band(cord, 0.03), "pale"))
    zip_line = [Seam(polygon((0, top + 0.28), (0, cut.hem)), 0.03, 0.5)] if draw() < 0.5 else []
    return Garment(parts, zip_line)


def coat(generator: np.random.Generator) -> Garment:
    """Long, open lapels, two rows of buttons, slanted pockets, sometimes a belt."""
    draw = generator.uniform
    cut = Cut(
        top=-0.86, hem=draw(0.74, 0.94), shoulder=0.4, chest=0.42, waist=draw(0.35, 0.41), 
        hip=draw(0.46, 0.58), neck=0.17, depth=0.3,
        sleeve=draw(0.98, 1.1), sleeve_angle=draw(70, 78), sleeve_width=0.23, taper=0.85,
    )  # fmt: skip
    top = cut.top
    lapel = polygon(
        (0.0, -0.22),
        (0.12, top - 0.02),
        (0.2, top + 0.02),
        (0.3, top + 0.3),
        (0.22, top + 0.34),
        (0.23, top + 0.4),
    )
    parts = [
        inside(cut),
        *sleeves(cut, cuff=draw(0.08, 0.14)),
        Part(trunk(cut)),
        Part(lapel, "trim"),
        Part(mirrored(lapel), "trim"),
    ]
    for x in (-0.11, 0.11):
        parts += buttons(x, -0.1, 0.36, 3, 0.032)
    if draw() < 0.6:
        waist = cut.waist * 1.04
        parts.append(
            Part(polygon((-waist, 0.02), (waist, 0.02), (waist, 0.12), (-waist, 0.12)), "trim", shade=0.85)
        )
        parts.append(Part(polygon((-0.07, 0.0), (0.07, 0.0), (0.07, 0.14), (-0.07, 0.14)), "button"))
    seams = [Seam(polygon((0.0, -0.22), (0.0, cut.hem + 0.02)), 0.02, 0.55)]
    for side in (-1, 1):
        seams.append(Seam(polygon((side * 0.2, 0.2), (side * 0.33, 0.42)), 0.03, 0.55))
    return Garment(parts, seams)


def dress(generator: np.random.Generator) -> Garment:
    """A fitted bodice and a flared skirt; straps, short or long sleeves; any length from mini to long."""
    draw = generator.uniform
    hem, flare, waist, waist_y = draw(0.5, 0.95), draw(0.42, 0.72), draw(0.23, 0.28), draw(-0.22, -0.1)
    top, sleeve = -0.9, float(generator.choice([0.0, 0.26, 0.34, 0.85]))
    cut = Cut(
        top=top, shoulder=0.31, chest=0.3, armpit=0.34, neck=draw(0.15, 0.22), depth=draw(0.14, 0.3),
        sleeve=sleeve, sleeve_width=0.19, sleeve_angle=66 if sleeve > 0.5 else draw(42, 58), taper=0.8,
    )  # fmt: skip
    shoulder = cut.shoulder if sleeve else cut.neck + 0.08
    side = outline(
        [(shoulder, top + 0.06), (0.27, top + 0.2), (cut.chest, top + 0.36), (waist, waist_y), 
         (waist + 0.05, waist_y + 0.1), (flare * 0.82, (waist_y + hem) / 2 + 0.1), (flare, hem)],
        closed=False,
    )  # fmt: skip
    neckline = ellipse(0, top, cut.neck, cut.depth, 0, 90)[::-1]
    body = symmetric(np.concatenate([neckline, side, [(flare * 0.5, hem + 0.04), (0, hem + 0.055)]]))
    parts = [inside(cut), *sleeves(cut), Part(body)]
    sash = symmetric(polygon((waist * 1.06, waist_y - 0.05), (waist * 1.08, waist_y + 0.05)))
    if draw() < 0.6:
        parts.append(Part(sash, "trim"))
    pleats = [
        Seam(polygon((waist * t * 0.8, waist_y + 0.08), (flare * t * 0.95, hem)), 0.014, 0.78)
        for t in np.linspace(-0.75, 0.75, int(generator.integers(3, 7)))
    ]
    return Garment(parts, pleats)
