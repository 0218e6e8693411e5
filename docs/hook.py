"""What mkdocs asks of us: pages that are generated, their places in the navigation, equations as HTML.

Every page below ``reference/`` is made from the registered classes, their settings and ``docs/notes/`` when
the site is built, so that it cannot go stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from site_pages import equations, navigation, pages

HERE = Path(__file__).parent


def on_config(config: Any) -> Any:
    """Fill in the navigation."""
    config.nav = navigation.complete(config.nav, HERE)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for uri, text in pages.generated().items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Blocks fenced as ``equation`` become HTML that reads without any script."""
    return equations.rendered(markdown)
