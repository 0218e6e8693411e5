"""Attention of every part of a picture to every other, at a cost that does not grow with the picture."""

from __future__ import annotations

import torch.nn.functional as F
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import Block
from torch import Tensor, nn


class GlobalAttention(nn.Module):
    """One timm transformer block over the places of a feature map, added to it.

    Up to ``tokens`` places a side each place is a token, and the block is exactly a vision transformer's. Of
    larger maps it sees means over a grid of tokens x tokens, and what it changes is spread back bilinearly;
    the map itself keeps its resolution. Places are told apart by fixed sines and cosines.

    Args:
        width: channels, a multiple of 4.
        heads: of the attention.
        tokens: most of them along a side.
    """

    def __init__(self, width: int, heads: int, tokens: int) -> None:
        super().__init__()
        self.width, self.tokens = width, tokens
        self.block = Block(width, heads, qkv_bias=True)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        size = maps.shape[2:]
        grid = (min(size[0], self.tokens), min(size[1], self.tokens))
        small = maps if grid == tuple(size) else F.adaptive_avg_pool2d(maps, grid)
        places = build_sincos2d_pos_embed(list(grid), self.width, device=maps.device, dtype=maps.dtype)
        tokens = small.flatten(2).transpose(1, 2) + places
        change = (self.block(tokens) - tokens).transpose(1, 2).unflatten(2, grid)
        if grid != tuple(size):
            change = F.interpolate(change, size=tuple(size), mode="bilinear", align_corners=False)
        return maps + change
