"""Who makes the stages of a plan: this process, or others that the hosts need not know."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from elliot_advrec.experiment import Finished, Plan, Workspace, resolve_device, run_plan
from elliot_advrec.progress import Progress
from elliot_advrec.recipe import Recipe


class Engine(Protocol):
    """Anything that brings the stages of a plan into the store."""

    def device(self, asked: str) -> torch.device:
        """The device that stages are planned for.

        Raises:
            UserError: it is not there.
        """
        ...

    def run(self, recipe: Recipe, plan: Plan, workspace: Workspace, progress: Progress) -> list[Finished]:
        """Do what is missing and return every stage's record, in the plan's order.

        Args:
            recipe: the one that ``plan`` was made of.

        Raises:
            UserError: anything that the user can mend; finished stages stay in the store.
        """
        ...

    def account(self) -> dict[str, Any]:
        """Keys of the results document that it knows better than this process."""
        ...


class Here:
    """This process makes every stage itself, one after the other."""

    def device(self, asked: str) -> torch.device:
        return resolve_device(asked)

    def run(self, recipe: Recipe, plan: Plan, workspace: Workspace, progress: Progress) -> list[Finished]:
        return run_plan(plan, workspace, progress)

    def account(self) -> dict[str, Any]:
        return {}


HERE = Here()
