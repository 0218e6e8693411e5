from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOOD = """\
experiment:
  dataset: tiny
  top_k: 10
  models:
    external.ContentKNN: {neighbors: 5}
  adversarial:
    catalog:
      source: synthetic
      items: 40
      users: 10
      size: 32
    extractor:
      training: {epochs: 2}
    defenses: [none, at]
    threats:
      - {preset: item_to_item, pairs: 6}
    attacks:
      - {preset: fgsm, eps: 0.03}
      - {preset: pgd, steps: 4, eps: [2/255, 8/255]}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a good recipe with some of its lines replaced."""

    def writer(*replacements: tuple[str, str]) -> Path:
        text = GOOD
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} must be in the recipe once"
            text = text.replace(old, new)
        path = tmp_path / "recipe.yml"
        path.write_text(text, "utf-8")
        return path

    return writer
