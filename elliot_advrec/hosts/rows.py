"""The interactions that Elliot is given: unsplit where it can split them, with ids that it reads right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import PARTS
from elliot_advrec.data.joining import join
from elliot_advrec.data.taste import simulate
from elliot_advrec.experiment import Stage, Workspace
from elliot_advrec.experiment.given_features import treatment
from elliot_advrec.files import atomic
from elliot_advrec.hosts.inside.ids import Ids
from elliot_advrec.metrics.judged import decimals
from elliot_advrec.recipe import Recipe


def write_rows(recipe: Recipe, stage: Stage, workspace: Workspace, folder: Path) -> Ids:
    """Write ``dataset.tsv``, or the parts that our engine made where Elliot cannot make them.

    Args:
        recipe: ours.
        stage: its interactions, finished.
        workspace: where the result is.
        folder: gets the tables; those of an earlier run go.

    Returns:
        What the tables call users and items.

    Raises:
        UserError: the interactions cannot be read, or the folder cannot be written.
    """
    for left in folder.glob("*.tsv"):
        left.unlink()
    interactions = workspace.interactions(stage)
    catalog = workspace.catalog(stage.needs["catalog"])
    given = recipe.experiment.data_config
    if (given is None or given.fixed() is None) and not _split_here(recipe):
        frame: Any = None if given is None else given.dataset_path
        if given is None:
            source = stage.parts["source"]
            frame = source.interactions(catalog)
            if frame is None:
                frame = simulate(
                    catalog,
                    seed=recipe.experiment.random_seed,
                    pixels=workspace.pixels(stage.needs["catalog"]),
                    **recipe.adversarial.simulation.model_dump(),
                )
        # Filters look at all rows: items that they take out are not in a catalog made of what is left.
        items = treatment(recipe.experiment).items if recipe.plain else catalog.ids
        tables = {"dataset": join(frame, items, recipe.adversarial.strict, [])}
    else:
        tables = {
            part: _table(matrix, interactions.users, catalog.ids)
            for part in PARTS
            if (matrix := getattr(interactions, part)) is not None
        }
    users = pd.unique(pd.concat([table["user"] for table in tables.values()])).tolist()
    met = pd.unique(pd.concat([table["item"] for table in tables.values()])).tolist()
    ids = Ids.of(users, list(dict.fromkeys([*catalog.ids, *met])))
    for name, table in tables.items():
        _tsv(folder / f"{name}.tsv", table, ids)
    return ids


def _split_here(recipe: Recipe) -> bool:
    """Whether Elliot is given parts: of folds it would report the best alone, and not say which that is; and
    its temporal split stops, for it ranks times along an axis that no pandas of today takes."""
    if len(recipe.experiment.folds) > 1:
        return True
    parts = (recipe.experiment.splitting.test_splitting, recipe.experiment.splitting.validation_splitting)
    return any(part is not None and part.strategy == "temporal_hold_out" for part in parts)


def _table(matrix: csr_matrix, users: Sequence[str], items: Sequence[str]) -> pd.DataFrame:
    held = matrix.tocoo()
    return pd.DataFrame(
        {
            "user": np.array(users, dtype=object)[held.row],
            "item": np.array(items, dtype=object)[held.col],
            "rating": held.data,
        }
    )


def _tsv(path: Path, table: pd.DataFrame, ids: Ids) -> None:
    # Ratings are float32 here, and judged as the decimals that they stand for.
    shown = table.assign(rating=decimals(table["rating"].to_numpy(np.float32)))
    for column, known in (("user", ids.users), ("item", ids.items)):
        if known is not None:
            shown[column] = shown[column].map(known)
    with atomic(path) as temporary:
        shown.to_csv(temporary, sep="\t", index=False, header=False)
