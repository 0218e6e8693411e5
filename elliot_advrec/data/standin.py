"""A small drawn data set in the very layout of DeepFashion's Category and Attribute Prediction benchmark.

It lets everything that reads the real archive (Liu et al. 2016) be run and tested without it: the same files,
headers, counts, label order and places, including what makes cleaning necessary. The names of categories are
the real ones; of the 1,000 attributes the drawn textures have real names and the rest are numbered fillers.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from elliot_advrec.data.garments import FAMILIES, SHAPES, TEXTURES, Design, design, snapshot
from elliot_advrec.data.standin_lists import ATTRIBUTE_TYPES, CATEGORIES, FABRICS, Row, write_lists
from elliot_advrec.errors import UserError
from elliot_advrec.files import disk_error
from elliot_advrec.seeding import stream_seed

_DRAWN_AS = {
    "dress": ("Dress", "Sundress"), "t-shirt": ("Tee", "Jersey"), "trousers": ("Jeans", "Chinos"),
    "sweater": ("Sweater", "Turtleneck"), "skirt": ("Skirt",), "shirt": ("Button-Down", "Flannel"),
    "shorts": ("Shorts", "Cutoffs"), "coat": ("Coat", "Peacoat"),
    "tank top": ("Tank",), "hoodie": ("Hoodie",),
}  # fmt: skip
_PLACE = {name: place for place, (name, _) in enumerate(CATEGORIES, 1)}
_NEAR_DUPLICATES, _WITHOUT_TEXTURE, _PER_STYLE = 0.04, 0.08, 5
_PARTITION = (("train", 0.7), ("val", 0.15), ("test", 0.15))


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
        write_lists(temporary, list(_images(temporary / "Img", items, seed, size)))
        temporary.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        temporary.replace(folder)
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def _images(root: Path, items: int, seed: int, size: int) -> Iterator[Row]:
    """Draws and saves every image below ``root`` and gives its row."""
    usable = [name for name in SHAPES if name in _DRAWN_AS]
    originals: list[tuple[Row, Path]] = []
    for number in range(items):
        generator = np.random.default_rng(stream_seed(seed, "photo", number))
        partition = str(generator.choice([p for p, _ in _PARTITION], p=[share for _, share in _PARTITION]))
        if originals and generator.random() < _NEAR_DUPLICATES:
            original, source = originals[generator.integers(len(originals))]
            name = _name(original.name.split("/")[1], number)
            with Image.open(source) as seen:
                _save(root / name, seen.point(lambda value: min(255, value + 3)), quality=72)
            yield Row(name, original.category, original.attributes, original.box, partition)
            continue
        drawn = _of(usable, seed, number)
        labels = _DRAWN_AS[drawn.category]
        label = labels[generator.integers(len(labels))]
        name = _name(f"{drawn.colour.title()}_{drawn.textures[0].title().replace(' ', '_')}_{label}", number)
        image, box = snapshot(drawn, size, generator)
        _save(root / name, image, quality=92)
        row = Row(name, _PLACE[label], _attributes(drawn, generator), box, partition)
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
        if name in FABRICS:
            values[textures + FABRICS[name]] = 1
    return values


def _save(path: Path, image: Image.Image, quality: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=quality)
