"""What Elliot cannot take: refused where it was asked for, else left to the embedded engine."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from both_hosts import BASE, rows
from tiny_recipes import save, small

from elliot_advrec.errors import UserError
from elliot_advrec.hosts import dispatch, elliot, finding
from elliot_advrec.hosts.finding import choose
from elliot_advrec.hosts.suited import ElliotError, check_size, check_suited
from elliot_advrec.recipe import Recipe, load


def plain(folder: Path, **keys: Any) -> Recipe:
    rows().to_csv(folder / "rows.tsv", sep="\t", index=False, header=False)
    return load(save({"experiment": {**copy.deepcopy(BASE), **keys}}, folder / "recipe.yml"))


def pictures(folder: Path, **models: Any) -> Recipe:
    made = small()
    made["experiment"]["models"] |= models
    return load(save(made, folder / "pictures.yml"))


def features(folder: Path, *, many: bool) -> dict[str, Any]:
    """``side_information`` of all items: a folder of one file an item, or one matrix."""
    values = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    named = folder / ("features" if many else "features.npz")
    if many:
        named.mkdir()
        for item, row in enumerate(values):
            np.save(named / f"{item}.npy", row)
    else:
        np.savez(named, ids=np.array([str(i) for i in range(40)]), embeddings=values)
    side = {"dataloader": "VisualAttribute", "visual_features": named.name}
    return {"strategy": "dataset", "dataset_path": "rows.tsv", "side_information": side}


def test_what_a_recipe_says_is_enough_to_refuse_it(tmp_path: Path) -> None:
    check_suited(plain(tmp_path))
    with pytest.raises(ElliotError, match=r"models: no model of the recipe is this package's.*external\.It"):
        check_suited(plain(tmp_path, models={"ItemKNN": {}}))
    with pytest.raises(ElliotError, match=r"version: Elliot 0\.3\.1 refuses recipes of version 0\.3\.0"):
        check_suited(plain(tmp_path, version="0.3.0"))
    own = {"external.MostPop": {}, "VBPR": {"epochs": 1, "factors": 2, "factors_d": 2}}
    with pytest.raises(ElliotError, match=r"'VBPR' is Elliot's own here.*write external\.VBPR"):
        check_suited(pictures(tmp_path, **own))
    check_suited(plain(tmp_path, models=own, data_config=features(tmp_path, many=True)))
    with pytest.raises(ElliotError, match=r"one \.npy an item, not features\.npz; .*--format elliot"):
        check_suited(plain(tmp_path, models=own, data_config=features(tmp_path, many=False)))


def test_data_that_elliot_would_not_hold_is_refused() -> None:
    check_size(1000, 1000, memory=6_000_000)
    with pytest.raises(ElliotError, match=r"45,184 users by 166,270 items, about 45 GB.* has 8 GB; run with"):
        check_size(45_184, 166_270, memory=8_000_000_000)
    check_size(10, 10)


def test_auto_takes_elliot_where_it_can(home: Any, tmp_path: Path) -> None:
    chosen = choose("auto", plain(tmp_path))
    assert (chosen.host, chosen.notable) == ("elliot", True)
    assert chosen.why.startswith(f"host: Elliot 0.3.1 in {home.folder} (found by ")
    own = plain(tmp_path, models={"ItemKNN": {}})
    chosen = choose("auto", own)
    assert (chosen.host, chosen.notable) == ("embedded", True)
    assert "cannot take the recipe: no model of the recipe is this package's" in chosen.why
    with pytest.raises(ElliotError, match="no model of the recipe is this package's"):
        choose("elliot", own)
    with pytest.raises(ElliotError, match="no model of the recipe is this package's"):
        elliot.run(own, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Said:
    """A progress that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def track(self, description: str, total: int) -> Any:
        from elliot_advrec.progress import SILENT

        return SILENT.track(description, total)

    def say(self, message: str) -> None:
        self.lines.append(message)

    def detail(self, message: str) -> None:
        return None


