"""The contract of detectors: scores, thresholds, gradients, presets."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import yaml
from filter_contract import make, pictures

from elliot_advrec import resources
from elliot_advrec.component import validate
from elliot_advrec.detectors import DETECTORS, Detector, Parts
from elliot_advrec.detectors.squeezing import Squeezing
from elliot_advrec.errors import UserError
from elliot_advrec.streams import Streams

NAMES = DETECTORS.names()
WEIGHT = torch.randn(6, 3 * 20 * 20, generator=torch.Generator().manual_seed(0))


def embed(pixels: torch.Tensor) -> torch.Tensor:
    return torch.tanh(pixels.flatten(1) @ WEIGHT.T / 20)


def detector(name: str, **settings: object) -> Detector:
    small = {"contrastive": {"encoder": "test_efficientnet", "projection": 8, "normalise": False}}
    kind = DETECTORS.get(name)
    found = kind(validate(kind.config_class, {**small.get(name, {}), **settings}, name))
    return found.bind(Parts(filter=make("median"), embed=embed))


@pytest.mark.parametrize("name", NAMES)
def test_scores(name: str) -> None:
    found, given = detector(name), pictures(4)
    kept = given.clone()
    scores = found(given)
    assert found.summary().endswith(".")
    assert scores.shape == (4,)
    assert not scores.requires_grad
    assert scores.min() >= 0
    assert torch.equal(given, kept)
    for row in range(4):
        assert torch.allclose(found(given[row : row + 1])[0], scores[row], rtol=1e-3, atol=1e-6)
    assert found(given[:0]).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_an_attacker_can_lower_the_score_by_its_gradient(name: str) -> None:
    found = detector(name, **({"bits": 4} if name == "squeezing" else {}))
    points = (pictures(3) * 0.6 + 0.2).requires_grad_()
    scores = found.adaptive(points)
    assert torch.allclose(scores.detach(), found(points.detach()), rtol=1e-4, atol=1e-7)
    (gradient,) = torch.autograd.grad(scores.sum(), points)
    assert (gradient.abs().sum((1, 2, 3)) > 0).all()
    if name == "squeezing":
        return  # a step of its surrogate gradient need not lower a quantised score
    step = 1e-3 * gradient / gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    assert (found((points - step).detach()) < scores).all()


def test_squeezing_is_the_largest_distance() -> None:
    given = pictures(5)
    found = detector("squeezing", bits=3, window=3, quality=40)(given)
    forms = [make("bit_depth", bits=3), make("median", window=3), make("jpeg", quality=40)]
    each = [1 - F.cosine_similarity(embed(given), embed(form(given))) for form in forms]
    assert torch.allclose(found, torch.stack(each).amax(0), atol=1e-6)
    for distance, order in (("euclidean", 2), ("l1", 1)):
        other = detector("squeezing", bits=3, window=None, distance=distance)(given)
        expected = (embed(given) - embed(forms[0](given))).norm(order, dim=1)
        assert torch.allclose(other, expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(UserError, match="one of bits, window and quality"):
        detector("squeezing", bits=None, window=None)


@pytest.mark.parametrize(("rate", "count", "flagged"), [(0.1, 20, 2), (0.29, 100, 29), (0.01, 199, 1)])
def test_calibration_flags_at_most_the_rate(rate: float, count: int, flagged: int) -> None:
    found = detector("squeezing", fpr=rate)
    scores = torch.randperm(count, generator=torch.Generator().manual_seed(0)).float()
    assert found.calibrate(scores) == found.threshold
    assert int(found.flags(scores).sum()) == flagged
    tied = torch.ones(count)
    found.calibrate(tied)
    assert not found.flags(tied).any()


def test_thresholds_that_cannot_be() -> None:
    found = detector("squeezing")
    with pytest.raises(UserError, match=r"no threshold yet; write threshold: 0\.2, or calibrate"):
        found.flags(torch.zeros(1))
    with pytest.raises(
        UserError, match=r"0\.01 allows none of 99 validation pictures; validate on at least 100"
    ):
        found.calibrate(torch.rand(99))
    with pytest.raises(ValueError, match="finite"):
        found.calibrate(torch.tensor([0.0, torch.nan]))
    assert detector("squeezing", threshold=0.2).threshold == 0.2
    with pytest.raises(UserError, match="fpr"):
        detector("squeezing", fpr=0)


def test_what_a_caller_may_not_do() -> None:
    with pytest.raises(ValueError, match="Squeezing needs the pipeline's embed"):
        Squeezing()(pictures(1))
    with pytest.raises(ValueError, match="Squeezing needs the pipeline's embed"):
        Squeezing().bind(Parts(filter=make("median")))
    with pytest.raises(ValueError, match=r"float32 \(B,3,H,W\)"):
        detector("squeezing")(pictures(1).double())
    noisy = detector("contrastive").bind(Parts(filter=make("gaussian")))
    assert noisy.random
    with pytest.raises(ValueError, match="Contrastive draws: it needs 2 streams, got none"):
        noisy(pictures(2))
    assert torch.equal(noisy(pictures(2), Streams([1, 2])), noisy(pictures(2), Streams([1, 2])))


class Wrong(Detector):
    """Gives one score too many."""

    def measure(self, pixels: torch.Tensor, streams: Streams | None, *, adaptive: bool) -> torch.Tensor:
        return torch.zeros(len(pixels) + 1)


def test_what_an_author_may_not_do() -> None:
    with pytest.raises(RuntimeError, match=r"Wrong must give \(2,\) finite scores"):
        Wrong()(pictures(2))


@pytest.mark.parametrize(
    "path", sorted((resources.folder("configs") / "detectors").glob("*.yml")), ids=lambda path: path.stem
)
def test_presets_are_detectors(path: object) -> None:
    text = path.read_text("utf-8")  # type: ignore[attr-defined]
    settings = yaml.safe_load(text)
    kind = DETECTORS.get(settings.pop("type"))
    assert text.startswith("# ")
    assert isinstance(validate(kind.config_class, settings, "preset"), kind.config_class)


def test_every_detector_has_a_preset() -> None:
    stems = {path.stem for path in (resources.folder("configs") / "detectors").glob("*.yml")}
    assert set(NAMES) <= stems
