"""Guards that are quick, and folders of pictures to scan."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from filter_contract import make
from pictures import BAD, UNUSUAL, drawn

from elliot_advrec.detectors.contrastive import Contrastive, ContrastiveConfig
from elliot_advrec.detectors.squeezing import Squeezing, SqueezingConfig
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.guards import Guard

SIZE = 24


def contrastive(threshold: float | None = 0.05, **settings: Any) -> Contrastive:
    given = {"encoder": "test_efficientnet", "projection": 8, "threshold": threshold, **settings}
    return Contrastive(ContrastiveConfig.model_validate(given), image_size=SIZE)


def extractor(size: int = SIZE, seed: int = 0) -> Extractor:
    return Extractor(ExtractorSettings(backbone="test_efficientnet"), image_size=size, seed=seed).eval()


def guard(kind: str = "plain") -> Guard:
    """One of each kind of guard, with a fixed threshold."""
    if kind == "plain":
        return Guard(make("median"), contrastive(), SIZE)
    if kind == "learned":
        return Guard(make("reconstruction", resize_pad=True), contrastive(), SIZE, seed=3)
    if kind == "random":
        return Guard(make("gaussian", sigma=0.1), contrastive(), SIZE, seed=3)
    if kind == "embedding":
        return Guard(
            make("unet"),
            Squeezing(SqueezingConfig(threshold=0.01)),
            SIZE,
            extractor=extractor(),
            about={"recipe": "r"},
        )
    if kind == "filter":
        return Guard(make("jpeg"), None, SIZE)
    assert kind == "detector"
    return Guard(None, Squeezing(SqueezingConfig(threshold=0.01)), SIZE, extractor=extractor())


KINDS = ("plain", "learned", "random", "embedding", "filter", "detector")


def saved(folder: Path, kind: str = "plain") -> Path:
    guard(kind).save(folder)
    return folder


def shop(root: Path, good: int = 20) -> Path:
    """Ordinary pictures of several sizes in two folders, with other files beside them."""
    for number in range(good):
        path = root / ("shoes" if number % 2 else "shirts/summer") / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn(number, 24 + 8 * (number % 4)).save(path)
    (root / "notes.txt").write_text("no picture")
    return root


def unusual(root: Path) -> Path:
    """Every kind of picture that can be used, and every kind that cannot."""
    root.mkdir(parents=True, exist_ok=True)
    for name, write in UNUSUAL.items():
        write(root / name)
    for name, (spoil, _) in BAD.items():
        spoil(root / name)
    return root


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a verdicts.tsv."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
