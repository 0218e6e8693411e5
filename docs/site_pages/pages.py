"""Which pages are generated, by their place below ``docs/``."""

from __future__ import annotations

import re

from site_pages.metrics import families, metric_page, metrics_overview
from site_pages.parts import DOCS, KINDS, builtin, overview, part_page
from site_pages.recipe_reference import recipe_reference

ROOT = DOCS.parent

#: Files beside ``docs/`` that are pages too, where they are there.
BESIDE = {"CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}

_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def generated() -> dict[str, str]:
    """Page -> its Markdown.

    Raises:
        NoteError: a part or a metric of which too little is written.
    """
    made = {"reference/index.md": _index(), "reference/recipe.md": recipe_reference()}
    for kind in KINDS:
        made[f"reference/{kind}/index.md"] = overview(kind)
        made |= {f"reference/{kind}/{name}.md": part_page(kind, name) for name in builtin(kind)}
    made["reference/metrics/index.md"] = metrics_overview()
    for names in families().values():
        made |= {f"reference/metrics/{name}.md": metric_page(name) for name in names}
    for name, uri in beside().items():
        made[uri] = moved((ROOT / name).read_text("utf-8"))
    return made


def beside() -> dict[str, str]:
    """File beside ``docs/`` -> its page, of those that are there."""
    return {name: uri for name, uri in BESIDE.items() if (ROOT / name).is_file()}


def moved(text: str) -> str:
    """The text of a file beside ``docs/`` with links that hold below it, less those to other files."""

    def link(found: re.Match[str]) -> str:
        label, target = found.groups()
        path, hashed, anchor = target.partition("#")
        if path.startswith("docs/") and (ROOT / path).is_file():
            return f"[{label}]({path.removeprefix('docs/')}{hashed}{anchor})"
        return f"[{label}]({BESIDE[path]})" if path in BESIDE else label

    return _LINK.sub(link, text)


def _index() -> str:
    lines = [
        "# Reference",
        "",
        "Generated from the code of this version: what `elliot list` names, a page each.",
        "",
        "- [Recipe](recipe.md): every key of a recipe.",
    ]
    lines += [f"- [{kind.capitalize()}]({kind}/index.md): {about}" for kind, (_, about) in KINDS.items()]
    lines.append("- [Metrics](metrics/index.md): what results hold, each with its formula and source.")
    return "\n".join(lines) + "\n"
