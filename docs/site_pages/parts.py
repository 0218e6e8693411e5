"""A page for every registered recommender, attack, threat, defense, filter and detector."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path
from typing import Any

from elliot_advrec import recipe
from elliot_advrec.attacks import ATTACKS
from elliot_advrec.component import Component
from elliot_advrec.defenses import DEFENSES
from elliot_advrec.detectors import DETECTORS
from elliot_advrec.filters import FILTERS
from elliot_advrec.recipe.shipped import preset_path
from elliot_advrec.recipe.text import read
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.registry import Registry
from elliot_advrec.threats import THREATS
from site_pages import settings
from site_pages.notes import note, references

DOCS = Path(__file__).resolve().parents[1]

#: Kind, as folders and pages have it -> registry, and what the overview says of it.
KINDS: dict[str, tuple[Registry[Any], str]] = {
    "threats": (THREATS, "Who is attacked, with what goal, knowing what. A threat gives attacks their loss."),
    "attacks": (ATTACKS, "Optimisers over pixels within a budget. They know nothing of recommenders."),
    "defenses": (DEFENSES, "Trainings of the extractor that make it harder to fool."),
    "filters": (FILTERS, "What pictures pass before the extractor sees them."),
    "detectors": (DETECTORS, "What looks at pictures and flags those that seem attacked."),
    "recommenders": (RECOMMENDERS, "What ranks items for users: those that see pictures, and controls."),
}


def builtin(kind: str) -> list[str]:
    """Names of our own parts of a kind; what other distributions register is theirs to document."""
    registry, _ = KINDS[kind]
    return [n for n in registry.names() if registry.get(n).__module__.startswith("elliot_advrec.")]


def part_page(kind: str, name: str) -> str:
    """The page of one part.

    Raises:
        NoteError: nothing, or too little, is written about it.
    """
    component: type[Component] = KINDS[kind][0].get(name)
    written = note(kind, name)
    blocks = [
        f"# {name}",
        f"*{component.summary()}*",
        _rest(component),
        f"## Definition\n\n{written.sections['Definition']}",
        f"## In a recipe\n\n{written.sections['In a recipe']}",
        f"## Settings\n\n{settings.table(settings.of_model(component.config_class))}",
        _presets(kind, name),
        f"## What it cannot do\n\n{written.sections['What it cannot do']}",
        "## Source\n\n" + "\n".join(f"- {references()[key]}" for key in written.sources),
        _results(written.results),
        f"Class: `{component.__module__}.{component.__name__}`",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def overview(kind: str) -> str:
    """All parts of a kind, a line each."""
    registry, about = KINDS[kind]
    lines = [f"# {kind.capitalize()}", "", about, "", f"| {kind[:-1]} | |", "| --- | --- |"]
    lines += [f"| [{name}]({name}.md) | {registry.get(name).summary()} |" for name in builtin(kind)]
    return "\n".join(lines) + "\n"


def presets_of(kind: str, name: str) -> list[tuple[str, str, Path]]:
    """(preset, its line, its file) of those that set up a part."""
    found = []
    for preset, line in recipe.presets(kind):
        path = preset_path(kind, preset)
        assert path is not None
        node = read(path)
        # A filter and detector of one entry are a preset of both.
        values = [node.get("type"), node.get("filter"), node.get("detector")]
        if any(value is not None and value.value == name for value in values):
            found.append((preset, line, path))
    return found


def title(uri: str, docs: Path = DOCS) -> str:
    """The heading of a page below ``docs``."""
    for line in (docs / uri).read_text("utf-8").splitlines():
        if line.startswith("# "):
            return line[2:]
    raise ValueError(f"{uri} has no heading")


def _rest(component: type[Component]) -> str:
    """The docstring below its first line, without the sections that are for programmers."""
    text = (inspect.getdoc(component) or "").partition("\n")[2]
    return re.split(r"^(Args|Raises|Returns|Attributes):$", text, flags=re.MULTILINE)[0].strip()


def _presets(kind: str, name: str) -> str:
    blocks = []
    for preset, line, path in presets_of(kind, name):
        body = "".join(s for s in path.read_text("utf-8").splitlines(True) if not s.startswith("#"))
        blocks.append(f"**`{preset}`**: {line}\n\n```text\n{body.rstrip()}\n```")
    return "## Presets\n\n" + "\n\n".join(blocks) if blocks else ""


def _results(uris: tuple[str, ...]) -> str:
    if not uris:
        return "## Results\n\nNo table of its own."
    here = "reference/parts"  # as deep as every page of a part
    return "## Results\n\n" + "\n".join(f"- [{title(u)}]({os.path.relpath(u, here)})" for u in uris)
