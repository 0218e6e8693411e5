"""Garments that hang from the waist."""

from __future__ import annotations

import numpy as np

from elliot_advrec.data.garments.geometry import (
    Garment,
    Part,
    Seam,
    ellipse,
    mirrored,
    outline,
    polygon,
    symmetric,
)


def _legs(generator: np.random.Generator, hem: float, ankle: float, spread: float) -> Garment:
    """A waistband, two legs, fly, pockets and belt loops."""
    draw = generator.uniform
    top, waist, hip, crotch = -0.85, draw(0.33, 0.37), draw(0.41, 0.46), draw(-0.28, -0.2)
    outer = outline(
        [(waist, top + 0.1), (hip, -0.5), (hip * 0.98, -0.2), (spread + ankle / 2, hem)], closed=False
    )
    inner = outline([(spread - ankle / 2, hem), (0.03, crotch + 0.16), (0.0, crotch)], closed=False)
    leg = np.concatenate([[(0.0, top + 0.1)], outer, [(spread, hem + 0.015)], inner])
    waistband = symmetric(polygon((waist, top), (waist * 1.02, top + 0.11)))
    # The two legs meet in the middle without an outline of their own: the seam below draws it.
    parts = [
        Part(leg, grain=0.03),
        Part(mirrored(leg), "cloth", grain=-0.03, shade=0.97),
        Part(waistband, "trim"),
    ]
    parts.append(Part(ellipse(0.0, top + 0.055, 0.028, 0.028), "button"))
    seams = [
        Seam(polygon((0.0, top + 0.1), (0.0, crotch)), 0.016, 0.6),
        Seam(outline([(0.085, top + 0.11), (0.085, -0.5), (0.0, crotch - 0.08)], closed=False), 0.012, 0.7),
    ]
    for side in (-1, 1):
        mouth = [
            (side * waist * 0.58, top + 0.11),
            (side * waist * 0.72, top + 0.24),
            (side * hip * 0.93, top + 0.27),
        ]
        seams.append(Seam(outline(mouth, closed=False), 0.02, 0.6))
        seams.append(Seam(polygon((side * waist * 0.55, top), (side * waist * 0.55, top + 0.1)), 0.026, 0.7))
        seams.append(
            Seam(
                polygon((side * (spread - ankle / 2), hem - 0.05), (side * (spread + ankle / 2), hem - 0.05)),
                0.012,
                0.75,
            )
        )
    return Garment(parts, seams)


def trousers(generator: np.random.Generator) -> Garment:
    """Long legs, from narrow to flared, with a crease."""
    hem, ankle, spread = (
        generator.uniform(0.8, 0.95),
        generator.uniform(0.19, 0.34),
        generator.uniform(0.24, 0.32),
    )
    made = _legs(generator, hem, ankle, spread)
    if generator.random() < 0.5:
        for side in (-1, 1):
            made.seams.append(Seam(polygon((side * 0.22, -0.45), (side * spread, hem)), 0.012, 0.8))
    return made


def shorts(generator: np.random.Generator) -> Garment:
    """Legs that end above the knee."""
    made = _legs(
        generator,
        generator.uniform(-0.02, 0.22),
        generator.uniform(0.38, 0.46),
        generator.uniform(0.27, 0.32),
    )
    # Centred and larger, as a shop would photograph them.
    return Garment(
        [Part(p.points * 1.2 + (0, 0.4), p.fill, p.grain, p.shade, p.edge) for p in made.parts],
        [Seam(s.points * 1.2 + (0, 0.4), s.width, s.shade) for s in made.seams],
    )


def skirt(generator: np.random.Generator) -> Garment:
    """A waistband and a panel that is straight, flared or pleated."""
    draw = generator.uniform
    top, hem, waist, flare = -0.68, draw(0.25, 0.8), draw(0.3, 0.36), draw(0.42, 0.82)
    side = outline([(waist, top + 0.12), ((waist + flare) / 2 + 0.06, top + 0.5), (flare, hem)], closed=False)
    panel = symmetric(np.concatenate([[(0, top + 0.12)], side, [(flare * 0.5, hem + 0.06), (0, hem + 0.08)]]))
    waistband = symmetric(polygon((waist * 0.98, top), (waist * 1.02, top + 0.13)))
    count = int(generator.choice([2, 5, 9]))
    pleats = [
        Seam(polygon((waist * t, top + 0.14), (flare * t * 0.98, hem + 0.04)), 0.018, 0.74)
        for t in np.linspace(-0.8, 0.8, count)
    ]
    return Garment(
        [Part(panel), Part(waistband, "trim"), Part(ellipse(0, top + 0.065, 0.03, 0.03), "button")], pleats
    )
