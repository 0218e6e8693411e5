"""A guard's folder: written whole, read back to the same verdicts, refused where it is something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from filter_contract import make
from pictures import drawn
from safetensors.torch import load_file, save_file
from tiny_guards import KINDS, SIZE, contrastive, extractor, guard, saved

from elliot_advrec.errors import UserError
from elliot_advrec.filters import FILTERS, Filter
from elliot_advrec.filters.reconstruction import Reconstruction, ReconstructionConfig
from elliot_advrec.guards import Guard
from elliot_advrec.guards import folder as folders

FILES = {
    "plain": {"detector.safetensors"},
    "learned": {"filter.safetensors", "detector.safetensors"},
    "random": {"detector.safetensors"},
    "embedding": {"filter.safetensors", "extractor.safetensors"},
    "filter": set(),
    "detector": {"extractor.safetensors"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    found = guard(kind)
    digest = found.save(tmp_path / "guard")
    assert {path.name for path in (tmp_path / "guard").iterdir()} == {"guard.json", *FILES[kind]}
    again = Guard.load(str(tmp_path / "guard"))
    pictures = [drawn(number, 30) for number in range(6)]
    once, twice = found.check(pictures, cleaned=True), again.check(pictures, cleaned=True)
    assert once == twice
    for one, other in zip(once, twice, strict=True):
        assert one.cleaned is not None
        assert other.cleaned is not None
        assert one.cleaned.tobytes() == other.cleaned.tobytes()
    assert again.digest == found.digest == digest
    assert (again.image_size, again.seed) == (SIZE, found.seed)
    # What is read is what is written again.
    assert again.save(tmp_path / "copy") == digest


def test_the_record_says_where_it_comes_from(tmp_path: Path) -> None:
    saved(tmp_path, "embedding")
    record = json.loads((tmp_path / "guard.json").read_text("utf-8"))
    assert record["format"] == "elliot_advrec guard 1"
    assert record["about"]["recipe"] == "r"
    assert record["about"]["extractor"] == extractor().digest()
    assert set(record["about"]["versions"]) == {"elliot_advrec", "timm", "torch"}
    assert record["detector"]["type"] == "squeezing"
    assert record["detector"]["threshold"] == 0.01
    assert Guard.load(tmp_path).about["recipe"] == "r"


def test_a_calibrated_threshold_and_first_weights_from_a_file(tmp_path: Path) -> None:
    weights = tmp_path / "first.safetensors"
    config = ReconstructionConfig(width=8, blocks=1, heads=2, tokens=6)
    Reconstruction(config, seed=5).save(weights)
    learned = Reconstruction(config.model_copy(update={"weights": str(weights)}))
    found = Guard(learned, contrastive(None, fpr=0.1), SIZE)
    with pytest.raises(UserError, match="has no threshold yet"):
        found.save(tmp_path / "guard")
    found.calibrate([(torch.rand(20, 3, SIZE, SIZE), [str(number) for number in range(20)])])
    found.save(tmp_path / "guard")
    weights.unlink()
    assert Guard.load(tmp_path / "guard").threshold == found.threshold
    found.calibrate([(torch.rand(20, 3, SIZE, SIZE), [str(number) for number in range(20)])])
    assert found.digest is None  # it is another guard now


def test_another_guard_takes_the_place_of_the_first(tmp_path: Path) -> None:
    saved(tmp_path, "embedding")
    saved(tmp_path, "filter")
    assert {path.name for path in tmp_path.iterdir()} == {"guard.json"}
    assert Guard.load(tmp_path).detector is None


def test_a_guard_that_was_written_by_half_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, "learned")

    def fails(path: Path, value: Any) -> None:
        raise UserError("the disk is full", where=str(path))

    monkeypatch.setattr(folders, "write_json", fails)
    with pytest.raises(UserError, match="the disk is full"):
        guard("learned").save(tmp_path)
    with pytest.raises(UserError, match="is not a guard; name a folder that `elliot guard fit` wrote"):
        Guard.load(tmp_path)


def test_folders_that_hold_no_guard(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no guard"):
        Guard.load(tmp_path / "none")
    with pytest.raises(UserError, match="is not a guard"):
        Guard.load(tmp_path)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(UserError, match="there is no guard"):
        Guard.load(file)
    with pytest.raises(UserError, match="cannot be written"):
        guard("filter").save(file)
    (tmp_path / "guard.json").mkdir()
    with pytest.raises(UserError, match=r"guard\.json: cannot be read \(Is a directory\)"):
        Guard.load(tmp_path)
    with pytest.raises(UserError, match="cannot be written"):
        guard("filter").save(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "\udcff\udcfe"])
def test_a_damaged_record(text: str, tmp_path: Path) -> None:
    (tmp_path / "guard.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"guard\.json: is damaged; fit or copy the guard again"):
        Guard.load(tmp_path)


def edit(folder: Path, *, sign: bool = True, **changes: Any) -> None:
    """Change ``guard.json``; ``sign``: with a digest that fits, as somebody who knows the format would."""
    content = {**json.loads((folder / "guard.json").read_text("utf-8")), **changes}
    if sign:
        del content["digest"]
        content["digest"] = folders._digest(content)
    (folder / "guard.json").write_text(json.dumps(content), "utf-8")


def test_a_changed_record(tmp_path: Path) -> None:
    saved(tmp_path, "learned")
    record = json.loads((tmp_path / "guard.json").read_text("utf-8"))
    edit(tmp_path, sign=False, detector={**record["detector"], "threshold": 1.0})
    with pytest.raises(UserError, match=r"guard\.json: was damaged or changed since it was written"):
        Guard.load(tmp_path)
    for number in ("NaN", "1e999"):
        text = json.dumps({**record, "seed": 12345}).replace("12345", number)
        (tmp_path / "guard.json").write_text(text, "utf-8")
        with pytest.raises(UserError, match=r"guard\.json: was damaged or changed"):
            Guard.load(tmp_path)
    (tmp_path / "guard.json").write_text(json.dumps(record), "utf-8")
    edit(tmp_path, format="elliot_advrec guard 2")
    with pytest.raises(
        UserError, match=r"format 'elliot_advrec guard 2', this version reads '.* 1'; fit it again"
    ):
        Guard.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filter": {"type": "reconstuction", "config": {}}}, "unknown filter 'reconstuction'; did you mean"),
        ({"filter": {"type": "jpeg", "config": {"quality": 900}}}, r"filter\.config\.quality: .*at most 95"),
        ({"filter": {"type": "unet", "config": {}}}, "holds a Reconstruction, not a UNet"),
        ({"filter": None}, "Contrastive needs the pipeline's filter"),
        ({"detector": {"type": "squeezing", "config": {}, "threshold": 0.1}}, "needs the pipeline's embed"),
        ({"detector": {"type": "contrastive", "config": {}}}, "'threshold' is missing"),
        ({"image_size": 2}, "'image_size' must be at least 8"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"files": {"../../weights": "0"}}, "guard.json"),
        ({"files": {}}, "holds no weights of its filter"),
        ({"filter": None, "detector": None}, "a guard needs a filter or a detector"),
    ],
)
def test_a_record_that_does_not_fit(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    edit(saved(tmp_path, "learned"), **changes)
    with pytest.raises(UserError, match=words):
        Guard.load(tmp_path)


def test_missing_and_changed_weights(tmp_path: Path) -> None:
    path = saved(tmp_path, "learned") / "filter.safetensors"
    whole = path.read_bytes()
    for spoilt in (whole[:-100], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        path.write_bytes(spoilt)
        with pytest.raises(UserError, match=r"filter\.safetensors: was damaged or changed"):
            Guard.load(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"filter\.safetensors: is missing; fit or copy"):
        Guard.load(tmp_path)
    path.mkdir()
    with pytest.raises(UserError, match=r"filter\.safetensors: cannot be read"):
        Guard.load(tmp_path)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    path = saved(tmp_path, "learned") / "filter.safetensors"
    tensors, header = load_file(path), folders_header(path)
    save_file({**tensors, "more": torch.zeros(1)}, str(path), metadata=header)
    files = json.loads((tmp_path / "guard.json").read_text("utf-8"))["files"]
    edit(tmp_path, files={**files, path.name: folders.sha256(path)})
    with pytest.raises(UserError, match="does not fit"):
        Guard.load(tmp_path)


def folders_header(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as stored:
        found: dict[str, str] = stored.metadata()
    return found


class Unknown(Filter):
    """In no registry."""

    def apply(self, pixels: torch.Tensor, streams: Any) -> torch.Tensor:
        return pixels


def test_a_part_that_no_registry_knows(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Unknown is no registered filter; .*elliot_advrec\.filters"):
        Guard(Unknown(), None, SIZE).save(tmp_path)
    assert FILTERS.name_of(type(make("median"))) == "median"


def test_a_full_disk(small_disk: Any) -> None:
    disk = small_disk(64)
    with pytest.raises(UserError, match="the disk is full"):
        guard("embedding").save(disk / "guard")
    assert not list(disk.rglob("*.tmp"))
