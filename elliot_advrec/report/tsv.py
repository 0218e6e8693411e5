"""The TSVs of Elliot's ``performance`` folder, and every row flat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from elliot_advrec.files import atomic
from elliot_advrec.report.document import Document, Row
from elliot_advrec.report.labels import bare, budget
from elliot_advrec.report.pooling import Key, Pool
from elliot_advrec.report.ranking import cutoffs, list_metrics

COLUMNS = tuple(Row.model_fields)


def write_tsvs(folder: Path, document: Document, pool: Pool) -> list[Path]:
    """Write ``rec_cutoff_{k}_relthreshold_{t}.tsv`` for each cutoff and ``attack_success.tsv``.

    A plain recipe of Elliot's has none of them: its tables are Elliot's own files, with Elliot's names of the
    models, which whoever ran it has written.

    A model of the first is ``recommender[+defense][+attack eps]``, its numbers are means over seeds, and a
    metric that it lacks is left empty. The second has every row of every seed.

    Returns:
        The paths written.

    Raises:
        UserError: the folder cannot be written.
    """
    if document.plain:
        return []
    threshold = relevance_threshold(document)
    written = []
    for k in cutoffs(pool):
        metrics = [metric for metric in list_metrics(pool) if pool.select(metric=metric, k=k)]
        models: dict[str, dict[str, float]] = {}
        for cell in pool.select(k=k, metric=metrics):
            models.setdefault(model_name(cell.key), {})[cell.key.metric] = cell.value
        lines = [[model, *(values.get(metric) for metric in metrics)] for model, values in models.items()]
        path = folder / f"rec_cutoff_{k}_relthreshold_{threshold:g}.tsv"
        written.append(_write(path, ["model", *metrics], lines))
    flat = [[getattr(row, column) for column in COLUMNS] for row in document.rows]
    written.append(_write(folder / "attack_success.tsv", COLUMNS, flat))
    return written


def model_name(key: Key) -> str:
    """``ContentKNN+at+pgd-64 eps=0.05``; an undefended or unattacked system has the shorter name.

    Threats other than item-to-item stand before the attack, and what the attacker knows of a filter or a
    detector after it: ``ContentKNN+jpeg+pgd-64 (adaptive) eps=0.05``.
    """
    name = key.recommender or "extractor"
    if key.defense not in (None, "none"):
        name += f"+{key.defense}"
    if key.attack is not None:
        name += "" if key.threat in (None, "item_to_item") else f"+{key.threat}"
        own = bare(key.attack)
        name += f"+{own}" + (f"-{key.steps}" if key.steps is not None else "") + key.attack.removeprefix(own)
        name += f" eps={budget(key.eps)}" if key.eps is not None else ""
        name += f" {key.norm}" if key.norm not in (None, "linf") else ""
    return name


def relevance_threshold(document: Document) -> float:
    """Elliot's ``evaluation.relevance_threshold``, 0 where the recipe has none (as in Elliot)."""
    evaluation = document.experiment.get("evaluation")
    found = evaluation.get("relevance_threshold") if isinstance(evaluation, dict) else None
    return float(found) if isinstance(found, int | float) else 0.0


def escape(value: object) -> str:
    """A field of a TSV: null is empty; tabs, line ends and backslashes are written as ``\\t`` and so on."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    text = str(value).replace("\\", "\\\\")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _write(path: Path, header: Sequence[str], lines: Iterable[Sequence[object]]) -> Path:
    with atomic(path) as temporary:
        text = "".join("\t".join(map(escape, line)) + "\n" for line in [header, *lines])
        temporary.write_text(text, "utf-8", newline="\n")
    return path
