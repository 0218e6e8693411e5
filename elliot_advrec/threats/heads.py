"""What an extractor's category head says of embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from elliot_advrec.errors import UserError
from elliot_advrec.threats.scene import Scene


def logits(scene: Scene, embedding: Tensor) -> Tensor:
    """(b,C) logits of embeddings (b,D), one for each of the catalog's categories.

    Raises:
        UserError: the extractor has no category head, or one for other categories.
    """
    assert scene.catalog is not None
    found = None if scene.classify is None else scene.classify(embedding).category
    if found is None:
        raise UserError("the extractor has no category head", remedy="train one on the catalog's categories")
    if found.shape[1] != len(scene.catalog.categories):
        raise UserError(
            f"the extractor names {found.shape[1]} categories, the catalog {len(scene.catalog.categories)}",
            remedy="train the extractor on this catalog",
        )
    return found


def against(found: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The wanted of logits (b,C), the largest other one, and which that is: (b,) each."""
    own = found.gather(1, wanted[:, None]).squeeze(1)
    rest = found.scatter(1, wanted[:, None], -torch.inf)
    return own, *rest.max(1)
