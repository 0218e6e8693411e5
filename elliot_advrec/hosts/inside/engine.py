"""Our engine behind Elliot's models: it does the work of the cells, and keeps their lists in its store."""

from __future__ import annotations

from dataclasses import dataclass

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.experiment import Plan, Stage, Store, Workspace, make_plan, resolve_device, run_plan
from elliot_advrec.hosts.cells import cells
from elliot_advrec.hosts.embedded import repeatable
from elliot_advrec.hosts.inside.ids import Ids
from elliot_advrec.hosts.inside.ours import our_part
from elliot_advrec.hosts.inside.running import Running
from elliot_advrec.progress import Progress


@dataclass(frozen=True)
class Engine:
    """A plan of ours that is finished as far as the cells of one Elliot recipe need it.

    Attributes:
        cells: cell -> the stages that rank it, one a fold.
        workspace: where the stages' results are.
        ids: what the recipe's files call users and items.
    """

    cells: dict[str, list[Stage]]
    workspace: Workspace
    ids: Ids

    def cell(self, name: str, where: str) -> list[Stage]:
        """The stages of a cell; the bare name of a recommender is its clean, undefended one, first seed.

        Raises:
            UserError: no such cell.
        """
        if name in self.cells:
            return self.cells[name]
        for stages in self.cells.values():
            if stages[0].tags["recommender"] == name and stages[0].kind == "recommender":
                return stages
        raise UserError(f"the recipe has no cell '{name}'", where=where, remedy=nearest(name, self.cells))

    def interactions(self, stage: Stage) -> Interactions:
        """What the cell was trained on and is judged by."""
        return self.workspace.interactions(self._fitted(stage).needs["interactions"])

    def items(self, stage: Stage) -> list[str]:
        """Ids of the columns of ``interactions``."""
        return self.workspace.catalog(self._fitted(stage).needs["interactions"].needs["catalog"]).ids

    @staticmethod
    def _fitted(stage: Stage) -> Stage:
        return stage.needs.get("recommender", stage)


def open_engine(recipe: Running, progress: Progress) -> Engine:
    """Read our part of the recipe that Elliot is running, and do what of its cells is not in the store yet.

    Raises:
        UserError: our part is wrong, or anything that running it may raise.
    """
    ours, store, ids = our_part(recipe)
    repeatable()
    device = resolve_device(ours.adversarial.device)
    plan = make_plan(ours, device.type)
    known = Engine(cells(plan), Workspace(Store(store), device, ours.adversarial.workers), ids)
    wanted = [known.cell(name, recipe.where(f"models.external.{name}")) for name in recipe.externals()]
    needed = {stage.key for cell in wanted for fold in cell for stage in (fold, *ancestors(fold))}
    run_plan(Plan(tuple(s for s in plan.stages if s.key in needed), len(wanted)), known.workspace, progress)
    return known


def ancestors(stage: Stage) -> list[Stage]:
    """All that a stage needs, directly or not."""
    return [found for need in stage.needs.values() for found in (*ancestors(need), need)]
