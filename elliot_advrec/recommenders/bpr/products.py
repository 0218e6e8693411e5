"""Matrix products whose rows do not depend on how many other rows were asked for."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 32


def rowwise(left: Tensor, right: Tensor) -> Tensor:
    """(n, R) @ (R, m) in blocks of 32 rows, the last one filled up with zeros; differentiable.

    BLAS picks its kernel by the shape, and kernels differ in the last bits. Here every row is computed by the
    same one, so a user scored alone gets the same numbers as in a crowd, and an item that is projected again
    those it had. From 32 rows on BLAS is as fast as it gets on a large right side, so nothing is lost.

    Args:
        left: (n, R); slices of it are read one after the other, so it may be mapped from a file.
        right: (R, m), best contiguous.

    Returns:
        (n, m).
    """
    blocks = []
    for start in range(0, len(left), BLOCK):
        rows = left[start : start + BLOCK]
        missing = BLOCK - len(rows)
        whole = functional.pad(rows, (0, 0, 0, missing)) if missing else rows
        # Adding zero rows and taking them away again, because a shorter block would be another kernel's.
        blocks.append((whole @ right)[: len(rows)])
    return torch.cat(blocks) if blocks else left.new_zeros(0, right.shape[1])
