"""Training: it learns, repeats, resumes bit for bit, and says what is wrong."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_items import build, draw, short

from elliot_advrec.errors import UserError
from elliot_advrec.extractors.batches import order
from elliot_advrec.extractors.config import TrainingConfig
from elliot_advrec.extractors.evaluation import evaluate
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.optimiser import Optimiser
from elliot_advrec.extractors.training import train
from elliot_advrec.processes import Group
from elliot_advrec.progress import Advance


class KilledError(Exception):
    """Stands for the machine going away."""


class KillAfter:
    """A progress that counts, and raises once ``units`` are done."""

    def __init__(self, units: float) -> None:
        self.units, self.done, self.total = units, 0, 0

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        self.total = total

        def advance(units: int) -> None:
            self.done += units
            if self.done > self.units:
                raise KilledError

        yield advance

    def say(self, message: str) -> None:
        raise AssertionError("training has nothing to say")

    def detail(self, message: str) -> None:
        return None


def weights_equal(one: Extractor, other: Extractor) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


def test_learns_both_heads_and_reports(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    extractor = build(catalog).eval()
    before = evaluate(extractor, catalog, pixels)
    shown = KillAfter(float("inf"))
    history = train(extractor, catalog, pixels, short(10), folder=tmp_path / "t", progress=shown)
    after = evaluate(extractor, catalog, pixels)
    assert not extractor.training
    assert after["accuracy"] > max(0.6, before["accuracy"])
    assert after["category_loss"] < before["category_loss"]
    assert after["texture_loss"] < before["texture_loss"]
    assert [epoch.epoch for epoch in history.epochs] == list(range(1, 11))
    assert history.epochs[-1].loss < history.epochs[0].loss
    assert all(epoch.validation_accuracy is not None for epoch in history.epochs)
    assert shown.done == shown.total == 480


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_killed_training_continues_bit_for_bit(tmp_path: Path, optimizer: str) -> None:
    catalog, pixels = draw(tmp_path, items=48)
    schedule = "onecycle" if optimizer == "adam" else "cosine"
    config = TrainingConfig(epochs=4, batch_size=8, schedule=schedule, optimizer=optimizer)
    whole = build(catalog, "test_efficientnet" if optimizer == "sgd" else "mobilenetv2_035")
    first = copy.deepcopy(whole)
    history = train(whole, catalog, pixels, config, seed=3, folder=tmp_path / "whole")
    killed = copy.deepcopy(first)
    with pytest.raises(KilledError):
        train(
            killed, catalog, pixels, config, seed=3, folder=tmp_path / "cut", progress=KillAfter(24 * 2 + 10)
        )
    assert not weights_equal(killed, whole)
    again = copy.deepcopy(first)
    continued = train(again, catalog, pixels, config, seed=3, folder=tmp_path / "cut")
    assert weights_equal(again, whole)
    assert [(e.epoch, e.loss, e.lr) for e in continued.epochs] == [
        (e.epoch, e.loss, e.lr) for e in history.epochs
    ]
    finished = copy.deepcopy(first)
    train(finished, catalog, pixels, config, seed=3, folder=tmp_path / "cut", progress=KillAfter(24 * 4))
    assert weights_equal(finished, whole)
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == ["training.safetensors"]


def test_seed_decides(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    trained = []
    for number, seed in enumerate((1, 1, 2)):
        extractor = build(catalog)
        train(extractor, catalog, pixels, TrainingConfig(epochs=1), seed=seed, folder=tmp_path / str(number))
        trained.append(extractor)
    assert weights_equal(trained[0], trained[1])
    assert not weights_equal(trained[0], trained[2])


def test_folder_of_another_training_is_refused(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    train(build(catalog), catalog, pixels, short(1), seed=1, folder=tmp_path / "t")
    with pytest.raises(UserError, match=r"training\.safetensors: holds a training that differs in seed"):
        train(build(catalog), catalog, pixels, short(1), seed=2, folder=tmp_path / "t")
    with pytest.raises(UserError, match="differs in training, first_weights"):
        train(build(catalog, seed=4), catalog, pixels, short(2), seed=1, folder=tmp_path / "t")


@pytest.mark.parametrize("labels", ["categories", "attributes"])
def test_one_head_is_enough(tmp_path: Path, labels: str) -> None:
    catalog, pixels = draw(tmp_path)
    if labels == "categories":
        catalog = replace(catalog, attributes=None, attribute_names=[])
    else:
        catalog = replace(catalog, categories=[], category=np.full(len(catalog.ids), -1))
    extractor = build(catalog)
    history = train(extractor, catalog, pixels, short(), folder=tmp_path / "t")
    found = evaluate(extractor, catalog, pixels)
    absent = "texture" if labels == "categories" else "category"
    assert found[f"{absent}_n"] == 0
    assert found[f"{absent}_loss"] is None
    assert found["loss"] is not None
    assert (history.epochs[-1].accuracy is None) == (labels == "attributes")


def test_no_labels_at_all(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, textures=False)
    catalog = replace(catalog, categories=[], category=np.full(len(catalog.ids), -1))
    with pytest.raises(UserError, match="neither categories nor attributes"):
        train(build(catalog), catalog, pixels, short(), folder=tmp_path / "t")


def test_labels_of_another_catalog(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    other = replace(catalog, categories=list(reversed(catalog.categories)))
    with pytest.raises(UserError, match="named or ordered otherwise"):
        train(build(catalog), other, pixels, short(), folder=tmp_path / "t")


def test_too_few_to_train_on(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    with pytest.raises(UserError, match="the training split has 0 labelled items"):
        train(
            build(catalog),
            replace(catalog, split=np.full(len(catalog.ids), "test")),
            pixels,
            short(),
            folder=tmp_path / "t",
        )


def test_unlabelled_items_are_left_out(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, textures=False)
    hidden = catalog.category.copy()
    hidden[::4] = -1
    catalog = replace(catalog, category=hidden)
    shown = KillAfter(float("inf"))
    train(build(catalog), catalog, pixels, short(1), folder=tmp_path / "t", progress=shown)
    assert shown.total == 36


@pytest.mark.parametrize("backbone", ["mobilenetv2_035"])
def test_diverging_loss_stops_with_a_sentence(tmp_path: Path, backbone: str) -> None:
    catalog, pixels = draw(tmp_path)
    config = short(3, lr=1e30, optimizer="sgd", schedule="constant")
    with pytest.raises(UserError, match=r"no longer finite in epoch 1; lower `lr` \(now 1e\+30\)"):
        train(build(catalog, backbone), catalog, pixels, config, folder=tmp_path / "t")
    assert not (tmp_path / "t" / "training.safetensors").exists()


def test_half_precision_needs_an_accelerator(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    with pytest.raises(UserError, match=r"training\.precision: `precision: fp16` does not train on cpu"):
        train(build(catalog), catalog, pixels, short(precision="fp16"), folder=tmp_path / "t")


def test_bf16_trains_on_the_cpu_too(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    one, other = build(catalog), build(catalog)
    history = train(one, catalog, pixels, short(1, precision="bf16"), folder=tmp_path / "a")
    train(other, catalog, pixels, short(1), folder=tmp_path / "b")
    assert np.isfinite(history.epochs[0].loss)
    assert not weights_equal(one, other)
    assert all(parameter.dtype == torch.float32 for parameter in one.parameters())


def test_tensorboard_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, pixels = draw(tmp_path)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install 'elliot-advrec\[tensorboard\]'"):
        train(build(catalog), catalog, pixels, short(tensorboard=True), folder=tmp_path / "t")


def test_tensorboard_curves_are_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    catalog, pixels = draw(tmp_path)
    train(build(catalog), catalog, pixels, short(1, tensorboard=True), folder=tmp_path / "t")
    assert list((tmp_path / "t" / "tensorboard").glob("events*"))


def test_order_covers_every_row_and_leaves_no_batch_of_one() -> None:
    rows = np.arange(100, 133)
    cut = order(rows, 16, seed=1, epoch=0)
    assert [len(chunk) for chunk in cut] == [16, 16]
    whole = np.concatenate(order(rows, 11, seed=1, epoch=0))
    assert sorted(whole) == list(rows)
    assert not np.array_equal(whole, np.concatenate(order(rows, 11, seed=1, epoch=1)))
    assert not np.array_equal(whole, np.concatenate(order(rows, 11, seed=2, epoch=0)))


@pytest.mark.parametrize(("schedule", "end"), [("onecycle", 0.01), ("cosine", 0.01), ("constant", 1.0)])
def test_schedules_reach_the_learning_rate_and_their_end(schedule: str, end: float) -> None:
    layer = torch.nn.Linear(2, 1)
    optimiser = Optimiser(layer, TrainingConfig(lr=0.1, schedule=schedule), 20, torch.device("cpu"))
    rates = [optimiser.lr]
    for _ in range(20):
        optimiser.step(layer(torch.ones(1, 2)).sum())
        rates.append(optimiser.lr)
    assert max(rates) == pytest.approx(0.1, rel=0.02)
    assert rates[-1] <= 0.1 * end + 1e-12
    assert (rates[0] < 0.05) == (schedule == "onecycle")


def test_gradient_clip_bounds_the_step() -> None:
    moved = {}
    for clip in (None, 0.5):
        layer = torch.nn.Linear(4, 1, bias=False)
        before = layer.weight.detach().clone()
        config = TrainingConfig(lr=1.0, optimizer="sgd", schedule="constant", gradient_clip=clip)
        Optimiser(layer, config, 2, torch.device("cpu")).step(layer(torch.full((1, 4), 3.0)).sum())
        moved[clip] = float((layer.weight.detach() - before).norm())
    assert moved[0.5] < 1.0 < moved[None]  # Nesterov multiplies the clipped 0.5 by 1.9


class Pair(Group):
    """The first of two processes, as the exchange with a second one looks to it."""

    def __init__(self, other: int) -> None:
        super().__init__(0, 2)
        self.other = other

    def gather(self, part: torch.Tensor, count: int) -> torch.Tensor:
        return torch.cat([part, torch.tensor([self.other])])


def test_processes_that_see_different_states_of_a_training_do_not_begin(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    with pytest.raises(UserError, match=r"different states of this training: after \[0, 3\] epochs.*share"):
        train(build(catalog), catalog, pixels, TrainingConfig(epochs=1), folder=tmp_path / "t", group=Pair(3))
    assert not (tmp_path / "t").exists()
