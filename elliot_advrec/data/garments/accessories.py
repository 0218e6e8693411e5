"""Hats, shoes, boots and bags."""

from __future__ import annotations

import numpy as np

from elliot_advrec.data.garments.geometry import (
    Garment,
    Part,
    Seam,
    band,
    ellipse,
    outline,
    polygon,
    symmetric,
)


def hat(generator: np.random.Generator) -> Garment:
    """A brimmed hat with a ribbon, a knitted cap with a bobble, or a peaked cap."""
    draw = generator.uniform
    kind = int(generator.integers(3))
    tall = draw(0.5, 0.72)
    if kind == 0:
        brim = draw(0.75, 0.92)
        crown = symmetric(
            outline(
                [(0.0, -tall + 0.06), (0.16, -tall), (0.38, -tall + 0.06), (0.47, 0.26), (0.3, 0.34)],
                closed=False,
            )
        )
        ribbon = np.concatenate([ellipse(0, 0.2, 0.46, 0.1, 0, 180), ellipse(0, 0.02, 0.435, 0.09, 180, 0)])
        return Garment([Part(ellipse(0, 0.28, brim, 0.2), shade=0.92), Part(crown), Part(ribbon, "trim")])
    if kind == 1:
        dome = symmetric(outline([(0.0, -tall), (0.35, -tall), (0.56, -0.3), (0.58, 0.4)], closed=False))
        fold = symmetric(outline([(0.6, 0.2), (0.63, 0.36), (0.6, 0.54)], closed=False))
        ribs = [Seam(polygon((x, 0.22), (x, 0.53)), 0.016, 0.78) for x in np.linspace(-0.52, 0.52, 14)]
        bobble = Part(ellipse(0, -tall - 0.02, 0.17, 0.17), "trim")
        return Garment(
            [bobble, Part(dome), Part(fold, "trim")] if draw() < 0.7 else [Part(dome), Part(fold, "trim")],
            ribs,
        )
    dome = outline(
        [(-0.6, 0.25), (-0.6, -0.2), (-0.4, -tall), (0.1, -tall), (0.42, -0.2), (0.45, 0.25), (-0.05, 0.33)]
    )
    peak = outline([(0.36, 0.16), (0.7, 0.14), (0.93, 0.3), (0.7, 0.36), (0.2, 0.34)])
    seams = [
        Seam(outline([(-0.12, -tall + 0.05), (0.1, -0.2), (0.14, 0.3)], closed=False)),
        Seam(outline([(-0.12, -tall + 0.05), (-0.4, -0.2), (-0.4, 0.28)], closed=False)),
    ]
    return Garment(
        [Part(dome), Part(peak, "trim"), Part(ellipse(-0.12, -tall + 0.07, 0.05, 0.03), "button")], seams
    )


def shoe(generator: np.random.Generator) -> Garment:
    """A laced shoe from the side: pale sole, toe cap, tongue, laces."""
    draw = generator.uniform
    ankle, sole = draw(-0.42, -0.22), draw(0.09, 0.16)
    upper = outline(
        [(-0.84, 0.34), (-0.86, -0.05), (-0.78, ankle), (-0.6, ankle - 0.02), (-0.3, ankle + 0.02), 
         (-0.14, ankle + 0.02), (0.12, -0.04), (0.5, 0.04), (0.84, 0.14), (0.9, 0.36)],
        1,
    )  # fmt: skip
    opening = outline(
        [(-0.77, ankle + 0.02), (-0.5, ankle + 0.1), (-0.16, ankle + 0.03), (-0.45, ankle - 0.02)]
    )
    toe = outline([(0.5, 0.36), (0.52, 0.12), (0.66, 0.06), (0.88, 0.12), (0.95, 0.36)], 1)
    bottom = outline(
        [(-0.9, 0.3), (0.95, 0.3), (0.97, 0.34 + sole / 2), (0.9, 0.32 + sole), (-0.86, 0.32 + sole)], 1
    )
    heel = outline([(-0.86, 0.34), (-0.88, 0.0), (-0.7, -0.02), (-0.6, 0.34)], 1)
    parts = [
        Part(upper),
        Part(opening, "inside", edge=False),
        Part(toe, "trim"),
        Part(heel, "trim", shade=0.9),
        Part(bottom, "pale"),
    ]
    for t in np.linspace(0.1, 0.9, 4):
        x, y = -0.2 + 0.42 * t, ankle + 0.06 + (0.02 - ankle - 0.02) * t
        parts.append(Part(band(polygon((x - 0.1, y + 0.12), (x + 0.04, y)), 0.045), "pale"))
    return Garment(parts, [Seam(polygon((-0.88, 0.33 + sole * 0.5), (0.94, 0.33 + sole * 0.5)), 0.012, 0.75)])


