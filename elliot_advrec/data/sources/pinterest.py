"""Pinterest: boards and the images pinned to them, in the two forms that studies publish.

The archive of Geng, Zhang, Bian, Chua: Learning Image and User Features for Recommendation in Social
Networks, ICCV 2015 (``pinterest_iccv.zip``): ``subset_iccv_board_pins.bson`` (board_id, pins) and
``subset_iccv_pin_im.bson`` (pin_id, im_name, im_url); a board counts as a user, an image as an item. And the
numbered form of Tang et al.: Adversarial Training Towards Robust Multimedia Recommender System, TKDE 2020:
``pos.txt`` (user item) and ``neg.txt`` (row u: the test item of user u, then items that u has not).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from elliot_advrec.data.bad_images import EXTENSIONS
from elliot_advrec.data.sources.base import existing
from elliot_advrec.data.sources.image_shop import ImagesConfig, ImageShop
from elliot_advrec.data.sources.pairs import Collector, Pairs
from elliot_advrec.data.sources.pinterest_bson import documents
from elliot_advrec.data.sources.records import lines
from elliot_advrec.errors import UserError

BOARDS, IMAGES = "subset_iccv_board_pins.bson", "subset_iccv_pin_im.bson"
POSITIVES, TESTS = "pos.txt", "neg.txt"


class PinterestConfig(ImagesConfig):
    """Settings of the Pinterest source."""

    root: Path
    """Folder of the unpacked archive (the two .bson files), or of pos.txt and neg.txt."""


class Pinterest(ImageShop):
    """Pinterest: boards and pins (BSON of ICCV 2015, or pos.txt / neg.txt of AMR), images by image name."""

    config_class = PinterestConfig
    config: PinterestConfig

    def pairs(self) -> Pairs:
        """One row a pin of a board, or a line of pos.txt and the test item of each user; rating 1."""
        paths = self.files()
        return _boards(*paths) if paths[0].name == BOARDS else _numbered(paths)

    def files(self) -> list[Path]:
        """The files of whichever form the folder holds."""
        root = existing(self.resolve(self.config.root), folder=True)
        if (root / BOARDS).is_file():
            return [root / BOARDS, existing(root / IMAGES, folder=False)]
        if (root / POSITIVES).is_file():
            return [root / name for name in (POSITIVES, TESTS) if (root / name).is_file()]
        raise UserError(
            f"there is neither {BOARDS} nor {POSITIVES}",
            where=str(root),
            remedy="name the folder of the unpacked archive, or that of AMR's pos.txt",
        )


def _boards(boards: Path, images: Path) -> Pairs:
    image_of: dict[str, str] = {}
    for entry in documents(images):
        pin, name = (_field(entry, key, images) for key in ("pin_id", "im_name"))
        path = PurePosixPath(name)
        image_of[pin] = path.stem if path.suffix.lower() in EXTENSIONS else path.name
    found, lost = Collector(), 0
    for entry in documents(boards):
        board, pins = _field(entry, "board_id", boards), entry.get("pins")
        if not isinstance(pins, list):
            raise UserError(f"the board '{board}' has no list of pins", where=str(boards))
        for pin in pins:
            item = image_of.get(str(pin))
            if item is None:
                lost += 1
            else:
                found.add(board, item)
    return found.pairs(*([f"{boards.name}: {lost} pins without an entry in {images.name}"] if lost else []))


def _field(entry: dict[str, Any], key: str, path: Path) -> str:
    value = entry.get(key)
    if not isinstance(value, str | int) or value == "":
        raise UserError(
            f"a document has no '{key}'", where=str(path), remedy=f"its keys are {', '.join(entry)}"
        )
    return str(value)


def _numbered(paths: list[Path]) -> Pairs:
    found = Collector()
    for user, item in _rows(paths[0], 2):
        found.add(str(user), str(item))
    for path in paths[1:]:
        for number, row in enumerate(_rows(path, None)):
            found.add(str(number), str(row[0]))
    return found.pairs()


def _rows(path: Path, width: int | None) -> np.ndarray:
    """(rows, width) int64 of a file of whole numbers separated by blanks."""
    rows: list[list[int]] = []
    for number, line in lines(path):
        try:
            row = [int(word) for word in line.split()]
        except ValueError:
            raise UserError("the line holds what is no whole number", where=f"{path}:{number}") from None
        expected = width or (len(rows[0]) if rows else len(row))
        if len(row) != expected or min(row) < 0:
            raise UserError(
                f"the line must hold {expected} numbers from 0 up, got {len(row)}", where=f"{path}:{number}"
            )
        rows.append(row)
    if not rows:
        raise UserError("the file is empty", where=str(path))
    return np.array(rows, np.int64)
