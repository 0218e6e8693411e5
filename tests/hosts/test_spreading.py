"""Stages on a cluster: order, repetition and refusals, with a crew that is no Ray; and one stage alone."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Called
from said import Said
from tiny_recipes import save, small

from elliot_advrec.errors import UserError
from elliot_advrec.experiment import (
    Plan,
    Stage,
    Store,
    Workspace,
    describing_systems,
    make_plan,
    resolve_device,
    run_plan,
)
from elliot_advrec.experiment.plan import ancestors
from elliot_advrec.extractors import frozen
from elliot_advrec.hosts.cluster import engine, joining, making, spreading
from elliot_advrec.hosts.cluster.board import Board, BoardProgress, Note
from elliot_advrec.hosts.cluster.looking import libraries, look
from elliot_advrec.hosts.cluster.spreading import TRIES, Answer, spread
from elliot_advrec.progress import SILENT
from elliot_advrec.recipe import load

RUN = "run"
NAMES = ("adaptive_defenses", "denoise_insa", "quickstart", "var_chr", "visual_synthetic")
RECIPES = [Path(__file__).parents[2] / "recipes" / f"{name}.yml" for name in NAMES]


def few() -> dict[str, Any]:
    """An undefended and a defended extractor, and a recommender that sees no pictures."""
    recipe = small(defenses=["none", {"preset": "at", "steps": 1, "training": {"epochs": 1}}])
    recipe["experiment"]["models"]["external.MostPop"] = {}
    return recipe


class Crew:
    """Makes stages in this process, the last submitted first; some deaths and answers are arranged."""

    def __init__(self, workspace: Workspace, board: Board, deaths: dict[str, int] | None = None) -> None:
        self.workspace, self.board, self.deaths = workspace, board, dict(deaths or {})
        self.submitted: list[Stage] = []
        self.order: list[Stage] = []
        self.stopped = False
        self.make: Callable[..., Answer] = making.make

    def submit(self, stage: Stage) -> None:
        for need in ancestors(stage):
            assert self.workspace.store.entry(need.kind, need.key).record() is not None, "it came too early"
        self.submitted.append(stage)
        self.order.append(stage)

    def wait(self, seconds: float) -> list[tuple[str, Answer | None]]:
        stage = self.submitted.pop()
        if self.deaths.get(stage.kind, 0) > 0:
            self.deaths[stage.kind] -= 1
            self.board.tell(stage.key, Note("far", 1, 3, 7))
            return [(stage.key, None)]
        return [(stage.key, self.make(str(self.workspace.store.root), RUN, stage.key, "cpu", 0.0))]

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Plan, Workspace, Board, Any]:
    recipe = load(save(few(), tmp_path / "recipe.yml"))
    workspace = Workspace(Store(tmp_path / "store"), resolve_device("cpu"), 0)
    making._ready.cache_clear()
    return make_plan(recipe, "cpu"), workspace, Board(tmp_path / "store", RUN), recipe.resolved()


def test_each_stage_is_made_once_after_its_needs_and_a_dead_one_again(
    scene: tuple[Plan, Workspace, Board, Any],
) -> None:
    plan, workspace, board, recipe = scene
    crew, said = Crew(workspace, board, {"extractor": 1, "probe": TRIES - 1}), Said()
    with board.held(recipe):
        answers = spread(plan, workspace, crew, board, said)
    assert not board.folder.exists()
    assert {key: answer["made"] for key, answer in answers.items()} == dict.fromkeys(
        (stage.key for stage in plan.unique()), True
    )
    kinds = [stage.kind for stage in crew.order]
    assert len(kinds) == len(plan.unique()) + TRIES  # one extractor, one probe twice
    assert sum("died; it is begun again" in line for line in said.lines) == TRIES
    assert "the process that made 'extractor, seed 1' died; it is begun again (1 of 2)" in said.lines
    begun = [line for line in said.lines if line.startswith("[")]
    assert len(begun) == len(answers)  # each is said once, however often it was begun
    assert begun[-1].startswith(f"[{len(answers)}/{len(answers)}] ")
    assert {answer["host"] for answer in answers.values()} == {platform.node()}
    # All is there: nothing is submitted, and one line says so.
    again, idle = Said(), Crew(workspace, board)
    assert spread(plan, workspace, idle, board, again) == {}
    assert (again.lines, idle.order) == (["every stage is in the store already"], [])


def test_a_stage_whose_processes_die_every_time_ends_the_run(
    scene: tuple[Plan, Workspace, Board, Any],
) -> None:
    plan, workspace, board, recipe = scene
    crew = Crew(workspace, board, {"catalog": TRIES})
    with board.held(recipe), pytest.raises(UserError, match=r"'catalog synthetic' died, 3 times; .*memory"):
        spread(plan, workspace, crew, board, SILENT)
    assert crew.stopped
    assert [stage.kind for stage in crew.order].count("catalog") == TRIES


def test_what_a_stage_refuses_is_raised_here_and_stops_the_others(
    scene: tuple[Plan, Workspace, Board, Any],
) -> None:
    plan, workspace, board, _ = scene
    crew = Crew(workspace, board)
    crew.make = lambda *_: {"refused": ["no such thing", "recipe.json: key", "write another"]}
    with pytest.raises(UserError, match=r"^recipe\.json: key: no such thing; write another$"):
        spread(plan, workspace, crew, board, SILENT)
    assert crew.stopped


def test_a_store_that_is_not_shared_is_found_on_either_side(
    scene: tuple[Plan, Workspace, Board, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, workspace, board, recipe = scene
    monkeypatch.setattr(spreading, "PATIENCE", 0.0)
    crew = Crew(workspace, board)
    crew.make = lambda *_: {"made": True, "host": "far"}
    with pytest.raises(UserError, match=r"was made on far, and is not seen here; the store must be one"):
        spread(plan, workspace, crew, board, SILENT)
    store = str(workspace.store.root)
    assert not look(store, RUN, 0.0)["sees"]
    with board.held(recipe):
        assert look(store, RUN, 0.0) == {
            "host": platform.node(),
            "sees": True,
            "package": "0.1.0",
            "versions": libraries(),
        }
        recommender = next(stage for stage in plan.unique() if stage.kind == "recommender")
        what, where, _ = making.make(store, RUN, recommender.key, "cpu", 0.0)["refused"]
        assert "is finished, and" in what
        assert "does not see it" in what
        assert where == str(workspace.folder(next(ancestors(recommender))))
        what, _, remedy = making.make(store, RUN, "0" * 32, "cpu", 0.0)["refused"]
        assert what == f"the recipe has another plan on {platform.node()}"
        assert "the same on every machine" in remedy


def test_ctrl_c_has_nothing_made_any_more(scene: tuple[Plan, Workspace, Board, Any]) -> None:
    plan, workspace, board, _ = scene
    crew = Crew(workspace, board)

    def interrupted(*_: object) -> Answer:
        raise KeyboardInterrupt

    crew.make = interrupted
    with pytest.raises(KeyboardInterrupt):
        spread(plan, workspace, crew, board, SILENT)
    assert crew.stopped


def test_the_display_says_how_far_stages_are(
    scene: tuple[Plan, Workspace, Board, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, _, board, recipe = scene
    monkeypatch.setattr(spreading, "TELL_EVERY", 0.0)
    monkeypatch.setattr("elliot_advrec.hosts.cluster.board.PAUSE", 0.0)
    said, stages = Said(), plan.unique()[:3]
    display = spreading._Display(board, said, 45)
    with board.held(recipe):
        display.look(stages)
        assert said.lines == []  # all wait for a free process
        progress = BoardProgress(board, stages[0].key, "far")
        with progress.track("decoding", 40) as advance:
            advance(3)
            advance(4)
        assert board.told(stages[0].key) == Note("far", os.getpid(), 7, 40)
        BoardProgress(board, stages[1].key, "near").say("not passed on")
        display.look(stages)
    assert said.lines == [
        f"[1/45] {stages[0].label} (on far)",
        f"[2/45] {stages[1].label} (on near)",
        f"  under way: {stages[0].label} 7/40; {stages[1].label}",
    ]
    progress.board.tell(stages[0].key, Note("far", 1))  # the run has ended: no folder is left behind
    assert not board.folder.exists()
    assert board.told(stages[0].key) is None


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_resolved_recipe_has_the_plan_of_its_recipe(tmp_path: Path, path: Path) -> None:
    """Workers read the resolved recipe: whatever the recipe, they must find its stages."""
    recipe = load(path, overlay="synthetic")
    board = Board(tmp_path, RUN)
    with board.held(recipe.resolved()):
        again = make_plan(load(board.recipe, resolved=True), "cpu")
    assert [stage.key for stage in again.stages] == [stage.key for stage in make_plan(recipe, "cpu").stages]


@pytest.mark.parametrize("here", ["float32", "bf16"])
def test_machines_take_the_precision_that_was_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str
) -> None:
    recipe = load(save(small(precision="auto"), tmp_path / "recipe.yml"))
    board, real = Board(tmp_path, RUN), frozen.resolve_precision

    def on_a_machine_with(fast: str) -> None:
        def resolve(name: str, device: str) -> str:
            return fast if name == "auto" else real(name, device)

        for module in (engine, describing_systems):
            monkeypatch.setattr(module, "resolve_precision", resolve)

    on_a_machine_with(here)
    planned = make_plan(recipe, "cpu")
    with board.held(engine.decided(recipe, "cpu")):
        on_a_machine_with("bf16" if here == "float32" else "float32")
        assert {stage.key for stage in make_plan(recipe, "cpu").stages} != {s.key for s in planned.stages}
        there = make_plan(load(board.recipe, resolved=True), "cpu")
    assert [stage.key for stage in there.stages] == [stage.key for stage in planned.stages]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("local:0", "'0' is no number of processes"),
        ("local:two", "'two' is no number of processes"),
        ("local:", "is no number of processes"),
        ("here", "'here' is no address of a Ray cluster"),
        ("host:port", "'host:port' is no address of a Ray cluster"),
        ("ray://head:10001", "is a Ray client's address; start the run on a machine of the cluster"),
    ],
)
def test_addresses_that_are_none_are_refused(elliot: Any, tmp_path: Path, address: str, said: str) -> None:
    recipe = save(small(), tmp_path / "recipe.yml")
    called: Called = elliot("run", recipe, "-o", tmp_path / "out", "--ray", address)
    assert called.code == 2
    assert said in called.err
    assert len(called.err.splitlines()) == 1


def test_addresses_are_told_apart() -> None:
    assert joining.local_workers("local:3") == 3
    assert joining.local_workers("local") == joining.cores()
    for address in ("auto", "head.example:6379", "192.0.2.1:6379", "[2001:db8::1]:6379"):
        assert joining.local_workers(address) is None


def test_without_ray_the_extra_is_named(elliot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining.importlib.util, "find_spec", lambda name: None)
    recipe = save(small(), tmp_path / "recipe.yml")
    called: Called = elliot("run", recipe, "-o", tmp_path / "out", "--ray", "local:2")
    assert called.code == 2
    said = "error: --ray needs Ray, which is not installed; pip install 'elliot-advrec[ray]'\n"
    assert called.err == said


def test_cores_without_a_cluster_are_refused(elliot: Any, tmp_path: Path) -> None:
    recipe = save(small(), tmp_path / "recipe.yml")
    called: Called = elliot("run", recipe, "-o", tmp_path / "out", "--ray-cpus", 2)
    assert (called.code, called.err) == (
        2,
        "error: --ray-cpus says nothing without --ray; e.g. --ray local\n",
    )


def test_a_plain_run_imports_no_ray(tmp_path: Path) -> None:
    recipe = save(small(), tmp_path / "recipe.yml")
    code = (
        "import sys; from elliot_advrec.cli import app\n"
        f"app(['run', {str(recipe)!r}, '-o', {str(tmp_path / 'out')!r}, '-q'], standalone_mode=False)\n"
        "print(sorted({'ray', 'elliot_advrec.hosts.cluster'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_stages_made_one_by_one_are_those_of_a_run(scene: tuple[Plan, Workspace, Board, Any]) -> None:
    plan, workspace, board, recipe = scene
    with board.held(recipe):
        spread(plan, workspace, Crew(workspace, board), board, SILENT)
    alone = Workspace(Store(workspace.store.root.parent / "alone"), workspace.device, 0)
    for ours, theirs in zip(run_plan(plan, alone, SILENT), run_plan(plan, workspace, SILENT), strict=True):
        assert theirs.cached
        assert not ours.cached or ours.stage.key in {s.key for s in plan.stages}
        assert ours.record["rows"] == theirs.record["rows"], ours.stage.label
