"""What is written by hand about a part: sources, definition, recipe, limits, results.

A note is ``docs/notes/<kind>/<name>.md``: YAML between two lines of ``---`` (``sources``: keys of
``references.yml``, ``results``: pages), then the three sections of ``SECTIONS``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "notes"
SECTIONS = ("Definition", "In a recipe", "What it cannot do")


class NoteError(ValueError):
    """A note that is missing or not in its form."""


@dataclass(frozen=True)
class Note:
    """What is written about one part."""

    sources: tuple[str, ...]
    """Keys of ``references.yml``."""
    results: tuple[str, ...]
    """Pages below ``docs/`` that report it."""
    sections: dict[str, str]
    """The text below each of ``SECTIONS``."""


@cache
def references() -> dict[str, str]:
    """Key -> a work as it is cited."""
    found = yaml.safe_load((FOLDER / "references.yml").read_text("utf-8"))
    return {key: " ".join(text.split()) for key, text in found.items()}


def note(kind: str, name: str) -> Note:
    """The note of one part.

    Raises:
        NoteError: there is none, or it lacks a section, or cites what ``references.yml`` does not have.
    """
    path = FOLDER / kind / f"{name}.md"
    if not path.is_file():
        raise NoteError(f"{kind[:-1]} '{name}' has no page: write docs/notes/{kind}/{name}.md")
    head, _, body = path.read_text("utf-8").removeprefix("---\n").partition("\n---\n")
    front = yaml.safe_load(head)
    parts = re.split(r"^## (.+)\n", body, flags=re.MULTILINE)
    sections = {title: text.strip() for title, text in zip(parts[1::2], parts[2::2], strict=True)}
    if tuple(sections) != SECTIONS or not all(sections.values()):
        raise NoteError(f"{path.name} must hold the sections {', '.join(SECTIONS)}, none of them empty")
    return Note(cited(front["sources"], path.name), tuple(front.get("results") or ()), sections)


def cited(keys: list[str], where: str) -> tuple[str, ...]:
    """The keys, if all are known and there is one.

    Raises:
        NoteError: none, or an unknown one.
    """
    unknown = sorted(set(keys) - set(references()))
    if unknown or not keys:
        raise NoteError(f"{where} cites {unknown or 'nothing'}: name works of docs/notes/references.yml")
    return tuple(keys)
