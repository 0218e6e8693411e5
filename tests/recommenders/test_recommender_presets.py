"""Every packaged preset of a recommender is valid and says in its first line what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from elliot_advrec import resources
from elliot_advrec.component import validate
from elliot_advrec.recommenders import RECOMMENDERS

PRESETS = sorted((resources.folder("configs") / "recommenders").glob("*.yml"))


def test_there_is_one_for_each_recommender_that_learns_in_epochs() -> None:
    named = {yaml.safe_load(path.read_text("utf-8"))["type"] for path in PRESETS}
    assert named == {name for name in RECOMMENDERS.names() if RECOMMENDERS.get(name).trained}


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_its_settings_are_valid_and_make_a_training(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("# ")
    settings = yaml.safe_load(text)
    kind = RECOMMENDERS.get(settings.pop("type"))
    config = validate(kind.config_class, settings, path.name)
    assert config.epochs >= 20  # type: ignore[attr-defined]
