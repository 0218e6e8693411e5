"""What a reader must know of a recipe before its numbers, said before it runs and in its report."""

from __future__ import annotations

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