def boot(generator: np.random.Generator) -> Garment:
    """A shaft, a foot and a heel from the side."""
    draw = generator.uniform
    top, heel, width = draw(-0.92, -0.55), draw(0.08, 0.24), draw(0.24, 0.3)
    base = 0.62
    upper = outline(
        [(-0.5, top), (-0.5 + 2 * width, top), (-0.46 + 2 * width, 0.06), (0.16, 0.2), (0.52, 0.32), 
         (0.66, 0.44), (0.64, base), (-0.52, base), (-0.5, 0.2)],
        1,
    )  # fmt: skip
    sole = polygon((-0.54, base - 0.03), (0.68, base - 0.03), (0.68, base + 0.05), (-0.05, base + 0.05), 
                   (-0.16, base + 0.07), (-0.2, base + 0.05 + heel), (-0.5, base + 0.05 + heel))  # fmt: skip
    rim = outline(
        [
            (-0.52, top - 0.01),
            (-0.48 + 2 * width, top - 0.01),
            (-0.48 + 2 * width, top + 0.11),
            (-0.52, top + 0.11),
        ],
        1,
    )
    parts = [Part(upper), Part(rim, "trim"), Part(sole, "inside", shade=0.9)]
    seams = [Seam(outline([(0.1, 0.2), (0.14, 0.4), (0.3, base - 0.03)], closed=False), 0.016, 0.65)]
    if draw() < 0.5:
        strap = polygon((-0.51, 0.12), (0.06, 0.16), (0.1, 0.26), (-0.52, 0.22))
        parts += [Part(strap, "trim", shade=0.85), Part(ellipse(-0.05, 0.19, 0.05, 0.05), "button")]
    else:
        seams.append(
            Seam(polygon((-0.5 + width * 0.9, top + 0.1), (-0.5 + width * 0.9, base - 0.05)), 0.018, 0.6)
        )
    return Garment(parts, seams)


def bag(generator: np.random.Generator) -> Garment:
    """A handbag: one or two handles, a flap or an open top, a clasp."""
    draw = generator.uniform
    wide, top, bottom, flare = draw(0.55, 0.8), draw(-0.28, -0.1), draw(0.6, 0.82), draw(0.02, 0.14)
    body = symmetric(
        outline(
            [(0.0, top), (wide - flare, top), (wide, bottom - 0.15), (wide - 0.06, bottom), (0.0, bottom)],
            1,
            closed=False,
        )
    )
    rise, hold = draw(0.45, 0.62), wide * draw(0.5, 0.7)
    parts = [Part(band(ellipse(0, top + 0.04, hold * 0.88, rise * 0.9, 180, 360), 0.06), "inside")]
    parts += [Part(body), Part(band(ellipse(0, top + 0.08, hold, rise, 180, 360), 0.07), "trim")]
    seams: list[Seam] = []
    if draw() < 0.55:
        drop = top + (bottom - top) * draw(0.4, 0.6)
        flap = symmetric(
            outline(
                [
                    (0.0, top - 0.02),
                    (wide - flare, top - 0.02),
                    (wide - flare * 0.6, drop - 0.12),
                    (wide * 0.5, drop),
                    (0, drop + 0.05),
                ],
                1,
                closed=False,
            )
        )
        parts += [Part(flap, "sleeve", shade=0.96), Part(ellipse(0, drop + 0.03, 0.07, 0.055), "button")]
    else:
        parts.append(
            Part(
                polygon(
                    (-wide + flare, top),
                    (wide - flare, top),
                    (wide - flare, top + 0.1),
                    (-wide + flare, top + 0.1),
                ),
                "trim",
            )
        )
        parts.append(Part(ellipse(0, top + 0.1, 0.06, 0.06), "button"))
        seams.append(Seam(polygon((-wide * 0.7, bottom - 0.1), (wide * 0.7, bottom - 0.1)), 0.012, 0.75))
    return Garment(parts, seams)
