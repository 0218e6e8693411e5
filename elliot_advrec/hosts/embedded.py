"""The embedded host: runs a recipe on this package's own engine, without Elliot."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from elliot_advrec import report
from elliot_advrec.errors import UserError
from elliot_advrec.experiment import (
    Store,
    Workspace,
    collect,
    collect_lists,
    make_plan,
    refuse_failed,
)
from elliot_advrec.files import atomic, disk_error, write_arrays, write_json
from elliot_advrec.hosts.elliot_results import write_elliot
from elliot_advrec.hosts.engines import HERE, Engine
from elliot_advrec.progress import SILENT, Progress
from elliot_advrec.recipe import Recipe

LEAST_FREE = 64 << 20  # bytes below which a run is not begun


def run(
    recipe: Recipe,
    output: Path,
    *,
    device: str | None = None,
    store: Path | None = None,
    progress: Progress = SILENT,
    notes: Sequence[str] = (),
    engine: Engine = HERE,
) -> dict[str, Any]:
    """Run ``recipe``; write ``results.json``, ``exhibits.npz``, ``report.html`` and the TSVs to ``output``.

    Elliot's own result files lie beside the TSVs, see ``elliot_results.write_elliot``.

    Args:
        device: overrides the recipe's.
        store: folder of finished stages; see ``store_folder``.
        progress: is told what is being done.
        notes: go before those of the stages.
        engine: makes the stages.

    Returns:
        The results document.

    Raises:
        UserError: anything the user can mend, before or during the run; finished stages stay in the store.
    """
    target = engine.device(device or recipe.adversarial.device)
    repeatable()
    plan = make_plan(recipe, target.type)
    check_writable(output)
    workspace = Workspace(Store(store_folder(recipe, output, store)), target, recipe.adversarial.workers)
    finished = engine.run(recipe, plan, workspace, progress)
    results, arrays = collect(recipe, finished, workspace)
    results |= engine.account()
    results["notes"] = [*notes, *results["notes"]]
    write_arrays(output / "exhibits.npz", arrays, compressed=True)
    write_json(output / "results.json", results)
    progress.say("writing the report")
    experiment = recipe.experiment
    performance = experiment.path_output_rec_performance or output / "performance"
    report.write(output, results, arrays, performance=performance)
    write_elliot(recipe, finished, workspace, performance)
    collect_lists(finished, workspace, experiment.path_output_rec_result or output / "recs")
    if recipe.adversarial.strict:
        refuse_failed(results["checks"], output)
    return results


def repeatable() -> None:
    """float32 means float32, and a kernel means the same sum every time, on CUDA as on the CPU."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def store_folder(recipe: Recipe, output: Path, named: Path | None) -> Path:
    """Where finished stages and trained weights are kept: ``--store``, else the recipe's weight folder."""
    return named or recipe.experiment.path_output_rec_weight or output / "store"


def check_writable(folder: Path) -> None:
    """Refuse early what would fail late.

    Raises:
        UserError: ``folder`` cannot be made or written, or its disk is (nearly) full.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise UserError(
                "the output is a file, not a folder", where=str(folder), remedy="name another --output"
            )
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
    with atomic(folder / ".writable") as temporary:
        temporary.write_bytes(os.urandom(16))
    (folder / ".writable").unlink(missing_ok=True)  # several processes may try at once
    if shutil.disk_usage(folder).free < LEAST_FREE:
        raise UserError("the disk is full", where=str(folder), remedy="free space, or name another --output")
