"""A small drawn data set in the very files of Amazon's 2014 dump, and the features of VBPR beside them.

It lets everything that reads the real files (McAuley, Targett, Shi, van den Hengel, SIGIR 2015; He, McAuley,
WWW 2016) be run and tested without them: reviews as JSON lines, metadata as Python literals, ratings as CSV,
binary features, an image an item; with what makes filters necessary: users with few reviews, items without an
image and items of other parts of the shop.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from elliot_advrec.data.features.vbpr_binary import DIM, ID_BYTES
from elliot_advrec.data.sources.synthetic import Synthetic, SyntheticConfig
from elliot_advrec.errors import UserError
from elliot_advrec.files import disk_error
from elliot_advrec.seeding import stream_seed

NAME = "Clothing_Shoes_and_Jewelry"
ROOT = "Clothing, Shoes & Jewelry"
REVIEWS, META = f"reviews_{NAME}.json.gz", f"meta_{NAME}.json.gz"
RATINGS, FEATURES = f"ratings_{NAME}.csv", f"image_features_{NAME}.b"

_SHELVES = {
    "dress": ("Women", "Clothing", "Dresses"), "skirt": ("Women", "Clothing", "Skirts"),
    "t-shirt": ("Men", "Clothing", "Shirts"), "shirt": ("Men", "Clothing", "Shirts"),
    "sweater": ("Women", "Clothing", "Sweaters"), "hoodie": ("Men", "Clothing", "Hoodies"),
    "trousers": ("Men", "Clothing", "Pants"), "shorts": ("Men", "Clothing", "Shorts"),
    "coat": ("Women", "Clothing", "Coats, Jackets & Vests"), "tank top": ("Women", "Clothing", "Tops & Tees"),
}  # fmt: skip
_ELSEWHERE = ("Novelty, Costumes & More", "Novelty", "Clothing")
_SIDE = 64  # a picture of 64 x 64 grey values has as many numbers as VBPR's features
_WITHOUT_IMAGE, _WITHOUT_META = 0.03, 0.02
_FIRST_DAY, _DAYS, _DAY = 1_300_000_000, 1000, 86_400


def write_amazon(folder: Path, *, items: int = 600, seed: int = 1, size: int = 160) -> None:
    """Write a drawn stand-in for Amazon's clothes to ``folder``.

    Files: ``reviews_*.json.gz``, ``meta_*.json.gz``, ``ratings_*.csv``, ``image_features_*.b`` (4,096 grey
    values an item, not those of a network) and ``images/``. There are about as many users as items, with 2 to
    12 reviews each. The folder appears all at once, when it is complete.

    Args:
        folder: must not exist, or be empty.
        items: number of items, at least 20.
        seed: decides all of it.
        size: side of an image in pixels, at least 32.

    Raises:
        UserError: the folder is not empty or cannot be written, or a number is out of range.
    """
    if items < 20 or size < 32:
        raise UserError(
            f"cannot draw {items} images of {size} pixels", remedy="at least 20 images of 32 pixels"
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
        _write(temporary, items, seed, size)
        temporary.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        temporary.replace(folder)
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def _write(folder: Path, items: int, seed: int, size: int) -> None:
    settings = {"items": items, "users": items, "per_user": (2, 12), "seed": seed, "categories": 10}
    config = SyntheticConfig.model_validate(settings)
    source = Synthetic(config)
    catalog = source.catalog()
    generator = np.random.default_rng(stream_seed(seed, "amazon"))
    asins = [f"B{number:09d}" for number in generator.choice(10**9, items, replace=False)]
    asin_of = dict(zip(catalog.ids, asins, strict=True))
    (folder / "images").mkdir()
    pictured, known = (_all_but(items, share, generator) for share in (_WITHOUT_IMAGE, _WITHOUT_META))
    with (folder / FEATURES).open("wb") as features:
        for asin, picture, has in zip(asins, catalog.pictures, pictured, strict=True):
            if has:
                image = Image.fromarray(picture.load(size))
                image.save(folder / "images" / f"{asin}.jpg", quality=92)
                grey = np.asarray(image.convert("L").resize((_SIDE, _SIDE)), "<f4").reshape(DIM) / 255
                features.write(asin.ljust(ID_BYTES).encode() + grey.tobytes())
    names = [catalog.categories[number] for number in catalog.category]
    described = zip(asins, names, pictured, known, strict=True)
    _pack(folder / META, (repr(_meta(*each[:3])) for each in described if each[3]))
    frame = source.interactions(catalog)
    user_number = pd.factorize(frame["user"])[0]
    frame = frame.assign(
        user=[f"A{number * 7919 % 10**12:012d}X" for number in user_number],
        item=frame["item"].map(asin_of),
        rating=generator.integers(1, 6, len(frame)),
        timestamp=_FIRST_DAY + _DAY * generator.integers(0, _DAYS, len(frame)),
    )
    rows = list(frame[["user", "item", "rating", "timestamp"]].itertuples(index=False, name=None))
    _pack(folder / REVIEWS, (json.dumps(_review(*row)) for row in rows))
    lines = (f"{user},{item},{float(rating)},{timestamp}\n" for user, item, rating, timestamp in rows)
    (folder / RATINGS).write_text("".join(lines), "utf-8")


def _all_but(items: int, share: float, generator: np.random.Generator) -> np.ndarray:
    """(items,) bool, False for a share of them but at least for one."""
    held = np.ones(items, bool)
    held[generator.choice(items, max(1, round(share * items)), replace=False)] = False
    return held


def _pack(path: Path, lines: Iterable[str]) -> None:
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream:
        stream.writelines(f"{line}\n".encode() for line in lines)


def _meta(asin: str, name: str, pictured: bool) -> dict[str, Any]:
    shelf = _SHELVES.get(name, _ELSEWHERE)
    record: dict[str, Any] = {
        "asin": asin,
        "title": f"A drawn {name}",
        "categories": [[ROOT, *shelf], [ROOT, *_ELSEWHERE]],
        "description": f'It\'s a {name}, as good as "new".',
    }
    if pictured:
        record["imUrl"] = f"http://images.example/{asin}.jpg"
    return record


def _review(user: str, item: str, rating: int, timestamp: int) -> dict[str, Any]:
    return {
        "reviewerID": user,
        "asin": item,
        "reviewerName": f"Drawn {user[-4:]}",
        "helpful": [0, 0],
        "reviewText": "Fits as drawn.",
        "overall": float(rating),
        "summary": "Drawn",
        "unixReviewTime": int(timestamp),
        "reviewTime": pd.Timestamp(int(timestamp), unit="s").strftime("%m %d, %Y"),
    }
