"""Every shipped recipe plans on data in the real layout as it stands, and runs to its end when rehearsed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Called
from PIL import Image

from elliot_advrec.data.standin import write_deepfashion
from elliot_advrec.data.standin_amazon import write_amazon
from elliot_advrec.experiment.plan import Plan, make_plan
from elliot_advrec.recipe import load, recipe_path, recipes

Elliot = Callable[..., Called]
NAMES = [name for name, _ in recipes()]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all recipes: they share catalog and extractors."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in the layout that the recipes' sources read."""
    root = tmp_path_factory.mktemp("data")
    write_deepfashion(root / "deepfashion", items=300, size=48)
    write_amazon(root / "amazon", items=3600, size=32)  # detectors are calibrated on 100 at least
    rng = np.random.default_rng(0)
    for number in range(60):
        split, category = ("train", "validation", "test")[number % 3], ("shirt", "shoes")[number % 2]
        path = root / "clothing-small" / "images" / split / category / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    return root


@pytest.mark.parametrize("name", NAMES)
def test_it_plans_on_data_in_the_real_layout(
    name: str, data: Path, tmp_path: Path, elliot: Elliot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELLIOT_ADVREC_DATA", str(data))
    called = elliot("check", name, "--set", "adversarial.extractor.weights=none", "-o", tmp_path / "out")
    assert called.code == 0, called.err
    assert " cells" in called.out
    assert " stages, " in called.out


@pytest.mark.parametrize("name", NAMES)
def test_rehearsed_it_runs_to_its_end(name: str, store: Path, tmp_path: Path, elliot: Elliot) -> None:
    called = elliot("run", name, "--preset", "tiny", "--store", store, "-o", tmp_path / "out", "-q",
                    "--host", "embedded")  # fmt: skip
    assert called.code == 0, called.err
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    path = recipe_path(name)
    assert path is not None
    plan = make_plan(load(path, overlay="tiny"), "cpu")
    assert _attacked(results) == _cells(plan)
    ranked = {(row["defense"], row["recommender"]) for row in results["rows"] if row["metric"] == "nDCG"}
    for stage in plan.stages:
        if stage.kind == "recommender":
            assert (stage.tags["defense"], stage.tags["recommender"]) in ranked
    page = (tmp_path / "out" / "report.html").read_text()
    assert results["name"] in page
    assert (tmp_path / "out" / "exhibits.npz").is_file()


def _cells(plan: Plan) -> set[tuple[Any, ...]]:
    keys = ("defense", "threat", "attack", "eps", "seed")
    return {tuple(s.tags[key] for key in keys) for s in plan.stages if s.kind == "attack"}


def _attacked(results: dict[str, Any]) -> set[tuple[Any, ...]]:
    """The cells that have a success rate between 0 and 1 with its interval and n."""
    found = set()
    for row in results["rows"]:
        if row["metric"] == "success_rate" and not row["threat"].endswith("(poisoned)"):
            assert 0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1
            assert row["n"] > 0
            found.add(tuple(row[key] for key in ("defense", "threat", "attack", "eps", "seed")))
    return found
