"""Promotion and demotion: whom they suit, how they judge, what they report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from push_scene import World, naive_rank, threat

from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.threats import THREATS, Targets, Threat, measured
from elliot_advrec.threats.push_config import PromotionConfig

GROUPS = ("specific", "segment", "population")


@pytest.fixture(scope="module", params=["VBPR", "ContentKNN"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_registered_with_the_papers_defaults() -> None:
    for kind in ("promotion", "demotion"):
        made = threat(kind)
        config: Any = made.config
        assert (made.pairs, config.k, config.mock_users, config.percentile) == (100, (1, 10, 20), 200, 25)
        assert (config.evaluated_users, config.visible) == (1000, 0.01)
        assert made.on_recommender
        assert made.white_box
        assert "top k of one user" in THREATS.get(kind).summary()
    assert not threat("promotion", knowledge="rank").white_box


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pairs": 0}, "pairs"),
        ({"k": []}, "k"),
        ({"k": [0, 3]}, "distinct cut-offs of 1 or more"),
        ({"k": [3, 3]}, "distinct cut-offs"),
        ({"users": "everyone"}, "population"),
        ({"knowledge": "black"}, "white"),
        ({"objective": "margin", "knowledge": "rank"}, "'margin' needs knowledge: white"),
        ({"percentile": 101}, "at most 100"),
        ({"visible": 0}, "above 0"),
        ({"item": "any"}, "did you mean 'items'"),
    ],
)
def test_bad_settings_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        validate(PromotionConfig, given, "threat")


@pytest.mark.parametrize(
    ("recommender", "settings", "reason"),
    [
        ("VBPR", {}, None),
        ("VBPR", {"users": "population", "knowledge": "partial"}, None),
        ("DVBPR", {"users": "segment"}, None),
        ("ACF", {}, "without looking at its picture"),
        ("ContentKNN", {}, "no gradient"),
        ("ContentKNN", {"users": "segment", "knowledge": "rank"}, None),
        ("VNPR", {}, None),
        ("VNPR", {"users": "segment"}, "mock users"),
        ("VNPR", {"knowledge": "partial"}, "mock users"),
    ],
)
def test_whom_it_suits(recommender: str, settings: dict[str, Any], reason: str | None) -> None:
    found = threat("promotion", **settings).suits(RECOMMENDERS.get(recommender))
    assert (found is None) if reason is None else reason in (found or "")
    if recommender == "VNPR" and settings.get("knowledge") == "partial":
        assert threat("demotion", **settings).suits(RECOMMENDERS.get(recommender)) is None


def members(world: World, made: Threat, targets: Targets, place: int) -> list[int]:
    """Who is measured, by the definition; for a population, who may be."""
    has = world.interactions.train.toarray() > 0
    item, aim = targets.attack[place], targets.target[place]
    config: Any = made.config
    if config.users == "specific":
        return [int(aim)]
    users = np.flatnonzero(has[:, aim]) if config.users == "segment" else range(40)
    return [int(user) for user in users if not has[user, item]]


@pytest.mark.parametrize("users", GROUPS)
@pytest.mark.parametrize("kind", ["promotion", "demotion"])
def test_judge_equals_a_naive_loop_whatever_the_blocks(
    world: World, kind: str, users: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured, "users_at_once", lambda items: 36)  # blocks of 9 users
    made = threat(kind, users=users, pairs=9, k=[1, 4])
    targets = made.draw(world.scene(), 2)
    attacked = world.embeddings[np.arange(30, 39)] * 1.3
    judged = made.judge(world.scene(), targets, attacked)
    everybody, train = np.arange(40), world.interactions.train
    for place, item in enumerate(targets.attack):
        own = members(world, made, targets, place)
        changed = world.recommender.with_items(targets.attack[[place]], attacked[[place]])
        assert judged["measured"][place] == len(own)
        for moment, recommender in (("before", world.recommender), ("after", changed)):
            scores = recommender.scores(everybody).numpy()
            histories = [set(train[user].indices.tolist()) for user in own]
            ranks = np.array(
                [
                    naive_rank(scores[u], scores[u, item], item, h, raised=kind == "promotion")
                    for u, h in zip(own, histories, strict=True)
                ]
            )
            assert judged[f"score_{moment}"][place] == pytest.approx(scores[own, item].mean(), abs=1e-5)
            assert judged[f"rank_{moment}"][place] == np.median(ranks)
            for k in (1, 4):
                assert judged[f"hit_{k}_{moment}"][place] == pytest.approx((ranks <= k).mean())


def test_a_population_is_measured_on_a_sample_that_does_not_have_the_item(world: World) -> None:
    made = threat("promotion", users="population", pairs=40, evaluated_users=12, k=[5])
    targets = made.draw(world.scene(), 2)
    who = measured.measured_users(world.scene(), targets, "population", 12)
    assert np.bincount(who.pair).tolist() == [12] * 40
    has = world.interactions.train.toarray() > 0
    assert not has[who.user, targets.attack[who.pair]].any()
    samples = who.user.reshape(40, 12)
    assert all(len(set(sample)) == 12 for sample in samples.tolist())
    # One sample for all, but for those who have the item.
    assert all(len(set(sample) - set(samples[0])) <= 6 for sample in samples.tolist())


def test_success_is_a_place_for_a_user_and_a_growing_share_for_a_group(world: World) -> None:
    pairs = {
        "hit_5_before": np.array([0.0, 1.0, 0.0]),
        "hit_5_after": np.array([1.0, 1.0, 0.0]),
        "hit_5_after_8bit": np.array([0.0, 1.0, 0.0]),
    }
    one = threat("promotion", k=[5])
    assert [s.columns for s in one.successes(pairs, "after")] == [{"k": 5}]
    assert one.successes(pairs, "after")[0].met.tolist() == [True, True, False]
    assert one.successes(pairs, "after_8bit")[0].met.tolist() == [False, True, False]
    assert threat("demotion", k=[5]).successes(pairs, "after")[0].met.tolist() == [False, False, True]
    group = {"hit_5_before": np.array([0.2, 0.2, 0.2]), "hit_5_after": np.array([0.3, 0.2, 0.1])}
    met = {kind: threat(kind, k=[5], users="segment").successes(group, "after")[0].met for kind in
           ("promotion", "demotion")}  # fmt: skip
    assert met["promotion"].tolist() == [True, False, False]
    assert met["demotion"].tolist() == [False, False, True]
    assert not threat("promotion", k=[5], users="segment").successes(group, "before")[0].met.any()


def test_rows_are_means_over_pairs_and_by_stratum(world: World) -> None:
    made = threat("promotion", users="segment", pairs=50, k=[3, 8])
    targets = made.draw(world.scene(), 4)
    found = made.judge(world.scene(), targets, world.embeddings[targets.attack[::-1]])
    found |= {f"{name}_8bit": values for name, values in found.items() if name.endswith("_after")}
    rows = {(row["metric"], row.get("k")): row for row in made.rows(found)}
    for metric, moment in (("hit_rate", "after"), ("hit_rate_8bit", "after"), ("hit_rate_clean", "before")):
        for k in (3, 8):
            assert rows[metric, k]["value"] == pytest.approx(found[f"hit_{k}_{moment}"].mean())
            assert (
                0 <= rows[metric, k]["ci_low"] <= rows[metric, k]["value"] <= rows[metric, k]["ci_high"] <= 1
            )
    shift = found["score_after"] - found["score_before"]
    assert rows["prediction_shift", None]["value"] == pytest.approx(shift.mean())
    assert rows["rank_shift", None]["value"] == pytest.approx(
        (found["rank_before"] - found["rank_after"]).mean()
    )
    assert rows["median_rank_after", None]["value"] == np.median(found["rank_after"])
    sizes = np.bincount(found["stratum"], minlength=3)
    for number, name in enumerate(("head", "tail", "cold")):
        row = rows.get((f"hit_rate_{name}", 8))
        assert (row is not None) == (sizes[number] >= 10)
        if row is not None:
            assert row["value"] == pytest.approx(found["hit_8_after"][found["stratum"] == number].mean())
            assert row["n"] == sizes[number]
    assert (sizes >= 10).sum() > 1
    cold = threat("promotion", pairs=12, items="cold", k=[3])
    found = cold.judge(world.scene(), cold.draw(world.scene(), 0), world.embeddings[:12])
    found |= {"hit_3_after_8bit": found["hit_3_after"]}
    assert not any(row["metric"].endswith("_cold") for row in cold.rows(found))


def test_names_say_whom_it_is_pushed_to(world: World) -> None:
    for users, kind in zip(GROUPS, ("u", "item", "everybody"), strict=True):
        made = threat("promotion", users=users, pairs=5, k=[3])
        targets = made.draw(world.scene(), 0)
        names = made.names(world.scene(), targets)
        ends = [str(n) for n in targets.target] if users != "population" else [""] * 5
        assert names == [kind + end for end in ends]


def test_what_cannot_be_judged_is_refused(world: World) -> None:
    made = threat("promotion", pairs=2, k=[3])
    targets = made.draw(world.scene(), 0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        made.judge(world.scene(), targets, np.full((2, 12), np.nan, np.float32))
    with pytest.raises(ValueError, match="must be 2 attacked embeddings, got 1"):
        made.judge(world.scene(), targets, world.embeddings[:1])
    user = 3
    held = Targets(world.interactions.train[user].indices[:1].astype(np.int64), np.array([user]))
    with pytest.raises(ValueError, match="is in the history of the user"):
        made.judge(world.scene(), held, world.embeddings[:1])


def test_the_untouched_picture_changes_nothing(world: World) -> None:
    made = threat("promotion", pairs=30, k=[3])
    targets = made.draw(world.scene(), 0)
    judged = made.judge(world.scene(), targets, world.embeddings[targets.attack])
    assert judged["score_after"] == pytest.approx(judged["score_before"], abs=1e-6)
    assert (judged["rank_after"] == judged["rank_before"]).all()
