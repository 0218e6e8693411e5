"""Bad filters and detectors at the command line: one sentence, exit code 2, and nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_recipes import save, small

Refused = Callable[..., str]
CONTRASTIVE = {"preset": "contrastive", "encoder": "test_efficientnet"}
UNET = {"preset": "unet", "width": 4, "levels": 2}

BAD: list[tuple[str, Any, str]] = [
    ("unknown filter", {"filter": "jpge"}, "did you mean 'jpeg'?"),
    ("unknown preset", "reconstrct", "did you mean 'reconstruct'?"),
    ("no part", {"filter": None}, "neither filter nor detector"),
    ("no filter", {"detector": CONTRASTIVE}, "there is no filter; add filter:"),
    ("no network", {"filter": "jpeg", "detector": CONTRASTIVE}, "'jpeg' does not"),
    ("over nothing", {"filter": "jpeg", "over": "at"}, "which is no training defense here"),
    ("over a guard", {"filter": "jpeg", "over": "first"}, "which is no training defense here"),
    ("ranking", {"filter": UNET, "ranking": "ContentKNN"}, "its scores have no gradient"),
    ("evading", {"filter": "jpeg", "knowledge": "evading"}, "has no detector that could be evaded"),
    ("draws", {"filter": "resize_pad", "draws": 0}, "draws"),
    ("tries", {"filter": "jpeg", "tries": 0}, "tries"),
    ("level", {"filter": "jpeg", "quality": 40}, "write filter: {preset: jpeg, quality: ...}"),
    ("idle", {"filter": "jpeg", "filter_training": {"pgd_steps": 3}}, "take it out"),
    ("few pictures", {"detector": {"preset": "squeezing", "fpr": 0.01}}, "validate on at least 100 pictures"),
    ("stages", {"filter": UNET, "filter_training": {"perceptual_stages": [7]}}, "has no stage 7"),
    ("encoder", {"filter": UNET, "detector": {**CONTRASTIVE, "encoder": "resnt18"}}, "unknown backbone"),
    ("weights", {"filter": {**UNET, "weights": "other.safetensors"}}, "is not a saved filter"),
    ("no weights", {"filter": {**UNET, "weights": "gone.safetensors"}}, "there is no file"),
]


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(("entry", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_guard_is_refused_in_one_sentence(
    refused: Refused, tmp_path: Path, command: str, entry: Any, words: str
) -> None:
    save_file({"nothing": torch.zeros(1)}, tmp_path / "other.safetensors")
    first = {"name": "first", "filter": "median"}
    path, out = save(small(defenses=["none", first, entry]), tmp_path / "bad.yml"), tmp_path / "out"
    said = refused(command, path, "-o", out)
    assert said.startswith(f"error: {path}:")
    assert "defenses[2]" in said
    assert words in said
    assert not list(out.rglob("*.safetensors"))
    assert not (out / "results.json").exists()
