"""``elliot guard``: a filter and a detector, fitted once and asked about folders of new pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Optional

import typer

from elliot_advrec.cli.options import (
    Device,
    Overlay,
    Quiet,
    RecipePath,
    Seed,
    Sets,
    Verbose,
    overrides,
    shown,
)
from elliot_advrec.errors import UserError, plain

app = typer.Typer(help="A filter and a detector in front of an extractor.", no_args_is_help=True)

FLAGGED = 1
"""Exit code of a scan that flagged a picture."""
WORKERS = 8
"""Processes that decode at most, unless told otherwise: more are rarely faster than the networks."""


@app.command()
def fit(
    recipe: RecipePath,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the guard goes.")],
    defense: Annotated[
        Optional[str],  # noqa: UP045 - typer reads this annotation at run time
        typer.Option("--defense", metavar="NAME", help="Which defense of RECIPE, where it has several."),
    ] = None,
    sets: Sets = None,
    preset: Overlay = None,
    device: Device = None,
    seed: Seed = None,
    store: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--store", metavar="DIR", help="Finished stages; absent: where `elliot run` has them."),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Keep the filter and detector of a defense of RECIPE in DIR; what is not in the store is trained."""
    from elliot_advrec.experiment import Store, Workspace, resolve_device
    from elliot_advrec.experiment.guarding import fit_guard
    from elliot_advrec.hosts import embedded
    from elliot_advrec.recipe import load

    progress = shown(quiet, verbose)
    loaded = load(recipe, overrides(sets, seed), preset)
    target = resolve_device(device or loaded.adversarial.device)
    kept = embedded.store_folder(loaded, Path("results") / recipe.stem, store)
    place = output.absolute()
    if place == kept.absolute() or place in kept.absolute().parents:
        raise UserError(
            "the store lies in the guard's folder, which is replaced whole",
            where=str(output),
            remedy="name another --output or --store",
        )
    embedded.repeatable()
    embedded.check_writable(place.parent)
    workspace = Workspace(Store(kept), target, loaded.adversarial.workers)
    fit_guard(loaded, workspace, place, defense=defense, progress=progress)
    if not quiet:
        typer.echo(plain(str(output)))


@app.command()
def scan(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Searched in depth for pictures.")],
    guard: Annotated[Path, typer.Option("--guard", metavar="DIR", help="A guard that `fit` wrote.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where verdicts.tsv and .json go.")
    ] = Path("."),
    forms: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads this annotation at run time
        typer.Option("--format", metavar="F", help="tsv or json; both, where given twice. Absent: tsv."),
    ] = None,
    cleaned: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--cleaned", metavar="DIR", help="Write cleaned pictures there, as PNG."),
    ] = None,
    threshold: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--threshold", metavar="X", help="Flag scores above X instead of the guard's own."),
    ] = None,
    limit: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--limit", metavar="N", min=1, help="Scan the first N pictures only."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures that are scored together.")] = 32,
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="Processes that decode; absent: all cores but one, at most 8."),
    ] = None,
    device: Device = None,
    quiet: Quiet = False,
) -> None:
    """Score all pictures below FOLDER; killed, it goes on where it was. Exit code 1: something is flagged."""
    from elliot_advrec.errors import nearest
    from elliot_advrec.experiment import resolve_device
    from elliot_advrec.guards import Guard
    from elliot_advrec.guards.scanning import Options
    from elliot_advrec.guards.scanning import scan as scan_folder
    from elliot_advrec.guards.verdict_files import FORMS
    from elliot_advrec.hosts import embedded

    wanted = list(dict.fromkeys(forms or ["tsv"]))
    for form in wanted:
        if form not in FORMS:
            raise UserError(f"unknown format '{form}'", remedy=nearest(form, FORMS))
    if workers is None:
        workers = min(WORKERS, max(1, (os.cpu_count() or 2) - 1))
    embedded.repeatable()
    kept = Guard.load(guard, resolve_device(device or "auto"))
    embedded.check_writable(output)
    progress = shown(quiet, verbose=False)
    options = Options(wanted, cleaned, threshold, limit, batch_size, workers)
    found = scan_folder(folder, kept, output, options, progress)
    if not quiet:
        typer.echo(plain(found.told()))
    if found.flagged:
        raise typer.Exit(FLAGGED)
