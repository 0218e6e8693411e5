"""The search itself: which candidates are tried, in which order, and which is the best."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from elliot_advrec.component import Config
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recommenders.tuning.candidates import Choice
from elliot_advrec.recommenders.tuning.space import Space

ALGORITHMS = ("grid", "tpe", "rand")
#: Elliot's others.
UNSUPPORTED = ("atpe", "mix", "anneal")
#: Random draws before TPE learns from them, as in hyperopt.
STARTUP = 20
#: Draws in a row that were there before, after which nothing new is expected, as in Elliot.
FAILURES = 1000

Objective = Callable[[Config], float]


@dataclass(frozen=True)
class Trial:
    """One candidate that was tried."""

    settings: dict[str, Any]
    """The searched settings."""
    config: Config
    """The whole configuration."""
    loss: float
    """What the objective gave; infinite where that was not a number."""


@dataclass(frozen=True)
class Found:
    """What a search found."""

    trials: tuple[Trial, ...]
    """All that were tried, in order."""

    @property
    def best(self) -> Trial:
        """The first of those with the lowest loss.

        Raises:
            UserError: no candidate has a loss.
        """
        chosen = min(self.trials, key=lambda trial: trial.loss)
        if math.isinf(chosen.loss):
            raise UserError(
                f"none of {len(self.trials)} candidates has a validation result that is a number",
                remedy="training diverged: search lower learning rates",
            )
        return chosen


def evaluations(space: Space, algorithm: str = "grid", max_evals: int | None = None, where: str = "") -> int:
    """How many candidates ``search`` will try, at most.

    Args:
        space: what is searched.
        algorithm: Elliot's ``hyper_opt_alg``.
        max_evals: Elliot's ``hyper_max_evals``; None: as many as there are combinations.
        where: the model's ``meta``, for messages.

    Raises:
        UserError: an algorithm that is not there, a number below 1, or none where a distribution is searched.
    """
    if algorithm in UNSUPPORTED:
        raise UserError(
            f"Elliot's search '{algorithm}' is not supported",
            where=where,
            remedy=f"use {', '.join(ALGORITHMS)}",
        )
    if algorithm not in ALGORITHMS:
        raise UserError(f"unknown search '{algorithm}'", where=where, remedy=nearest(algorithm, ALGORITHMS))
    if max_evals is None:
        if space.size is None:
            raise UserError(
                "a distribution is searched and 'hyper_max_evals' is missing",
                where=where,
                remedy="say how many candidates to try; only lists of values do without",
            )
        return space.size
    if max_evals < 1:
        raise UserError(f"'hyper_max_evals' must be at least 1, got {max_evals}", where=where)
    return min(max_evals, space.size) if algorithm == "grid" and space.size is not None else max_evals


def search(
    space: Space,
    objective: Objective,
    *,
    algorithm: str = "grid",
    max_evals: int | None = None,
    seed: int = 42,
    where: str = "",
) -> Found:
    """Try candidates and keep the results; the same ones in the same order for the same seed.

    ``grid`` is every combination, the last setting changing fastest; if fewer are asked for, some of them at
    random, each once; of distributions, random draws, each once. ``rand`` draws at random. ``tpe`` is the
    tree-structured Parzen estimator (Bergstra et al. 2011) of optuna, after 20 random draws. A candidate that
    comes again is not evaluated again.

    Args:
        space: what is searched.
        objective: configuration -> loss, lower is better (Elliot: the negative validation metric).
        algorithm: Elliot's ``hyper_opt_alg``; ``grid`` is Elliot's default.
        max_evals: Elliot's ``hyper_max_evals``.
        seed: decides every draw.
        where: the model's ``meta``, for messages.

    Raises:
        UserError: as ``evaluations``, or a drawn candidate that the model does not take.
    """
    count = evaluations(space, algorithm, max_evals, where)
    trials: list[Trial] = []
    known: dict[str, Trial] = {}

    def tried(settings: dict[str, Any]) -> float:
        name = repr(settings)
        if name not in known:
            config = space.config(settings)
            loss = float(objective(config))
            known[name] = Trial(settings, config, math.inf if math.isnan(loss) else loss)
        trials.append(known[name])
        return known[name].loss

    if algorithm == "grid" and space.size is not None:
        for place in _places(space.size, count, seed):
            tried(_combination(space, place))
        return Found(tuple(trials))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = (
        optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
        if algorithm == "tpe"
        else optuna.samplers.RandomSampler(seed=seed)
    )
    study = optuna.create_study(sampler=sampler)
    axes = {key: _axis(each) for key, each in space.searched.items()}
    failures = 0
    while len(trials) < count and failures < FAILURES:
        asked = study.ask(axes)
        settings = space.at(asked.params)
        if algorithm == "grid" and repr(settings) in known:
            failures += 1
            continue
        failures = 0
        study.tell(asked, tried(settings))
    return Found(tuple(trials))


def _places(size: int, count: int, seed: int) -> list[int]:
    if count == size:
        return list(range(size))
    return np.random.default_rng(seed).choice(size, count, replace=False).tolist()


def _combination(space: Space, place: int) -> dict[str, Any]:
    """The combination number ``place`` of lists of values, the last setting changing fastest."""
    chosen: dict[str, float] = {}
    for key in reversed(list(space.searched)):
        each = space.searched[key]
        assert isinstance(each, Choice)
        place, chosen[key] = divmod(place, len(each.options))
    return space.at(chosen)


def _axis(each: Any) -> BaseDistribution:
    """Options by number, distributions by u: what is drawn evenly there is drawn as the recipe says."""
    if isinstance(each, Choice):
        return CategoricalDistribution(tuple(range(len(each.options))))
    return FloatDistribution(0.0, 1.0)
