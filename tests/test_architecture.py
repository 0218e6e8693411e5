"""Imports point down: the order of docs/architecture.md, read from the source; no circles either."""

from __future__ import annotations

import ast
import importlib
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "elliot_advrec"
TOP = ("cli", "console", "listing", "paced", "runlog")
# From the bottom up. A package may import from itself and from those before it.
LAYERS = (
    "core",
    "data",
    "extractors",
    "metrics",
    "recommenders",
    "attacks",
    "defenses",
    "filters",
    "detectors",
    "guards",
    "threats",
    "recipe",
    "experiment",
    "report",
    "hosts",
    "top",
)
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def layer(module: str) -> str:
    """The layer of ``elliot_advrec.<...>``; modules that lie in no package are the core."""
    parts = module.split(".")
    if len(parts) == 1:
        return "core"
    if parts[1] in TOP:
        return "top"
    return parts[1] if (PACKAGE / parts[1]).is_dir() else "core"


def imported(path: Path, *, when_run: bool) -> set[str]:
    """Modules of the package that a file imports; ``when_run``: without those for type checkers alone."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped: set[ast.AST] = set()
    if when_run:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                skipped |= {inner for child in node.body for inner in ast.walk(child)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports name the whole path"
            base = node.module or ""
            # "from package import module" names the module, not its package.
            inner = {f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in MODULES}
            found |= inner or {base}
    return {name for name in found if name in MODULES}


def test_every_package_has_its_place_and_the_page_names_it() -> None:
    assert {layer(module) for module in MODULES} == set(LAYERS)
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    section = page.partition("## Imports point down")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)/`", section, re.MULTILINE)
    assert set(named) == set(LAYERS) - {"core", "top"}


@pytest.mark.parametrize("module", MODULES)
def test_no_import_points_up(module: str) -> None:
    place = LAYERS.index(layer(module))
    up = {name for name in imported(MODULES[module], when_run=False) if LAYERS.index(layer(name)) > place}
    assert not up, f"{module} ({layer(module)}) imports {', '.join(sorted(up))}"


def test_there_is_no_circle() -> None:
    graph = {module: imported(path, when_run=True) - {module} for module, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these modules import each other: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports(module: str) -> None:
    importlib.import_module(module)
