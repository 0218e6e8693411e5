"""Training of filters: losses against loops, it learns, it continues bit for bit, it says what is wrong."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_items import build, draw
from torch import Tensor, nn

from elliot_advrec.attacks.budget import Budget
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.filters.learned import LearnedFilter
from elliot_advrec.filters.reconstruction import Reconstruction, ReconstructionConfig
from elliot_advrec.filters.training import FilterTrainingConfig, Ranking, StageConfig, train
from elliot_advrec.filters.training.inputs import Adversary, Pictures
from elliot_advrec.filters.training.losses import PerceptualLoss, bpr_loss, pixel_loss
from elliot_advrec.filters.unet import UNet, UNetConfig
from elliot_advrec.progress import Advance

TINY = UNetConfig(width=4, levels=1)


class KilledError(Exception):
    """Stands for the machine going away."""


class KillAfter:
    """A progress that counts, and raises once ``units`` are done."""

    def __init__(self, units: float = float("inf")) -> None:
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


class Plain:
    """A detector that learns, as small as can be."""

    def __init__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.network: nn.Module = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(3 * 32 * 32, 2))
        self.network.requires_grad_(False)

    def loss(self, clean, clean_found, attacked, attacked_found):  # type: ignore[no-untyped-def]
        near = (self.network(clean) - self.network(clean_found)).square().sum(1)
        far = (self.network(attacked) - self.network(attacked_found)).square().sum(1)
        return torch.relu(0.1 + near - far)

    def describe(self) -> dict[str, object]:
        return {"kind": "plain"}


def stages(*entries: dict[str, object], **settings: object) -> FilterTrainingConfig:
    plain = {"batch_size": 8, "pgd_steps": 2, "perceptual_stages": [2, 3]}
    return FilterTrainingConfig.model_validate({**plain, "stages": list(entries), **settings})


def equal(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


def ranking(items: int = 48, users: int = 5) -> Ranking:
    """Users who score a picture by a random direction of its pixels, and know half of the items."""
    generator = torch.Generator().manual_seed(0)
    taste = torch.randn(users, 3, 32, 32, generator=generator) / 50
    rng = np.random.default_rng(0)
    triples = rng.integers(0, [users, items // 2, items], (200, 3))

    def score(who: np.ndarray, rows: np.ndarray, pixels: Tensor) -> Tensor:
        return (taste[torch.from_numpy(who)] * pixels).sum((1, 2, 3))

    return Ranking(triples, score)


def test_losses_against_loops(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    one, other = pixels.floats(range(3)), pixels.floats(range(3, 6))
    expected = [float(((a - b) ** 2).sum()) for a, b in zip(one, other, strict=True)]
    assert pixel_loss(one, other).tolist() == pytest.approx(expected, rel=1e-5)
    s_ui, s_uj = torch.tensor([2.0, -1.0, 90.0]), torch.tensor([1.0, 1.0, -90.0])
    naive = [-float(torch.sigmoid(a - b).log()) for a, b in zip(s_ui[:2], s_uj[:2], strict=True)]
    assert bpr_loss(s_ui, s_uj)[:2].tolist() == pytest.approx(naive, rel=1e-5)
    assert bpr_loss(s_uj, s_ui)[2] == 180
    extractor = build(catalog)
    loss = PerceptualLoss(FrozenExtractor(extractor), (3, 1))
    found, total = loss(one, loss.features(other)), torch.zeros(3)
    seen: dict[str, Tensor] = {}
    backbone = extractor.eval().backbone
    for name in ("blocks.1", "blocks.3"):
        backbone.get_submodule(name).register_forward_hook(
            lambda module, given, output, name=name: seen.__setitem__(name, output)
        )
    with torch.no_grad():
        maps = []
        for given in (one, other):
            extractor.embed(given)
            maps.append({name: output.clone() for name, output in seen.items()})
        for name in seen:
            total += (maps[0][name] - maps[1][name]).square().mean((1, 2, 3))
    assert torch.allclose(found, total, rtol=1e-3, atol=1e-7)
    assert loss(one, loss.features(one)).tolist() == [0, 0, 0]


def test_a_stage_that_the_backbone_lacks(tmp_path: Path) -> None:
    catalog, _ = draw(tmp_path)
    view = FrozenExtractor(build(catalog))
    with pytest.raises(UserError, match="'test_efficientnet' has no stage 5; write stages from 0 to 4"):
        PerceptualLoss(view, (2, 5))
    view.network.backbone = nn.Identity()
    with pytest.raises(UserError, match="gives no feature maps; write perceptual_stages"):
        PerceptualLoss(view, (2,))


def test_triples_are_drawn_of_each_item_and_independently_of_the_batch() -> None:
    known = ranking()
    rows = np.arange(48)
    users, others = known.draw(rows, "seed", 0)
    taken = {(int(u), int(i), int(j)) for u, i, j in known.triples}
    for row, user, other in zip(rows, users, others, strict=True):
        if row in known.triples[:, 1]:
            assert (int(user), int(row), int(other)) in taken
        else:
            assert (user, other) == (-1, -1)
    some = np.array([30, 7, 3])
    assert known.draw(some, "seed", 0)[0].tolist() == users[some].tolist()
    assert known.draw(rows, "seed", 1)[1].tolist() != others.tolist()
    with pytest.raises(ValueError, match=r"triples must be \(T, 3\) whole numbers"):
        Ranking(np.zeros((4, 2), int), known.score)


def test_the_adversary_raises_the_bpr_loss_and_moves_embeddings(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    view, known = FrozenExtractor(build(catalog)), ranking()
    adversary = Adversary(stages({}, pgd_steps=10), lambda given: given, view.embed, known)
    clean = pixels.floats(range(8))
    users = np.array([0, 1, 2, 3, 0, 1, -1, -1])
    raised = np.array([False] * 3 + [True] * 3 + [False] * 2)
    pictures = Pictures(np.arange(8), clean, users, raised, list(range(8)))
    with torch.no_grad():
        targets = view.embed(pixels.floats(range(20, 28)))
    kinds = ["fgsm", "pgd", "clean", "fgsm", "pgd", "clean", "fgsm", "pgd"]
    found = adversary.attack(pictures, kinds, targets, 16 / 255)
    moved = (found - clean).abs().amax((1, 2, 3))
    assert [bool(value) for value in moved > 0] == [kind != "clean" for kind in kinds]
    assert Budget("linf", 16 / 255).contains(found - clean).all()
    change = known.score(users[:6], np.arange(6), found[:6]) - known.score(users[:6], np.arange(6), clean[:6])
    assert [float(sign) for sign in change.sign()] == [-1, -1, 0, 1, 1, 0]
    cosine = nn.functional.cosine_similarity
    with torch.no_grad():
        assert (cosine(view.embed(found[7:]), targets[7:]) > cosine(view.embed(clean[7:]), targets[7:])).all()
    single = adversary.attack(
        Pictures(np.array([4]), clean[4:5], users[4:5], raised[4:5], [4]), ["pgd"], targets[4:5], 16 / 255
    )
    assert torch.allclose(single[0], found[4], atol=1e-6)


def test_the_stages_learn_what_they_say_and_leave_the_rest_alone(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)
    extractor, filter, detector = build(catalog), UNet(TINY), Plain()
    before, first = copy.deepcopy(extractor), copy.deepcopy(detector.network)
    config = stages(
        {"epochs": 2, "lr": 3e-3, "attacks": ["fgsm", "pgd"]},
        {"epochs": 1, "lr": 1e-3, "learns": ["detector"]},
        {"epochs": 3, "lr": 3e-3, "learns": ["filter", "detector"]},
    )
    shown = KillAfter()
    history = train(
        filter, extractor, catalog, pixels, config,
        ranking=ranking(), detector=detector, folder=tmp_path / "t", progress=shown,
    )  # fmt: skip
    names = [set(epoch.losses) for epoch in history.epochs]
    filtering = {"pixel", "perceptual", "bpr"}
    assert names == [*[filtering] * 2, {"contrastive"}, *[filtering | {"contrastive"}] * 3]
    assert [epoch.stage for epoch in history.epochs] == [1, 1, 2, 3, 3, 3]
    assert shown.done == shown.total == 6 * 48
    assert equal(extractor, before)
    assert not equal(detector.network, first)
    for network in (filter.network, detector.network):
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_stages_own_weight_of_the_bpr_loss_goes_before_the_trainings(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path)

    def trained(name: str, everywhere: float, **here: float) -> nn.Module:
        filter, config = UNet(TINY), stages({"lr": 1e-2, **here}, bpr_weight=everywhere, perceptual_stages=[])
        train(filter, build(catalog), catalog, pixels, config, ranking=ranking(), folder=tmp_path / name)
        return filter.network

    heavy = trained("heavy", 50.0)
    assert equal(trained("here", 0.1, bpr_weight=50.0), heavy)
    assert not equal(trained("nowhere", 0.1), heavy)
    assert equal(trained("off", 50.0, bpr_weight=0.0), trained("none", 0.0))


def test_a_stages_own_eps_go_before_the_trainings_and_are_drawn_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, pixels = draw(tmp_path)
    drawn: list[float] = []
    attack = Adversary.attack

    def watched(self: Adversary, *given: Any) -> Tensor:
        found = attack(self, *given)
        reached = (found - given[0].pixels).abs().max()
        assert 0.9 * given[-1] < float(reached) <= given[-1] + 1e-6
        drawn.append(given[-1])
        return found

    monkeypatch.setattr(Adversary, "attack", watched)

    def trained(name: str, everywhere: str, **here: object) -> nn.Module:
        filter = UNet(TINY)
        config = stages({"lr": 1e-2, "epochs": 2, **here}, eps=everywhere, perceptual_stages=[])
        train(filter, build(catalog), catalog, pixels, config, folder=tmp_path / name)
        return filter.network

    wide = trained("wide", "32/255")
    assert equal(trained("here", "1/255", eps=["32/255"]), wide)
    assert set(drawn) == {32 / 255}
    drawn.clear()
    assert not equal(trained("several", "1/255", eps=["8/255", "32/255"]), wide)
    assert len(drawn) == 12
    assert set(drawn[:6]) == set(drawn[6:]) == {8 / 255, 32 / 255}  # in each epoch


@pytest.mark.parametrize("name", ["pixel", "perceptual", "bpr"])
def test_each_loss_falls_when_it_alone_counts(tmp_path: Path, name: str) -> None:
    catalog, pixels = draw(tmp_path)
    weights = {f"{other}_weight": float(other == name) for other in ("pixel", "perceptual", "bpr")}
    filter = Reconstruction(ReconstructionConfig(width=8, blocks=1, heads=1))
    config = stages({"epochs": 5, "lr": 3e-3}, **weights)
    history = train(filter, build(catalog), catalog, pixels, config, ranking=ranking(), folder=tmp_path / "t")
    losses = [epoch.losses[name] for epoch in history.epochs]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("after", [1.5, 2.0, 2.5, 3.4])
def test_killed_training_continues_bit_for_bit(tmp_path: Path, after: float) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    extractor = build(catalog)
    config = stages(
        {"epochs": 2, "lr": 1e-3, "attacks": ["pgd", "fgsm"]},
        {"epochs": 2, "lr": 1e-3, "learns": ["filter", "detector"]},
        schedule="cosine", optimizer="adamw", weight_decay=0.01,
    )  # fmt: skip

    def go(folder: str, progress: KillAfter) -> tuple[LearnedFilter, Plain, int]:
        filter, detector = Reconstruction(ReconstructionConfig(width=4, blocks=1, heads=1)), Plain()
        history = train(
            filter, extractor, catalog, pixels, config, ranking=ranking(32), detector=detector,
            seed=5, folder=tmp_path / folder, progress=progress,
        )  # fmt: skip
        return filter, detector, len(history.epochs)

    whole, whole_detector, count = go("whole", KillAfter())
    with pytest.raises(KilledError):
        go("killed", KillAfter(after * 16))
    again, again_detector, epochs = go("killed", KillAfter())
    assert epochs == count == 4
    assert equal(whole.network, again.network)
    assert equal(whole_detector.network, again_detector.network)
    other, _, _ = go("killed", KillAfter())  # nothing is left to do
    assert equal(other.network, again.network)


def test_without_a_detector_its_part_is_left_out(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    config = stages({"learns": ["detector"]}, {"learns": ["filter", "detector"], "lr": 1e-3})
    history = train(UNet(TINY), build(catalog), catalog, pixels, config, folder=tmp_path / "t")
    assert [set(epoch.losses) for epoch in history.epochs] == [{"pixel", "perceptual"}]
    with pytest.raises(UserError, match="every stage trains the detector alone"):
        train(
            UNet(TINY),
            build(catalog),
            catalog,
            pixels,
            stages({"learns": ["detector"]}),
            folder=tmp_path / "u",
        )


def test_an_adaptive_adversary_sees_the_filter(tmp_path: Path) -> None:
    """It changes what is learned, though nothing else differs."""
    catalog, pixels = draw(tmp_path, items=32)
    found = []
    for knowledge in ("oblivious", "adaptive"):
        filter = Reconstruction(ReconstructionConfig(width=4, blocks=1, heads=1, resize_pad=True))
        config = stages({"lr": 1e-3}, knowledge=knowledge, perceptual_weight=0)
        history = train(filter, build(catalog), catalog, pixels, config, folder=tmp_path / knowledge)
        assert set(history.epochs[0].losses) == {"pixel"}
        found.append(filter.network)
    assert not equal(*found)


def test_fine_tuning_starts_from_the_given_weights(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    extractor, config = build(catalog), stages({"lr": 3e-3, "epochs": 4}, perceptual_weight=0)
    first = UNet(TINY)
    learned = train(first, extractor, catalog, pixels, config, folder=tmp_path / "first")
    first.save(tmp_path / "first.safetensors")
    tuned = UNet(TINY.model_copy(update={"weights": str(tmp_path / "first.safetensors")}))
    assert equal(tuned.network, first.network)
    more = train(tuned, extractor, catalog, pixels, stages({}), folder=tmp_path / "more")
    assert more.epochs[0].losses["pixel"] < learned.epochs[0].losses["pixel"]


def test_bad_input(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=32)
    extractor = build(catalog)
    with pytest.raises(UserError, match="the training split has 1 items"):
        train(UNet(TINY), extractor, catalog.keep([0]), pixels, stages({}), folder=tmp_path / "a")
    train(UNet(TINY), extractor, catalog, pixels, stages({}), folder=tmp_path / "b")
    with pytest.raises(UserError, match="holds a training that differs in first_weights, seed; name another"):
        train(UNet(TINY, seed=1), extractor, catalog, pixels, stages({}), seed=1, folder=tmp_path / "b")
    wild = stages({"lr": 1e30, "epochs": 4})
    with pytest.raises(UserError, match=r"no longer finite in epoch \d; lower `lr`|not finite"):
        train(UNet(TINY), extractor, catalog, pixels, wild, folder=tmp_path / "c")
    for settings, said in (
        ({"stages": []}, "at least 1"),
        ({"eps": "8/0"}, "a fraction such as 8/255"),
        ({"stages": [{"attacks": ["fgsm", "fgsm"]}]}, "attacks must be distinct"),
        ({"stages": [{"eps": ["8/255", 8 / 255]}]}, "eps must be distinct"),
        ({"stages": [{"eps": []}]}, "at least 1"),
        ({"stages": [{"learns": ["detector"], "bpr_weight": 2}]}, "bpr_weight does nothing in a stage"),
        ({"stages": [{"epoch": 1}]}, "epoch"),
    ):
        with pytest.raises(ValueError, match=said):
            FilterTrainingConfig.model_validate(settings)
    assert FilterTrainingConfig(eps="8/255").eps == 8 / 255  # type: ignore[arg-type]


def test_the_papers_schedule_is_the_default() -> None:
    config = FilterTrainingConfig()
    assert [stage.epochs for stage in config.stages][:3] == [10, 3, 2]
    assert {stage.lr for stage in config.stages} == {1e-5}
    weights = (config.pixel_weight, config.perceptual_weight, config.contrastive_weight, config.bpr_weight)
    assert weights == (1.0, 1.0, 100.0, 0.1)
    assert (config.eps, config.perceptual_stages) == (16 / 255, (2, 3, 4))
    assert StageConfig().learns == ("filter",)
