"""Run a plan: each stage whose result is not in the store yet, in order, then the results."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from elliot_advrec.experiment.attacking import make_attack
from elliot_advrec.experiment.exhibits import make_exhibits
from elliot_advrec.experiment.fitting_guards import make_filter, make_guard
from elliot_advrec.experiment.forecast import Forecast
from elliot_advrec.experiment.inputs import make_catalog, make_interactions
from elliot_advrec.experiment.learning import make_accuracy, make_embeddings, make_extractor
from elliot_advrec.experiment.plan import Plan
from elliot_advrec.experiment.poisoning import make_retrain
from elliot_advrec.experiment.probing import make_probe
from elliot_advrec.experiment.ranking import make_recommender, make_rerank
from elliot_advrec.experiment.searching import make_search
from elliot_advrec.experiment.stages import Finished, Outcome, Stage
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.memory import Watermark
from elliot_advrec.progress import Progress

Work = Callable[[Workspace, Stage, Path, Progress], Outcome]
Around = Callable[[Stage], AbstractContextManager[object]]

WORK: dict[str, Work] = {
    "catalog": make_catalog,
    "interactions": make_interactions,
    "extractor": make_extractor,
    "filter": make_filter,
    "guard": make_guard,
    "embeddings": make_embeddings,
    "accuracy": make_accuracy,
    "search": make_search,
    "recommender": make_recommender,
    "probe": make_probe,
    "attack": make_attack,
    "rerank": make_rerank,
    "retrain": make_retrain,
    "exhibits": make_exhibits,
}


def run_plan(
    plan: Plan, workspace: Workspace, progress: Progress, around: Around = nullcontext
) -> list[Finished]:
    """Do what is missing and return every stage's record, in the plan's order; see ``make_stage``."""
    finished = []
    missing = [
        stage for stage in plan.unique() if workspace.store.entry(stage.kind, stage.key).record() is None
    ]
    ahead = len(missing)
    if plan.stages and not ahead:
        progress.say("every stage is in the store already")
    done, forecast = 0, Forecast((stage.kind, plan.gradients(stage)) for stage in missing)
    for stage in plan.stages:
        entry = workspace.store.entry(stage.kind, stage.key)
        record = entry.record()
        cached = record is not None
        if record is not None:
            progress.detail(f"in the store already: {stage.label} ({entry.folder})")
        else:
            done += 1
            progress.say(f"[{done}/{ahead}] {stage.label}{forecast.said()}")
            if entry.damaged():
                progress.say(f"  {entry.folder} was damaged or changed: it is made again")
            record, cached = make_stage(workspace, stage, progress, around)
            forecast.done(stage.kind, plan.gradients(stage), record["seconds"])
            progress.detail(account(record, entry.folder))
        finished.append(Finished(stage, record, cached))
    return finished


def account(record: dict[str, Any], folder: Path) -> str:
    """What a finished stage took, and where it lies."""
    took = [f"  done in {record['seconds']:.1f} s"]
    if record.get("peak_memory_mb"):
        took.append(f"{record['peak_memory_mb']:,.0f} MiB at the peak")
    if record.get("gradient_evaluations"):
        took.append(f"{record['gradient_evaluations']:,} gradient evaluations")
    return f"{', '.join(took)}: {folder}"


def make_stage(
    workspace: Workspace, stage: Stage, progress: Progress, around: Around = nullcontext
) -> tuple[dict[str, Any], bool]:
    """One stage, whose needs are finished; waits for another run that is making it.

    Args:
        around: entered when the stage is this process's to make, just before it is.

    Returns:
        Its record, and whether it was there already.

    Raises:
        UserError: anything that the user can mend.
    """
    entry = workspace.store.entry(stage.kind, stage.key)
    with workspace.store.work(entry):
        record = entry.record()
        if record is not None:  # another run over the same store finished it while this one waited
            return record, True
        start, memory = time.monotonic(), Watermark()
        with around(stage):
            outcome = WORK[stage.kind](workspace, stage, entry.partial, progress)
        entry.commit(
            {
                "kind": stage.kind,
                "key": stage.key,
                "settings": dict(stage.settings),
                "seconds": round(time.monotonic() - start, 3),
                "peak_memory_mb": memory.mb(),
                "gradient_evaluations": outcome.gradients,
                "rows": outcome.rows,
                "notes": outcome.notes,
                **outcome.extra,
            }
        )
        committed = entry.record()
        assert committed is not None, f"stage {stage.label} was committed but cannot be read back"
        return committed, False
