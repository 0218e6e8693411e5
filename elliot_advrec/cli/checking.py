"""``elliot check``: what a recipe will do, and how much of it is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from elliot_advrec.cli.options import (
    Device,
    Host,
    Output,
    Overlay,
    RecipePath,
    Seed,
    Sets,
    StoreAt,
    overrides,
)
from elliot_advrec.cli.printing import line, printer
from elliot_advrec.errors import plain


def check(
    recipe: RecipePath,
    output: Output = None,
    sets: Sets = None,
    preset: Overlay = None,
    device: Device = None,
    seed: Seed = None,
    store: StoreAt = None,
    host: Host = "auto",
    resolved: Annotated[bool, typer.Option("--resolved", help="Print the resolved recipe as JSON.")] = False,
) -> None:
    """Validate RECIPE, resolve its presets, print the plan and who would run it; run nothing."""
    from elliot_advrec.experiment import Store, make_plan, notices, resolve_device
    from elliot_advrec.hosts import dispatch, embedded
    from elliot_advrec.hosts.finding import choose
    from elliot_advrec.recipe import load

    loaded = load(recipe, overrides(sets, seed), preset)
    if resolved:
        typer.echo(json.dumps(loaded.resolved(), indent=1, ensure_ascii=False))
        return
    chosen = choose(host, loaded)
    target = resolve_device(device or loaded.adversarial.device)
    plan = make_plan(dispatch.planned(loaded, chosen.host), target.type)
    kept = Store(embedded.store_folder(loaded, output or Path("results") / recipe.stem, store))
    # Names come from recipes: as Text they are never read as markup.
    title = Text(plain(f"{loaded.title}: {plan.cells} cells"), style="table.title")
    table = Table("stage", "in the store", "gradient evaluations", title=title)
    table.columns[2].justify = "right"
    total = missing = 0
    for stage in plan.unique():
        there = kept.entry(stage.kind, stage.key).there()
        total += 1
        missing += not there
        table.add_row(
            Text(plain(stage.label)),
            "yes" if there else "no",
            f"{count:,}" if (count := plan.gradients(stage)) else "",
        )
    console = printer()
    console.print(table)
    line(
        console,
        f"{total} stages, {missing} to run on {target}; image-gradient evaluations to do, at most: "
        f"{plan.gradients_missing(kept):,}",
    )
    if pictures := plan.pictures_missing(kept):
        line(
            console, f"attacked pictures that the store will keep for the defenses: {_size(pictures)} at most"
        )
    for said in (*(f"note: {each}" for each in notices(loaded)), chosen.why):
        line(console, said)


def _size(count: int) -> str:
    """Bytes in MB or GB."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
