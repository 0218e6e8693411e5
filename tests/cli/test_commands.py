"""The commands, as a person calls them: exit codes, what is printed where, what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from commands import Called
from tiny_recipes import save, small

from elliot_advrec import cli

Elliot = Callable[..., Called]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return save(small(defenses=["none"]), tmp_path / "tiny.yml")


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_run_writes_the_results_and_prints_them(elliot: Elliot, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    called = elliot("run", recipe, "--output", out)
    assert called.code == 0, called.err
    top = {"results.json", "exhibits.npz", "report.html", "performance", "store"}
    assert top <= {path.name for path in out.iterdir()}
    assert not list(out.rglob("*.tmp"))
    assert "FGSM" in called.out
    assert f"report: {out / 'report.html'}" in called.out
    assert "[1/" in called.err, "progress goes to standard error"
    results = json.loads((out / "results.json").read_text("utf-8"))
    again = elliot("run", recipe, "--output", out, "--quiet")
    assert (again.code, again.out, again.err) == (0, "", "")
    assert json.loads((out / "results.json").read_text("utf-8"))["rows"] == results["rows"]


def test_the_installed_module_runs_as_a_program(recipe: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "elliot_advrec.cli", "check", str(recipe), "--resolved"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["experiment"]["dataset"] == "tiny"
    misspelt = subprocess.run(
        [*command[:-2], str(tmp_path / "none.yml")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert misspelt.returncode == 2
    assert misspelt.stderr.startswith("error: ")
    assert misspelt.stderr.count("\n") == 1


def test_the_output_is_by_default_named_after_the_recipe(
    elliot: Elliot, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert elliot("run", recipe, "-q").code == 0
    assert (tmp_path / "work" / "results" / "tiny" / "results.json").is_file()


def test_set_and_seed_change_the_run(elliot: Elliot, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = [
        "--set",
        "adversarial.attacks[0].eps=0.02",
        "--set",
        "top_k=12",
        "--seed",
        7,
        "--device",
        "cpu",
    ]
    assert elliot("run", recipe, "-o", out, "-q", *options).code == 0
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert results["seeds"] == [7]
    assert {row["seed"] for row in results["rows"]} == {7}
    assert {row["eps"] for row in results["rows"] if row["attack"] == "fgsm"} == {0.02}
    assert results["recipe"]["experiment"]["top_k"] == 12
    assert results["device"].startswith("CPU")


def test_an_overlay_is_laid_over_the_recipe(elliot: Elliot, recipe: Path) -> None:
    plain = json.loads(elliot("check", recipe, "--resolved").out)["experiment"]["adversarial"]
    small_ = json.loads(elliot("check", recipe, "--preset", "small", "--resolved").out)
    adversarial = small_["experiment"]["adversarial"]
    assert (plain["catalog"]["size"], adversarial["catalog"]["size"]) == (32, 48)
    assert (plain["threats"][0]["pairs"], adversarial["threats"][0]["pairs"]) == (5, 12)


def test_check_runs_nothing_and_leaves_nothing(
    elliot: Elliot, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = listing(tmp_path)
    called = elliot("check", recipe)
    assert (called.code, called.err) == (0, "")
    assert "1 cells" in called.out
    # FGSM on 5 pairs, PGD-8 on the 8 test pictures, and 41 gradients for each of the 8 pairs of the probe.
    assert "image-gradient evaluations to do, at most: 397" in called.out
    assert listing(tmp_path) == before


def test_check_says_what_a_recipe_cannot_have(elliot: Elliot, tmp_path: Path) -> None:
    pushed = {"type": "demotion", "name": "down", "users": "population", "pairs": 2, "k": [5]}
    pushed["mock_users"] = 20
    made = small(threats=[pushed], lpips={"net": "alex"}, attacks=[{"preset": "bim", "steps": 2, "eps": 0.1}])
    made["experiment"]["models"]["external.VBPR"] = {"epochs": 1}
    called = elliot("check", save(made, tmp_path / "noted.yml"))
    assert called.code == 0
    notes = [line for line in called.out.splitlines() if line.startswith("note: ")]
    assert len(notes) == 2
    assert notes[0].startswith("note: LPIPS is not measured")
    assert notes[1].startswith("note: Threat 'down': it pushes items down for everybody by their score")


def test_check_knows_what_is_in_the_store(elliot: Elliot, recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "kept"
    assert elliot("run", recipe, "-o", tmp_path / "out", "--store", store, "-q").code == 0
    assert not (tmp_path / "out" / "store").exists()
    called = elliot("check", recipe, "--store", store)
    assert ", 0 to run on cpu" in called.out
    more = elliot("check", recipe, "--store", store, "--set", "adversarial.attacks[0].eps=0.01")
    assert ", 3 to run on cpu" in more.out, more.out  # the attack, its re-ranking, the pictures


def test_list_names_every_part(elliot: Elliot) -> None:
    out = elliot("list").out
    names = ["fgsm", "pgd", "cw", "item_to_item", "ContentKNN", "MostPop", "nDCG", "synthetic", "deepfashion"]
    for name in [*names, "quickstart", "overlays/small", "defenses/cat", "none"]:
        assert name in out, name
    only = elliot("list", "threats").out
    assert "item_to_item" in only
    assert "fgsm" not in only
    wrong = elliot("list", "atacks")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert wrong.err.startswith("error: unknown kind 'atacks'; did you mean 'attacks'?")


def test_the_schema_accepts_good_recipes_and_refuses_bad_ones(elliot: Elliot) -> None:
    schema = json.loads(elliot("schema").out)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    good: dict[str, Any] = small(defenses=["none", "at"])
    recipes = [good, *(yaml.safe_load(path.read_text()) for path in (ROOT / "recipes").glob("*.yml"))]
    for recipe in recipes:
        assert not list(validator(schema).iter_errors(recipe))
    good["experiment"]["adversarial"]["atacks"] = []
    assert list(validator(schema).iter_errors(good))


def test_report_writes_the_page_again(elliot: Elliot, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert elliot("run", recipe, "-o", out, "-q").code == 0
    page = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    called = elliot("report", out)
    assert called.code == 0
    assert str(out / "report.html") in called.out.splitlines()
    assert (out / "report.html").read_bytes() == page
    for line in called.out.splitlines():
        assert Path(line).is_file()


@pytest.mark.parametrize("damage", ["none", "absent", "cut", "list"])
def test_report_of_no_results_is_refused(elliot: Elliot, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "out"
    if damage != "none":
        folder.mkdir()
    if damage == "cut":
        (folder / "results.json").write_text('{"format": 1, "rows"')
    if damage == "list":
        (folder / "results.json").write_text("[]")
    called = elliot("report", folder)
    assert (called.code, called.out, called.err.count("\n")) == (2, "", 1)
    assert called.err.startswith(f"error: {folder}")
    assert not (folder / "report.html").exists()


def test_a_standin_data_set_is_drawn_and_runs(elliot: Elliot, tmp_path: Path) -> None:
    data = tmp_path / "deepfashion"
    called = elliot("data", "standin", "deepfashion", data, "--items", 40)
    assert (called.code, called.out.strip()) == (0, str(data))
    recipe = save(small(catalog={"source": "deepfashion", "root": str(data), "size": 32}), tmp_path / "r.yml")
    done = elliot("run", recipe, "-o", tmp_path / "out", "-q")
    assert done.code == 0, done.err
    full = elliot("data", "standin", "deepfashion", data)
    assert (full.code, full.err.count("\n")) == (2, 1)
    other = elliot("data", "standin", "deepfasion", tmp_path / "x")
    assert other.code == 2
    assert "did you mean 'deepfashion'?" in other.err


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("elliot_advrec.listing.sections", interrupted)
    monkeypatch.setattr("sys.argv", ["elliot", "list"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "stopped; run the same command again to go on from here\n"


def test_sigterm_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("elliot_advrec.listing.sections", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr("sys.argv", ["elliot", "list"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 143
    assert capsys.readouterr().err == "stopped; run the same command again to go on from here\n"
    assert signal.getsignal(signal.SIGTERM) is before
