"""What a reader must know of a recipe before its numbers, said before it runs and in its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from elliot_advrec.experiment.perceiving import missing
from elliot_advrec.recipe import Recipe


def notices(recipe: Recipe) -> list[str]:
    """One or two sentences each: what is asked for and not measured, and goals that may not be reached."""
    lacking = missing(recipe)
    said = [] if lacking is None else [lacking]
    for threat in recipe.adversarial.threats:
        caveat = threat.built.caveat()
        if caveat is not None:
            said.append(f"Threat '{threat.name}': {caveat}")
    return said


def about_threshold(name: str, threshold: float, scores: Mapping[str, Sequence[np.ndarray]]) -> list[str]:
    """A sentence where a detector's threshold tells no pictures apart.

    Args:
        name: the defense's.
        threshold: scores above it are flagged.
        scores: of ``clean`` and of ``attacked`` pictures.
    """
    both = [np.concatenate([np.empty(0), *scores[kind]]) for kind in ("clean", "attacked")]
    found = np.concatenate(both)
    flagged = found > threshold
    if not len(found) or (flagged.any() and not flagged.all()):
        return []
    which = "every picture" if flagged.all() else "no picture"
    return [
        f"The detector of '{name}' flags {which}, attacked or not: its threshold is {threshold:.3g}, and"
        f" scores lie between {found.min():.3g} and {found.max():.3g}."
    ]
