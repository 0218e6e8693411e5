"""What the two heads still get right when their own classification losses are attacked."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.pgd import PGD
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.defenses.adversary import AdversaryConfig, adversary_loss, pgd_config
from elliot_advrec.extractors.batches import Batch
from elliot_advrec.extractors.evaluation import evaluate
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.progress import Advance
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams


def adversarial_accuracy(
    extractor: Extractor | FrozenExtractor,
    catalog: Catalog,
    pixels: PixelFile,
    rows: np.ndarray | None = None,
    batch_size: int = 128,
    device: str | torch.device = "cpu",
    *,
    eps: float = 0.03,
    steps: int = 8,
    seed: int = 0,
    advance: Advance = lambda units: None,
) -> dict[str, Any]:
    """``evaluate`` on pictures that PGD moved to raise the losses of both heads.

    Args:
        extractor: left in the mode it came in.
        catalog: labels.
        pixels: of the catalog's rows.
        rows: (n,) which items; the test split when None.
        batch_size: pictures at once; decides no number.
        device: where to compute.
        eps: L-infinity radius in pixels of [0, 1].
        steps: of PGD, with a random start and the step rule ``scaled``.
        seed: of the random starts, one stream an item.
        advance: told of every batch how many pictures it had.

    Returns:
        The numbers of ``evaluate``.
    """
    attack = PGD(pgd_config(AdversaryConfig(steps=steps, eps=eps, step_rule="scaled"), keep="best"))
    budget = Budget("linf", eps)

    def change(view: FrozenExtractor, batch: Batch) -> Tensor:
        streams = Streams([stream_seed(seed, "adversarial_accuracy", catalog.ids[row]) for row in batch.rows])
        loss = adversary_loss(view, batch.category, batch.attributes)
        return attack(loss, batch.pixels, budget, streams).images

    return evaluate(extractor, catalog, pixels, rows, batch_size, device, change=change, advance=advance)
