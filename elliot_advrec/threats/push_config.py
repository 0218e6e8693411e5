"""Settings of threats that push items."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from elliot_advrec.component import Config
from elliot_advrec.threats.mock_users import Group
from elliot_advrec.threats.popularity import Kind
from elliot_advrec.threats.push_loss import Knowledge, Objective


def _cutoffs(cutoffs: tuple[int, ...]) -> tuple[int, ...]:
    if min(cutoffs) < 1 or len(set(cutoffs)) < len(cutoffs):
        raise ValueError(f"k must be distinct cut-offs of 1 or more, got {list(cutoffs)}")
    return tuple(sorted(cutoffs))


Cutoffs = Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_cutoffs)]
"""Distinct lengths of lists, ascending."""


class PromotionConfig(Config):
    """Settings of the promotion and demotion threats."""

    pairs: int = Field(default=100, ge=1)
    """Random pushed items, each with whom it is pushed to; distinct while there are enough."""
    users: Group = "specific"
    """One known user; all who have one known segment item; or everybody, through ``mock_users``."""
    knowledge: Knowledge = "white"
    """Everything (white); the scores of items; their places in the full ranking (rank); or the first places
    alone (partial)."""
    objective: Objective = "score"
    """Of a white box: the item's score, its margin to the k-th item of the list (softplus), or its expected
    rank (a sum of sigmoids). To push an item down for everybody take the margin: users' scores differ in
    size, and while the largest fall the item rises in other lists."""
    k: Cutoffs = (1, 10, 20)
    """Success at k: the item is among the first k."""
    items: Kind = "any"
    """Which items are pushed, by training interactions: any, those of the short head (popular) or of the long
    tail (unpopular), or those without any (cold)."""
    mock_users: int = Field(default=200, ge=1)
    """population: users with one random item each that the adversary adds and watches."""
    percentile: float = Field(default=25.0, ge=0, le=100)
    """population: each step attacks the mock user at this percentile, counted from who likes it most."""
    evaluated_users: int = Field(default=1000, ge=1)
    """population: random users on whom the effect is measured, at most."""
    visible: float = Field(default=0.01, gt=0, le=1)
    """partial: share of the ranking that is shown; at least one place is."""

    @model_validator(mode="after")
    def _seen(self) -> PromotionConfig:
        if self.objective != "score" and self.knowledge != "white":
            raise ValueError(
                f"objective '{self.objective}' needs knowledge: white; with knowledge: {self.knowledge} the "
                "adversary follows what it sees"
            )
        return self