def test_a_run_says_which_host_it_is_and_the_numbers_are_the_same(home: Any, tmp_path: Path) -> None:
    recipe, said = plain(tmp_path, models={"external.MostPop": {}}), Said()
    found = dispatch.run(recipe, tmp_path / "auto", progress=said)
    assert found["host"]["name"] == "elliot"
    assert said.lines[0].startswith("host: Elliot 0.3.1")
    quiet = Said()
    ours = dispatch.run(recipe, tmp_path / "ours", host="embedded", store=tmp_path / "s", progress=quiet)
    assert "host" not in ours
    assert not any(line.startswith("host:") for line in quiet.lines)
    values = [[row["value"] for row in each["rows"]] for each in (found, ours)]
    assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_auto_goes_on_where_elliot_stops_and_says_so(
    home: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, said = plain(tmp_path, models={"external.MostPop": {}}), Said()
    monkeypatch.setattr("elliot_advrec.hosts.translated.evaluation", lambda given: {**given, "cutoffs": [99]})
    with pytest.raises(ElliotError, match="Elliot stopped"):
        dispatch.run(recipe, tmp_path / "asked", host="elliot")
    found = dispatch.run(recipe, tmp_path / "out", progress=said)
    note = "Ranking metrics are the embedded engine's, for Elliot could not be used. "
    assert found["notes"][0].startswith(note)
    assert "Elliot stopped: Exception: Cutoff values must be smaller" in found["notes"][0]
    assert found["notes"][0] in said.lines
    assert note in (tmp_path / "out" / "report.html").read_text("utf-8").replace("&#39;", "'")
    assert len(found["rows"]) == 6


def test_what_is_no_fault_of_elliots_stops_auto_too(
    home: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elliot_advrec.hosts.readback.TOLERANCE", -1.0)
    with pytest.raises(UserError, match="the recommendation lists are the same, so this is a fault"):
        dispatch.run(plain(tmp_path), tmp_path / "out")


def test_too_little_memory_is_found_before_elliot_begins(
    home: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elliot_advrec.hosts.suited._memory", lambda: 1000)
    with pytest.raises(ElliotError, match="Elliot holds dense tables of 50 users by 40 items"):
        elliot.run(plain(tmp_path), tmp_path / "out")


def test_rows_of_items_without_features_are_left_out_in_both(home: Any, tmp_path: Path) -> None:
    data = features(tmp_path, many=True)
    for item in (3, 17):
        (tmp_path / "features" / f"{item}.npy").unlink()
    models = {"external.VBPR": {"epochs": 2, "factors": 4, "factors_d": 3, "batch_size": 64}}
    recipe = plain(tmp_path, models=models, data_config=data)
    theirs = dispatch.run(recipe, tmp_path / "elliot", host="elliot", store=tmp_path / "store")
    ours = dispatch.run(recipe, tmp_path / "ours", host="embedded", store=tmp_path / "store")
    assert [row["value"] for row in theirs["rows"]] == pytest.approx(
        [row["value"] for row in ours["rows"]], abs=1e-9
    )
    table = pd.read_csv(tmp_path / "elliot" / "elliot" / "data" / "dataset.tsv", sep="\t", header=None)
    assert not set(table[1]) & {3, 17}
    assert table[1].nunique() == 38


def test_elliots_own_vbpr_reads_the_folder_that_the_recipe_names(home: Any, tmp_path: Path) -> None:
    if not home.real:
        pytest.skip("needs the real Elliot: the stand-in has no VBPR")
    models = {
        "external.MostPop": {},
        "VBPR": {"epochs": 1, "factors": 4, "factors_d": 3, "batch_size": 64, "meta": {"save_recs": True}},
    }
    recipe = plain(tmp_path, models=models, data_config=features(tmp_path, many=True))
    found = dispatch.run(recipe, tmp_path / "out", host="elliot")
    own = [row for row in found["rows"] if row["recommender"] == "VBPR"]
    assert len(own) == 6
    assert all(row["value"] > 0 for row in own)
    named = recipe.experiment.model_copy(update={"data_config": recipe.experiment.data_config})
    assert named.data_config is not None


def test_the_command_says_which_host_it_found(
    elliot: Any, home: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = plain(tmp_path, models={"external.MostPop": {}}).path
    called = elliot("check", recipe)
    assert called.code == 0
    assert called.out.splitlines()[-1].startswith(f"host: Elliot 0.3.1 in {home.folder} (found by ")
    called = elliot("check", recipe, "--host", "embedded")
    assert called.out.splitlines()[-1].startswith("host: embedded as --host asks; Elliot 0.3.1 in ")
    called = elliot("run", recipe, "--host", "elliot", "--output", tmp_path / "out")
    assert called.code == 0, called.err
    assert "Elliot 0.3.1 evaluates 1 cells" in called.err
    assert (tmp_path / "out" / "elliot" / "performance").is_dir()
    called = elliot("check", recipe, "--output", tmp_path / "out")
    assert ", 0 to run on cpu" in called.out
    called = elliot("check", recipe, "--output", tmp_path / "out", "--host", "embedded")
    assert ", 1 to run on cpu" in called.out  # its lists were not asked for
    other = tmp_path / "other" / "elliot"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("__version__ = '0.2.1'\n", "utf-8")
    (other / "run.py").write_text("", "utf-8")
    monkeypatch.setenv(finding.HOME, str(other.parent))
    for command in ("run", "check"):
        called = elliot(command, recipe, "--host", "elliot")
        assert called.code == 2
        assert "it is version 0.2.1, and this package knows 0.3.1; use 0.3.1, or run with" in called.err
        assert "Traceback" not in called.err
    called = elliot("check", recipe)
    assert called.code == 0
    assert "host: embedded; Elliot cannot be used: it is version 0.2.1" in called.out
    called = elliot("run", recipe, "--output", tmp_path / "embedded")
    assert called.code == 0, called.err
    assert "host: embedded; Elliot cannot be used: it is version 0.2.1" in called.err
    called = elliot("check", recipe, "--host", "eliot")
    assert called.code == 2
    assert "unknown host 'eliot'; did you mean 'elliot'" in called.err
