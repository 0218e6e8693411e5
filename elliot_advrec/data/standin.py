"""A small drawn data set in the very layout of DeepFashion's Category and Attribute Prediction benchmark.

It lets everything that reads the real archive (Liu et al. 2016) be run and tested without it: the same files,
headers, counts, label order and places, including what makes cleaning necessary. The names of categories are
the real ones; of the 1,000 attributes the drawn textures have real names and the rest are numbered fillers.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from elliot_advrec.data.garments import FAMILIES, SHAPES, TEXTURES, Design, design, snapshot
from elliot_advrec.errors import UserError
from elliot_advrec.files import disk_error
from elliot_advrec.seeding import stream_seed

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
_DRAWN_AS = {
    "dress": ("Dress", "Sundress"), "t-shirt": ("Tee", "Jersey"), "trousers": ("Jeans", "Chinos"),
    "sweater": ("Sweater", "Turtleneck"), "skirt": ("Skirt",), "shirt": ("Button-Down", "Flannel"),
    "shorts": ("Shorts", "Cutoffs"), "coat": ("Coat", "Peacoat"),
    "tank top": ("Tank",), "hoodie": ("Hoodie",),
}  # fmt: skip
_PLACE = {name: place for place, (name, _) in enumerate(CATEGORIES, 1)}
_FABRIC_OF = {"denim": 0, "knit": 1}
_NEAR_DUPLICATES, _WITHOUT_TEXTURE, _PER_STYLE = 0.04, 0.08, 5
_PARTITION = (("train", 0.7), ("val", 0.15), ("test", 0.15))


@dataclass(frozen=True)
class _Row:
    """One image: where it is, what it shows, and where in it."""

    name: str
    category: int
    attributes: np.ndarray
    box: tuple[int, int, int, int]
    partition: str


def write_deepfashion(folder: Path, *, items: int = 600, seed: int = 1, size: int = 160) -> None:
    """Write a drawn stand-in for DeepFashion to ``folder``: ``Anno/``, ``Eval/`` and ``Img/img/``.

    About one image in twenty-five is a near duplicate of an earlier one (re-encoded, a little lighter), and
    one in twelve has no texture label. The folder appears all at once, when it is complete.

    Args:
        folder: must not exist, or be empty.
        items: number of images, at least 1.
        seed: decides all of it.
        size: height of an image in pixels, at least 32; the garment takes half to most of it.

    Raises:
        UserError: the folder is not empty or cannot be written, or a number is out of range.
    """
    if items < 1 or size < 32:
        raise UserError(
            f"cannot draw {items} images of {size} pixels", remedy="at least 1 image of 32 pixels"
        )
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            "is not an empty folder", where=str(folder), remedy="name a folder that does not exist yet"
        )
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        _write_lists(temporary, list(_images(temporary / "Img", items, seed, size)))
        temporary.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        temporary.replace(folder)
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def attribute_names() -> list[tuple[str, int]]:
    """The 1,000 (name, type) by type; within one, what is drawn comes first and fillers follow."""
    names = []
    for kind, count in ATTRIBUTE_TYPES.items():
        known = list(TEXTURES) if kind == 1 else list(_FABRIC_OF) if kind == 2 else []
        # The real file has the fabrics under names of their own, and no name twice.
        known = [f"{name} fabric" if kind == 2 else name for name in known]
        known += [f"{_KINDS[kind]} filler {place}" for place in range(len(known) + 1, count + 1)]
        names += [(name, kind) for name in known]
    return names


def _images(root: Path, items: int, seed: int, size: int) -> Iterator[_Row]:
    """Draws and saves every image below ``root`` and gives its row."""
    usable = [name for name in SHAPES if name in _DRAWN_AS]
    originals: list[tuple[_Row, Path]] = []
    for number in range(items):
        generator = np.random.default_rng(stream_seed(seed, "photo", number))
        partition = str(generator.choice([p for p, _ in _PARTITION], p=[share for _, share in _PARTITION]))
        if originals and generator.random() < _NEAR_DUPLICATES:
            original, source = originals[generator.integers(len(originals))]
            name = _name(original.name.split("/")[1], number)
            with Image.open(source) as seen:
                _save(root / name, seen.point(lambda value: min(255, value + 3)), quality=72)
            yield _Row(name, original.category, original.attributes, original.box, partition)
            continue
        drawn = _of(usable, seed, number)
        labels = _DRAWN_AS[drawn.category]
        label = labels[generator.integers(len(labels))]
        name = _name(f"{drawn.colour.title()}_{drawn.textures[0].title().replace(' ', '_')}_{label}", number)
        image, box = snapshot(drawn, size, generator)
        _save(root / name, image, quality=92)
        row = _Row(name, _PLACE[label], _attributes(drawn, generator), box, partition)
        originals.append((row, root / name))
        yield row


def _of(usable: Sequence[str], seed: int, number: int) -> Design:
    """A garment of a kind that DeepFashion has; shoes, hats and bags are drawn again as something else."""
    made = design(seed, number, categories=len(SHAPES), textures=len(TEXTURES), colours=len(FAMILIES))
    if made.category in usable:
        return made
    other = usable[stream_seed(made.stream, "category") % len(usable)]
    return Design(other, made.textures, made.colour, made.stream)


def _name(style: str, number: int) -> str:
    return f"img/{style}_{number // _PER_STYLE:04d}/img_{number % _PER_STYLE + 1:08d}.jpg"


def _attributes(drawn: Design, generator: np.random.Generator) -> np.ndarray:
    """(1000,) int8 of -1 (no), 0 (unknown), 1 (yes)."""
    values = np.full(sum(ATTRIBUTE_TYPES.values()), -1, np.int8)
    values[generator.random(len(values)) < 0.01] = 0
    textures = ATTRIBUTE_TYPES[1]
    values[:textures] = np.minimum(values[:textures], 0)
    if generator.random() >= _WITHOUT_TEXTURE:
        values[[list(TEXTURES).index(name) for name in drawn.textures]] = 1
    for name in drawn.textures:
        if name in _FABRIC_OF:
            values[textures + _FABRIC_OF[name]] = 1
    return values


def _save(path: Path, image: Image.Image, quality: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=quality)


def _write_lists(folder: Path, rows: Sequence[_Row]) -> None:
    """The six lists; each starts with its count and a header."""
    anno, width = folder / "Anno", max(len(row.name) for row in rows) + 2
    _list(
        anno / "list_category_cloth.txt",
        "category_name  category_type",
        [f"{name:<16}{kind}" for name, kind in CATEGORIES],
    )
    _list(
        anno / "list_attr_cloth.txt",
        "attribute_name  attribute_type",
        [f"{n:<32}{kind}" for n, kind in attribute_names()],
    )
    _list(
        anno / "list_category_img.txt",
        "image_name  category_label",
        [f"{row.name:<{width}}{row.category}" for row in rows],
    )
    _list(
        anno / "list_attr_img.txt",
        "image_name  attribute_labels",
        (
            f"{row.name:<{width}}" + " ".join(f"{value:>2}" for value in row.attributes.tolist())
            for row in rows
        ),
        count=len(rows),
    )
    _list(
        anno / "list_bbox.txt",
        "image_name  x_1  y_1  x_2  y_2",
        [f"{row.name:<{width}}" + "  ".join(f"{value:03d}" for value in row.box) for row in rows],
    )
    _list(
        folder / "Eval" / "list_eval_partition.txt",
        "image_name  evaluation_status",
        [f"{row.name:<{width}}{row.partition}" for row in rows],
    )


def _list(path: Path, header: str, lines: Sequence[str] | Iterator[str], count: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(f"{len(lines) if count is None else count}\n{header}\n")  # type: ignore[arg-type]
        stream.writelines(f"{line}\n" for line in lines)
