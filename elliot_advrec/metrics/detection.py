"""How well scores tell attacked pictures from clean ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.rates import Rate, wilson


@dataclass(frozen=True)
class Confusion:
    """Counts of verdicts."""

    true_positive: int
    """Attacked and flagged."""
    false_positive: int
    """Clean and flagged."""
    true_negative: int
    """Clean and not flagged."""
    false_negative: int
    """Attacked and not flagged."""

    @property
    def n(self) -> int:
        """All pictures."""
        return self.true_positive + self.false_positive + self.true_negative + self.false_negative

    @property
    def accuracy(self) -> Rate:
        """Share of right verdicts."""
        return _rate(self.true_positive + self.true_negative, self.n)

    @property
    def tpr(self) -> Rate:
        """Share of the attacked pictures that are flagged."""
        return _rate(self.true_positive, self.true_positive + self.false_negative)

    @property
    def fpr(self) -> Rate:
        """Share of the clean pictures that are flagged."""
        return _rate(self.false_positive, self.false_positive + self.true_negative)


@dataclass(frozen=True)
class Operating:
    """A point of the ROC curve."""

    threshold: float
    """Scores above it are flagged."""
    tpr: Rate
    """Share of the attacked pictures above it."""
    fpr: Rate
    """Share of the clean pictures above it, at most what was asked for."""


def confusion(clean: np.ndarray, attacked: np.ndarray, threshold: float) -> Confusion:
    """Verdicts at a threshold; scores above it are flagged.

    Args:
        clean: (n,) scores of clean pictures.
        attacked: (m,) scores of attacked ones.
        threshold: of the detector.

    Raises:
        UserError: no scores of either kind, or some that are not finite.
    """
    clean, attacked = _checked(clean, attacked)
    hits, alarms = int((attacked > threshold).sum()), int((clean > threshold).sum())
    return Confusion(hits, alarms, clean.size - alarms, attacked.size - hits)


def auroc(clean: np.ndarray, attacked: np.ndarray) -> Rate:
    """Probability that an attacked picture scores higher than a clean one, ties half.

    The interval, of 95 %, is Hanley and McNeil's (1982), as the pairs behind the number are not independent;
    ``n`` is the number of pictures. Where all pairs are ordered alike it is Wilson's over the rarer kind
    instead: the other has no width there.

    Raises:
        UserError: no scores of either kind, or some that are not finite.
    """
    clean, attacked = _checked(clean, attacked)
    truth = np.repeat([0, 1], [clean.size, attacked.size])
    value = float(roc_auc_score(truth, np.concatenate([clean, attacked])))
    total = clean.size + attacked.size
    if value in (0.0, 1.0):
        few = min(clean.size, attacked.size)
        return Rate(value, *wilson(round(value * few), few), total)
    one, other = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value)
    spread += (attacked.size - 1) * (one - value**2) + (clean.size - 1) * (other - value**2)
    reach = float(stats.norm.ppf(0.975)) * math.sqrt(spread / (clean.size * attacked.size))
    return Rate(value, max(0.0, value - reach), min(1.0, value + reach), total)


def at_fpr(clean: np.ndarray, attacked: np.ndarray, fpr: float = 0.01) -> Operating:
    """The true-positive rate at the lowest threshold that flags at most ``fpr`` of the clean pictures.

    With fewer than 1 / fpr clean pictures that is their highest score.

    Raises:
        UserError: no scores of either kind, or some that are not finite.
        ValueError: a rate outside [0, 1).
    """
    if not 0 <= fpr < 1:
        raise ValueError(f"the false-positive rate must lie in [0, 1), got {fpr}")
    clean, attacked = _checked(clean, attacked)
    allowed = int(clean.size * fpr + 1e-9)
    threshold = float(np.sort(clean)[::-1][allowed])
    found = confusion(clean, attacked, threshold)
    return Operating(threshold, found.tpr, found.fpr)


def _checked(clean: np.ndarray, attacked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = []
    for name, values in (("clean", clean), ("attacked", attacked)):
        scores = np.asarray(values, dtype=np.float64).ravel()
        if not scores.size:
            raise UserError(
                f"there are no scores of {name} pictures", remedy="score at least one of each kind"
            )
        if not np.isfinite(scores).all():
            raise UserError(f"{int((~np.isfinite(scores)).sum())} scores of {name} pictures are not finite")
        found.append(scores)
    return found[0], found[1]


def _rate(successes: int, n: int) -> Rate:
    return Rate(successes / n, *wilson(successes, n), n)
