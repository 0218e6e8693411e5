"""What a shop does with pictures that are handed in: filtered, refused, and tried again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from elliot_advrec.component import validate
from elliot_advrec.detectors import DETECTORS, Detector
from elliot_advrec.experiment.handing_in import Received, Shop
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.filters import FILTERS, Filter
from elliot_advrec.guards import Guard
from elliot_advrec.metrics.perceptual import round_to_8_bits

SIDE, COUNT = 32, 5
NAMES = [f"item {number}" for number in range(COUNT)]


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    settings = validate(ExtractorSettings, {"backbone": "test_efficientnet"}, "extractor")
    return Extractor(settings, ["shoe", "hat"], [], SIDE, seed=1)


@pytest.fixture(scope="module")
def view(extractor: Extractor) -> FrozenExtractor:
    return FrozenExtractor(extractor)


def made(name: str, **settings: object) -> Filter:
    kind = FILTERS.get(name)
    return kind(validate(kind.config_class, settings, name))


def squeezing(threshold: float) -> Detector:
    kind = DETECTORS.get("squeezing")
    return kind(validate(kind.config_class, {"threshold": threshold}, "squeezing"))


def pictures(seed: int) -> Tensor:
    found = torch.rand(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return (found * 255).round() / 255


def shop(view: FrozenExtractor, guard: Guard | None, **how: object) -> Shop:
    return Shop(view, guard, **how)  # type: ignore[arg-type]


CLEAN, ATTACKED = pictures(0), (pictures(0) + 0.2 * (pictures(1) - 0.5)).clamp(0, 1)


def kept(view: FrozenExtractor) -> Tensor:
    with torch.no_grad():
        return view.embed(CLEAN).float()


def test_without_a_guard_every_picture_is_taken_as_it_is(view: FrozenExtractor) -> None:
    found = shop(view, None).receive(ATTACKED, NAMES, kept(view))
    with torch.no_grad():
        assert torch.equal(found.embedding, view.embed(ATTACKED).float())
    assert found.flagged is None
    assert found.suspicion is None
    assert shop(view, None).suspicion(ATTACKED, NAMES) is None


def test_a_picture_is_filtered_before_it_is_embedded(view: FrozenExtractor, extractor: Extractor) -> None:
    filter = made("median")
    guard = Guard(filter, None, SIDE, extractor=extractor)
    found = shop(view, guard).receive(ATTACKED, NAMES, kept(view))
    with torch.no_grad():
        assert torch.equal(found.embedding, view.embed(filter(ATTACKED)).float())
    assert found.flagged is None


def test_draws_belong_to_names_and_not_to_places(view: FrozenExtractor, extractor: Extractor) -> None:
    seller = shop(view, Guard(made("gaussian", sigma=0.2), None, SIDE, extractor=extractor, seed=3))
    whole = seller.embed(ATTACKED, NAMES)
    order = [3, 0, 4]
    some = seller.embed(ATTACKED[order], [NAMES[row] for row in order])
    assert torch.allclose(some, whole[order], atol=1e-5)
    assert not torch.allclose(seller.embed(ATTACKED, [f"other {n}" for n in NAMES]), whole, atol=1e-3)


@pytest.mark.parametrize("refuse", [True, False])
def test_a_flagged_picture_is_refused_or_counted(
    view: FrozenExtractor, extractor: Extractor, refuse: bool
) -> None:
    guard = Guard(None, squeezing(0.0), SIDE, extractor=extractor)
    scores = guard.score(ATTACKED, NAMES)
    middle = float(scores.sort().values[2])
    guard = Guard(None, squeezing(middle), SIDE, extractor=extractor)
    old = kept(view) + 1.0
    found = shop(view, guard, refuse=refuse).receive(ATTACKED, NAMES, old)
    assert found.flagged is not None
    assert found.suspicion is not None
    assert torch.equal(found.suspicion, scores)
    assert torch.equal(found.flagged, scores > middle)
    assert found.flagged.sum() == 2
    with torch.no_grad():
        new = view.embed(ATTACKED).float()
    expected = torch.where(found.flagged[:, None], old, new) if refuse else new
    assert torch.equal(found.embedding, expected)


def tries_of(seller: Shop, old: Tensor) -> list[Received]:
    """Every try by itself, as the docstring has it."""
    found = []
    for number in range(seller.tries):
        length = (seller.tries - number) / seller.tries
        shown = ((CLEAN + (ATTACKED - CLEAN) * length).clamp(0, 1) * 255).round() / 255
        names = NAMES if number == 0 else [f"{name}, try {number + 1}" for name in NAMES]
        found.append(seller.receive(shown, names, old))
    return found


def value(embedding: Tensor, rows: Tensor) -> Tensor:
    return embedding @ torch.linspace(-1, 1, embedding.shape[1]) + 0.1 * rows


ROWS = torch.arange(COUNT)


def again(seller: Shop, attacked: Tensor, old: Tensor) -> Received:
    return seller.resubmit(CLEAN, attacked, NAMES, old, value, seller.receive(attacked, NAMES, old))


@pytest.mark.parametrize("filter", ["gaussian", "median"])
@pytest.mark.parametrize("refuse", [True, False])
def test_the_best_of_several_tries_is_the_best_that_passes(
    view: FrozenExtractor, extractor: Extractor, filter: str, refuse: bool
) -> None:
    guard = Guard(made(filter), squeezing(0.0), SIDE, extractor=extractor, seed=3)
    threshold = float(guard.score(ATTACKED, NAMES).sort().values[2])
    guard = Guard(made(filter), squeezing(threshold), SIDE, extractor=extractor, seed=3)
    seller, old = shop(view, guard, refuse=refuse, tries=4), kept(view)
    rounded = (ATTACKED * 255).round() / 255
    found = again(seller, rounded, old)
    every = tries_of(seller, old)
    assert found.flagged is not None
    for row in range(COUNT):
        worth = {}
        for number, tried in enumerate(every):
            assert tried.flagged is not None
            if not (refuse and tried.flagged[row]):
                worth[number] = float(value(tried.embedding, ROWS)[row])
        if not worth:
            assert found.flagged[row]
            assert torch.equal(found.embedding[row], old[row])
            continue
        best = min(worth, key=worth.__getitem__)
        assert float(value(found.embedding, ROWS)[row]) == pytest.approx(worth[best], abs=1e-3)
        assert torch.allclose(found.embedding[row], every[best].embedding[row], atol=1e-3)


def test_several_tries_are_never_worse_than_one(view: FrozenExtractor, extractor: Extractor) -> None:
    rounded = (ATTACKED * 255).round() / 255
    guard = Guard(made("gaussian", sigma=0.3), None, SIDE, extractor=extractor, seed=5)
    once = value(shop(view, guard).receive(rounded, NAMES, kept(view)).embedding, ROWS)
    before = once
    for tries in (1, 2, 5):
        found = again(shop(view, guard, tries=tries), rounded, kept(view))
        now = value(found.embedding, ROWS)
        assert (now <= once + 1e-5).all()
        if tries == 1:
            assert torch.allclose(now, once, atol=1e-5)
        before = torch.minimum(before, now)
    assert (before < once - 1e-4).any()


def test_where_every_try_is_flagged_the_item_keeps_its_picture(
    view: FrozenExtractor, extractor: Extractor
) -> None:
    guard = Guard(None, squeezing(-1.0), SIDE, extractor=extractor)
    found = again(shop(view, guard, tries=3), ATTACKED, kept(view))
    assert found.flagged is not None
    assert found.flagged.all()
    assert torch.equal(found.embedding, kept(view))


def test_the_full_change_is_the_attacked_picture_to_the_last_bit() -> None:
    """So the first of several tries is what was handed in already, and need not be looked at again."""
    rounded = (ATTACKED * 255).round() / 255
    shown = (CLEAN + (rounded - CLEAN) * 1.0).clamp(0, 1)
    assert torch.equal(round_to_8_bits(shown, CLEAN, None), rounded)


def test_an_item_is_scored_once_for_all_attacks_in_the_same_batches(
    view: FrozenExtractor, extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Guard(made("gaussian", sigma=0.2), squeezing(0.1), SIDE, extractor=extractor, seed=3)
    asked: list[list[str]] = []
    score = guard.score

    def counted(pixels: Tensor, names: list[str]) -> Tensor:
        asked.append(list(names))
        return score(pixels, names)

    monkeypatch.setattr(guard, "score", counted)
    first = shop(view, guard)
    other = shop(view, guard, tries=3, scored=first.scored)
    expected = score(CLEAN, NAMES)
    for seller in (first, other, first):
        found = seller.suspicion(CLEAN, NAMES)
        assert found is not None
        assert torch.equal(found, expected)
    some = other.suspicion(CLEAN[:2], NAMES[:2])
    assert some is not None
    assert torch.allclose(some, expected[:2], atol=1e-5)
    assert asked == [NAMES, NAMES[:2]]
    # Pictures that are handed in are others.
    received = first.receive(ATTACKED, NAMES, kept(view))
    assert received.suspicion is not None
    assert torch.equal(received.suspicion, score(ATTACKED, NAMES))
