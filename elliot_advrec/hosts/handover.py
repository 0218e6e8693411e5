"""The recipe and the data that Elliot is given for one of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from elliot_advrec.experiment import Stage, Workspace
from elliot_advrec.files import atomic
from elliot_advrec.hosts import external, translated
from elliot_advrec.hosts.rows import write_rows
from elliot_advrec.recipe import Recipe

CONFIG, RECIPE, CELLS, IDS = "config", "recipe.yml", "cells.yml", "ids.json"
"""Elliot writes negatives to ``../data`` of the folder that its recipe is in."""
OUTPUTS = {
    "path_output_rec_result": "recs",
    "path_output_rec_weight": "weights",
    "path_output_rec_performance": "performance",
}
"""Elliot's keys of output folders, and where below ours they are if the recipe does not say."""
OURS = ("adversarial", "models", "verbose", "external_models_path", "data_config", *OUTPUTS)


@dataclass(frozen=True)
class Handed:
    """What Elliot runs.

    Attributes:
        recipe: Elliot's recipe.
        performance: the folder of results that it names.
        log: gets what Elliot prints.
    """

    recipe: Path
    performance: Path
    log: Path


def hand_over(
    recipe: Recipe,
    cells: Sequence[str],
    interactions: Stage,
    workspace: Workspace,
    folder: Path,
    fold: str = "",
) -> Handed:
    """Write Elliot's recipe and data for the cells of a recipe that our engine has worked through.

    The recipe that is written can be run by Elliot alone, as long as this package can be imported.

    Args:
        recipe: ours, as it was loaded; its plain models are Elliot's own.
        cells: names of the cells, one Elliot model each.
        interactions: of the fold, finished.
        workspace: where its result is.
        folder: gets ``config/recipe.yml``, ``config/cells.yml`` (ours, resolved) and ``data/``.
        fold: the fold's name, in folders that the recipe names; empty where there is one.

    Raises:
        ElliotError: Elliot cannot be given this recipe.
        UserError: the interactions cannot be read, or the folder cannot be written.
    """
    ids = write_rows(recipe, interactions, workspace, folder / "data")
    ids.save(folder / CONFIG / IDS)
    resolved = recipe.resolved()
    # Inside Elliot the stages are looked up again, and those of another device are other stages.
    resolved["experiment"]["adversarial"]["device"] = str(workspace.device)
    _yaml(folder / CONFIG / CELLS, resolved)
    outputs = _outputs(recipe, folder, fold)
    for path in outputs.values():
        path.mkdir(parents=True, exist_ok=True)  # Elliot makes the later ones only with the first
    experiment = recipe.experiment.model_dump(mode="json", exclude_none=True)
    kept = {key: value for key, value in experiment.items() if key not in OURS}
    data = translated.data_config(recipe, sorted((folder / "data").glob("*.tsv")))
    splitting, filters = kept.pop("splitting", None), kept.pop("prefiltering", None)
    if data["strategy"] == "dataset" and splitting is not None:
        kept["splitting"] = translated.splitting(splitting)
    if data["strategy"] == "dataset" and filters:
        kept["prefiltering"] = translated.prefiltering(filters)
    if "negative_sampling" in kept:
        kept["negative_sampling"] = translated.negatives(recipe, ids, folder / "data" / recipe.name)
    written: dict[str, Any] = {
        **kept,
        "evaluation": translated.evaluation(kept["evaluation"]),
        "data_config": data,
        **{key: translated.escaped(path) for key, path in outputs.items()},
        "path_log_folder": translated.escaped(folder / "log"),
        "external_models_path": translated.escaped(Path(external.__file__)),
        "models": translated.models(recipe, cells),
        "adversarial": {"recipe": CELLS, "store": str(workspace.store.root.absolute()), "ids": IDS},
    }
    _yaml(folder / CONFIG / RECIPE, {"experiment": written})
    return Handed(folder / CONFIG / RECIPE, outputs["path_output_rec_performance"], folder / "elliot.log")


def _outputs(recipe: Recipe, folder: Path, fold: str) -> dict[str, Path]:
    """Folders that the recipe names have one for each fold; those below ours lie in the fold's already."""
    found = {}
    for key, name in OUTPUTS.items():
        named: Path | None = getattr(recipe.experiment, key)
        found[key] = folder / name if named is None else named / fold
    return found


def _yaml(path: Path, value: Any) -> None:
    with atomic(path) as temporary:
        temporary.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), "utf-8")
