"""What a run found, for people: Elliot's TSVs, tables in the terminal, and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.files import atomic
from elliot_advrec.report.document import FORMAT, Document, parse
from elliot_advrec.report.loading import load
from elliot_advrec.report.page import page
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.terminal import terminal
from elliot_advrec.report.tsv import write_tsvs

__all__ = ["FORMAT", "load", "terminal", "write"]


def write(
    folder: Path,
    results: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    *,
    performance: Path | None = None,
) -> list[Path]:
    """Write ``report.html`` into ``folder``, and the TSVs of ``write_tsvs``.

    Args:
        folder: the output folder of the experiment, which holds ``results.json``.
        results: what ``results.json`` holds.
        arrays: what ``exhibits.npz`` holds, by name; empty where there are no pictures.
        performance: where the TSVs go; absent: the recipe's ``path_output_rec_performance`` where that
            folder is there, else ``folder/performance``.

    Returns:
        The paths written, the page first.

    Raises:
        UserError: ``results`` is not in the results format, or the folder cannot be written.
    """
    document = parse(results, str(folder / "results.json"))
    pool = Pool(document.rows)
    html = page(document, pool, arrays)
    target = folder / "report.html"
    with atomic(target) as temporary:
        temporary.write_text(html, "utf-8")
    return [target, *write_tsvs(performance or _performance(document, folder), document, pool)]


def _performance(document: Document, folder: Path) -> Path:
    """Where the run has put its TSVs; results that came from another machine make no folder on this one."""
    named = document.experiment.get("path_output_rec_performance")
    return Path(named) if isinstance(named, str) and Path(named).is_dir() else folder / "performance"
