"""The ``elliot`` command."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.table import Table
from rich.text import Text

from elliot_advrec import __version__
from elliot_advrec.cli import checking, data, guard
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
from elliot_advrec.cli.printing import line, printer
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
        console = printer()
        console.print(report.terminal(results))
        line(console, f"report: {folder / 'report.html'}")


def _command() -> str:
    """The command line, as a shell would take it, and what runs it."""
    return f"elliot {shlex.join(sys.argv[1:])} (elliot_advrec {__version__}, {platform.platform()})"


app.command()(checking.check)


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
    console = printer()
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
