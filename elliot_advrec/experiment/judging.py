"""Judging a recommender's lists: what is ranked, by which rules, and the rows that come of it."""

from __future__ import annotations

import math
from typing import Any, Literal

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.experiment.stages import row
from elliot_advrec.metrics.formulas import metric_named
from elliot_advrec.metrics.measured import Ranking
from elliot_advrec.metrics.ranking import evaluate, judge
from elliot_advrec.progress import Advance
from elliot_advrec.recipe import Evaluation
from elliot_advrec.recommenders import Recommender
from elliot_advrec.recommenders.recommendation_folder import ProxyRecommender


def measure(
    recommender: Recommender,
    interactions: Interactions,
    evaluation: Evaluation,
    *,
    known_only: bool,
    split: Literal["validation", "test"] = "test",
    advance: Advance = lambda units: None,
) -> Ranking:
    """Rank for every user with a held-out row and judge the lists, training items alone masked, as Elliot.

    Args:
        recommender: fitted.
        interactions: of the fold.
        evaluation: the recipe's section.
        known_only: whether only items with a training row may be recommended, as in Elliot; otherwise the
            whole catalog may.
        split: the part that is judged.
        advance: told of users done.

    Raises:
        UserError: nobody to judge, or scores that are not numbers.
    """
    candidates = interactions.test_candidates if split == "test" else interactions.validation_candidates
    if isinstance(recommender, ProxyRecommender):
        given = recommender.given
        advance(len(interactions.users))
        return judge(
            given.users,
            given.lists,
            interactions.test,
            interactions.train,
            evaluation.cutoffs,
            relevance_threshold=evaluation.relevance_threshold,
            metrics=evaluation.simple_metrics,
            catalog_size=None if known_only else interactions.train.shape[1],
        )
    return evaluate(
        recommender,
        interactions,
        evaluation.cutoffs,
        split=split,
        relevance_threshold=evaluation.relevance_threshold,
        metrics=evaluation.simple_metrics,
        mask_validation=False,  # as Elliot, and as the saved lists
        items=interactions.trained() if known_only else None,
        candidates=candidates,
        advance=advance,
    )


def needed_length(evaluation: Evaluation, top_k: int, items: int) -> int:
    """How long lists must be: ``top_k``, or all ``items`` where a metric looks at the whole ranking."""
    whole = any(metric_named(name).complete for name in evaluation.simple_metrics)
    return max(top_k, items) if whole else top_k


def ranking_row(
    metric: str, k: int, value: float, low: float | None, high: float | None, n: int
) -> dict[str, Any]:
    """A result row; a metric without a value, as a mean of nothing, has null."""
    return row(metric, None if math.isnan(value) else value, k=k, ci_low=low, ci_high=high, n=n)


def ranking_rows(measured: Ranking) -> list[dict[str, Any]]:
    """One row a metric and cut-off, with its interval where it has one."""
    rates = {key: measured.rate(*key) for key in measured}
    return [ranking_row(*key, rate.value, rate.low, rate.high, rate.n) for key, rate in rates.items()]
