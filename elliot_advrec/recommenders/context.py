"""What a fit may draw on beside interactions and embeddings, and how the best epoch is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.progress import SILENT, Progress


@dataclass(frozen=True)
class Selection:
    """By what the best epoch of a training is chosen: Elliot's ``meta`` and ``evaluation`` of a model.

    The best epoch is the first with the highest validation metric, as in Elliot. Where there is no validation
    part Elliot looks at the test; here the last epoch is kept, so that no test row is ever learned from.

    Args:
        metrics: ``evaluation.simple_metrics``.
        cutoffs: ``evaluation.cutoffs``.
        relevance_threshold: ``evaluation.relevance_threshold``.
        validation_metric: ``meta.validation_metric``, e.g. ``nDCG@10``; None: the first metric at the first
            cutoff.
        validation_rate: ``meta.validation_rate``: the validation part is ranked after every so many epochs.
        optimize_internal_loss: ``meta.optimize_internal_loss``: the lowest training loss chooses instead.
    """

    metrics: tuple[str, ...] = ("nDCG",)
    cutoffs: tuple[int, ...] = (10,)
    relevance_threshold: float = 0
    validation_metric: str | None = None
    validation_rate: int = 1
    optimize_internal_loss: bool = False

    def key(self, name: str | None = None) -> tuple[str, int]:
        """A metric and its cutoff from Elliot's ``nDCG@10``; a bare name has the chosen one's cutoff.

        Raises:
            UserError: a metric or a cutoff that ``evaluation`` does not measure.
        """
        chosen = name or self.validation_metric or self.metrics[0]
        metric, _, cutoff = chosen.partition("@")
        known = {each.lower(): each for each in self.metrics}
        if metric.lower() not in known:
            raise UserError(
                f"'{metric}' is not among the measured metrics", remedy=nearest(metric, self.metrics)
            )
        if cutoff:
            if cutoff not in map(str, self.cutoffs):
                listed = ", ".join(map(str, self.cutoffs))
                raise UserError(f"'{chosen}' is not measured", remedy=f"measured cutoffs: {listed}")
            return known[metric.lower()], int(cutoff)
        return known[metric.lower()], self.cutoffs[0] if name is None else self.key()[1]


@dataclass(frozen=True)
class FitContext:
    """What the recommender's surroundings offer its fit; each part may be absent.

    Args:
        categories: (N,) int64 category of each catalog item, -1 where unlabelled.
        pixels: the catalog's pictures, for recommenders that train their own extractor.
        folder: where a training keeps its state after each epoch, to continue there if it is killed; of this
            fit alone. None: a killed training starts again.
        progress: shows one unit a training triple.
        selection: how the best epoch is chosen.
        known_only: whether only items with a training row may be recommended, as in Elliot; otherwise the
            whole catalog may. Epochs are validated by the same rule as the lists that are reported.
    """

    categories: np.ndarray | None = None
    pixels: PixelFile | None = None
    folder: Path | None = None
    progress: Progress = SILENT
    selection: Selection = field(default_factory=Selection)
    known_only: bool = False
