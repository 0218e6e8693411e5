"""The navigation: what ``mkdocs.yml`` names, and after it what is generated or was written since."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from site_pages.metrics import families
from site_pages.pages import beside
from site_pages.parts import KINDS, builtin, title

Nav = list[Any]

#: Section of ``mkdocs.yml`` -> the pages that belong to it, as far as they are not named there.
SECTIONS = {"Guides": "*.md", "Results": "results/*.md"}


def complete(nav: Nav, docs: Path) -> Nav:
    """The navigation with every page in it once.

    Args:
        nav: as ``mkdocs.yml`` has it: mappings of titles to pages or to more of the same, and pages.
        docs: the folder that pages are in.
    """
    named = set(_pages(nav))
    made: Nav = []
    for entry in nav:
        section = next(iter(entry)) if isinstance(entry, dict) else None
        if section in SECTIONS:
            found = sorted(p.relative_to(docs).as_posix() for p in docs.glob(SECTIONS[section]))
            entry = {section: [*entry[section], *({title(u, docs): u} for u in found if u not in named)]}
        made.append(entry)
    made.insert(-1, {"Reference": _reference()})
    more: Nav = [{name.removesuffix(".md").capitalize(): uri} for name, uri in beside().items()]
    return [*made, {"Project": more}] if more else made


def _reference() -> Nav:
    made: Nav = ["reference/index.md", {"Recipe": "reference/recipe.md"}]
    for kind in KINDS:
        pages = [{name: f"reference/{kind}/{name}.md"} for name in builtin(kind)]
        made.append({kind.capitalize(): [f"reference/{kind}/index.md", *pages]})
    metrics: Nav = ["reference/metrics/index.md"]
    for family, names in families().items():
        metrics.append({family: [{name: f"reference/metrics/{name}.md"} for name in names]})
    return [*made, {"Metrics": metrics}]


def _pages(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for inner in nav.values():
            yield from _pages(inner)
    else:
        for inner in nav:
            yield from _pages(inner)
