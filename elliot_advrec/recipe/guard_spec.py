"""What a recipe says of a defense in front of an extractor, validated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from elliot_advrec.component import Config
from elliot_advrec.filters.expectation import DRAWS
from elliot_advrec.filters.training import FilterTrainingConfig
from elliot_advrec.recipe.spec import Spec

Knowledge = Literal["oblivious", "adaptive", "evading"]
PARTS = ("filter", "detector")
FILES = ("weights", "encoder_weights")
"""Settings of filters and detectors that may be the path of a file."""


class GuardConfig(Config):
    """Settings of a defense in front of an extractor."""

    over: str = "none"
    """The training defense whose extractor it stands before, by its name in the recipe; `none`: the clean
    extractor."""
    knowledge: tuple[Knowledge, ...] = Field(default=("oblivious", "adaptive", "evading"), min_length=1)
    """What attackers know of it. `oblivious`: nothing, they attack the extractor alone and their pictures are
    taken over. `adaptive`: filter and extractor, differentiated as one (BPDA where a filter has no gradient,
    the expectation over draws where it is random). `evading`: the detector too, kept below its threshold by a
    joint loss; left out where there is no detector."""
    refuse: bool = True
    """Whether the shop refuses a flagged picture, so that the item keeps the one it had and the attack has
    failed. `false`: it is only counted."""
    draws: int = Field(default=DRAWS, ge=1)
    """Draws of a random filter that an adaptive gradient is averaged over."""
    tries: int = Field(default=10, ge=1)
    """How often an attacker submits a picture, each time with a shorter change (of 10: all of it, 9 tenths,
    ...) and before a new draw where the filter is random; `success_rate_resubmitted` counts the best try.
    With 1 it is not measured."""
    evasion: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.1, 1.0, 10.0), min_length=1)
    """Weights of the detector in the joint loss of an evading attacker, who attacks once with each of them
    and keeps the best picture that is not flagged. Few steps and heavy weights make a detector look stronger
    than it is: before one is trusted, 64 steps and weights below 1 should have failed."""
    ranking: str | None = None
    """The recommender of the recipe whose BPR loss a learned filter minimises too, by name; absent: none, and
    the filter learns from pictures and features alone."""
    filter_training: FilterTrainingConfig = FilterTrainingConfig()
    """How a filter that is a network, and a contrastive detector, learn."""

    @field_validator("knowledge", "evasion", mode="before")
    @classmethod
    def _single(cls, given: object) -> object:
        return (given,) if isinstance(given, str | int | float) and not isinstance(given, bool) else given

    @field_validator("knowledge", "evasion")
    @classmethod
    def _once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) < len(values):
            raise ValueError(f"entries must differ, got {list(values)}")
        return values


@dataclass(frozen=True)
class GuardSpec(Spec):
    """A defense that stands in front of an extractor: a filter, a detector, or both.

    Attributes:
        filter: what pictures pass before the extractor sees them; None: nothing.
        detector: what looks at pictures as they come; None: nothing.
    """

    config: GuardConfig
    filter: Spec | None = None
    detector: Spec | None = None

    def resolved(self) -> dict[str, Any]:
        parts = {key: part.resolved() for key in ("filter", "detector") if (part := getattr(self, key))}
        return {"name": self.name, **parts, **self.config.model_dump(mode="json")}
