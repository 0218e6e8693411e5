"""Tops without an opening at the front, and the shirt."""

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
from elliot_advrec.data.garments.tailoring import Cut, buttons, inside, nape, neckband, ribs, sleeves, trunk


def t_shirt(generator: np.random.Generator) -> Garment:
    """Short sleeves, a round or deeper neck with a narrow band."""
    draw = generator.uniform
    cut = Cut(
        hem=draw(0.62, 0.8), waist=draw(0.4, 0.46), hip=draw(0.42, 0.5), depth=draw(0.12, 0.26),
        sleeve=draw(0.32, 0.46), sleeve_angle=draw(40, 60), neck=draw(0.16, 0.22),
    )  # fmt: skip
    seams = [Seam(polygon((-cut.hip, cut.hem - 0.06), (cut.hip, cut.hem - 0.06)), 0.01, 0.8)]
    return Garment([inside(cut), *sleeves(cut), Part(trunk(cut)), neckband(cut, 0.05)], seams)


def shirt(generator: np.random.Generator) -> Garment:
    """Long or rolled sleeves with cuffs, a pointed collar, a placket with buttons, a chest pocket."""
    draw = generator.uniform
    cut = Cut(
        hem=draw(0.72, 0.86), waist=draw(0.4, 0.45), hip=draw(0.44, 0.5), depth=0.12, neck=0.17,
        sleeve=draw(0.75, 1.15), sleeve_angle=draw(64, 76), sleeve_width=0.22, taper=0.75,
    )  # fmt: skip
    top, spread = cut.top, draw(0.16, 0.24)
    flap = polygon(
        (0.01, top + 0.12), (0.17, top - 0.03), (spread + 0.03, top + 0.1), (spread * 0.6, top + 0.26)
    )
    parts = [inside(cut), *sleeves(cut, cuff=0.1), Part(trunk(cut))]
    parts += [
        Part(
            polygon((-0.04, top + 0.12), (0.04, top + 0.12), (0.04, cut.hem + 0.02), (-0.04, cut.hem + 0.02))
        )
    ]
    pocket = draw(0.2, 0.25)
    parts.append(
        Part(
            polygon(
                (0.12, -0.36),
                (0.12 + pocket, -0.36),
                (0.12 + pocket, -0.14),
                (0.12 + pocket / 2, -0.1),
                (0.12, -0.14),
            ),
            shade=0.95,
        )
    )
    parts += [Part(flap, "trim"), Part(mirrored(flap), "trim"), *buttons(0, top + 0.24, cut.hem - 0.1, 6)]
    return Garment(parts)


def tank_top(generator: np.random.Generator) -> Garment:
    """No sleeves, narrow straps, deep armholes."""
    draw = generator.uniform
    strap, neck = draw(0.07, 0.13), draw(0.17, 0.22)
    top, hem, chest, hip = -0.72, draw(0.6, 0.78), draw(0.37, 0.42), draw(0.38, 0.5)
    arm = outline(
        [
            (neck + strap, top),
            (neck + strap - 0.02, top + 0.3),
            (chest, top + 0.5),
            (chest - 0.03, 0.1),
            (hip, hem),
        ],
        closed=False,
    )
    depth = draw(0.28, 0.42)
    neckline = ellipse(0, top, neck, depth, 0, 90)[::-1]
    body = symmetric(np.concatenate([neckline, arm, [(0, hem + 0.03)]]))
    rim = band(ellipse(0, top, neck + 0.01, depth + 0.01, 0, 180), 0.04)
    return Garment(
        [nape(top, neck, depth), Part(body), Part(rim, "trim")],
        [Seam(polygon((-hip, hem - 0.05), (hip, hem - 0.05)))],
    )


def sweater(generator: np.random.Generator) -> Garment:
    """Long sleeves, ribbed cuffs, hem and neck; sometimes a roll neck."""
    draw = generator.uniform
    cut = Cut(
        hem=draw(0.6, 0.72), shoulder=0.46, chest=draw(0.47, 0.53), waist=draw(0.48, 0.54),
        hip=draw(0.44, 0.5), depth=draw(0.1, 0.16),
        sleeve=draw(1.0, 1.2), sleeve_angle=draw(64, 74), sleeve_width=0.27, taper=0.72, armpit=0.42,
    )  # fmt: skip
    rib = polygon(
        (-cut.hip, cut.hem - 0.1),
        (cut.hip, cut.hem - 0.1),
        (cut.hip * 0.95, cut.hem + 0.04),
        (-cut.hip * 0.95, cut.hem + 0.04),
    )
    parts = [
        inside(cut),
        *sleeves(cut, cuff=0.13),
        Part(trunk(cut)),
        Part(rib, "trim"),
        neckband(cut, 0.09),
    ]
    if draw() < 0.35:
        roll = symmetric(
            outline(
                [(0.15, cut.top - 0.14), (0.2, cut.top - 0.1), (0.21, cut.top + 0.08), (0.1, cut.top + 0.14)],
                closed=False,
            )
        )
        parts.append(Part(roll, "trim"))
    return Garment(parts, ribs(-cut.hip * 0.92, cut.hip * 0.92, cut.hem - 0.09, cut.hem + 0.03, 17))
