"""``elliot data``: data sets to try recipes on, and features as files."""

from __future__ import annotations

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
    StoreAt,
    Verbose,
    overrides,
    shown,
)
from elliot_advrec.errors import UserError, plain

app = typer.Typer(help="Data sets to try recipes on.", no_args_is_help=True)


@app.command()
def standin(
    layout: Annotated[str, typer.Argument(help="deepfashion or amazon")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is empty or not there yet.")],
    items: Annotated[int, typer.Option(min=20, help="How many pictures to draw.")] = 600,
    seed: Annotated[int, typer.Option(help="Which pictures.")] = 1,
) -> None:
    """Write a small drawn data set in exactly the layout of a real one."""
    from elliot_advrec.data.standin import write_deepfashion
    from elliot_advrec.data.standin_amazon import write_amazon
    from elliot_advrec.errors import nearest

    layouts = {"deepfashion": write_deepfashion, "amazon": write_amazon}
    if layout not in layouts:
        raise UserError(f"no stand-in for '{layout}'", remedy=nearest(layout, layouts))
    layouts[layout](folder, items=items, seed=seed)
    typer.echo(plain(str(folder)))


@app.command()
def extract(
    recipe: RecipePath,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the features go.")],
    defense: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--defense", metavar="NAME", help="A training defense, or none; absent: the first."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="F", help="npy: one matrix. elliot: one .npy an item.")
    ] = "npy",
    sets: Sets = None,
    preset: Overlay = None,
    device: Device = None,
    seed: Seed = None,
    store: StoreAt = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the features of all items of RECIPE with a manifest; killed, it goes on where it was."""
    from elliot_advrec.errors import nearest
    from elliot_advrec.experiment import Store, Workspace, resolve_device
    from elliot_advrec.experiment.extracting import FORMS, extract
    from elliot_advrec.hosts import embedded
    from elliot_advrec.recipe import load

    progress = shown(quiet, verbose)
    if form not in FORMS:
        raise UserError(f"unknown format '{form}'", remedy=nearest(form, FORMS))
    loaded = load(recipe, overrides(sets, seed), preset)
    target = resolve_device(device or loaded.adversarial.device)
    embedded.repeatable()
    embedded.check_writable(output)
    kept = Store(embedded.store_folder(loaded, output, store))
    workspace = Workspace(kept, target, loaded.adversarial.workers)
    written = extract(loaded, workspace, output, defense=defense, form=form, progress=progress)
    if not quiet:
        typer.echo(plain(str(written)))
