"""A page for every metric that results can hold.

``docs/notes/metrics/<family>.md`` opens with ``sources`` for those that name none, and holds a section for
each metric: ``## name`` or ``## name [key, key]`` with the works it is from, the equation, how to read it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import yaml

from elliot_advrec import metrics
from elliot_advrec.metrics.formulas import TABLE, UserMetric
from site_pages.notes import FOLDER, NoteError, cited, references

_HEADING = re.compile(r"^## (\S+)(?: \[([^\]]*)\])?\n", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """What is written about one metric."""

    family: str
    sources: tuple[str, ...]
    text: str


@cache
def entries() -> dict[str, Entry]:
    """Metric -> what is written about it.

    Raises:
        NoteError: a metric twice, without text, or without a source.
    """
    found: dict[str, Entry] = {}
    for path in sorted((FOLDER / "metrics").glob("*.md")):
        head, _, body = path.read_text("utf-8").removeprefix("---\n").partition("\n---\n")
        front = yaml.safe_load(head)
        parts = _HEADING.split(body)
        for name, keys, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            own = [key.strip() for key in keys.split(",")] if keys else front["sources"]
            if name in found or not text.strip():
                raise NoteError(f"metrics/{path.name}: '{name}' is there twice, or says nothing")
            found[name] = Entry(front["family"], cited(own, path.name), text.strip())
    return found


def families() -> dict[str, list[str]]:
    """Family -> its metrics, in the order of ``elliot list``."""
    found: dict[str, list[str]] = {}
    for name in metrics.SUMMARIES:
        found.setdefault(_entry(name).family, []).append(name)
    return found


def metric_page(name: str) -> str:
    """The page of one metric.

    Raises:
        NoteError: nothing is written about it.
    """
    entry = _entry(name)
    blocks = [
        f"# {name}",
        f"*{_sentence(metrics.SUMMARIES[name])}*",
        f"## Definition\n\n{entry.text}",
        _taken_over(name),
        "## Source\n\n" + "\n".join(f"- {references()[key]}" for key in entry.sources),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def metrics_overview() -> str:
    """All metrics by family, a line each."""
    lines = [
        "# Metrics",
        "",
        "What `results.json` and the report hold, a page each. A recipe chooses the measures of lists "
        "(`evaluation.simple_metrics`); the others come with what is run. How to read them, and their "
        "intervals: [concepts](../../concepts.md#how-to-read-the-report).",
    ]
    for family, names in families().items():
        lines += ["", f"## {family}", "", "| metric | |", "| --- | --- |"]
        lines += [f"| [{n}]({n}.md) | {_sentence(metrics.SUMMARIES[n])} |" for n in names]
    return "\n".join(lines) + "\n"


def _entry(name: str) -> Entry:
    if name not in entries():
        raise NoteError(f"metric '{name}' has no page: write '## {name}' in a file of docs/notes/metrics/")
    return entries()[name]


def _taken_over(name: str) -> str:
    """Whom a measure of lists is taken over, and whether it has an interval."""
    found = next((metric for metric in TABLE if metric.name == name), None)
    if found is None:
        return ""
    if isinstance(found, UserMetric):
        whom = "a held-out rating" if found.everyone else "a relevant held-out item"
        text = f"A mean over users with {whom}; its interval is 95 %, and paired tests compare it by user."
    else:
        text = "One number for all lists together: no user has a value, so there is no interval and no test."
    if found.complete:
        text += " Every relevant item's rank counts, far below the cut-off too."
    snippet = f"```yaml\ntop_k: 20\nevaluation: {{cutoffs: [10, 20], simple_metrics: [{name}]}}\n```"
    return f"## In a recipe\n\n{snippet}\n\n{text}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")
