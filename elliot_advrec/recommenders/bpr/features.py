"""The item features that a training reads, held once, mapped from a file or not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SHARE = 0.5
"""Largest share of a GPU's free memory that features may take; larger ones stay where they are."""


def as_tensor(array: np.ndarray) -> Tensor:
    """A tensor over the array's own memory, which may be a file mapped for reading."""
    with warnings.catch_warnings():
        # torch cannot mark a tensor as read-only and says so; nothing here writes into it.
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(array)


class Features:
    """(N, D) float32 features of the catalog, read as they are: neither centred nor scaled.

    The papers and Elliot feed the extractor's activations unchanged, and so does this.

    Args:
        array: one row an item.
        device: where batches are wanted; the matrix itself is put there if it fits well.
    """

    def __init__(self, array: np.ndarray, device: torch.device) -> None:
        self.host, self.device = as_tensor(array), device
        self.table = self.host
        if device.type == "cuda" and array.nbytes < SHARE * torch.cuda.mem_get_info(device)[0]:
            self.table = self.host.to(device)
        self._signs = self.table.new_empty(0, 2)

    def __deepcopy__(self, memo: dict[int, Any]) -> Features:
        return self  # read only, and large

    def rows(self, items: Tensor) -> Tensor:
        """(B, D) features of (B,) items."""
        return self.table.index_select(0, items.to(self.table.device)).to(self.device)

    def differences(self, items: Tensor, others: Tensor) -> Tensor:
        """(B, D) features of items less those of others, gathered and subtracted in one pass.

        A pairwise loss sees features only through this difference, so one product with it does for both.
        """
        pairs = torch.stack([items, others], dim=1).to(self.table.device)
        if len(self._signs) < len(pairs) or self._signs.dtype != self.table.dtype:
            self._signs = self.table.new_tensor([1.0, -1.0]).expand(len(pairs), 2).contiguous()
        signs = self._signs[: len(pairs)]
        found = functional.embedding_bag(pairs, self.table, mode="sum", per_sample_weights=signs)
        return found.to(self.device)
