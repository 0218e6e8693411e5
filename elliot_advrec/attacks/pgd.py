"""Projected gradient descent, with three rules for the length of a step."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from elliot_advrec.attacks.base import Attack
from elliot_advrec.attacks.descent import Keep, cosine, descend
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.component import Config

StepRule = Literal["constant", "scaled", "cosine"]


class PGDConfig(Config):
    """Settings of PGD."""

    steps: int = Field(default=64, ge=1)
    """Gradient steps, k."""
    step_rule: StepRule = "constant"
    """``constant``: every step is eps/k. ``scaled``: 2.5 eps/k. ``cosine``: from ``first_step`` times eps
    down to nearly 0 along half a cosine."""
    first_step: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Length of the first step in multiples of eps; only with ``step_rule: cosine``."""
    random_start: bool = True
    """Begin at a uniform draw from the ball, clipped to [0,1], rather than at the clean image."""
    restarts: int = Field(default=1, ge=1)
    """Independent random starts; each sample keeps its own best. Needs ``random_start``."""
    momentum: float = Field(default=0.0, ge=0, le=1)
    """Share of the accumulated direction that each step keeps, mu of Dong et al. 2018, who use 1 (MI-FGSM);
    0 is plain PGD."""
    keep: Keep = "best"
    """``best`` of all points visited, or the ``last`` one as in the original, which is always taken through a
    filter that draws: the best of noisy values is a lucky one."""

    @model_validator(mode="after")
    def _settings_that_act(self) -> PGDConfig:
        if self.restarts > 1 and not self.random_start:
            raise ValueError("restarts need random_start: true, or every restart would be the same")
        if self.first_step != type(self).model_fields["first_step"].default and self.step_rule != "cosine":
            raise ValueError("first_step is only used with step_rule: cosine")
        return self


class PGD(Attack):
    """Projected gradient descent: k steps within the ball (Madry et al. 2018).

    ``x <- clip(project(x - size * sign(gradient)))``; in L2 the step is along the gradient scaled to unit
    length. Without its random start it is BIM (Kurakin et al. 2017); with momentum as well, MI-FGSM (Dong et
    al. 2018). k gradients and k + 1 queries a restart.
    """

    config_class = PGDConfig
    config: PGDConfig

    def run(self, problem: Problem) -> None:
        settings = self.config
        descend(
            problem,
            self.step_sizes(problem.budget.eps),
            random_start=settings.random_start,
            restarts=settings.restarts,
            momentum=settings.momentum,
            keep=settings.keep,
        )

    def step_sizes(self, eps: float) -> list[float]:
        """Lengths of the ``steps`` steps in pixel units, in the order they are taken."""
        steps = self.config.steps
        if self.config.step_rule == "cosine":
            return cosine(steps, self.config.first_step * eps)
        return [eps / steps * (2.5 if self.config.step_rule == "scaled" else 1.0)] * steps

    def gradient_evaluations(self) -> int:
        return self.config.steps * self.config.restarts
