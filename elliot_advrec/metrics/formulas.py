"""Every measure of lists by Elliot's name: formula, source, the users it is taken over, a line about it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.metrics import accuracy, overall, popularity
from elliot_advrec.metrics.judged import Judged


@dataclass(frozen=True)
class UserMetric:
    """A number for each user; the mean over users is reported, with its interval and paired tests."""

    name: str
    """Elliot's name."""
    summary: str
    """What it is, in half a line."""
    source: str
    """Where the formula is from."""
    formula: Callable[[Judged, int], np.ndarray]
    """(judged, cutoff) -> (n,) float64, at least 0."""
    highest: float = 1.0
    """The largest value there can be."""
    everyone: bool = False
    """Taken over all users with a held-out rating; else over those with a relevant one."""
    complete: bool = False
    """Whether the rank of every relevant item counts, far below the cutoff too."""


@dataclass(frozen=True)
class OverallMetric:
    """One number for all lists together: no user has a value, so there is no interval and no paired test."""

    name: str
    """Elliot's name."""
    summary: str
    """What it is, in half a line."""
    source: str
    """Where the formula is from."""
    formula: Callable[[Judged, int], float]
    """(judged, cutoff) -> the number; nan where it has no value."""
    complete: bool = False
    """Whether the rank of every relevant item counts, far below the cutoff too."""


Metric = UserMetric | OverallMetric

TABLE: tuple[Metric, ...] = (
    UserMetric(
        "nDCG",
        "discounted gain 2^(rating - threshold + 1) - 1 over the ideal list's",
        "Jarvelin & Kekalainen 2002",
        accuracy.ndcg,
    ),
    UserMetric(
        "nDCGRendle2020",
        "discounted hits over the ideal list's, every relevant item alike",
        "Rendle et al. 2020",
        accuracy.ndcg_binary,
    ),
    UserMetric(
        "HR",
        "share of users with a relevant item in their list",
        "Deshpande & Karypis 2004",
        accuracy.hit_rate,
    ),
    UserMetric(
        "Precision",
        "relevant items in the list over the cutoff",
        "Gunawardana & Shani 2015",
        accuracy.precision,
    ),
    UserMetric(
        "Recall",
        "relevant items in the list over the user's relevant items",
        "Gunawardana & Shani 2015",
        accuracy.recall,
    ),
    UserMetric("F1", "harmonic mean of Precision and Recall", "van Rijsbergen 1979", accuracy.f1),
    UserMetric(
        "MAP",
        "mean of Precision at 1, 2, ..., cutoff, as Elliot averages it",
        "Elliot 0.3.1",
        accuracy.mean_precision,
    ),
    UserMetric("MAR", "mean of Recall at 1, 2, ..., cutoff", "Elliot 0.3.1", accuracy.mean_recall),
    UserMetric(
        "MRR",
        "1 / rank of the first relevant item, 0 if none is in the list",
        "Voorhees 1999",
        accuracy.reciprocal_rank,
    ),
    OverallMetric(
        "AUC",
        "share of other items that a relevant one stands above, over all users' relevant items together",
        "Hanley & McNeil 1982, as in Elliot",
        overall.auc,
        complete=True,
    ),
    UserMetric(
        "GAUC",
        "share of other items that a relevant one stands above, a mean for each user",
        "Zhou et al. 2018",
        accuracy.group_auc,
        complete=True,
    ),
    UserMetric(
        "LAUC",
        "share of other items that a listed relevant one stands above, over how many fit there",
        "Schroder et al. 2011",
        accuracy.limited_auc,
    ),
    OverallMetric(
        "ItemCoverage", "items that are in some list", "Gunawardana & Shani 2015", overall.item_coverage
    ),
    OverallMetric(
        "UserCoverage", "users whose list is not empty", "Gunawardana & Shani 2015", overall.user_coverage
    ),
    OverallMetric(
        "UserCoverageAtN",
        "users whose list is as long as the cutoff",
        "Elliot 0.3.1",
        overall.user_coverage_at_n,
    ),
    UserMetric(
        "NumRetrieved",
        "items in the list, the cutoff at most",
        "RankSys, as in Elliot",
        accuracy.retrieved,
        math.inf,
    ),
    OverallMetric(
        "Gini",
        "1 - Gini index of how often items are listed, 1 for all alike",
        "Castells et al. 2015",
        overall.gini,
    ),
    OverallMetric(
        "SEntropy",
        "Shannon entropy of what is listed, in bits",
        "Gunawardana & Shani 2015",
        overall.shannon_entropy,
    ),
    UserMetric(
        "EPC",
        "discounted hits, each by the share of users who do not know the item",
        "Vargas & Castells 2011",
        popularity.complement,
    ),
    UserMetric(
        "EFD",
        "discounted hits, each by the bits of surprise of the item",
        "Vargas & Castells 2011",
        popularity.free_discovery,
        math.inf,
    ),
    UserMetric(
        "ARP",
        "mean number of training users of the listed items",
        "Yin et al. 2012",
        popularity.mean_popularity,
        math.inf,
        everyone=True,
    ),
    UserMetric(
        "APLT",
        "share of the list that is long tail",
        "Abdollahpouri et al. 2019",
        popularity.tail_share,
        everyone=True,
    ),
    UserMetric(
        "ACLT",
        "long-tail items in the list",
        "Abdollahpouri et al. 2019",
        popularity.tail_count,
        math.inf,
        everyone=True,
    ),
    OverallMetric(
        "PopREO",
        "spread of short head and long tail in how much of what is relevant is listed, 0 for even",
        "Zhu et al. 2020",
        overall.equal_opportunity,
    ),
    OverallMetric(
        "PopRSP",
        "spread of short head and long tail in how much of what is unseen is listed, 0 for even",
        "Zhu et al. 2020",
        overall.statistical_parity,
    ),
)

#: Elliot's name -> one line about it: what it is, and where its formula is from.
METRICS: dict[str, str] = {metric.name: f"{metric.summary} ({metric.source})" for metric in TABLE}

#: What Elliot knows besides: error of predicted ratings, and measures that need a section of their own.
ONLY_ELLIOT = (
    "MAE", "MSE", "RMSE", "DSC", "ExtendedF1", "ExtendedEFD", "ExtendedEPC", "ExtendedPopREO",
    "ExtendedPopRSP", "SRecall", "UserMADrating", "ItemMADrating", "UserMADranking", "ItemMADranking",
    "BiasDisparityBR", "BiasDisparityBS", "BiasDisparityBD", "RSP", "REO",
)  # fmt: skip

_BY_LOWER = {metric.name.lower(): metric for metric in TABLE}


def metric_named(name: str) -> Metric:
    """The metric of that name; like Elliot's, names do not mind the case.

    Raises:
        UserError: there is none, or only Elliot has it.
    """
    found = _BY_LOWER.get(name.lower())
    if found is not None:
        return found
    if name.lower() in {other.lower() for other in ONLY_ELLIOT}:
        raise UserError(
            f"metric '{name}' is Elliot's own and is not computed here",
            where="evaluation",
            remedy="take it out, or run the recipe with Elliot itself",
        )
    raise UserError(
        f"metric '{name}' is not known to the embedded host",
        where="evaluation",
        remedy=nearest(name, METRICS),
    )
