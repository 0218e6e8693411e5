"""The recipe that Elliot is given for one of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from elliot_advrec.errors import UserError
from elliot_advrec.experiment import Stage, Workspace
from elliot_advrec.files import atomic
from elliot_advrec.hosts import external
from elliot_advrec.hosts.inside.ids import Ids
from elliot_advrec.hosts.rows import write_rows
from elliot_advrec.recipe import Recipe
from elliot_advrec.recipe.models import EXTERNAL
from elliot_advrec.recipe.spec import GIVEN, ModelSpec

CONFIG, RECIPE, CELLS, IDS = "config", "recipe.yml", "cells.yml", "ids.json"
"""Elliot writes negatives to ``../data`` of the folder that its recipe is in."""
OUTPUTS = {
    "path_output_rec_result": "recs",
    "path_output_rec_weight": "weights",
    "path_output_rec_performance": "performance",
}
"""Elliot's keys of output folders, and where below ours they are if the recipe does not say."""
OURS = ("adversarial", "models", "verbose", "external_models_path", "data_config", *OUTPUTS)


def hand_over(
    recipe: Recipe, cells: Sequence[str], interactions: Stage, workspace: Workspace, folder: Path
) -> Path:
    """Write Elliot's recipe and data for the cells of a recipe that our engine has worked through.

    The recipe that is written can be run by Elliot alone, as long as this package can be imported.

    Args:
        recipe: ours, as it was loaded; its plain models are Elliot's own.
        cells: names of the cells, one Elliot model each.
        interactions: the plan's stage, finished.
        workspace: where its result is.
        folder: gets ``config/recipe.yml``, ``config/cells.yml`` (ours, resolved) and ``data/``.

    Returns:
        Elliot's recipe.

    Raises:
        UserError: Elliot cannot be given this recipe.
    """
    ids = write_rows(recipe, interactions, workspace, folder / "data")
    ids.save(folder / CONFIG / IDS)
    resolved = recipe.resolved()
    # Inside Elliot the stages are looked up again, and those of another device are other stages.
    resolved["experiment"]["adversarial"]["device"] = str(workspace.device)
    _yaml(folder / CONFIG / CELLS, resolved)
    experiment = recipe.experiment.model_dump(mode="json", exclude_none=True)
    kept = {key: value for key, value in experiment.items() if key not in OURS}
    strategy = "dataset" if (folder / "data" / "dataset.tsv").exists() else "fixed"
    splitting, filters = kept.pop("splitting", None), kept.pop("prefiltering", None)
    if strategy == "dataset" and splitting is not None:
        kept["splitting"] = _splitting(splitting)
    if strategy == "dataset" and filters:
        kept["prefiltering"] = [{key: _whole(value) for key, value in one.items()} for one in filters]
    if "negative_sampling" in kept:
        kept["negative_sampling"] = _negatives(recipe, ids, folder / "data" / recipe.name)
    outputs = {key: getattr(recipe.experiment, key) or folder / name for key, name in OUTPUTS.items()}
    for path in outputs.values():
        path.mkdir(parents=True, exist_ok=True)  # Elliot makes the later ones only with the first
    written = {
        **kept,
        "evaluation": _evaluation(kept["evaluation"]),
        "data_config": {
            "strategy": strategy,
            **{f"{path.stem}_path": _path(path) for path in sorted((folder / "data").glob("*.tsv"))},
        },
        **{key: _path(path) for key, path in outputs.items()},
        "path_log_folder": _path(folder / "log"),
        "external_models_path": _path(Path(external.__file__)),
        "models": _models(recipe, cells),
        "adversarial": {"recipe": CELLS, "store": str(workspace.store.root.absolute()), "ids": IDS},
    }
    _yaml(folder / CONFIG / RECIPE, {"experiment": written})
    return folder / CONFIG / RECIPE


def ours_of(recipe: Recipe) -> list[str]:
    """Names of the recommenders that come through our door: ``external.X``."""
    return [model.name for model in recipe.models if model.key.startswith(EXTERNAL)]


def _models(recipe: Recipe, cells: Sequence[str]) -> dict[str, Any]:
    saved = {model.name: model.meta.save_recs for model in recipe.models}
    found: dict[str, Any] = {}
    for model in recipe.models:
        if model.key.startswith(EXTERNAL):
            # Elliot's own file of a cell's list; every cell of the recommender has one.
            mine = [cell for cell in cells if cell.startswith(f"{model.name}_defense=")]
            found |= {f"{EXTERNAL}{cell}": {"meta": {"save_recs": saved[model.name]}} for cell in mine}
            continue
        if model.component.uses_images or model.component.uses_pixels:
            raise UserError(
                f"'{model.key}' is Elliot's own here, and Elliot's reads features by side_information",
                where=model.where,
                remedy=f"write {EXTERNAL}{model.key}",
            )
        meta = model.meta.model_dump(mode="json", exclude_unset=True)
        found[model.key] = {**_settings(model), "meta": meta}
    return found


def _settings(model: ModelSpec) -> dict[str, Any]:
    """What the recipe says about one of Elliot's own models; its defaults are Elliot's, lists a search."""
    if model.key == "RecommendationFolder":
        return dict(model.written or {})
    paths = {key: str(value.absolute()) for key, value in model.config if isinstance(value, Path)}
    name = {"name": model.name} if model.kind in GIVEN else {}
    return {**model.given, **paths, **name}


def _splitting(section: dict[str, Any]) -> dict[str, Any]:
    """As Elliot reads it: ``save_on_disk`` counts by being there, and a timestamp is text."""
    found = dict(section)
    if not found.get("save_on_disk"):
        found.pop("save_on_disk", None)
        found.pop("save_folder", None)
    for part in ("test_splitting", "validation_splitting"):
        if part in found and "timestamp" in found[part]:
            found[part] = {**found[part], "timestamp": str(found[part]["timestamp"])}
    if "save_folder" in found:
        found["save_folder"] = _braced(found["save_folder"])
    return found


def _evaluation(section: dict[str, Any]) -> dict[str, Any]:
    """A whole threshold as such, for it stands in file names."""
    return {**section, "relevance_threshold": _whole(section["relevance_threshold"])}


def _negatives(recipe: Recipe, ids: Ids, folder: Path) -> dict[str, Any]:
    """Elliot draws negatives for its own models; the lists of cells are of ours, which are the same."""
    given = recipe.experiment.negative_sampling
    assert given is not None
    if given.strategy == "random":
        folder.mkdir(parents=True, exist_ok=True)  # where Elliot writes them, and makes no folder
        return {"strategy": given.strategy, "num_items": given.num_items}
    if ids != Ids():
        raise UserError(
            "Elliot would misread the ids of this data, and the negatives' files know no others",
            where=f"{recipe.path}: experiment.negative_sampling.files",
            remedy="use whole numbers or names as ids, or run with --host embedded",
        )
    return {"strategy": given.strategy, "files": [str(path.absolute()) for path in given.files]}


def _whole(value: Any) -> Any:
    """A whole number as an int, as it stands in Elliot's recipes and file names."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _path(path: Path) -> str:
    return _braced(str(path.absolute()))


def _braced(path: str) -> str:
    """Elliot puts the name of the data into every path, at ``{0}``."""
    return path.replace("{", "{{").replace("}", "}}")


def _yaml(path: Path, value: Any) -> None:
    with atomic(path) as temporary:
        temporary.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), "utf-8")
