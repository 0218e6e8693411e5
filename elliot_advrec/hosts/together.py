"""The engine of a run that ``torchrun`` started as several processes: they make the long stages together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from elliot_advrec.errors import AloneError, UserError
from elliot_advrec.experiment import Finished, Plan, Stage, Workspace, resolve_device, run_plan
from elliot_advrec.experiment.runner import WORK
from elliot_advrec.processes import ALONE, Group
from elliot_advrec.progress import SILENT, Progress
from elliot_advrec.recipe import Recipe

END = "end"


def shared(stage: Stage) -> bool:
    """Whether all processes make the stage: attacks, and training against an adversary."""
    return stage.kind == "attack" or (stage.kind == "extractor" and stage.parts["defense"] is not None)


class Together:
    """The first process runs the plan and writes; the others join in for the stages that are shared.

    Args:
        group: all processes.
    """

    def __init__(self, group: Group) -> None:
        self.group = group

    def device(self, asked: str) -> torch.device:
        device = resolve_device(asked)
        if device.type == "cuda" and device.index is None:
            return torch.device("cuda", torch.cuda.current_device())
        if device.type == "cuda":
            raise UserError(
                f"device '{asked}' names one GPU, and every process takes its own",
                remedy="use --device cuda",
            )
        return device

    def run(self, recipe: Recipe, plan: Plan, workspace: Workspace, progress: Progress) -> list[Finished]:
        """As ``Engine.run``; on all processes but the first it ends the process when the plan is made."""
        if not self.group.first:
            self._follow(plan, workspace)
        try:
            found = run_plan(plan, workspace, progress, partial(self._around, workspace))
        except Exception:  # raised again below; not after Ctrl-C, which reaches the others by itself
            if workspace.group is ALONE:  # else the others meet the same error, or the launcher ends them
                self.group.hear(END)
            raise
        self.group.hear(END)
        return found

    def account(self) -> dict[str, Any]:
        return {"processes": self.group.size}

    @contextmanager
    def _around(self, workspace: Workspace, stage: Stage) -> Iterator[None]:
        """The others begin a stage when the first has it in its hands: nobody else is making it."""
        if shared(stage):
            workspace.group = self.group
            self.group.hear(stage.key)
        yield
        workspace.group = ALONE  # not after an error: it is how that is known to be the others' too

    def _follow(self, plan: Plan, workspace: Workspace) -> None:
        stages = {stage.key: stage for stage in plan.stages}
        workspace.group = self.group
        while (key := self.group.hear()) != END:
            if key not in stages:
                raise AloneError(
                    f"process {self.group.rank} has another plan",
                    remedy="recipe, data and this package must be the same for all processes",
                )
            stage = stages[key]
            WORK[stage.kind](workspace, stage, workspace.store.entry(stage.kind, key).partial, SILENT)
        raise SystemExit(0)
