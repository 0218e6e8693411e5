"""The state of a training is taken as it was written, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from elliot_advrec.extractors import checkpoint

TENSORS = {
    "w": torch.arange(6.0).reshape(2, 3),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "step": torch.tensor(7),
    "none": torch.empty(0),
    "turned": torch.arange(6).reshape(2, 3).T,
}
HEADER = {"identity": {"lr": 0.1, "betas": [0.9, 0.999]}, "history": [{"epoch": 1, "loss": None}]}


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    checkpoint.keep(tmp_path / "s.safetensors", TENSORS, {**HEADER, "betas": (1, 2)})
    found = checkpoint.kept(tmp_path / "s.safetensors")
    assert found is not None
    tensors, header = found
    assert header == {**HEADER, "betas": [1, 2]}
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_nothing_kept_is_nothing(tmp_path: Path) -> None:
    assert checkpoint.kept(tmp_path / "s.safetensors") is None
    checkpoint.write(tmp_path / "s.safetensors", TENSORS, HEADER)  # a file of tensors, but no state
    assert checkpoint.kept(tmp_path / "s.safetensors") is None


def _edited(path: Path) -> None:
    with safe_open(path, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        metadata = stored.metadata()
    tensors["w"][1, 2] += 1
    save_file(tensors, path, metadata)


def _renamed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"loss', b'"lass').replace(b'\\"loss', b'\\"lass'))


def _other_sum(path: Path) -> None:
    save_file(TENSORS | {"turned": TENSORS["turned"].contiguous()}, path, {"json": json.dumps({"sha256": 3})})


@pytest.mark.parametrize("damage", [_edited, _renamed, _other_sum], ids=lambda damage: damage.__name__)
def test_what_was_changed_is_nothing(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "s.safetensors"
    checkpoint.keep(path, TENSORS, HEADER)
    before = path.read_bytes()
    damage(path)  # type: ignore[operator]
    assert path.read_bytes() != before
    assert checkpoint.kept(path) is None


def test_no_byte_can_change_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    checkpoint.keep(path, TENSORS, HEADER)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        found = checkpoint.kept(path)
        if found is not None:  # the header's own padding and the order of its keys hold nothing
            assert found[1] == HEADER
            assert all(torch.equal(found[0][name], TENSORS[name]) for name in TENSORS)
    for length in range(0, len(whole), 13):
        path.write_bytes(whole[:length])
        assert checkpoint.kept(path) is None
