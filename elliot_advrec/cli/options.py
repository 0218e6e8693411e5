"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from elliot_advrec.errors import UserError
from elliot_advrec.launch import launched
from elliot_advrec.progress import SILENT, Progress

if TYPE_CHECKING:
    from elliot_advrec.hosts.engines import Engine

RecipePath = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="The recipe: a YAML file, or the name of a shipped one.")
]
Sets = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads this annotation at run time
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. adversarial.seeds=[1,2]."),
]
Overlay = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--preset", metavar="NAME", help="Lay an overlay over the recipe, e.g. small."),
]
Output = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--output", "-o", metavar="DIR", help="Where results go; absent: results/ and the recipe's name."
    ),
]
StoreAt = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--store", metavar="DIR", help="Where finished stages are kept; absent: store/ in the output."
    ),
]
Device = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--device", metavar="D", help="auto, cpu, cuda or cuda:N."),
]
Host = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="H",
        help="Who runs it: elliot, embedded, or auto: Elliot where it is there and can take RECIPE.",
    ),
]
Ray = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Spread the stages over a Ray cluster: local[:N] for N processes here, auto, or HOST:PORT.",
    ),
]
RayCpus = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--ray-cpus", metavar="N", min=1, help="Cores a stage takes under --ray."),
]
Seed = Annotated[Optional[int], typer.Option("--seed", metavar="N", help="Run this one seed.")]  # noqa: UP045
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print epochs, and each stage's time, memory and place too.")
]


def shown(quiet: bool, verbose: bool) -> Progress:
    """What a person sees of a command's work.

    Raises:
        UserError: both are asked for.
    """
    from elliot_advrec.console import ConsoleProgress

    if quiet and verbose:
        raise UserError("--quiet and --verbose cannot be had together", remedy="take one of them")
    return SILENT if quiet else ConsoleProgress(verbose=verbose)


@contextmanager
def making(ray: str | None, cpus: int | None) -> Iterator[Engine]:
    """Who makes the stages, as ``--ray``, ``--ray-cpus`` and a launcher such as ``torchrun`` say.

    Raises:
        UserError: the cluster cannot be used, cores are named without one, or a launcher started several
            processes as well.
    """
    if ray is None and cpus is not None:
        raise UserError("--ray-cpus says nothing without --ray", remedy="e.g. --ray local")
    if ray is not None and launched():
        raise UserError("torchrun and --ray cannot be had together", remedy="take one of them")
    if ray is None and launched():
        from elliot_advrec.hosts.together import Together
        from elliot_advrec.processes import joined

        with joined() as group:
            yield Together(group)
        return
    if ray is None:
        from elliot_advrec.hosts.engines import HERE

        yield HERE
        return
    from elliot_advrec.hosts.cluster.engine import cluster

    with cluster(ray, cpus) as engine:
        yield engine


def overrides(sets: list[str] | None, seed: int | None) -> list[str]:
    """``--set`` and ``--seed`` as overrides of a recipe."""
    return [*(sets or []), *([] if seed is None else [f"adversarial.seeds=[{seed}]"])]
