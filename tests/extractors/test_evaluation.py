"""Evaluation against counting by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_items import build, draw

from elliot_advrec.errors import UserError
from elliot_advrec.extractors.evaluation import evaluate
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.losses import category_loss, texture_loss


def test_equals_counting_by_hand(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    catalog.category[3::16] = -1
    extractor = build(catalog).eval()
    rows = np.arange(10, 60)
    found = evaluate(extractor, catalog, pixels, rows, batch_size=7)
    with torch.no_grad():
        features = extractor(pixels.floats(rows))
    truth = torch.from_numpy(catalog.category[rows])
    dense = torch.from_numpy(catalog.attributes[rows].toarray())
    known = truth >= 0
    right = sum(int(x.argmax()) == int(y) for x, y in zip(features.category, truth, strict=True))
    precise = sum(bool(y[int(x.argmax())]) for x, y in zip(features.attributes, dense, strict=True))
    assert found["n"] == 50
    assert found["category_n"] == int(known.sum()) < 50
    assert found["accuracy"] == right / found["category_n"]
    assert found["top5_accuracy"] == 1.0  # of four categories
    assert found["texture_top1_precision"] == precise / 50
    ce = category_loss(features.category, truth)[known].mean()
    assert found["category_loss"] == pytest.approx(float(ce), rel=1e-4)
    assert found["texture_loss"] == pytest.approx(
        float(texture_loss(features.attributes, dense).mean()), rel=1e-4
    )
    assert found["loss"] == pytest.approx(
        (found["category_loss"] * found["category_n"] + found["texture_loss"] * 50) / 50
    )


def test_test_split_is_the_default_and_batch_size_decides_nothing(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    extractor = build(catalog).train()
    one, other = evaluate(extractor, catalog, pixels), evaluate(extractor, catalog, pixels, batch_size=5)
    assert one["n"] == int((catalog.split == "test").sum())
    assert one["accuracy"] == other["accuracy"]
    assert one["category_loss"] == pytest.approx(other["category_loss"], rel=1e-5)
    assert extractor.training


def test_nothing_to_evaluate(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    found = evaluate(build(catalog), catalog, pixels, np.array([], dtype=int))
    assert found["n"] == 0
    assert found["accuracy"] is None
    assert found["loss"] is None


def test_more_categories_than_the_extractor_knows(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    extractor = build(catalog)
    narrow = Extractor(extractor.config, ["one"], image_size=32)
    with pytest.raises(UserError, match="the catalog has 4 categories, the extractor 1"):
        evaluate(narrow, catalog, pixels)
