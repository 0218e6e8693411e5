"""LPIPS in a run: its weights are read and judged before anything runs, and count by their content."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from elliot_advrec.errors import UserError
from elliot_advrec.files import sha256
from elliot_advrec.metrics.lpips import BACKBONES, PUBLISHED, SMALLEST, lpips_network
from elliot_advrec.recipe import Recipe
from elliot_advrec.recipe.run import LpipsSettings

KEY = "experiment.adversarial.lpips"
Stamp = tuple[int, int]


def described(recipe: Recipe) -> dict[str, Any] | None:
    """JSON-able, what decides LPIPS: its network and the content of its files; None where it is not measured.

    Raises:
        UserError: pictures that are too small, or a file that is not there or not what it should be.
    """
    settings = recipe.adversarial.lpips
    if settings is None or settings.backbone is None:
        return None
    smallest, size = SMALLEST[settings.net], recipe.adversarial.size
    if size < smallest:
        raise UserError(
            f"LPIPS by {settings.net} needs pictures of {smallest} pixels or more, and they have {size}",
            where=f"{recipe.path}: {KEY}",
            remedy=f"raise catalog.size, or take net: {min(SMALLEST, key=SMALLEST.__getitem__)}",
        )
    try:
        return _content(settings, _stamp(settings.backbone), _stamp(settings.linear))
    except UserError as error:
        raise error.at(f"{recipe.path}: {KEY}") from None


def missing(recipe: Recipe) -> str | None:
    """The note of a run that is asked for LPIPS and not given its weights; None where nothing lacks."""
    settings = recipe.adversarial.lpips
    if settings is None or settings.backbone is not None or not recipe.adversarial.attacks:
        return None
    return (
        f"LPIPS is not measured: the recipe asks for it and names no weights. Set adversarial.lpips.backbone "
        f"to torchvision's ImageNet weights of {BACKBONES[settings.net]}, {PUBLISHED[settings.net]}."
    )


def _stamp(path: Path | None) -> Stamp | None:
    """Changes when the file does; None where there is none."""
    if path is None or not path.is_file():
        return None
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=4)
def _content(settings: LpipsSettings, backbone: Stamp | None, linear: Stamp | None) -> dict[str, Any]:
    """Once for all attacks of a plan: the files are large."""
    assert settings.backbone is not None
    lpips_network(settings.backbone, settings.net, linear=settings.linear)
    named = {"backbone": settings.backbone, "linear": settings.linear}
    return {
        "net": settings.net,
        **{part: None if path is None else sha256(path) for part, path in named.items()},
    }
