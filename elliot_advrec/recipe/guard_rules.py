"""Rules between the settings of a defense in front of an extractor: what goes together, what does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from elliot_advrec.detectors import DETECTORS
from elliot_advrec.detectors.contrastive import Contrastive
from elliot_advrec.errors import UserError
from elliot_advrec.filters import FILTERS
from elliot_advrec.filters.learned import LearnedFilter
from elliot_advrec.recipe.guard_spec import GuardConfig
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.spec import Spec


def learns(part: Spec | None) -> bool:
    """Whether a filter, or a detector beside it, is a network that is trained."""
    if part is None:
        return False
    if part.kind in FILTERS.names():
        return issubclass(FILTERS.get(part.kind), LearnedFilter)
    return issubclass(DETECTORS.get(part.kind), Contrastive)


def draws(filter: Spec | None) -> bool:
    """Whether a filter is random."""
    if filter is None:
        return False
    kind: Any = FILTERS.get(filter.kind)
    config = filter.config
    if issubclass(kind, LearnedFilter):  # no file is read to see whether it draws
        config = config.model_copy(update={kind.weights_setting: "none"})
    return bool(kind(config).random)


def idle(filter: Spec | None, detector: Spec | None) -> dict[str, str]:
    """Settings that would do nothing -> why."""
    found: dict[str, str] = {}
    if not learns(filter):
        found |= dict.fromkeys(("filter_training", "ranking"), "no filter that learns")
    if detector is None:
        found |= dict.fromkeys(("refuse", "evasion"), "no detector")
    if not draws(filter):
        found["draws"] = "no filter that draws"
    return found


def fitting(name: str, filter: Spec | None, detector: Spec | None, config: GuardConfig, node: Node) -> None:
    """Refuse what does not go together, and settings that do nothing.

    Args:
        name: the entry's.
        node: the entry.

    Raises:
        UserError: the first rule that is broken.
    """
    if filter is None and detector is None:
        raise UserError(
            f"'{name}' has neither filter nor detector", where=str(node.origin), remedy="name one of them"
        )
    if detector is not None and "filter" in DETECTORS.get(detector.kind).needs:
        _beside(name, filter, detector)
    fields = type(config).model_fields
    for key, why in idle(filter, detector).items():
        if getattr(config, key) != fields[key].get_default(call_default_factory=True):
            raise UserError(
                f"'{key}' does nothing in '{name}', which has {why}",
                where=node.where(key),
                remedy="take it out",
            )
    every = fields["knowledge"].default
    if detector is None and config.knowledge != every and "evading" in config.knowledge:
        raise UserError(
            f"'{name}' has no detector that could be evaded",
            where=node.where("knowledge"),
            remedy="write knowledge: [oblivious, adaptive], or add a detector",
        )
    if filter is not None and learns(filter):
        for what, remedy in _schedule(config, filter, learns(detector), node):
            raise UserError(what, where=node.where("filter_training", "stages"), remedy=remedy)


def _beside(name: str, filter: Spec | None, detector: Spec) -> None:
    """Refuse a detector that compares a picture with its filtered self, where that cannot serve.

    Raises:
        UserError: no filter, or one that does not learn beside a detector that does.
    """
    if filter is None:
        raise UserError(
            f"the detector of '{name}' compares a picture with its filtered self, and there is no filter",
            where=detector.where,
            remedy="add filter: {preset: reconstruction}, or take the detector 'squeezing'",
        )
    if learns(detector) and not learns(filter):
        raise UserError(
            f"the detector '{detector.name}' learns beside a filter that learns, and '{filter.name}' does"
            " not",
            where=detector.where,
            remedy="take the filter reconstruction or unet, or the detector 'squeezing'",
        )


def _schedule(config: GuardConfig, filter: Spec, detector: bool, node: Node) -> Iterator[tuple[str, str]]:
    """What is wrong with who learns when, and the remedy."""
    training = config.filter_training
    learners = {learner for stage in training.stages for learner in stage.learns}
    if detector and "detector" not in learners:
        yield "no stage learns the detector", "add one with learns: [detector]"
    written = node.get("filter_training")
    stages = None if written is None else written.get("stages")
    # An overlay's stages, and the paper's, are for entries with a detector and for those without.
    own = stages is not None and not stages.origin.overlay and training.stages != type(training)().stages
    if own and "detector" in learners and not detector:
        yield "a stage learns a detector, and there is none that learns", "take 'detector' out of 'learns'"
    weights = getattr(filter.config, "weights", "none")
    if "filter" not in learners and (weights == "none" or not detector):
        yield "no stage learns the filter", "add one with learns: [filter], or name 'weights' for the filter"
