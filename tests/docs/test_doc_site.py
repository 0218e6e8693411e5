"""The site builds without a warning, and fetches nothing."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        pytest.skip("building the site needs mkdocs-material: pip install 'elliot-advrec[docs]'")
    folder = tmp_path_factory.mktemp("site")
    found = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return folder


def test_pages_are_built(site: Path) -> None:
    for page in ("", "quickstart", "tutorial", "reference/recipe", "reference/metrics/HR", "results/attacks"):
        assert (site / page / "index.html").is_file()
    assert '<div class="equation">' in (site / "reference/attacks/pgd/index.html").read_text("utf-8")


def test_notes_and_generator_are_no_pages(site: Path) -> None:
    assert not (site / "notes").exists()
    assert not list(site.rglob("*.py"))


def test_no_page_fetches_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r'(?:src|<link[^>]+href)="(https?:[^"]+)"')
    for page in site.rglob("*.html"):
        assert not fetched.findall(page.read_text("utf-8")), page
