"""What ``elliot list`` prints: every part and preset with one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from elliot_advrec import metrics, recipe
from elliot_advrec.attacks import ATTACKS
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.defenses import DEFENSES
from elliot_advrec.detectors import DETECTORS
from elliot_advrec.filters import FILTERS
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.registry import Registry
from elliot_advrec.threats import THREATS

Lines = Iterable[tuple[str, str]]


def sections() -> dict[str, Callable[[], Lines]]:
    """Title -> a function that gives its (name, summary) lines."""
    return {
        "recommenders": lambda: _parts(RECOMMENDERS),
        "extractors": _extractors,
        "attacks": lambda: _parts(ATTACKS),
        "threats": lambda: _parts(THREATS),
        "defenses": lambda: [("none", "No defense: the undefended pipeline."), *_parts(DEFENSES)],
        "filters": lambda: _parts(FILTERS),
        "detectors": lambda: _parts(DETECTORS),
        "metrics": lambda: metrics.SUMMARIES.items(),
        "sources": lambda: _parts(SOURCES),
        "presets": _presets,
        "recipes": recipe.recipes,
    }


def _parts(registry: Registry[Any]) -> Lines:
    return [(name, registry.get(name).summary()) for name in registry.names()]


def _extractors() -> Lines:
    import timm

    note = "timm backbone; default" if "mobilenetv2_100" in timm.list_models() else ""
    yield "mobilenetv2_100", f"{note}: 1280-d embedding, category and texture heads"
    yield "(any timm name)", f"one of {len(timm.list_models())} architectures of timm {timm.__version__}"


def _presets() -> Lines:
    for kind in recipe.PRESET_KINDS:
        for name, summary in recipe.presets(kind):
            yield f"{kind}/{name}", summary
