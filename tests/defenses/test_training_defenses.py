"""Adversarial and curriculum training."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_items import build, draw, short

from elliot_advrec.component import validate
from elliot_advrec.defenses import DEFENSES, DefenseConfig, TrainingDefense
from elliot_advrec.defenses.accuracy import adversarial_accuracy
from elliot_advrec.defenses.adversarial_training import AdversarialTraining, AdversarialTrainingConfig
from elliot_advrec.defenses.adversary import AdversaryConfig, adversary_loss
from elliot_advrec.defenses.curriculum import Curriculum
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.config import TrainingConfig
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.extractors.training import train
from elliot_advrec.streams import Streams

NAMES = ["adversarial_training", "curriculum"]


def make(name: str, **settings: object) -> TrainingDefense:
    kind = DEFENSES.get(name)
    return kind(validate(kind.config_class, settings, name))  # type: ignore[arg-type]


def weights_equal(one: Extractor, other: Extractor) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def batch(tmp_path: Path) -> tuple[FrozenExtractor, torch.Tensor, torch.Tensor, torch.Tensor]:
    catalog, pixels = draw(tmp_path)
    rows = np.arange(12)
    truth = torch.from_numpy(catalog.attributes[rows].toarray())
    return (
        FrozenExtractor(build(catalog)),
        pixels.floats(rows),
        torch.from_numpy(catalog.category[rows]),
        truth,
    )


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str, batch: tuple[FrozenExtractor, torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    view, pixels, category, attributes = batch
    defense = make(name, steps=3, eps="8/255")
    assert defense.summary()
    assert name in DEFENSES.names()
    kept, before = pixels.clone(), copy.deepcopy(view.state_dict())
    found = defense.perturb(view, pixels, category, attributes, 0.9, Streams(range(12)))
    again = defense.perturb(view, pixels, category, attributes, 0.9, Streams(range(12)))
    change = (found - pixels).abs().amax((1, 2, 3))
    assert torch.equal(pixels, kept)
    assert torch.equal(found, again)
    assert not found.requires_grad
    assert change.max() <= 8 / 255 + 1e-6
    assert change.max() > 4 / 255
    assert found.min() >= 0
    assert found.max() <= 1
    rows = torch.arange(12)
    loss = adversary_loss(view, category, attributes)
    assert loss(found, rows).sum() < loss(pixels, rows).sum()
    assert all(torch.equal(value, before[key]) for key, value in view.state_dict().items())
    assert defense.gradient_evaluations(0.99) == {"adversarial_training": 3, "curriculum": 1.5}[name]


def test_warmup_grows_the_radius(
    batch: tuple[FrozenExtractor, torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    view, pixels, category, attributes = batch
    defense = make("adversarial_training", steps=2, eps=0.04, warmup=0.5)
    reach = []
    for share in (0.0, 0.25, 0.5, 0.9):
        found = defense.perturb(view, pixels, category, attributes, share, Streams(range(12)))
        reach.append(float((found - pixels).abs().max()))
    assert reach[0] == 0
    assert reach[1] == pytest.approx(0.02, abs=1e-6)
    assert reach[2] == reach[3] == pytest.approx(0.04, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_works_with_either_label_alone(
    name: str, batch: tuple[FrozenExtractor, torch.Tensor, torch.Tensor, torch.Tensor]
) -> None:
    view, pixels, category, attributes = batch
    defense = make(name, steps=2)
    one = defense.perturb(view, pixels, category, None, 0.9, Streams(range(12)))
    other = defense.perturb(view, pixels, None, attributes, 0.9, Streams(range(12)))
    assert not torch.equal(one, other)


def test_adversary_fools_both_heads(
    batch: tuple[FrozenExtractor, torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    view, pixels, category, attributes = batch
    rows = torch.tensor([4, 1])
    both = adversary_loss(view, category, attributes)(pixels[rows], rows)
    parts = [adversary_loss(view, category, None), adversary_loss(view, None, attributes)]
    torch.testing.assert_close(both, sum(part(pixels[rows], rows) for part in parts))
    assert (both < 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_radius_zero_is_clean_training(name: str, tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    clean, defended = build(catalog), build(catalog)
    train(clean, catalog, pixels, short(), folder=tmp_path / "clean")
    train(defended, catalog, pixels, short(), defense=make(name, eps=0), folder=tmp_path / "defended")
    assert weights_equal(clean, defended)
    assert make(name, eps=0).gradient_evaluations(0.5) == 0


def test_perturbed_training_differs_and_restores_the_mode(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    clean, defended = build(catalog).eval(), build(catalog).train()
    train(clean, catalog, pixels, short(1), folder=tmp_path / "clean")
    train(defended, catalog, pixels, short(1), defense=make(NAMES[0], steps=1), folder=tmp_path / "defended")
    assert not weights_equal(clean, defended)
    assert not clean.training
    assert defended.training


def test_defended_training_continues_bit_for_bit(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    defense = make("curriculum", steps=2)
    whole, again = build(catalog), build(catalog)
    train(whole, catalog, pixels, short(3), defense=defense, folder=tmp_path / "whole")

    class StopError(Exception):
        pass

    class Broken(Curriculum):
        def perturb(self, *args: object, **kwargs: object) -> torch.Tensor:
            if args[4] >= 0.6:  # type: ignore[operator]
                raise StopError
            return super().perturb(*args, **kwargs)  # type: ignore[arg-type]

    Broken.__name__ = "Curriculum"  # the folder knows a training by its defense's name
    with pytest.raises(StopError):
        train(again, catalog, pixels, short(3), defense=Broken(defense.config), folder=tmp_path / "cut")
    again = build(catalog)
    train(again, catalog, pixels, short(3), defense=defense, folder=tmp_path / "cut")
    assert weights_equal(again, whole)


def test_adversarial_training_raises_adversarial_accuracy(tmp_path: Path) -> None:
    # A faint pattern gives the category away; it is within the adversary's reach, the bright quarter is not.
    catalog, pixels = draw(tmp_path, items=160, textures=False, hint=0.06)
    clean, defended = build(catalog), build(catalog)
    config = short(8, validate_epochs=False)
    train(clean, catalog, pixels, config, folder=tmp_path / "clean")
    defense = make("adversarial_training", steps=2, eps=0.03)
    train(defended, catalog, pixels, config, defense=defense, folder=tmp_path / "defended")
    fallen = adversarial_accuracy(clean, catalog, pixels)
    held = adversarial_accuracy(defended, catalog, pixels)
    assert fallen["n"] == held["n"] == 40
    assert held["accuracy"] > fallen["accuracy"] + 0.3


def test_adversarial_accuracy_at_radius_zero_is_accuracy(tmp_path: Path) -> None:
    from elliot_advrec.extractors.evaluation import evaluate

    catalog, pixels = draw(tmp_path, items=32)
    extractor = build(catalog)
    assert adversarial_accuracy(extractor, catalog, pixels, eps=0.0) == evaluate(extractor, catalog, pixels)


def test_adversarial_accuracy_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    extractor = build(catalog)
    one, other = (
        adversarial_accuracy(extractor, catalog, pixels, batch_size=size, steps=3) for size in (3, 8)
    )
    assert one["accuracy"] == other["accuracy"]
    assert one["category_loss"] == pytest.approx(other["category_loss"], rel=1e-3)


def test_curriculum_strength_grows_from_none_to_all_steps() -> None:
    defense = Curriculum(AdversaryConfig(steps=8))
    strengths = [defense.strength(share / 90) for share in range(90)]
    assert strengths == sorted(strengths)
    assert {k: strengths.count(k) for k in range(9)} == dict.fromkeys(range(9), 10)
    assert defense.strength(0.999999) == 8


def test_curriculum_batches_mix_all_strengths_so_far() -> None:
    defense = Curriculum(AdversaryConfig(steps=8))
    for share, highest in ((0.0, 0), (0.5, 4), (0.99, 8)):
        dealt = defense.strengths(share, Streams(range(20)))
        assert set(dealt.tolist()) == set(range(highest + 1))
    assert not torch.equal(
        defense.strengths(0.99, Streams(range(20))), defense.strengths(0.99, Streams(range(20, 40)))
    )


def test_curriculum_sample_takes_as_many_steps_as_its_strength(
    batch: tuple[FrozenExtractor, torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    view, pixels, category, attributes = batch
    defense = Curriculum(AdversaryConfig(steps=2, eps=0.03))
    seen: list[int] = []

    class Counting(FrozenExtractor):
        def forward(self, given: torch.Tensor):  # type: ignore[no-untyped-def]
            if given.requires_grad:
                seen.append(len(given))
            return super().forward(given)

    view.__class__ = Counting
    dealt = defense.strengths(0.99, Streams(range(12)))
    found = defense.perturb(view, pixels, category, attributes, 0.99, Streams(range(12)))
    still = (found == pixels).flatten(1).all(1)
    assert torch.equal(still, dealt == 0)
    assert seen == [int((dealt > step).sum()) for step in range(2)]


def test_curriculum_at_one_strength_is_adversarial_training(
    batch: tuple[FrozenExtractor, torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    view, pixels, category, attributes = batch

    class Full(Curriculum):
        def strengths(self, progress: float, streams: Streams) -> torch.Tensor:
            return torch.full((len(streams),), self.config.steps)

    config = AdversaryConfig(steps=3)
    found = Full(config).perturb(view, pixels, category, attributes, 0.9, Streams(range(12)))
    expected = AdversarialTraining(AdversarialTrainingConfig(steps=3)).perturb(
        view, pixels, category, attributes, 0.9, Streams(range(12))
    )
    assert torch.equal(found, expected)


def test_overrides_change_only_what_they_name() -> None:
    clean = TrainingConfig(epochs=20, lr=0.01, weight_decay=0.1)
    defense = make("adversarial_training", start="scratch", training={"epochs": 5})
    assert defense.start == "scratch"
    assert defense.training(clean) == clean.model_copy(update={"epochs": 5})
    stored = AdversarialTrainingConfig.model_validate(defense.config.model_dump(mode="json"))
    assert AdversarialTraining(stored).training(clean).lr == 0.01


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"eps": "8/0"}, "must be a number or a fraction such as 8/255, got '8/0'"),
        ({"eps": 8}, "must be at most 1, got 8"),
        ({"step": 3}, "did you mean 'steps'"),
        ({"training": {"epoch": 3}}, "did you mean 'epochs'"),
        ({"steps": 0}, "must be at least 1, got 0"),
    ],
)
def test_bad_settings(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make("adversarial_training", **settings)


def test_config_of_another_kind() -> None:
    with pytest.raises(TypeError, match=r"takes a \w+Config, got DefenseConfig"):
        AdversarialTraining(DefenseConfig())


def test_diverged_weights_are_the_users_learning_rate(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    config = short(2, lr=1e30, optimizer="sgd", schedule="constant")
    with pytest.raises(UserError, match="no longer finite in epoch 1"):
        train(
            build(catalog, "mobilenetv2_035"), catalog, pixels, config,
            defense=make("adversarial_training", steps=1), folder=tmp_path / "t",
        )  # fmt: skip
