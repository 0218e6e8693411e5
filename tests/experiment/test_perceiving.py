"""LPIPS in a run: measured where weights are given, noted where they lack, and part of no other key."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from naive_lpips import by_definition, drawn_linear
from rich.console import Console
from tiny_recipes import save, small

from elliot_advrec import report
from elliot_advrec.data.pixels import reopen
from elliot_advrec.errors import UserError
from elliot_advrec.experiment import make_plan, notices
from elliot_advrec.hosts import embedded
from elliot_advrec.recipe import load

ATTACKS = [{"preset": "fgsm", "eps": [0.02, 0.1]}, {"preset": "pgd", "steps": 2, "eps": 0.05}]


def recipe(folder: Path, lpips: dict[str, Any] | None) -> Path:
    made = small(attacks=ATTACKS)
    if lpips is not None:
        made["experiment"]["adversarial"]["lpips"] = lpips
    return save(made, folder / "recipe.yml")


def run(folder: Path, lpips: dict[str, Any] | None) -> dict[str, Any]:
    return embedded.run(load(recipe(folder, lpips)), folder / "out")


def backbone() -> Any:
    torch.manual_seed(1)
    return torchvision.models.squeezenet1_1(weights=None).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lpips")
    torch.save(backbone().state_dict(), made / "squeezenet.pth")
    torch.save(drawn_linear("squeeze"), made / "linear.pth")
    return made


GIVEN = {"net": "squeeze", "backbone": "squeezenet.pth", "linear": "linear.pth"}


@pytest.fixture(scope="module")
def results(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Not asked for; asked for without weights; and with them, all over one store."""
    return run(folder, None), run(folder, {"net": "squeeze"}), run(folder, GIVEN)


def rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in results["rows"] if row["metric"] == "lpips"]


Three = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


def test_each_cell_has_the_mean_of_the_definition(folder: Path, results: Three) -> None:
    stages = [stage for stage in results[2]["stages"] if stage["kind"] == "attack"]
    store = folder / "out" / "store"
    assert len(stages) == len(rows(results[2])) == 3
    pixels = reopen(next(kept for kept in (store / "catalog").iterdir() if kept.is_dir()))[1]
    expected = []
    for stage in stages:
        with np.load(store / "attack" / stage["key"] / "images.npz") as file:
            attacked = torch.from_numpy(file["image"]).float() / 255
        with np.load(store / "attack" / stage["key"] / "pairs.npz") as file:
            clean, kept = pixels.floats(file["attack_row"]), file["lpips"]
        each = by_definition("squeeze", backbone(), drawn_linear("squeeze"), clean, attacked)
        assert kept.tolist() == pytest.approx(each, rel=1e-3)
        expected.append(np.mean(each))
    assert [row["value"] for row in rows(results[2])] == pytest.approx(expected, rel=1e-3)
    for row in rows(results[2]):
        assert row["n"] == 5
        assert 0 <= row["ci_low"] <= row["value"] <= row["ci_high"]
    assert rows(results[2])[0]["value"] > 0


def test_only_attacks_and_what_they_decide_run_again(results: Three) -> None:
    plain, asked, measured = results
    assert all(stage["cached"] for stage in asked["stages"])
    ran = {stage["kind"] for stage in measured["stages"] if not stage["cached"]}
    assert ran == {"attack", "rerank", "exhibits"}
    assert [row for row in measured["rows"] if row["metric"] != "lpips"] == plain["rows"] == asked["rows"]


def test_one_note_says_what_lacks(folder: Path, results: Three) -> None:
    said = [[note for note in each["notes"] if "LPIPS" in note] for each in results]
    assert [len(each) for each in said] == [0, 1, 0]
    assert "adversarial.lpips.backbone" in said[1][0]
    assert "squeezenet1_1-b8a52dc0.pth" in said[1][0]
    assert re.search(r"<th[^>]*>LPIPS</th>", (folder / "out" / "report.html").read_text("utf-8"))


def test_the_report_shows_the_note(folder: Path, tmp_path: Path) -> None:
    found = json.loads((folder / "out" / "results.json").read_text("utf-8"))
    found["notes"] = notices(load(recipe(tmp_path, {"net": "alex"})))
    found["rows"] = [row for row in found["rows"] if row["metric"] != "lpips"]
    report.write(tmp_path, found, {})
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "LPIPS is not measured" in page
    assert "alexnet-owt-7be5be79.pth" in page
    assert not re.search(r"<th[^>]*>LPIPS</th>", page)
    console = Console(file=io.StringIO(), width=140)
    console.print(report.terminal(found))
    assert "LPIPS is not measured" in console.file.getvalue()  # type: ignore[attr-defined]


def keys(folder: Path, lpips: dict[str, Any] | None) -> dict[str, str]:
    return {stage.label: stage.key for stage in make_plan(load(recipe(folder, lpips)), "cpu").stages}


def test_the_content_of_the_files_counts_and_not_their_names(folder: Path, tmp_path: Path) -> None:
    first = keys(folder, GIVEN)
    (tmp_path / "other.pth").write_bytes((folder / "squeezenet.pth").read_bytes())
    (tmp_path / "lines.pth").write_bytes((folder / "linear.pth").read_bytes())
    moved = {"net": "squeeze", "backbone": str(tmp_path / "other.pth"), "linear": str(tmp_path / "lines.pth")}
    assert keys(folder, moved) == first
    torch.save(drawn_linear("squeeze", seed=4), tmp_path / "lines.pth")
    changed = keys(folder, moved)
    assert {label for label in first if first[label] != changed[label]} == {
        label for label in first if "fgsm" in label or "pgd" in label or "pictures" in label
    }


def test_the_resolved_recipe_loads_to_the_same(folder: Path, tmp_path: Path) -> None:
    loaded = load(recipe(folder, GIVEN))
    again = load(save(loaded.resolved(), tmp_path / "again.yml"))
    assert again.adversarial.lpips == loaded.adversarial.lpips
    assert again.resolved() == loaded.resolved()
    assert "lpips" not in load(recipe(folder, None)).resolved()["experiment"]["adversarial"]


@pytest.mark.parametrize(
    ("lpips", "said"),
    [
        ({"backbone": "none.pth"}, "there is no file .*none.pth; name torchvision's .* vgg16-397923af.pth"),
        (
            {"net": "alex", "backbone": "squeezenet.pth"},
            "squeezenet.pth: does not fit the backbone 'alexnet'",
        ),
        ({**GIVEN, "linear": "squeezenet.pth"}, r"squeezenet.pth: does not fit .*v0.1/squeeze.pth"),
        ({**GIVEN, "linear": "recipe.yml"}, r"recipe.yml: .*; name the linear layers of LPIPS 0.1"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_runs(folder: Path, lpips: dict[str, Any], said: str) -> None:
    loaded = load(recipe(folder, lpips))
    with pytest.raises(UserError, match=f"recipe.yml: experiment.adversarial.lpips: .*{said}"):
        make_plan(loaded, "cpu")


def test_pictures_that_are_too_small_are_refused(folder: Path) -> None:
    made = small(lpips={**GIVEN, "net": "alex"}, catalog={"source": "synthetic", "items": 40, "size": 24})
    loaded = load(save(made, folder / "recipe.yml"))
    with pytest.raises(UserError, match=r"alex needs pictures of 31 pixels .* they have 24; .* net: vgg"):
        make_plan(loaded, "cpu")


def test_a_misspelt_network_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"lpips.net: unknown value 'vgg16'; did you mean 'vgg'"):
        load(recipe(folder, {"net": "vgg16"}))
