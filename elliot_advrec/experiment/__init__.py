"""The plan of a recipe, the store of finished stages, and the runner."""

from elliot_advrec.experiment.lists import collect_lists
from elliot_advrec.experiment.noticing import notices
from elliot_advrec.experiment.plan import Plan, make_plan
from elliot_advrec.experiment.results import collect
from elliot_advrec.experiment.runner import make_stage, run_plan
from elliot_advrec.experiment.sanity import refuse_failed
from elliot_advrec.experiment.stages import Finished, Stage
from elliot_advrec.experiment.store import Store
from elliot_advrec.experiment.workspace import Workspace, resolve_device

__all__ = [
    "Finished",
    "Plan",
    "Stage",
    "Store",
    "Workspace",
    "collect",
    "collect_lists",
    "make_plan",
    "make_stage",
    "notices",
    "refuse_failed",
    "resolve_device",
    "run_plan",
]
