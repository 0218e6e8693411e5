"""The contrastive detector: its loss against loops, its score, its file."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from filter_contract import make, pictures

from elliot_advrec.detectors import Parts
from elliot_advrec.detectors.contrastive import Contrastive, ContrastiveConfig
from elliot_advrec.detectors.pair_loss import item_pairs, pair_ratio_loss
from elliot_advrec.errors import UserError

SMALL = ContrastiveConfig(encoder="test_efficientnet", projection=8)


def naive(clean: list[list[float]], *others: list[list[float]], tau: float) -> list[float]:
    """Equation 9 of the paper, pair by pair, without tensors."""

    def similarity(u: list[float], v: list[float]) -> float:
        dot = sum(a * b for a, b in zip(u, v, strict=True))
        return dot / math.sqrt(sum(a * a for a in u)) / math.sqrt(sum(b * b for b in v))

    losses = []
    for clean_z, clean_found, attacked, attacked_found in zip(clean, *others, strict=True):
        positive = [(clean_z, clean_found), (clean_z, attacked_found), (clean_found, attacked_found)]
        negative = [(attacked, clean_z), (attacked, attacked_found), (clean_found, attacked)]
        above = sum(math.exp(similarity(u, v) / tau) for u, v in positive)
        below = above + sum(math.exp(similarity(u, v) / tau) for u, v in negative)
        losses.append(-math.log(above / below))
    return losses


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("tau", [0.07, 1.0])
def test_the_loss_is_the_papers(count: int, tau: float) -> None:
    generator = torch.Generator().manual_seed(count)
    kinds = [torch.randn(count, 5, generator=generator, dtype=torch.float64) for _ in range(4)]
    found = pair_ratio_loss(tau)(torch.cat(kinds), item_pairs(count, torch.device("cpu")))
    expected = naive(*[kind.tolist() for kind in kinds], tau=tau)
    assert found.shape == (count,)
    assert found.tolist() == pytest.approx(expected, rel=1e-9)


def test_the_loss_has_its_gradient_and_its_extremes() -> None:
    vectors = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss, pairs = pair_ratio_loss(0.5), item_pairs(3, torch.device("cpu"))
    assert torch.autograd.gradcheck(lambda v: loss(v, pairs), vectors.requires_grad_())
    same = torch.ones(4, 2)
    one = item_pairs(1, torch.device("cpu"))
    assert float(loss(same, one)) == pytest.approx(math.log(2), rel=1e-5)
    apart = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [1, 0]])
    assert float(loss(apart, one)) == pytest.approx(math.log(1 + math.exp(-4)), rel=1e-4)


def test_without_the_library_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning.losses", None)
    with pytest.raises(
        UserError, match=r"needs pytorch-metric-learning.*pip install 'elliot-advrec\[detect\]'"
    ):
        pair_ratio_loss(0.1)


def test_the_score_is_the_distance_to_the_own_reconstruction() -> None:
    filter, given = make("jpeg", quality=20), pictures(4)
    found = Contrastive(SMALL).bind(Parts(filter=filter))
    with torch.no_grad():
        one, other = found.network(given), found.network(filter(given))
    assert torch.allclose(found(given), (one - other).norm(dim=1), atol=1e-6)
    assert torch.allclose(one.norm(dim=1), torch.ones(4), atol=1e-5)
    assert one.shape == (4, 8)
    layers = [type(layer).__name__ for layer in found.network.head]
    assert layers == ["Linear", "ReLU", "Linear"]


def test_the_random_last_step_is_left_out() -> None:
    drawn = make("reconstruction", resize_pad=True)
    found = Contrastive(SMALL).bind(Parts(filter=drawn))
    assert drawn.random
    assert not found.random
    assert found.parts.filter is not None
    assert torch.equal(found.parts.filter(pictures(2)), make("reconstruction")(pictures(2)))


def test_saved_and_loaded_with_its_threshold(tmp_path: Path) -> None:
    path, parts, given = tmp_path / "detector.safetensors", Parts(filter=make("median")), pictures(120)
    found = Contrastive(SMALL, seed=3, image_size=20).bind(parts)
    threshold = found.calibrate(found(given))
    found.save(path)
    again = Contrastive.load(path).bind(parts)
    assert again.threshold == threshold
    assert again.config == found.config
    assert again.image_size == 20
    assert torch.equal(again(given), found(given))
    assert not torch.equal(Contrastive(SMALL, seed=4).bind(parts)(given), found(given))
    filter_path = tmp_path / "filter.safetensors"
    make("unet").save(filter_path)  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="is not a saved detector"):
        Contrastive.load(filter_path)
    assert found.to("cpu") is found
