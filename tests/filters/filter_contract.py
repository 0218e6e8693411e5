"""What every filter must do; used by the tests of this folder."""

from __future__ import annotations

import torch
from torch import Tensor

from elliot_advrec.component import validate
from elliot_advrec.filters import FILTERS, Filter
from elliot_advrec.streams import Streams

SMALL: dict[str, dict[str, object]] = {
    "reconstruction": {"width": 8, "blocks": 2, "heads": 2, "tokens": 6},
    "unet": {"width": 4, "levels": 2},
}
"""Settings that make a filter quick."""


def make(name: str, **settings: object) -> Filter:
    kind = FILTERS.get(name)
    return kind(validate(kind.config_class, {**SMALL.get(name, {}), **settings}, name))  # type: ignore[arg-type]


def pictures(count: int = 3, height: int = 20, width: int = 20, seed: int = 0) -> Tensor:
    """Smooth pictures with noise, some values exactly 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    slope = torch.linspace(-0.2, 1.2, width).expand(count, 3, height, width)
    noise = torch.rand(count, 3, height, width, generator=generator)
    return (0.7 * slope + 0.3 * noise).clamp(0, 1).contiguous()


def streams(filter: Filter, count: int) -> Streams | None:
    return Streams(range(10, 10 + count)) if filter.random else None
