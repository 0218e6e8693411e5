"""``elliot data``: stand-ins and features, as a person calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Called
from tiny_recipes import save, small

from elliot_advrec.data.standin_amazon import META, RATINGS, REVIEWS, ROOT
from elliot_advrec.recipe import load, presets

Elliot = Callable[..., Called]
Refused = Callable[..., str]
EXTRACTOR = {"backbone": "test_efficientnet", "training": {"epochs": 1}}


@pytest.fixture(scope="module")
def amazon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from elliot_advrec.data.standin_amazon import write_amazon

    folder = tmp_path_factory.mktemp("amazon") / "raw"
    write_amazon(folder, items=60, size=32)
    return folder


def recipe(folder: Path, root: Path, **catalog: Any) -> Path:
    settings = {
        "source": "amazon",
        "interactions": str(root / REVIEWS),
        "metadata": str(root / META),
        "images": str(root / "images"),
        "min_per_user": 3,
        "size": 32,
    }
    tiny = small(catalog=settings | catalog, extractor=EXTRACTOR, attacks=[{"preset": "fgsm", "eps": 0.05}])
    return save(tiny, folder / "amazon.yml")


def test_a_standin_of_amazon_runs(elliot: Elliot, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    called = elliot("data", "standin", "amazon", root, "--items", 40)
    assert (called.code, called.out) == (0, f"{root}\n"), called.err
    out = tmp_path / "out"
    done = elliot("run", recipe(tmp_path, root, interactions=str(root / RATINGS)), "-q", "-o", out)
    assert done.code == 0, done.err
    results = json.loads((out / "results.json").read_text("utf-8"))
    notes = "\n".join(results["notes"])
    assert "items were dropped because they have no image" in notes
    assert "filters (min_per_user 3, min_per_item 1) left" in notes
    assert "simulated" not in notes
    assert {row["metric"] for row in results["rows"]} >= {"HR", "nDCG", "success_rate"}


def test_an_unknown_layout_names_the_nearest(refused: Refused, tmp_path: Path) -> None:
    said = refused("data", "standin", "amazn", tmp_path / "x")
    assert said == "error: no stand-in for 'amazn'; did you mean 'amazon'? known: amazon, deepfashion"


@pytest.mark.parametrize("form", ["npy", "elliot"])
def test_extract_writes_features_and_says_where(
    elliot: Elliot, tmp_path: Path, amazon: Path, form: str
) -> None:
    out, given = tmp_path / "out", recipe(tmp_path, amazon)
    called = elliot("data", "extract", given, "--output", out, "--format", form, "--device", "cpu")
    assert called.code == 0, called.err
    name = "features.npy" if form == "npy" else "features"
    assert called.out == f"{out / name}\n"
    manifest = json.loads((out / "features.json").read_text("utf-8"))
    if form == "npy":
        assert np.load(out / name).shape == (len(manifest["ids"]), manifest["dim"])
    else:
        assert len(list((out / name).iterdir())) == len(manifest["ids"])
    again = elliot("data", "extract", given, "-o", out, "--format", form, "--quiet")
    assert (again.code, again.out, again.err) == (0, "", "")


def test_extract_refuses_what_it_cannot_do(refused: Refused, tmp_path: Path, amazon: Path) -> None:
    given, out = recipe(tmp_path, amazon), tmp_path / "out"
    said = refused("data", "extract", given, "-o", out, "--format", "npz")
    assert said == "error: unknown format 'npz'; did you mean 'npy'? known: elliot, npy"
    assert not out.exists()
    said = refused("data", "extract", given, "-o", out, "--defense", "cat")
    assert "the recipe has no training defense 'cat'; known: none" in said
    (tmp_path / "file").write_text("")
    assert "is a file, not a folder" in refused("data", "extract", given, "-o", tmp_path / "file")


@pytest.mark.parametrize(
    ("catalog", "words"),
    [
        ({"within": [f"{ROOT} > Mne"]}, "no item lies within"),
        ({"min_per_user": 99}, "the filters leave nothing"),
        ({"interactions": "nothing.gz"}, "no such file"),
        ({"min_user": 5}, "unknown key 'min_user'; did you mean 'min_per_user'?"),
        ({"metadata": None, "within": ["x"]}, "'within' needs 'metadata'"),
    ],
)
def test_bad_amazon_recipes_are_refused(
    refused: Refused, tmp_path: Path, amazon: Path, catalog: dict[str, Any], words: str
) -> None:
    said = refused("check", recipe(tmp_path, amazon, **catalog), "-o", tmp_path / "out")
    assert words in said


DATASETS = [name for name, _ in presets("datasets") if name.startswith(("amazon", "tradesy", "pinterest"))]


@pytest.mark.parametrize("name", DATASETS)
def test_every_preset_of_a_shop_is_valid(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELLIOT_ADVREC_DATA", "/data")
    catalog = load(save(small(catalog={"preset": name}), tmp_path / "r.yml")).adversarial.catalog
    assert catalog.kind == {"amazon_fashion": "dvbpr"}.get(name, name.split("_")[0])
    assert catalog.config.min_per_user == 5
    if name in ("amazon_men", "amazon_women"):
        assert catalog.config.within == (f"{ROOT} > {name.split('_')[1].title()}",)


def test_the_five_parts_of_amazon_have_presets() -> None:
    assert {f"amazon_{part}" for part in ("men", "women", "fashion", "clothing", "electronics")} < set(
        DATASETS
    )
