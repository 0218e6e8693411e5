"""The engine that has stages made by a Ray cluster; all else of a run stays in this process."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from elliot_advrec import __version__
from elliot_advrec.errors import UserError
from elliot_advrec.experiment import Finished, Plan, Stage, Workspace
from elliot_advrec.extractors.frozen import resolve_precision
from elliot_advrec.hosts.cluster.board import PATIENCE, Board
from elliot_advrec.hosts.cluster.joining import Joined, Machine, joined
from elliot_advrec.hosts.cluster.looking import libraries, look
from elliot_advrec.hosts.cluster.making import WITHOUT_NETWORK, make
from elliot_advrec.hosts.cluster.spreading import Answer, spread
from elliot_advrec.memory import peak_mb
from elliot_advrec.progress import Progress
from elliot_advrec.recipe import Recipe


@contextmanager
def cluster(address: str, cpus: int | None = None) -> Iterator[Spread]:
    """An engine for ``dispatch.run``, connected within the block; see ``joining.joined``."""
    with joined(address, cpus) as found:
        yield Spread(found)


def decided(recipe: Recipe, device: str) -> dict[str, Any]:
    """The resolved recipe that machines read, with the precision that this one takes for ``auto``.

    Another machine might take another one, and with it find another plan.

    Args:
        recipe: as it was planned here.
        device: ``cpu`` or ``cuda``.
    """
    ours = recipe.adversarial
    precision = resolve_precision(ours.precision, device)
    return replace(recipe, adversarial=replace(ours, precision=precision)).resolved()


class Spread:
    """Has stages made by the machines of a cluster, into the store that they share with this process."""

    def __init__(self, found: Joined) -> None:
        self.joined = found
        self._answers: dict[str, Answer] = {}

    def device(self, asked: str) -> torch.device:
        """``cuda`` where the cluster has GPUs and the recipe does not say ``cpu``.

        Raises:
            UserError: GPUs, or one of them by number, are asked for where Ray gives out none.
        """
        if asked.startswith("cuda:"):
            raise UserError(
                f"device '{asked}' names one GPU, and Ray gives them out", remedy="use --device cuda"
            )
        if asked == "cuda" and not self.joined.gpus:
            raise UserError("the Ray cluster has no GPU", remedy="use --device auto or --device cpu")
        planned = "cuda" if self.joined.gpus and asked != "cpu" else "cpu"
        cpus, gpus = self.joined.cpus, int(planned == "cuda")
        if not any(machine.cpus >= cpus and machine.gpus >= gpus for machine in self.joined.machines):
            most = int(max((machine.cpus for machine in self.joined.machines), default=0))
            raise UserError(
                f"no machine of the Ray cluster has {cpus} cores" + (" and a GPU" if gpus else ""),
                where="--ray-cpus",
                remedy=f"the largest has {most} cores",
            )
        return torch.device(planned)

    def run(self, recipe: Recipe, plan: Plan, workspace: Workspace, progress: Progress) -> list[Finished]:
        store = workspace.store.root.resolve()
        board = Board(store, secrets.token_hex(8))
        with board.held(decided(recipe, workspace.device.type)):
            crew = RayCrew(board, workspace.device.type, self.joined)
            crew.check(progress)
            try:
                self._answers = spread(plan, workspace, crew, board, progress)
            except UserError as error:  # the recipe that a worker read is a copy
                where = error.where and error.where.replace(str(board.recipe), str(recipe.path))
                raise UserError(error.what, where=where, remedy=error.remedy) from error
        made = {key for key, answer in self._answers.items() if answer["made"]}
        return [
            Finished(stage, workspace.record(stage), cached=stage.key not in made) for stage in plan.stages
        ]

    def account(self) -> dict[str, Any]:
        answers = self._answers.values()
        devices = sorted({answer["device"] for answer in answers})
        return {
            **({"device": ", ".join(devices)} if devices else {}),
            "peak_memory_mb": max([peak_mb(), *(answer["memory"] for answer in answers)]),
            "ray": {
                "machines": sorted(machine.name for machine in self.joined.machines),
                "cpus_per_stage": self.joined.cpus,
                "made": {key: answer["host"] for key, answer in self._answers.items() if answer["made"]},
            },
        }


class RayCrew:
    """Ray's processes. They are sent names and paths alone, and answer with plain data.

    Args:
        board: of the run.
        planned: ``cpu`` or ``cuda``.
        found: the cluster.
    """

    def __init__(self, board: Board, planned: str, found: Joined) -> None:
        import ray

        self.ray, self.board, self.planned, self.joined = ray, board, planned, found
        self.under_way: dict[Any, str] = {}
        # Ray's own repetitions would be silent, and without an end to stages that kill every process.
        # A process that has used a GPU would hold on to it, and to its number, in the next stage.
        once: dict[str, Any] = {"max_calls": 1} if planned == "cuda" else {}
        self._make = ray.remote(max_retries=0, num_cpus=found.cpus, **once)(make)

    @property
    def store(self) -> str:
        return str(self.board.folder.parent.parent)

    def check(self, progress: Progress) -> None:
        """Have every machine look at the store.

        Raises:
            UserError: one does not see it, or has another version of this package, or none.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        asked = self.ray.remote(max_retries=0, num_cpus=0)(look)
        sent: list[tuple[Machine, Any]] = []
        for machine in self.joined.machines:
            there = asked.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(machine.node, soft=False)
            )
            sent.append((machine, there.remote(self.store, self.board.folder.name, PATIENCE)))
        for machine, reference in sent:
            where = f"machine {machine.name}"
            try:
                found = self.ray.get(reference, timeout=3 * PATIENCE)
            except (self.ray.exceptions.RayError, ImportError, RuntimeError) as error:
                said = str(getattr(error, "cause", None) or error).strip().splitlines()
                raise UserError(
                    f"cannot be used ({said[-1] if said else type(error).__name__})",
                    where=where,
                    remedy="install the same elliot-advrec on every machine of the cluster",
                ) from error
            if not found["sees"]:
                raise UserError(
                    f"does not see the store {self.store}",
                    where=where,
                    remedy="name a --store in a folder that all machines share, under the same path",
                )
            if found["package"] != __version__:
                raise UserError(
                    f"has elliot-advrec {found['package']}, here it is {__version__}",
                    where=where,
                    remedy="install the same on every machine of the cluster",
                )
            other = {name for name, here in libraries().items() if found["versions"].get(name) != here}
            if other:
                progress.say(
                    f"{where} has other versions of {', '.join(sorted(other))}: last digits may differ"
                )

    def submit(self, stage: Stage) -> None:
        gpus = int(self.planned == "cuda" and stage.kind not in WITHOUT_NETWORK)
        task = self._make.options(num_gpus=gpus, name=stage.label)
        reference = task.remote(self.store, self.board.folder.name, stage.key, self.planned)
        self.under_way[reference] = stage.key

    def wait(self, seconds: float) -> list[tuple[str, Answer | None]]:
        errors = self.ray.exceptions
        ready, _ = self.ray.wait(list(self.under_way), timeout=seconds)
        found: list[tuple[str, Answer | None]] = []
        for reference in ready:
            key = self.under_way.pop(reference)
            try:
                found.append((key, self.ray.get(reference)))
            except (
                errors.WorkerCrashedError,
                errors.OutOfMemoryError,
                errors.NodeDiedError,
                errors.ObjectLostError,
            ):
                found.append((key, None))
        return found

    def stop(self) -> None:
        for reference in self.under_way:
            self.ray.cancel(reference, force=True)
