"""The one self-contained HTML page of a run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import jinja2
import numpy as np
import yaml

from elliot_advrec.errors import plain
from elliot_advrec.report.caveats import caveats
from elliot_advrec.report.document import Document
from elliot_advrec.report.drawing import PALETTE
from elliot_advrec.report.labels import listed, number
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.sections import all_sections

_OPEN = 4
"""Panels and cards shown at once; the rest unfold, so that a long run stays readable."""

_KIND = "Adversarial robustness of a visual recommender"
_KIND_UNATTACKED = "Evaluation of recommenders"


def page(document: Document, pool: Pool, arrays: Mapping[str, np.ndarray]) -> str:
    """HTML with its styles, drawings and pictures inside; it needs no network and runs no script."""
    templates = files("elliot_advrec.report").joinpath("templates")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: templates.joinpath(name).read_text("utf-8")),
    )
    environment.filters["plain"] = plain
    facts = [
        ("Device", plain(document.device)),
        ("Seeds", listed([str(seed) for seed in document.seeds])),
        (
            "Peak memory",
            "" if document.peak_memory_mb is None else f"{number(document.peak_memory_mb, 0)} MB",
        ),
    ]
    return environment.get_template("report.html.j2").render(
        document=document,
        kind=_KIND if document.attacked else _KIND_UNATTACKED,
        facts=[fact for fact in facts if fact[1]],
        caveats=caveats(document, pool),
        sections=all_sections(document, pool, arrays),
        recipe=yaml.safe_dump(document.recipe, sort_keys=False, allow_unicode=True),
        palette=PALETTE,
        shown=_OPEN,
    )
