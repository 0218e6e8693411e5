"""Free and fast adversarial training."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from drawn_items import build, draw, short

from elliot_advrec import resources
from elliot_advrec.component import validate
from elliot_advrec.defenses import DEFENSES, TrainingDefense
from elliot_advrec.defenses.accuracy import adversarial_accuracy
from elliot_advrec.defenses.adversary import adversary_loss
from elliot_advrec.defenses.fast import FastAdversarialTraining, FastConfig
from elliot_advrec.defenses.free import FreeAdversarialTraining, FreeConfig
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.batches import order
from elliot_advrec.extractors.config import TrainingConfig
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.extractors.losses import classification_loss
from elliot_advrec.extractors.training import train
from elliot_advrec.recipe import presets
from elliot_advrec.streams import Streams

Batch = tuple[FrozenExtractor, torch.Tensor, torch.Tensor, torch.Tensor]
EPS = 8 / 255


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    catalog, pixels = draw(tmp_path)
    rows = np.arange(12)
    truth = torch.from_numpy(catalog.attributes[rows].toarray())
    return (
        FrozenExtractor(build(catalog)),
        pixels.floats(rows),
        torch.from_numpy(catalog.category[rows]),
        truth,
    )


def weights_equal(one: Extractor, other: Extractor) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


class CountingView(FrozenExtractor):
    """Notes how many samples each pass that is to be differentiated had."""

    seen: list[int]

    def forward(self, given: torch.Tensor):  # type: ignore[no-untyped-def]
        if given.requires_grad:
            self.seen.append(len(given))
        return super().forward(given)


class Recording(FreeAdversarialTraining):
    """Notes what each replay was given and what it made of it."""

    def __init__(self, config: FreeConfig) -> None:
        super().__init__(config)
        self.before: list[torch.Tensor] = []
        self.gradients: list[torch.Tensor] = []
        self.after: list[torch.Tensor] = []
        self.shares: list[float] = []

    def ascend(self, change: torch.Tensor, gradient: torch.Tensor, progress: float) -> torch.Tensor:
        self.before.append(change.clone())
        self.gradients.append(gradient.clone())
        self.shares.append(progress)
        self.after.append(super().ascend(change, gradient, progress))
        return self.after[-1]


FAST = {
    "n-fgsm": ({}, 3.0),
    "random start": ({"noise": 1, "step": 1.25, "clip": True}, 1.0),
    "no noise": ({"noise": 0}, 1.0),
}


@pytest.mark.parametrize(("settings", "reach"), FAST.values(), ids=FAST)
def test_fast_holds_its_bound_and_raises_the_loss(
    batch: Batch, settings: dict[str, object], reach: float
) -> None:
    view, pixels, category, attributes = batch
    defense = FastAdversarialTraining(validate(FastConfig, {"eps": "8/255", **settings}, "fast"))
    kept, before = pixels.clone(), copy.deepcopy(view.state_dict())
    found = defense.perturb(view, pixels, category, attributes, 0.9, Streams(range(12)))
    again = defense.perturb(view, pixels, category, attributes, 0.9, Streams(range(12)))
    change = (found - pixels).abs()
    assert torch.equal(found, again)
    assert torch.equal(pixels, kept)
    assert all(torch.equal(value, before[key]) for key, value in view.state_dict().items())
    assert not found.requires_grad
    assert change.max() == pytest.approx(reach * EPS, rel=0.01)
    assert change.max() <= defense.config.reach(0.9) + 1e-6
    assert found.min() >= 0
    assert found.max() <= 1
    loss, rows = adversary_loss(view, category, attributes), torch.arange(12)
    noise = Streams(range(12)).uniform(pixels.shape[1:], -1, 1) * defense.config.noise * EPS
    start = (pixels + noise).clamp(0, 1)
    assert loss(found, rows).sum() < loss(start, rows).sum()


def test_fast_is_noise_and_one_signed_step(batch: Batch) -> None:
    view, pixels, category, attributes = batch
    found = FastAdversarialTraining(FastConfig(eps=EPS)).perturb(
        view, pixels, category, attributes, 0.0, Streams(range(12))
    )
    noise = Streams(range(12)).uniform(pixels.shape[1:], -2 * EPS, 2 * EPS)
    start = (pixels + noise).clamp(0, 1).requires_grad_()
    classification_loss(view(start), category, attributes).sum().backward()
    assert start.grad is not None
    expected = (start.detach() + EPS * start.grad.sign()).clamp(0, 1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_fast_sample_depends_on_its_own_stream(batch: Batch) -> None:
    view, pixels, category, attributes = batch
    defense = FastAdversarialTraining(FastConfig(eps=EPS))
    whole = defense.perturb(view, pixels, category, attributes, 0.9, Streams(range(12)))
    part = defense.perturb(view, pixels[4:7], category[4:7], attributes[4:7], 0.9, Streams(range(4, 7)))
    same = (whole[4:7] - part).abs() < 1e-6
    assert same.float().mean() > 0.99  # a gradient of nearly 0 may change its sign with the batch's sums
    other = defense.perturb(view, pixels, category, attributes, 0.9, Streams(range(50, 62)))
    assert ((whole - other).abs() > EPS / 4).float().mean() > 0.5


def test_fast_costs_the_one_gradient_it_reports(batch: Batch) -> None:
    view, pixels, category, attributes = batch
    view.__class__ = CountingView
    view.seen = []  # type: ignore[assignment]
    defense = FastAdversarialTraining(FastConfig(eps=EPS, warmup=0.5))
    defense.perturb(view, pixels, category, attributes, 0.7, Streams(range(12)))
    assert view.seen == [12]
    assert defense.gradient_evaluations(0.7) == 1
    # At the very start of a warm-up there is no ball yet.
    assert defense.perturb(view, pixels, category, attributes, 0.0, Streams(range(12))) is pixels
    half = defense.perturb(view, pixels, category, attributes, 0.25, Streams(range(12)))
    assert (half - pixels).abs().max() <= 1.5 * EPS + 1e-6
    assert view.seen == [12, 12]
    assert FastAdversarialTraining(FastConfig(eps=0)).gradient_evaluations(0.7) == 0


def test_free_divides_the_epochs() -> None:
    def epochs(asked: int, m: int, **training: object) -> int:
        config = validate(FreeConfig, {"m": m, "training": training}, "free")
        return FreeAdversarialTraining(config).training(TrainingConfig(epochs=asked)).epochs

    assert [epochs(8, m) for m in (1, 2, 4, 8)] == [8, 4, 2, 1]
    assert epochs(20, 8) == 2
    assert epochs(22, 8) == 3
    assert epochs(3, 8) == 1
    assert epochs(3, 4, epochs=24) == 6


def test_free_climbs_by_the_sign_within_the_ball() -> None:
    defense = FreeAdversarialTraining(FreeConfig(eps=0.04, warmup=0.5))
    change = torch.tensor([0.0, 0.0, 0.03, -0.03, 0.01]).view(1, 1, 1, 5)
    gradient = torch.tensor([1e-9, -5.0, 2.0, 2.0, torch.nan]).view(1, 1, 1, 5)
    full = defense.ascend(change, gradient, 0.9)
    assert full.flatten().tolist() == pytest.approx([0.04, -0.04, 0.04, 0.01, 0.01])
    assert defense.ascend(change, gradient, 0.25).abs().max() == pytest.approx(0.02)
    assert defense.ascend(change, gradient, 0.0).abs().max() == 0
    short_step = FreeAdversarialTraining(FreeConfig(eps=0.04, step=0.25))
    assert short_step.ascend(change, gradient, 0.9).flatten()[0] == pytest.approx(0.01)
    assert change.flatten().tolist() == pytest.approx([0.0, 0.0, 0.03, -0.03, 0.01])


def test_free_replays_and_carries_the_perturbation(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=80)  # 40 to train on: batches of 16, 16 and 8
    extractor, defense = build(catalog), Recording(FreeConfig(m=3, eps=EPS))
    shown: list[torch.Tensor] = []

    def note(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if module.training:
            shown.append(given[0].detach().clone())

    extractor.register_forward_pre_hook(note)
    config = defense.training(short(6, validate_epochs=False))
    history = train(extractor, catalog, pixels, config, defense=defense, folder=tmp_path / "t")
    assert len(history.epochs) == 2
    assert [len(points) for points in shown] == [16] * 6 + [8] * 3 + [16] * 6 + [8] * 3
    assert len(defense.before) == len(shown)
    for place in range(0, len(shown), 3):
        for replay in range(place, place + 3):
            # The same pictures, moved by what the step before left; the brightest and darkest are clipped.
            moved = (shown[replay] - shown[place]) - (defense.before[replay] - defense.before[place])
            inside = (shown[replay] > 0) & (shown[replay] < 1) & (shown[place] > 0) & (shown[place] < 1)
            assert moved[inside].abs().max() < 1e-6
            assert shown[replay].min() >= 0
            assert shown[replay].max() <= 1
            assert defense.after[replay].abs().max() <= EPS + 1e-7
    for place in range(1, len(shown)):
        if place == 9:
            continue
        size = len(shown[place])
        assert torch.equal(defense.before[place], defense.after[place - 1][:size])
    # An epoch starts from the pictures themselves.
    assert not defense.before[0].any()
    assert not defense.before[9].any()
    assert defense.before[3].abs().max() == pytest.approx(EPS)
    assert defense.shares == sorted(defense.shares)
    # The schedule spans all replays: the last step has next to no learning rate.
    assert history.epochs[-1].lr < config.lr / 1000


def test_free_gets_the_gradient_that_the_weights_descend(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    extractor, defense = build(catalog), Recording(FreeConfig(m=2, eps=EPS))
    config = short(1, lr=1e-30, schedule="constant", label_smoothing=0.1, validate_epochs=False)
    train(extractor, catalog, pixels, config, defense=defense, folder=tmp_path / "t")
    assert len(defense.gradients) == 2
    (rows,) = order(np.flatnonzero(catalog.split == "train"), 16, 0, 0)
    points = pixels.floats(rows).contiguous(memory_format=torch.channels_last).requires_grad_()
    extractor.train()
    loss = classification_loss(
        extractor(points),
        torch.from_numpy(catalog.category[rows]),
        torch.from_numpy(catalog.attributes[rows].toarray()),
        label_smoothing=0.1,
    ).mean()
    (expected,) = torch.autograd.grad(loss, points)
    torch.testing.assert_close(defense.gradients[0], expected, rtol=1e-3, atol=1e-6)
    assert defense.gradients[0].abs().max() > 1e-4


def test_free_differentiates_nothing_but_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    passes: list[bool] = []
    forward = FrozenExtractor.forward

    def counted(self: FrozenExtractor, given: torch.Tensor):  # type: ignore[no-untyped-def]
        passes.append(given.requires_grad)
        return forward(self, given)

    monkeypatch.setattr(FrozenExtractor, "forward", counted)
    defense = FreeAdversarialTraining(FreeConfig(m=2))
    train(build(catalog), catalog, pixels, short(1), defense=defense, folder=tmp_path / "t")
    assert not any(passes)
    assert defense.gradient_evaluations(0.5) == 0
    passes.clear()
    fast = FastAdversarialTraining()
    train(build(catalog), catalog, pixels, short(2), defense=fast, folder=tmp_path / "fast")
    assert passes.count(True) == 2 * fast.gradient_evaluations(0.5)  # one batch an epoch


def test_radius_zero_is_clean_training(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    clean = build(catalog)
    train(clean, catalog, pixels, short(), folder=tmp_path / "clean")
    for defense in (
        FreeAdversarialTraining(FreeConfig(m=1, eps=0)),
        FastAdversarialTraining(FastConfig(eps=0)),
    ):
        defended = build(catalog)
        folder = tmp_path / type(defense).__name__
        train(defended, catalog, pixels, short(), defense=defense, folder=folder)
        assert weights_equal(clean, defended)


@pytest.mark.parametrize("kind", [FreeAdversarialTraining, FastAdversarialTraining])
def test_killed_training_continues_bit_for_bit(tmp_path: Path, kind: type[TrainingDefense]) -> None:
    catalog, pixels = draw(tmp_path, items=96)  # three batches an epoch
    config = short(4)
    whole, again = build(catalog), build(catalog)
    defense = kind()
    train(whole, catalog, pixels, config, defense=defense, folder=tmp_path / "whole")

    class StopError(Exception):
        pass

    class Broken(kind):  # type: ignore[misc, valid-type]
        def perturb(self, *args: object, **kwargs: object) -> torch.Tensor:
            if args[4] > 0.6:  # type: ignore[operator]  # in the middle of the third epoch
                raise StopError
            return super().perturb(*args, **kwargs)  # type: ignore[arg-type]

    Broken.__name__ = kind.__name__  # the folder knows a training by its defense's name
    with pytest.raises(StopError):
        train(again, catalog, pixels, config, defense=Broken(defense.config), folder=tmp_path / "cut")
    again = build(catalog)
    # The very defense that was stopped before: nothing of the perturbation may live in it.
    train(again, catalog, pixels, config, defense=defense, folder=tmp_path / "cut")
    assert weights_equal(again, whole)


@pytest.mark.parametrize(
    ("defense", "epochs"),
    [
        (FreeAdversarialTraining(FreeConfig(m=4, eps=0.03)), 12),
        (FastAdversarialTraining(FastConfig(eps=0.03)), 8),
    ],
    ids=["free", "fast"],
)
def test_raises_adversarial_accuracy(tmp_path: Path, defense: TrainingDefense, epochs: int) -> None:
    # A faint pattern gives the category away; it is within the adversary's reach, the bright quarter is not.
    catalog, pixels = draw(tmp_path, items=160, textures=False, hint=0.06)
    clean, defended = build(catalog), build(catalog)
    config = short(8, validate_epochs=False)
    train(clean, catalog, pixels, config, folder=tmp_path / "clean")
    config = defense.training(config.model_copy(update={"epochs": epochs}))
    train(defended, catalog, pixels, config, defense=defense, folder=tmp_path / "defended")
    fallen = adversarial_accuracy(clean, catalog, pixels)
    held = adversarial_accuracy(defended, catalog, pixels)
    assert held["accuracy"] > fallen["accuracy"] + 0.3


def test_replays_need_an_ascent(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)

    class Forgetful(FastAdversarialTraining):
        """Replays without a way up."""

        @property
        def replays(self) -> int:
            return 2

    with pytest.raises(NotImplementedError, match="Forgetful has replays but no `ascend`"):
        train(build(catalog), catalog, pixels, short(1), defense=Forgetful(), folder=tmp_path / "t")
    assert FastAdversarialTraining().replays is None


@pytest.mark.parametrize(
    ("kind", "settings", "sentence"),
    [
        ("free_adversarial_training", {"m": 0}, "must be at least 1, got 0"),
        ("free_adversarial_training", {"replays": 4}, "unknown key 'replays'"),
        ("free_adversarial_training", {"eps": "8/0"}, "must be a number or a fraction such as 8/255"),
        ("fast_adversarial_training", {"step": 0}, "must be above 0, got 0"),
        ("fast_adversarial_training", {"steps": 8}, "did you mean 'step'"),
        ("fast_adversarial_training", {"noise": -1}, "must be at least 0, got -1"),
    ],
)
def test_bad_settings(kind: str, settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        validate(DEFENSES.get(kind).config_class, settings, kind)


@pytest.mark.parametrize(
    ("preset", "kind"), [("free", FreeAdversarialTraining), ("fast_at", FastAdversarialTraining)]
)
def test_presets(preset: str, kind: type[TrainingDefense]) -> None:
    assert preset in dict(presets("defenses"))
    text = (resources.folder("configs") / "defenses" / f"{preset}.yml").read_text("utf-8")
    settings = yaml.safe_load(text)
    assert DEFENSES.get(settings.pop("type")) is kind
    assert validate(kind.config_class, settings, preset).eps == 0.03  # type: ignore[attr-defined]
    assert kind.summary()
