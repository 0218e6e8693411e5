"""Interactions and annotations: tables with wrong cells, lines and bytes, read as a run reads them."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.bytes_and_values import damaged, damaged_text
from benchmarks.faults.trial import Tally, Trials, Wrong, attempt
from elliot_advrec.component import validate
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.matrices import build_folds
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.data.standin import write_deepfashion
from elliot_advrec.data.standin_amazon import META, RATINGS, REVIEWS, write_amazon

SPLIT = {"test_splitting": {"strategy": "random_subsampling", "leave_n_out": 1}}
ITEMS = [f"i{number}" for number in range(20)]


def interactions(trials: Trials, folder: Path) -> Tally:
    """A TSV of Elliot's, with and without a header, times and ratings, and with faults."""
    tally = Tally("interactions")
    nothing = np.full(len(ITEMS), -1, np.int64)
    catalog = Catalog(ITEMS, nothing, [], None, [], np.full(len(ITEMS), "train"), [])
    path = folder / "interactions.tsv"
    for number in trials.numbers():
        chance = trials.random(tally.kind, number)
        width = chance.choice([2, 3, 4, 4])
        rows = [
            [f"u{user}", item, str(chance.randint(1, 5)), str(1_000 + user)][:width]
            for user in range(12)
            for item in chance.sample(ITEMS, 6)
        ]
        head = [["user", "item", "rating", "timestamp"][:width]] if chance.random() < 0.4 else []
        text = "".join("\t".join(row) + "\n" for row in head + rows)
        path.write_bytes(damaged_text(text, chance))
        attempt(tally, number, lambda: _built(path, catalog))
    return tally


def _built(path: Path, catalog: Catalog) -> None:
    [[found]] = build_folds(path, catalog, SPLIT, seed=1)
    for part in (found.train, found.test):
        if part.shape != (len(found.users), len(catalog)) or not np.isfinite(part.data).all():
            raise Wrong(f"a matrix of {part.shape}, or numbers in it that are none")


def annotations(trials: Trials, folder: Path) -> Tally:
    """Manifests, DeepFashion's lists and Amazon's dumps, one file of them damaged at a time."""
    tally = Tally("annotations")
    fashion, amazon = folder / "deepfashion", folder / "amazon"
    write_deepfashion(fashion, items=30, size=32)
    write_amazon(amazon, items=30, size=32)
    (folder / "manifest.tsv").write_text(_manifest(fashion), "utf-8")
    lists = sorted([*fashion.rglob("*.txt"), *amazon.glob("*.gz"), amazon / RATINGS, folder / "manifest.tsv"])
    whole = {path: path.read_bytes() for path in lists}
    for number in trials.numbers():
        chance = trials.random(tally.kind, number)
        path = chance.choice(lists)
        path.write_bytes(_damaged(whole[path], path, chance))
        attempt(tally, number, lambda path=path: _read(path, folder))
        path.write_bytes(whole[path])
    shutil.rmtree(fashion)
    shutil.rmtree(amazon)
    return tally


def _manifest(fashion: Path) -> str:
    pictures = sorted(path.relative_to(fashion) for path in fashion.rglob("*.jpg"))
    lines = ["item\tpath\tcategory\tattributes\tsplit"]
    lines += [
        f"i{row}\tdeepfashion/{path}\t{('dress', 'hat')[row % 2]}\tred|blue\t{('train', 'test')[not row % 3]}"
        for row, path in enumerate(pictures)
    ]
    return "\n".join(lines) + "\n"


def _damaged(data: bytes, path: Path, chance: Any) -> bytes:
    if path.suffix != ".gz":
        separator = {".txt": " ", ".csv": ","}.get(path.suffix, "\t")
        return damaged_text(data.decode("utf-8"), chance, separator)
    if chance.random() < 0.4:
        return damaged(data, chance)
    separator = chance.choice([", ", ": ", "}"])
    return gzip.compress(damaged_text(gzip.decompress(data).decode("utf-8"), chance, separator))


def _read(path: Path, folder: Path) -> None:
    amazon = {"interactions": REVIEWS, "metadata": META, "images": "images"}
    if path.name == "manifest.tsv":
        source, root = _source("folder", {"manifest": "manifest.tsv"}, folder)
    elif "amazon" in path.parts:
        settings = amazon | ({"interactions": RATINGS} if path.name == RATINGS else {})
        source, root = _source("amazon", settings, folder / "amazon")
    else:
        source, root = _source("deepfashion", {"root": "."}, folder / "deepfashion")
    source.fingerprint()
    catalog: Catalog = source.catalog()
    if len(set(catalog.ids)) != len(catalog.ids):
        raise Wrong("an id twice")
    for picture in catalog.pictures:
        if not Path(picture.path).resolve().is_relative_to(folder.resolve()):
            raise Wrong(f"{picture.path} lies outside of {root}")
    frame = source.interactions(catalog)
    if frame is not None:
        build_folds(frame, catalog, SPLIT, seed=1)


def _source(name: str, settings: dict[str, Any], root: Path) -> tuple[Any, Path]:
    kind = SOURCES.get(name)
    return kind(validate(kind.config_class, settings, name), root), root
