"""Settings that all pairwise recommenders share, under Elliot's names and with Elliot's defaults."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from elliot_advrec.component import Config

Weight = Annotated[float, Field(ge=0.0)]


class EarlyStopping(Config):
    """Elliot's ``early_stopping`` of a model; it looks at the epochs that are validated."""

    monitor: str | None = None
    """``loss``, or a measured metric such as ``nDCG@10``; absent: the validation metric."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Stop after so many validated epochs in a row without improvement; 0, as in Elliot: never."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Which way is better; auto: down for the loss, up for a metric."""
    min_delta: Weight | None = None
    """An improvement of at most this counts as none."""
    rel_delta: Weight | None = None
    """An improvement of at most this share of the monitored value counts as none."""
    baseline: float | None = None
    """Values that are not better than this count as no improvement."""
    verbose: bool = False
    """Say what was compared."""

    @property
    def downwards(self) -> bool:
        """Whether less is better."""
        return self.mode == "min" or (self.mode == "auto" and self.monitor == "loss")


class BPRConfig(Config):
    """Settings of every recommender that is trained on triples."""

    epochs: Annotated[int, Field(ge=1)] = 2
    """Passes, each of as many triples as there are training interactions. (2 is Elliot's; use 20 to 200.)"""
    batch_size: int = -1
    """Triples a step; -1, Elliot's default: all of an epoch in one step. (Use 128 to 512.)"""
    lr: Annotated[float, Field(gt=0)] = 0.0005
    """Learning rate."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    """Of first values and triples; absent: the experiment's."""
    early_stopping: EarlyStopping | None = None
    """When to stop before the last epoch; absent: never."""
    batch_eval: Annotated[int, Field(ge=1)] = 512
    """Users (of extractors: pictures) that are handled at once between epochs; changes memory alone."""

    @model_validator(mode="after")
    def _a_batch_holds_something(self) -> BPRConfig:
        if self.batch_size == 0 or self.batch_size < -1:
            raise ValueError(f"'batch_size' must be at least 1, or -1 for all at once, got {self.batch_size}")
        return self


class VisualConfig(BPRConfig):
    """Settings of every pairwise recommender that looks at features."""

    loader: Literal["VisualAttributes"] = "VisualAttributes"
    """Elliot's name of the side information; without Elliot the features come from the extractor."""


def _layers(value: Any) -> Any:
    """Elliot writes layers as text, ``"(64,1)"``."""
    if isinstance(value, str) and re.fullmatch(r"\s*[(\[][\d,\s]*[)\]]\s*", value):
        return tuple(int(part) for part in re.findall(r"\d+", value))
    return value


def _ends_in_one(value: tuple[int, ...]) -> tuple[int, ...]:
    if value[-1] != 1:
        raise ValueError(f"the last layer must have 1 unit, got {value[-1]}")
    return value


Layers = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...],
    Field(min_length=1),
    BeforeValidator(_layers),
    AfterValidator(_ends_in_one),
]
"""Units of each layer, the last one 1; Elliot's ``"(64,1)"`` is understood."""
