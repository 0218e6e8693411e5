"""The presets and recipes that come with the package, and presets that lie beside a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from elliot_advrec import resources
from elliot_advrec.errors import UserError, nearest

FOLDERS = (
    "attacks", "defenses", "filters", "detectors", "threats", "recommenders", "models", "datasets",
    "overlays",
)  # fmt: skip
"""Folders of ``configs/``, one a kind of preset."""


def presets(kind: str, beside: Path | None = None) -> list[tuple[str, str]]:
    """Names and one-line summaries of the presets of ``kind``, sorted.

    Args:
        kind: one of ``FOLDERS``.
        beside: a recipe's folder, whose ``configs/`` is searched first.

    Raises:
        UserError: no such kind.
    """
    if kind not in FOLDERS:
        raise UserError(f"there are no presets of '{kind}'", remedy=nearest(kind, FOLDERS))
    found = {path.stem: path for place in reversed(_places(beside)) for path in (place / kind).glob("*.yml")}
    return [(name, summary(path)) for name, path in sorted(found.items())]


def recipes() -> list[tuple[str, str]]:
    """Names and one-line summaries of the packaged recipes, sorted."""
    return [(path.stem, summary(path)) for path in sorted(resources.folder("recipes").glob("*.yml"))]


def recipe_path(name: str) -> Path | None:
    """The packaged recipe called ``name``; None where there is none."""
    return next((path for path in resources.folder("recipes").glob("*.yml") if path.stem == name), None)


def preset_path(kind: str, name: str, beside: Path | None = None) -> Path | None:
    """The file of a preset; None where there is none. ``name`` is looked up among files, never a path."""
    for place in _places(beside):
        for path in (place / kind).glob("*.yml"):
            if path.stem == name:
                return path
    return None


def summary(path: Path) -> str:
    """The first comment line of a YAML file, without its mark; empty where it begins otherwise."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        first = next(_written(stream), "")
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _written(lines: Iterator[str]) -> Iterator[str]:
    yield from (line.strip() for line in lines if line.strip())


def _places(beside: Path | None) -> list[Path]:
    packaged = resources.folder("configs")
    return [packaged] if beside is None else [beside / "configs", packaged]
