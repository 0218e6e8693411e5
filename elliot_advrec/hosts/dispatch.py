"""Runs a recipe in the host that is asked for, or that suits it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elliot_advrec.hosts import elliot, embedded
from elliot_advrec.hosts.engines import HERE, Engine
from elliot_advrec.hosts.finding import choose
from elliot_advrec.hosts.suited import ElliotError
from elliot_advrec.progress import SILENT, Progress
from elliot_advrec.recipe import Recipe


def planned(recipe: Recipe, host: str) -> Recipe:
    """The recipe whose plan a host runs.

    Args:
        recipe: as it was loaded.
        host: ``elliot`` or ``embedded``.

    Raises:
        UserError: the data cannot be found.
    """
    return elliot.worked(recipe) if host == "elliot" else recipe


def run(
    recipe: Recipe,
    output: Path,
    *,
    host: str = "auto",
    device: str | None = None,
    store: Path | None = None,
    progress: Progress = SILENT,
    engine: Engine = HERE,
) -> dict[str, Any]:
    """Run ``recipe`` in one of the hosts; both write the same files, and Elliot its own beside them.

    With ``auto`` an Elliot that is there and cannot take the recipe or its data, or that stops, is no error:
    the embedded engine gives the results (extractors and attacks are in the store by then), and a note says
    why.

    Args:
        recipe: what is run.
        output: gets the results.
        host: ``auto``, ``elliot`` or ``embedded``, see ``finding.choose``.
        device: overrides the recipe's.
        store: folder of finished stages; see ``embedded.store_folder``.
        progress: is told what is being done, and which host was chosen where that is news.
        engine: makes the stages of the plan.

    Returns:
        The results document.

    Raises:
        UserError: an unknown host, one that cannot run the recipe, or anything that it may raise.
    """
    chosen = choose(host, recipe)
    if chosen.notable:
        progress.say(chosen.why)
    notes: list[str] = []
    if chosen.host == "elliot":
        try:
            return elliot.run(recipe, output, device=device, store=store, progress=progress, engine=engine)
        except ElliotError as error:
            if host == "elliot":
                raise
            notes = [f"Ranking metrics are the embedded engine's, for Elliot could not be used. {error}."]
            progress.say(notes[0])
    return embedded.run(
        recipe, output, device=device, store=store, progress=progress, notes=notes, engine=engine
    )
