"""The fast gradient sign method."""

from __future__ import annotations

from elliot_advrec.attacks.base import Attack
from elliot_advrec.attacks.descent import Keep, descend
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.component import Config


class FGSMConfig(Config):
    """Settings of FGSM."""

    keep: Keep = "best"
    """``best``: a sample whose loss the step would raise keeps its clean image. ``last``: always the stepped
    image, as the papers report it."""


class FGSM(Attack):
    """Fast gradient sign method: one step of length eps (Goodfellow et al. 2015).

    ``x - eps * sign(gradient)`` clipped to [0,1] (in L2, ``x - eps * gradient / ||gradient||``): exactly PGD
    with one constant step and no random start. One gradient and two queries a sample.
    """

    config_class = FGSMConfig
    config: FGSMConfig

    def run(self, problem: Problem) -> None:
        descend(problem, [problem.budget.eps], keep=self.config.keep)

    def gradient_evaluations(self) -> int:
        return 1
