"""Several folds of one cell as one: means over folds, with intervals that know users come again.

A number over F folds is the mean of the folds' means, as Elliot's over validation folds. Its interval is
Student's t with users as clusters, for the lists of a user in two folds are not two users: with M_f the mean
of fold f over its n_f users, user u adds e_u = sum over f of (x_fu - M_f) / (F n_f), and the variance is
U / (U - 1) sum of e_u^2 over all U users (Cameron & Miller 2015, eq. 11), which for F = 1 is that of a mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from elliot_advrec.experiment.judging import ranking_row
from elliot_advrec.experiment.plan import RANKED
from elliot_advrec.experiment.ranking import MEASURED
from elliot_advrec.experiment.stages import Finished
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.metrics.measured import Measured, Overall, PerUser, Ranking
from elliot_advrec.metrics.rates import wilson

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Fold:
    """What one fold measured.

    Attributes:
        users: ids of the rows that ``measured`` counts users by.
        measured: what was measured of the fold's lists.
    """

    users: Sequence[str]
    measured: Ranking


def by_cell(finished: Iterable[Finished]) -> dict[str, list[Finished]]:
    """The stages that rank, those of one cell together; cells in the order they are met."""
    found: dict[str, list[Finished]] = {}
    for done in finished:
        if done.stage.kind in RANKED:
            found.setdefault(cell_key(done), []).append(done)
    return found


def cell_key(done: Finished) -> str:
    """What the folds of a cell have in common."""
    return f"{done.stage.kind} {sorted(done.stage.tags.items())}"


def read_folds(folds: Sequence[Finished], workspace: Workspace) -> list[Fold]:
    """What the folds of a cell measured.

    Raises:
        UserError: a stage's files are damaged.
    """
    return [
        Fold(
            workspace.interactions(
                done.stage.needs.get("recommender", done.stage).needs["interactions"]
            ).users,
            Ranking.load(workspace.folder(done.stage) / MEASURED),
        )
        for done in folds
    ]


def mean_rows(folds: Sequence[Fold]) -> list[dict[str, Any]]:
    """One row a metric and cut-off over all folds; n counts each user once."""
    return [_row(*key, [(fold.users, fold.measured[key]) for fold in folds]) for key in folds[0].measured]


def one_ranking(folds: Sequence[Fold], users: pd.Index) -> Ranking:
    """What was measured as if of one fold, for paired tests: each user's mean over the folds it is in.

    Args:
        folds: of one cell.
        users: ids of all users; their places number them.
    """
    by_key: dict[tuple[str, int], Measured] = {}
    for key, first in folds[0].measured.items():
        each = [fold.measured[key] for fold in folds]
        if isinstance(first, PerUser):
            found = [one for one in each if isinstance(one, PerUser)]
            places = np.concatenate(
                [_numbers(f.users, one.users, users) for f, one in zip(folds, found, strict=True)]
            )
            means = pd.Series(np.concatenate([one.values for one in found])).groupby(places).mean()
            by_key[key] = PerUser(means.index.to_numpy(), means.to_numpy(), first.highest)
        else:
            by_key[key] = Overall(float(np.mean([one.value for one in each])), first.n)
    judged = np.unique(np.concatenate([_numbers(f.users, f.measured.users, users) for f in folds]))
    return Ranking(judged, np.zeros((len(judged), 0), np.int64), by_key)


def _row(metric: str, k: int, folds: Sequence[tuple[Sequence[str], Measured]]) -> dict[str, Any]:
    mean = float(np.mean([measured.value for _, measured in folds]))
    per_user = [(users, one) for users, one in folds if isinstance(one, PerUser)]
    if not per_user:
        return ranking_row(
            metric,
            k,
            mean,
            None,
            None,
            max(measured.n for _, measured in folds if isinstance(measured, Overall)),
        )
    names = np.concatenate([np.asarray(users, object)[one.users] for users, one in per_user])
    values = np.concatenate([one.values for _, one in per_user])
    apart = np.concatenate(
        [(one.values - one.value) / (len(one.values) * len(per_user)) for _, one in per_user]
    )
    user, known = pd.factorize(names)
    low, high = _interval(mean, np.bincount(user, apart), values, per_user[0][1].highest)
    return ranking_row(metric, k, mean, low, high, len(known))


def _interval(mean: float, apart: np.ndarray, values: np.ndarray, highest: float) -> tuple[float, float]:
    """The interval of a mean; of a share that is 0 or 1 throughout it is Wilson's, which has a width."""
    count = len(apart)
    if highest == 1.0 and mean in (0.0, 1.0) and np.isin(values, (0.0, 1.0)).all():
        return wilson(round(mean * count), count, CONFIDENCE)
    spread = float(np.sqrt(count / (count - 1) * (apart**2).sum())) if count > 1 else 0.0
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * spread if spread else 0.0
    return max(mean - reach, 0.0), min(mean + reach, highest)


def _numbers(names: Sequence[str], rows: np.ndarray, users: pd.Index) -> np.ndarray:
    return users.get_indexer(pd.Index(np.asarray(names, object)[rows]))
