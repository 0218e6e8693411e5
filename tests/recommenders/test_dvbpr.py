"""DVBPR learns from pixels what users like, and CNN-F is as it was published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from scipy.sparse import csr_matrix
from tiny_network import pictures

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.recommenders import Recommender
from elliot_advrec.recommenders.context import FitContext
from elliot_advrec.recommenders.dvbpr import DVBPR

Make = Callable[..., Recommender]
ITEMS, COLD = 60, 12


@pytest.fixture
def colours() -> Interactions:
    """40 users who take six items of their colour (even items are reddish, odd ones bluish)."""
    generator, train = np.random.default_rng(1), np.zeros((40, ITEMS), dtype=np.float32)
    for user, row in enumerate(train):
        row[generator.choice(np.arange(user % 2, ITEMS - COLD, 2), 6, replace=False)] = 1
    return Interactions([str(u) for u in range(40)], csr_matrix(train), None, csr_matrix(train), True, [])


def test_it_learns_the_colour_and_knows_it_in_items_nobody_took(make: Make, colours: Interactions) -> None:
    recommender = make("DVBPR", epochs=40, batch_size=40, lr=0.01, lambda_2=0.0)
    assert isinstance(recommender, DVBPR)
    recommender.fit(colours, None, seed=3)
    cold = recommender.scores(np.arange(40)).numpy()[:, -COLD:]
    best = np.argsort(-cold, axis=1)[:, : COLD // 2] % 2
    assert (best == np.arange(40)[:, None] % 2).mean() > 0.95


def test_pixels_to_score_is_one_differentiable_path(make: Make, colours: Interactions) -> None:
    recommender = make("DVBPR", epochs=2, batch_size=40, lr=0.01, lambda_2=0.0)
    assert isinstance(recommender, DVBPR)
    recommender.fit(colours, None, seed=3)
    pixels = recommender.context.pixels
    assert pixels is not None
    view = FrozenExtractor(recommender.extractor)
    users, rows = np.arange(40), np.array([4, 9])
    shown = pixels.floats(rows).requires_grad_(True)
    scores = recommender.item_scores(users, rows, view.embed(shown))
    assert torch.allclose(scores, recommender.scores(users)[:, rows], atol=1e-5)
    scores[0, 0].backward()
    assert shown.grad is not None
    assert shown.grad[0].abs().max() > 0
    assert shown.grad[1].abs().max() == 0
    raised = (shown + 0.05 * shown.grad.sign()).clamp(0, 1).detach()
    changed = recommender.with_items(rows, view.embed(raised).detach().numpy())
    assert changed.scores(users)[0, 4] > scores[0, 0]


def test_it_needs_pictures_of_the_whole_catalog(make: Make, colours: Interactions, tmp_path: Path) -> None:
    recommender = make("DVBPR")
    recommender.context = FitContext()
    with pytest.raises(UserError, match="DVBPR needs the catalog's pictures"):
        recommender.fit(colours, None)
    recommender.context = FitContext(pixels=pictures(tmp_path, 59))
    with pytest.raises(UserError, match="expected 60 pictures, one an item, got 59"):
        recommender.fit(colours, None)
    misspelt = make("DVBPR", backbone="tiny_colour")
    with pytest.raises(UserError, match="DVBPR: backbone: unknown backbone 'tiny_colour'; did you mean"):
        misspelt.fit(colours, None)


def test_it_survives_the_disk_with_its_extractor(make: Make, colours: Interactions, tmp_path: Path) -> None:
    recommender = make("DVBPR", epochs=2, batch_size=40, batch_eval=7)
    assert isinstance(recommender, DVBPR)
    recommender.fit(colours, None)
    recommender.save(tmp_path)
    loaded = DVBPR.load(tmp_path)
    own = recommender.extractor.state_dict()
    assert all(torch.equal(tensor, own[name]) for name, tensor in loaded.extractor.state_dict().items())
    pixels = recommender.context.pixels
    assert pixels is not None
    shown = pixels.floats(np.arange(5))
    with torch.no_grad():
        assert torch.equal(loaded.extractor.embed(shown), recommender.extractor.embed(shown))
    assert not loaded.extractor.training


def test_the_penalty_is_on_weights_and_not_on_biases(make: Make, colours: Interactions) -> None:
    users, lengths = np.arange(40), []
    for penalty in (0.0, 50.0):
        recommender = make("DVBPR", epochs=10, batch_size=40, lr=0.01, lambda_2=penalty)
        assert isinstance(recommender, DVBPR)
        recommender.fit(colours, None)
        lengths.append(float(recommender.extractor.projection.weight.norm()))  # type: ignore[union-attr, operator]
        assert torch.isfinite(recommender.scores(users)).all()
    assert lengths[1] < lengths[0] / 2


def test_cnn_f_has_the_layers_of_the_paper() -> None:
    network = timm.create_model("cnn_f", num_classes=0, img_size=224)
    convolutions = 3 * 64 * 121 + 64 * 256 * 25 + 3 * 256 * 256 * 9 + 64 + 4 * 256
    full = 256 * 7 * 7 * 4096 + 4096 * 4096 + 2 * 4096
    assert sum(p.numel() for p in network.parameters()) == convolutions + full
    assert network.pretrained_cfg["mean"] == network.pretrained_cfg["std"] == (0.5, 0.5, 0.5)
    small = timm.create_model("cnn_f", num_classes=0, img_size=32).eval()
    assert small(torch.zeros(2, 3, 32, 32)).shape == (2, 4096)


def test_cnn_f_is_what_dvbpr_trains_by_default(colours: Interactions, context: FitContext) -> None:
    recommender = DVBPR(DVBPR.config_class(epochs=1, factors=4))
    assert recommender.config.backbone == "cnn_f"
    recommender.context = replace(context)
    recommender.fit(colours, None)
    assert recommender.extractor.embedding_dim == 4
    assert recommender.scores(np.arange(40)).isfinite().all()
