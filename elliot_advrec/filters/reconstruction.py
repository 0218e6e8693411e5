"""The reconstruction filter: residual blocks and one global-attention block, at full resolution."""

from __future__ import annotations

import copy

from pydantic import Field, model_validator
from torch import Tensor, nn

from elliot_advrec.filters.attention import GlobalAttention
from elliot_advrec.filters.base import Filter
from elliot_advrec.filters.learned import LearnedConfig, LearnedFilter
from elliot_advrec.filters.resize_pad import SMALLEST, ResizePad, ResizePadConfig, resized_and_padded
from elliot_advrec.streams import Streams


class ReconstructionConfig(LearnedConfig):
    """Settings of Reconstruction."""

    width: int = Field(64, ge=4, multiple_of=4)
    """Channels of every layer; 64 in the paper, 24 to 32 do at 64 to 96 pixels on a CPU."""
    blocks: int = Field(9, ge=1)
    """Residual blocks before the attention block."""
    heads: int = Field(4, ge=1)
    """Heads of the attention; they share ``width`` evenly."""
    tokens: int = Field(28, ge=1)
    """Most tokens along a side that the attention sees: larger pictures are averaged to tokens x tokens for
    it, and for it alone, so that its memory does not grow with the picture."""
    skip: bool = False
    """Whether the network adds its result to the picture, rather than drawing it anew as in the paper: an
    untrained one then gives nearly the picture back, which short trainings need."""
    resize_pad: bool = False
    """Whether reconstructed pictures are randomly shrunk and padded at inference (the paper's "(rand)")."""
    smallest: float = Field(SMALLEST, gt=0, le=1)
    """Smallest side of that resizing as a share of the picture's; 212 of 224 in the paper."""

    @model_validator(mode="after")
    def _divisible(self) -> ReconstructionConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of {self.heads} heads")
        return self


class Reconstruction(LearnedFilter):
    """Reconstruction network: nine residual blocks and a global-attention block (Yin et al. 2023, 3.3).

    A 9 x 9 convolution, residual blocks (3 x 3 convolution, BatchNorm, PReLU, 3 x 3 convolution, BatchNorm),
    one transformer block over the whole picture, a 3 x 3 and a 9 x 9 convolution; nothing is down-sampled on
    the way, and any picture size works.
    """

    config_class = ReconstructionConfig
    config: ReconstructionConfig
    inference_only = frozenset({"resize_pad", "smallest"})

    @property
    def random(self) -> bool:
        return self.config.resize_pad

    def steady(self) -> Reconstruction:
        if not self.random:
            return self
        found = copy.copy(self)  # the same network
        found.config = self.config.model_copy(update={"resize_pad": False})
        return found

    def divided(self) -> tuple[Filter, Filter] | None:
        return (
            (self.steady(), ResizePad(ResizePadConfig(smallest=self.config.smallest)))
            if self.random
            else None
        )

    def build(self) -> nn.Module:
        c = self.config
        return ReconstructionNetwork(c.width, c.blocks, c.heads, c.tokens, skip=c.skip)

    def finish(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        if not self.config.resize_pad:
            return pixels
        assert streams is not None
        return resized_and_padded(pixels, streams, self.config.smallest)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with BatchNorm and a PReLU between them, added to what came in.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        found: Tensor = maps + self.body(maps)
        return found


class ReconstructionNetwork(nn.Module):
    """The network of ``Reconstruction``.

    Args:
        width: channels.
        blocks: residual blocks.
        heads: of the attention.
        tokens: most of them along a side.
        skip: whether the picture is added to the result.
    """

    def __init__(self, width: int, blocks: int, heads: int, tokens: int, *, skip: bool) -> None:
        super().__init__()
        self.skip = skip
        self.first = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU(width))
        self.blocks = nn.Sequential(*[ResidualBlock(width) for _ in range(blocks)])
        self.attention = GlobalAttention(width, heads, tokens)
        self.gather = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        )
        self.last = nn.Conv2d(width, 3, 9, padding=4)
        if skip:
            # A tenth: the first pictures are nearly right, and the gradient reaches every layer.
            self.last.weight.data.mul_(0.1)
            assert self.last.bias is not None
            nn.init.zeros_(self.last.bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, 3, H, W) of any range."""
        found: Tensor = self.last(self.gather(self.attention(self.blocks(self.first(pixels)))))
        return pixels + found if self.skip else found
