"""Every recipe, or part of one, on a page passes the schema; those of the reference load as well."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from site_pages import pages

from elliot_advrec.recipe import load, schema

ROOT = Path(pages.ROOT)
WRITTEN = [
    ROOT / "README.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if "notes" not in p.relative_to(ROOT).parts),
]
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: A filter that the reader of the page has just written, and a recipe that Elliot reads, not we.
NOT_OURS = ("type: mirror", "external_models_path: /path/to/")
BASE: dict[str, Any] = {
    "experiment": {
        "dataset": "page",
        "models": {"external.ContentKNN": {"neighbors": 5}},
        "adversarial": {
            "catalog": {"source": "synthetic", "items": 100, "size": 32},
            "threats": [{"preset": "item_to_item", "pairs": 5}],
            "attacks": [{"preset": "pgd", "eps": [0.03]}],
        },
    }
}


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    return schema()


def whole(text: str, known: dict[str, Any]) -> dict[str, Any]:
    """The snippet, or a small recipe with what the snippet says in its place."""
    said = yaml.safe_load(text)
    if "experiment" in said:
        return dict(said)
    recipe = copy.deepcopy(BASE)
    experiment = recipe["experiment"]
    ours = known["properties"]["experiment"]["properties"]["adversarial"]["properties"]
    experiment["models"] |= said.pop("models", {})  # some see no pictures: something to attack stays
    for key, value in said.items():
        (experiment["adversarial"] if key in ours else experiment)[key] = value
    return recipe


@pytest.mark.parametrize("page", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_snippets_of_written_pages_pass_the_schema(page: Path, known: dict[str, Any]) -> None:
    for text in BLOCK.findall(page.read_text("utf-8")):
        if not any(marker in text for marker in NOT_OURS):
            jsonschema.Draft202012Validator(known).validate(whole(text, known))


def test_there_are_snippets_to_check() -> None:
    assert sum(len(BLOCK.findall(page.read_text("utf-8"))) for page in WRITTEN) >= 5


def test_snippets_of_the_reference_load(known: dict[str, Any], tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(known)
    loaded = 0
    for uri, page in pages.generated().items():
        for text in BLOCK.findall(page):
            recipe = whole(text, known)
            try:
                validator.validate(recipe)
                path = tmp_path / "recipe.yml"
                path.write_text(yaml.safe_dump(recipe), "utf-8")
                load(path)
            except Exception as error:
                raise AssertionError(f"{uri}: {error}") from error
            loaded += 1
    assert loaded >= 60


def test_a_snippet_with_a_wrong_key_would_be_found(known: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(known).validate(whole("attacks: [{preset: pgd, stesp: 3}]", known))
