"""The ``elliot`` command."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from elliot_advrec import __version__
from elliot_advrec.cli import data, guard
from elliot_advrec.cli.ending import end
from elliot_advrec.cli.options import (
    Device,
    Host,
    Output,
    Overlay,
    Quiet,
    Ray,
    RayCpus,
    RecipePath,
    Seed,
    Sets,
    StoreAt,
    Verbose,
    making,
    overrides,
    shown,
)
from elliot_advrec.errors import UserError, plain
from elliot_advrec.launch import launched, leads, speaks
from elliot_advrec.progress import SILENT, Several

app = typer.Typer(
    name="elliot",
    help="Red-team and harden visual recommenders from one YAML recipe.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.add_typer(guard.app, name="guard")

WIDE = 140  # columns of tables in files and pipes


def _console() -> Console:
    """Standard output; a file or a pipe has no width of its own, so tables get room there."""
    console = Console()
    roomy = not console.is_terminal and "COLUMNS" not in os.environ
    return Console(width=WIDE) if roomy else console


def _say(console: Console, message: str) -> None:
    """A line as it is: names in it come from recipes, and are no markup."""
    console.print(plain(message), markup=False, highlight=False, soft_wrap=True)


@app.command()
def run(
    recipe: RecipePath,
    output: Output = None,
    sets: Sets = None,
    preset: Overlay = None,
    device: Device = None,
    seed: Seed = None,
    store: StoreAt = None,
    host: Host = "auto",
    ray: Ray = None,
    ray_cpus: RayCpus = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train, attack, defend, re-rank and report all that RECIPE names; what is in the store is kept."""
    from elliot_advrec import report, runlog
    from elliot_advrec.hosts import dispatch
    from elliot_advrec.recipe import load

    progress = shown(quiet, verbose)
    loaded = load(recipe, overrides(sets, seed), preset)
    folder = output or Path("results") / recipe.stem
    if not (verbose or loaded.experiment.verbose) or not speaks():
        quiet, progress = True, SILENT
    if launched():
        if host == "elliot":
            raise UserError("Elliot runs in one process", remedy="leave --host elliot out, or torchrun")
        host = "embedded"
    with ExitStack() as stack:
        if leads():  # machines share the folder
            log = stack.enter_context(runlog.logged(folder / runlog.NAME, _command()))
            progress = Several(progress, log)
        engine = stack.enter_context(making(ray, ray_cpus))
        results = dispatch.run(
            loaded, folder, host=host, device=device, store=store, progress=progress, engine=engine
        )
    if not quiet:
        console = _console()
        console.print(report.terminal(results))
        _say(console, f"report: {folder / 'report.html'}")


def _command() -> str:
    """The command line, as a shell would take it, and what runs it."""
    return f"elliot {shlex.join(sys.argv[1:])} (elliot_advrec {__version__}, {platform.platform()})"


@app.command()
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
    console = _console()
    console.print(table)
    _say(
        console,
        f"{total} stages, {missing} to run on {target}; image-gradient evaluations to do, at most: "
        f"{plan.gradients_missing(kept):,}",
    )
    if pictures := plan.pictures_missing(kept):
        _say(
            console, f"attacked pictures that the store will keep for the defenses: {_size(pictures)} at most"
        )
    for said in (*(f"note: {each}" for each in notices(loaded)), chosen.why):
        _say(console, said)


def _size(count: int) -> str:
    """Bytes in MB or GB."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


@app.command("list")
def list_parts(
    kind: Annotated[Optional[str], typer.Argument(help="One kind only, e.g. attacks.")] = None,  # noqa: UP045
) -> None:
    """List recommenders, extractors, attacks, threats, defenses, metrics, sources, presets and recipes."""
    from elliot_advrec.listing import sections

    known = sections()
    if kind is not None and kind not in known:
        from elliot_advrec.errors import nearest

        raise UserError(f"unknown kind '{kind}'", remedy=nearest(kind, known))
    console = _console()
    for title in known if kind is None else [kind]:
        table = Table(title, "", title_justify="left", show_edge=False, pad_edge=False)
        for name, summary in known[title]():
            table.add_row(Text(plain(name)), Text(plain(summary)))
        console.print(table)
        console.print()


@app.command()
def schema() -> None:
    """Print the JSON Schema of recipes, for editors."""
    from elliot_advrec.recipe import schema as recipe_schema

    typer.echo(json.dumps(recipe_schema(), indent=1, ensure_ascii=False))


@app.command("report")
def make_report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The output folder of a run.")],
) -> None:
    """Write report.html and the tables of a finished run again from its results.json."""
    from elliot_advrec import report

    results, arrays = report.load(folder)
    for path in report.write(folder, results, arrays):
        typer.echo(plain(str(path)))


def main() -> None:
    """Entry point: an error a person can mend is one sentence and exit code 2, never a traceback."""
    end(app)
