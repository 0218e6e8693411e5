"""The tutorial's files do what the page says."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Called

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own-catalog"
TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
SMALLER = (
    "extractor.backbone=test_efficientnet",
    "extractor.training.epochs=1",
    "defenses.at.training.epochs=1",
    "defenses.at.steps=1",
    "catalog.size=32",
    "threats.item_to_item.pairs=4",
    "threats.item_to_item.rank_min=[1,3]",
    "attacks.pgd.steps=2",
    "attacks.pgd.eps=[0.03]",
    "attacks.rank_auto.gradients=10",
    "workers=0",
)
Elliot = Callable[..., Called]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("own")
    shutil.copy(EXAMPLE / "shop.yml", made)
    draw = runpy.run_path(str(EXAMPLE / "draw_shop.py"))["draw"]
    draw(made / "shop", items=120, users=25, seed=1, size=32)
    return made


def test_the_page_shows_the_recipe_as_it_is() -> None:
    assert (EXAMPLE / "shop.yml").read_text("utf-8") in TUTORIAL.read_text("utf-8")


def test_the_recipe_is_checked(folder: Path, elliot: Elliot) -> None:
    called = elliot("check", folder / "shop.yml")
    assert called.code == 0, called.err
    assert "stages" in called.out


def test_a_small_shop_runs_to_the_report(folder: Path, elliot: Elliot) -> None:
    smaller = [word for setting in SMALLER for word in ("--set", f"adversarial.{setting}")]
    output = folder / "results"
    called = elliot("run", folder / "shop.yml", "--output", output, "--quiet", "--host", "embedded", *smaller)
    assert called.code == 0, called.err
    found = json.loads((output / "results.json").read_text("utf-8"))
    assert {row["defense"] for row in found["rows"]} >= {"none", "at", "jpeg"}
    assert (output / "report.html").is_file()
