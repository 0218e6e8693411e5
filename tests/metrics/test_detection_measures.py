"""Detection metrics against counting."""

from __future__ import annotations

import numpy as np
import pytest

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.detection import at_fpr, auroc, confusion
from elliot_advrec.metrics.rates import wilson

RNG = np.random.default_rng(0)
CLEAN = np.round(RNG.normal(0, 1, 300), 1)
ATTACKED = np.round(RNG.normal(1.2, 1, 200), 1)


def test_auroc_is_the_share_of_ordered_pairs_ties_half() -> None:
    pairs = (ATTACKED[:, None] > CLEAN).mean() + 0.5 * (ATTACKED[:, None] == CLEAN).mean()
    found = auroc(CLEAN, ATTACKED)
    assert found.value == pytest.approx(pairs, abs=1e-12)
    assert found.n == 500
    assert auroc(ATTACKED, CLEAN).value == pytest.approx(1 - pairs)
    assert all(isinstance(value, float) for value in (found.value, found.low, found.high))


def test_aurocs_interval_covers_the_truth() -> None:
    from scipy.stats import norm

    truth, covered = norm.cdf(1 / np.sqrt(2)), 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        found = auroc(rng.normal(0, 1, 60), rng.normal(1, 1, 80))
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / 400 <= 0.99


def test_a_perfect_auroc_still_has_an_interval() -> None:
    found = auroc(np.arange(10), np.arange(100, 150))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == wilson(10, 10)[0] < 1
    worst = auroc(np.arange(100, 150), np.arange(10))
    assert (worst.value, worst.low) == (0.0, 0.0)


def test_confusion_counts() -> None:
    found = confusion(CLEAN, ATTACKED, 0.5)
    assert found.true_positive == sum(score > 0.5 for score in ATTACKED)
    assert found.false_positive == sum(score > 0.5 for score in CLEAN)
    assert found.true_positive + found.false_negative == 200
    assert found.false_positive + found.true_negative == 300
    assert found.n == found.accuracy.n == 500
    assert found.accuracy.value == (found.true_positive + found.true_negative) / 500
    assert (found.tpr.n, found.fpr.n) == (200, 300)
    assert (found.tpr.low, found.tpr.high) == wilson(found.true_positive, 200)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.29])
def test_the_threshold_is_the_lowest_that_keeps_the_rate(rate: float) -> None:
    found = at_fpr(CLEAN, ATTACKED, rate)
    assert (found.threshold < CLEAN).mean() <= rate + 1e-12
    assert found.fpr.value == (found.threshold < CLEAN).mean()
    assert found.tpr.value == (found.threshold < ATTACKED).mean()
    lower = CLEAN[found.threshold > CLEAN].max()
    assert (lower < CLEAN).mean() > rate


def test_bad_scores() -> None:
    with pytest.raises(UserError, match="no scores of attacked pictures"):
        auroc(CLEAN, np.array([]))
    with pytest.raises(UserError, match="1 scores of clean pictures are not finite"):
        confusion(np.array([0.0, np.nan]), ATTACKED, 0.5)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\), got 1"):
        at_fpr(CLEAN, ATTACKED, 1)
