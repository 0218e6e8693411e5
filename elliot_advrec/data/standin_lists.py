"""The annotation lists of DeepFashion's Category and Attribute Prediction benchmark, as its files go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elliot_advrec.data.garments import TEXTURES

CATEGORIES: tuple[tuple[str, int], ...] = tuple(
    (name, kind)
    for kind, names in (
        (1, "Anorak Blazer Blouse Bomber Button-Down Cardigan Flannel Halter Henley Hoodie Jacket Jersey "
            "Parka Peacoat Poncho Sweater Tank Tee Top Turtleneck"),
        (2, "Capris Chinos Culottes Cutoffs Gauchos Jeans Jeggings Jodhpurs Joggers Leggings Sarong "
            "Shorts Skirt Sweatpants Sweatshorts Trunks"),
        (3, "Caftan Cape Coat Coverup Dress Jumpsuit Kaftan Kimono Nightdress Onesie Robe Romper Shirtdress "
            "Sundress"),
    )
    for name in names.split()
)  # fmt: skip
"""The 50 category names with their type: 1 upper body, 2 lower body, 3 full body."""

ATTRIBUTE_TYPES = {1: 156, 2: 218, 3: 216, 4: 180, 5: 230}
"""How many attributes there are of each type: texture, fabric, shape, part, style."""

_KINDS = {1: "texture", 2: "fabric", 3: "shape", 4: "part", 5: "style"}
FABRICS = {"denim": 0, "knit": 1}
"""Drawn textures that are fabrics too -> place among the attributes of that type."""


@dataclass(frozen=True)
class Row:
    """One image: where it is, what it shows, and where in it."""

    name: str
    category: int
    attributes: np.ndarray
    box: tuple[int, int, int, int]
    partition: str


def attribute_names() -> list[tuple[str, int]]:
    """The 1,000 (name, type) by type; within one, what is drawn comes first and fillers follow."""
    names = []
    for kind, count in ATTRIBUTE_TYPES.items():
        known = list(TEXTURES) if kind == 1 else list(FABRICS) if kind == 2 else []
        # The real file has the fabrics under names of their own, and no name twice.
        known = [f"{name} fabric" if kind == 2 else name for name in known]
        known += [f"{_KINDS[kind]} filler {place}" for place in range(len(known) + 1, count + 1)]
        names += [(name, kind) for name in known]
    return names


def write_lists(folder: Path, rows: Sequence[Row]) -> None:
    """The six lists; each starts with its count and a header."""
    anno, width = folder / "Anno", max(len(row.name) for row in rows) + 2
    names = attribute_names()
    _list(
        anno / "list_category_cloth.txt",
        "category_name  category_type",
        len(CATEGORIES),
        [f"{name:<16}{kind}" for name, kind in CATEGORIES],
    )
    _list(
        anno / "list_attr_cloth.txt",
        "attribute_name  attribute_type",
        len(names),
        [f"{n:<32}{kind}" for n, kind in names],
    )
    _list(
        anno / "list_category_img.txt",
        "image_name  category_label",
        len(rows),
        [f"{row.name:<{width}}{row.category}" for row in rows],
    )
    _list(
        anno / "list_attr_img.txt",
        "image_name  attribute_labels",
        len(rows),
        # One at a time: each has a thousand attributes.
        (
            f"{row.name:<{width}}" + " ".join(f"{value:>2}" for value in row.attributes.tolist())
            for row in rows
        ),
    )
    _list(
        anno / "list_bbox.txt",
        "image_name  x_1  y_1  x_2  y_2",
        len(rows),
        [f"{row.name:<{width}}" + "  ".join(f"{value:03d}" for value in row.box) for row in rows],
    )
    _list(
        folder / "Eval" / "list_eval_partition.txt",
        "image_name  evaluation_status",
        len(rows),
        [f"{row.name:<{width}}{row.partition}" for row in rows],
    )


def _list(path: Path, header: str, count: int, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(f"{count}\n{header}\n")
        stream.writelines(f"{line}\n" for line in lines)
