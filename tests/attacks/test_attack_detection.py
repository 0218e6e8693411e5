"""The alarm on repeated queries: it hears attacks, and honest uploads hardly ever."""

from __future__ import annotations

import pytest
import torch
from attack_contract import Pull, network, pictures

from elliot_advrec.attacks import Budget
from elliot_advrec.attacks.detection import RepeatedQueries
from elliot_advrec.attacks.feature_slope import BlackBoxGradient, BlackBoxGradientConfig
from elliot_advrec.streams import Streams


def naive(queries: torch.Tensor, threshold: float, neighbours: int, memory: int) -> int:
    """The query of the first alarm of one account, 0 for none, by the definition."""
    unit = torch.nn.functional.normalize(queries, dim=1)
    for place in range(len(unit)):
        before = unit[max(0, place - memory) : place]
        if len(before) >= neighbours:
            distance = (before - unit[place]).norm(dim=1).sort().values[:neighbours].mean()
            if distance < threshold:
                return place + 1
    return 0


@pytest.mark.parametrize("memory", [4, 6, 100])
def test_equals_the_definition(memory: int) -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(3, 30, 4, generator=generator)
    detector = RepeatedQueries(3, 0.5, neighbours=3, memory=memory)
    # Account 2 asks half as often, so accounts must not share a clock.
    for query in range(30):
        rows = torch.tensor([0, 1, 2] if query % 2 == 0 else [1, 0])
        detector(queries[rows, query], rows)
    asked = [queries[0], queries[1], queries[2, ::2]]
    expected = [naive(account, 0.5, 3, memory) for account in asked]
    found = detector.queries_until_detected().nan_to_num(0).long().tolist()
    assert found == expected
    assert any(expected)


def test_an_attack_is_heard_and_honest_uploads_are_not() -> None:
    catalog = network()(pictures(400, seed=3))
    threshold = RepeatedQueries.calibrate(catalog)
    watch = RepeatedQueries(2, threshold)
    attack = BlackBoxGradient(BlackBoxGradientConfig(steps=2, perturbations=20))
    found = attack(Pull([0, 1]), pictures(2), Budget("linf", 0.05), Streams([0, 1]), watch=watch)
    assert watch.seen.tolist() == found.queries.tolist()
    # Ten neighbours must have been seen: the eleventh query is the first that can be heard.
    assert watch.queries_until_detected().tolist() == [11.0, 11.0]
    honest = RepeatedQueries(1, threshold, memory=400)
    for picture in catalog:
        honest(picture[None], torch.tensor([0]))
    assert honest.queries_until_detected().isnan().all()


def test_calibration_is_the_quantile_of_honest_distances() -> None:
    embeddings = torch.randn(1500, 3, generator=torch.Generator().manual_seed(0))
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    distance = (unit[:, None] - unit[None]).norm(dim=2).fill_diagonal_(torch.inf)
    expected = distance.sort(dim=1).values[:, :4].mean(1).quantile(0.25)
    found = RepeatedQueries.calibrate(embeddings, neighbours=4, false_alarms=0.25)
    # cdist by matrix products loses some digits near 0.
    assert found == pytest.approx(float(expected), abs=2e-3)


def test_what_cannot_raise_an_alarm_is_refused() -> None:
    with pytest.raises(ValueError, match=r"neighbours must be in 1..memory \(5\), got 6"):
        RepeatedQueries(1, 0.1, neighbours=6, memory=5)
    with pytest.raises(ValueError, match="threshold must be above 0"):
        RepeatedQueries(1, 0.0)
    with pytest.raises(ValueError, match="3 pictures have no 10 neighbours each"):
        RepeatedQueries.calibrate(torch.ones(3, 2))


def test_a_loss_of_pixels_cannot_be_watched() -> None:
    with pytest.raises(ValueError, match="only be watched where the loss is an EmbeddingLoss"):
        BlackBoxGradient()(
            lambda p, r: p.flatten(1).sum(1),
            pictures(1),
            Budget("linf", 0.05),
            Streams([0]),
            watch=RepeatedQueries(1, 0.1),
        )
