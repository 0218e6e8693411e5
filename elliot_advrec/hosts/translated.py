"""Sections of a recipe of ours as Elliot reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elliot_advrec.hosts.inside.ids import Ids
from elliot_advrec.hosts.suited import EMBEDDED, ElliotError, own_of
from elliot_advrec.recipe import Recipe
from elliot_advrec.recipe.models import EXTERNAL
from elliot_advrec.recipe.spec import GIVEN, ModelSpec


def models(recipe: Recipe, cells: Sequence[str]) -> dict[str, Any]:
    """Elliot's ``models``: a model for each cell, and its own ones with the settings that the recipe gives.

    Args:
        recipe: ours.
        cells: names of the cells.
    """
    found: dict[str, Any] = {}
    for model in recipe.models:
        if model.key.startswith(EXTERNAL):
            # Elliot's own file of a cell's list; every cell of the recommender has one.
            mine = [cell for cell in cells if cell.startswith(f"{model.name}_defense=")]
            found |= {f"{EXTERNAL}{cell}": {"meta": {"save_recs": model.meta.save_recs}} for cell in mine}
        else:
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


def data_config(recipe: Recipe, tables: Sequence[Path]) -> dict[str, Any]:
    """Elliot's ``data_config``.

    Args:
        recipe: ours.
        tables: ``dataset.tsv``, or the parts of a split.
    """
    strategy = "dataset" if [table.stem for table in tables] == ["dataset"] else "fixed"
    found: dict[str, Any] = {"strategy": strategy}
    found |= {f"{table.stem}_path": escaped(table) for table in tables}
    given = recipe.experiment.data_config
    if given is not None and given.features is not None and any(m.uses_images for m in own_of(recipe)):
        # Items are called by the numbers of their files, which Elliot reads as they are.
        found["side_information"] = [
            {"dataloader": "VisualAttribute", "visual_features": escaped(given.features)}
        ]
    return found


def splitting(section: dict[str, Any]) -> dict[str, Any]:
    """As Elliot reads it: ``save_on_disk`` counts by being there, and a timestamp is text."""
    found = dict(section)
    if not found.get("save_on_disk"):
        found.pop("save_on_disk", None)
        found.pop("save_folder", None)
    for part in ("test_splitting", "validation_splitting"):
        if part in found and "timestamp" in found[part]:
            found[part] = {**found[part], "timestamp": str(found[part]["timestamp"])}
    if "save_folder" in found:
        found["save_folder"] = braced(found["save_folder"])
    return found


def prefiltering(section: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whole thresholds as such: Elliot slices by them."""
    return [{key: whole(value) for key, value in one.items()} for one in section]


def evaluation(section: dict[str, Any]) -> dict[str, Any]:
    """A whole threshold as such, for it stands in file names."""
    return {**section, "relevance_threshold": whole(section["relevance_threshold"])}


def negatives(recipe: Recipe, ids: Ids, folder: Path) -> dict[str, Any]:
    """Elliot draws negatives for its own models; the lists of cells are of ours, which are the same.

    Args:
        recipe: ours.
        ids: what Elliot's tables call users and items.
        folder: where Elliot writes negatives that it draws.

    Raises:
        ElliotError: the files of negatives call users or items otherwise.
    """
    given = recipe.experiment.negative_sampling
    assert given is not None
    if given.strategy == "random":
        folder.mkdir(parents=True, exist_ok=True)  # Elliot makes no folder
        return {"strategy": given.strategy, "num_items": given.num_items}
    if ids != Ids():
        raise ElliotError(
            "Elliot would misread the ids of this data, and the negatives' files know no others",
            where=f"{recipe.path}: experiment.negative_sampling.files",
            remedy=f"use whole numbers or names as ids, or {EMBEDDED}",
        )
    return {"strategy": given.strategy, "files": [str(path.absolute()) for path in given.files]}


def whole(value: Any) -> Any:
    """A whole number as an int, as it stands in Elliot's recipes and file names."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def escaped(path: Path) -> str:
    """An absolute path in Elliot's recipe."""
    return braced(str(path.absolute()))


def braced(path: str) -> str:
    """Elliot puts the name of the data into every path, at ``{0}``."""
    return path.replace("{", "{{").replace("}", "}}")
