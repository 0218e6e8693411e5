"""Weights, guards, features and results: damaged files, other files by their names, pickles with code."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import save_file

from benchmarks.faults.bytes_and_values import VALUES, damaged, damaged_text
from benchmarks.faults.trial import Tally, Trials, Wrong, attempt
from elliot_advrec import report
from elliot_advrec.data.features import Manifest, open_features
from elliot_advrec.data.features.base import read_matrix
from elliot_advrec.data.features.partitioned import read_partitioned
from elliot_advrec.detectors.squeezing import Squeezing, SqueezingConfig
from elliot_advrec.extractors import checkpoint
from elliot_advrec.extractors.backbone import load_file
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.filters import FILTERS
from elliot_advrec.guards import Guard

BACKBONE = "test_efficientnet"
IDS = [str(number) for number in range(8)]


class Code:
    """A pickle of it makes a folder when it is loaded by Python's own loader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def run(trials: Trials, folder: Path, output: Path) -> Tally:
    """Files of each kind in turn.

    Args:
        trials: which.
        folder: for the files.
        output: of a finished run, whose results are damaged in a copy.
    """
    tally = Tally("checkpoints")
    owned = folder / "owned"
    kinds = _written(folder, output)
    whole = {path: path.read_bytes() for path, _ in kinds}
    for number in trials.numbers():
        chance = trials.random(tally.kind, number)
        path, reader = kinds[number % len(kinds)]
        path.write_bytes(_spoilt(whole[path], path, owned, chance))
        attempt(tally, number, lambda reader=reader: reader())
        if owned.exists():
            tally.lost.append((number, f"code in {path.name} ran"))
            owned.rmdir()
        path.write_bytes(whole[path])
    return tally


def _spoilt(data: bytes, path: Path, owned: Path, chance: Any) -> bytes:
    how = chance.randrange(8)
    if how == 0:
        return pickle.dumps(Code(owned))
    if how == 1:
        torch.save({"weight": torch.zeros(2), "more": Code(owned)}, path)
        return path.read_bytes()
    if how == 2:
        with path.open("wb") as stream:
            header = {"descr": "|O", "fortran_order": False, "shape": (6,)}
            np.lib.format.write_array_header_1_0(stream, header)
            pickle.dump(Code(owned), stream)
        return path.read_bytes()
    if path.suffix == ".json":
        if how < 6:
            return _other_value(json.loads(data), chance)
        return damaged_text(data.decode("utf-8"), chance, ",")
    return damaged(data, chance)


def _other_value(tree: Any, chance: Any) -> bytes:
    """JSON with a value somewhere that nobody expects."""
    place, key = tree, None
    holder = tree
    while isinstance(place, dict | list) and place:
        holder = place
        key = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
        place = place[key]
        if chance.random() < 0.3:
            break
    if key is not None:
        holder[key] = chance.choice(VALUES)
    text: str = json.dumps(tree)
    return text.encode()


def _written(folder: Path, output: Path) -> list[tuple[Path, Callable[[], object]]]:
    """A whole file of each kind, and what reads it."""
    model = timm.create_model(BACKBONE, num_classes=0)
    torch.save(model.state_dict(), folder / "w.pth")
    save_file(model.state_dict(), folder / "w.safetensors")
    checkpoint.write(folder / "header.safetensors", {"a": torch.zeros(3)}, {"a": 1})
    checkpoint.keep(folder / "state.safetensors", {"a": torch.arange(300.0)}, {"epoch": 1})
    extractor = Extractor(ExtractorSettings(backbone=BACKBONE), image_size=24, seed=0)
    extractor.save(folder / "extractor.safetensors")
    guard = folder / "guard"
    kind = FILTERS.get("median")
    Guard(
        kind(kind.config_class()), Squeezing(SqueezingConfig(threshold=0.1)), 24, extractor=extractor.eval()
    ).save(guard)
    values = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    np.save(folder / "f.npy", values)
    Manifest(ids=IDS, dim=4).save(folder / "f.json")
    np.savez(folder / "f.npz", ids=np.array(IDS), values=values)
    (folder / "features").mkdir()
    for row, each in enumerate(values):
        np.save(folder / "features" / f"{row}.npy", each)
    (folder / "f.b").write_bytes(b"".join(b"%010d" % row + bytes(4 * 4096) for row in range(3)))
    (folder / "dvbpr.npy").write_bytes((folder / "f.npy").read_bytes())
    copy = folder / "output"
    copy.mkdir()
    for name in ("results.json", "exhibits.npz"):
        shutil.copy(output / name, copy / name)
    return [
        (folder / "w.pth", lambda: _backbone(folder / "w.pth")),
        (folder / "w.safetensors", lambda: _backbone(folder / "w.safetensors")),
        (folder / "header.safetensors", lambda: checkpoint.read(folder / "header.safetensors")),
        (folder / "state.safetensors", lambda: _state(folder / "state.safetensors")),
        (folder / "extractor.safetensors", lambda: Extractor.load(folder / "extractor.safetensors")),
        (guard / "guard.json", lambda: Guard.load(guard)),
        (guard / "extractor.safetensors", lambda: Guard.load(guard)),
        (folder / "f.npy", lambda: _features(folder / "f.npy")),
        (folder / "f.json", lambda: _features(folder / "f.npy")),
        (folder / "f.npz", lambda: _features(folder / "f.npz")),
        (folder / "f.b", lambda: _features(folder / "f.b")),
        (folder / "features" / "3.npy", lambda: _features(folder / "features")),
        (folder / "dvbpr.npy", lambda: read_partitioned(folder / "dvbpr.npy")),
        (copy / "results.json", lambda: _reported(copy)),
        (copy / "exhibits.npz", lambda: _reported(copy)),
    ]


def _backbone(path: Path) -> None:
    load_file(timm.create_model(BACKBONE, num_classes=0), path, BACKBONE)


def _state(path: Path) -> None:
    found = checkpoint.kept(path)
    if found is not None and not torch.equal(found[0]["a"], torch.arange(300.0)):
        raise Wrong("a changed state was taken")


def _features(path: Path) -> None:
    found = read_matrix(open_features(path, numbered=path.is_dir()), IDS)
    if not np.isfinite(found.values).all():
        raise Wrong("numbers that are none")


def _reported(folder: Path) -> None:
    results, arrays = report.load(folder)
    for path in report.write(folder, results, arrays):
        text = path.read_text("utf-8")
        if "\x1b" in text or "<script>alert" in text:
            raise Wrong(f"{path.name} holds what steers a terminal or a page")
