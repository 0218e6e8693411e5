"""The example package: installed by pip, found through entry points, used by a recipe."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "noise-baselines"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the example is installed, without touching the one the tests run in."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the example, is not installed (it is in the 'test' extra)")
    target = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*install, "--no-build-isolation", "--target", str(target), str(EXAMPLE)], check=True, timeout=120
    )
    paths = [str(target), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def elliot(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "elliot_advrec.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_parts_are_listed_beside_ours(environment: dict[str, str]) -> None:
    assert "random_noise" in elliot(environment, "list", "attacks")
    assert "noise_training" in elliot(environment, "list", "defenses")


def test_its_recipe_runs_and_noise_spends_no_gradient(environment: dict[str, str], tmp_path: Path) -> None:
    tiny = ["extractor.backbone=test_resnet", "extractor.training.epochs=1", "workers=0"]
    tiny += ["catalog.items=40", "catalog.size=32", "catalog.users=20"]
    tiny += ["threats.item_to_item.pairs=4", "attacks.pgd.steps=2"]
    sets = [part for item in tiny for part in ("--set", item)]
    elliot(environment, "run", str(EXAMPLE / "recipes" / "noise.yml"), "--output", str(tmp_path), *sets)
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    spent = {
        (row["defense"], row["attack"]): row["value"]
        for row in results["rows"]
        if row["metric"] == "gradient_evaluations"
    }
    assert spent["none", "random_noise"] == spent["noise_training", "random_noise"] == 0
    assert spent["none", "pgd"] == 2


def test_without_the_package_its_names_are_unknown(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "elliot_advrec.cli", "check", str(EXAMPLE / "recipes" / "noise.yml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown defense 'noise_training'" in done.stderr
