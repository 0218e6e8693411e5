"""The untargeted threat: its triples, that its loss points where the BPR loss does, and what it measures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from small_shop import ITEMS, USERS, Shop, attacked, shop
from torch.nn import functional

from elliot_advrec.component import validate
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.experiment.probing import PAIRS, probed
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.threats import THREATS, Targets, places, scores
from elliot_advrec.threats.places import catalog_places
from elliot_advrec.threats.scores import pair_scores
from elliot_advrec.threats.triples import draw_triples
from elliot_advrec.threats.untargeted import Untargeted, UntargetedConfig


def threat(**given_settings: Any) -> Untargeted:
    return Untargeted(UntargetedConfig(**given_settings))


def parts(seed: int, users: int = 12, items: int = 25) -> Interactions:
    """Every item in at most one part; ratings of 0 are stored."""
    part = np.random.default_rng(seed).choice(4, size=(users, items), p=[0.6, 0.2, 0.1, 0.1])
    part[:, 0] = 1

    def matrix(number: int) -> csr_matrix:
        row, column = np.nonzero(part == number)
        return csr_matrix((np.zeros(len(row), np.float32), (row, column)), shape=part.shape)

    return Interactions([f"u{u}" for u in range(users)], matrix(1), matrix(2), matrix(3), True, [])


def entries(matrix: csr_matrix, user: int) -> set[int]:
    return set(matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]].tolist())


def stored(judged: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """With measures of rounded pictures beside it, here those of the pictures as they are."""
    return judged | {f"{name}_8bit": found for name, found in judged.items() if name.endswith("_after")}


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 8), st.booleans())
def test_triples_hold_a_test_item_and_unknown_ones_and_fewer_are_a_prefix(
    seed: int, users: int, negatives: int, known_only: bool
) -> None:
    data = parts(seed)
    drawn = draw_triples(data, users, negatives, seed, known_only=known_only)
    assert len(set(drawn.users.tolist())) == len(drawn.users) <= users
    open_items = set(np.flatnonzero(data.trained())) if known_only else set(range(25))
    for user, items in zip(drawn.users, drawn.items.tolist(), strict=True):
        assert items[0] in entries(data.test, user)
        assert len(set(items)) == 1 + negatives
        assert not set(items[1:]) & (
            entries(data.train, user) | entries(data.test, user) | entries(data.validation, user)
        )
        assert set(items) <= open_items
    fewer = draw_triples(data, 1, negatives, seed, known_only=known_only)
    assert fewer.users[0] == drawn.users[0]
    assert fewer.items.tolist() == drawn.items[:1].tolist()


def test_draws_are_even_and_leave_out_what_was_trained_on() -> None:
    train, test = np.zeros((1, 10), np.float32), np.zeros((1, 10), np.float32)
    train[0, :2], test[0, 1:4] = 1, 1  # item 1 is in both
    data = Interactions(["u"], csr_matrix(train), None, csr_matrix(test), True, [])
    drawn = [draw_triples(data, 5, 2, seed) for seed in range(300)]
    positives = np.bincount([each.items[0, 0] for each in drawn], minlength=10)
    assert positives[2] + positives[3] == 300
    assert abs(positives[2] - 150) < 4 * 8.7
    negatives = np.bincount(np.concatenate([each.items[0, 1:] for each in drawn]), minlength=10)
    assert negatives[:4].sum() == 0
    assert (abs(negatives[4:] - 100) < 4 * 8.2).all()


def test_users_that_do_not_suit_are_passed_over_and_none_at_all_is_refused() -> None:
    train = np.ones((3, 6), np.float32)
    train[0, 3:], train[1, 5:] = 0, 0
    test = np.zeros((3, 6), np.float32)
    test[:2, 5] = 1
    data = Interactions(["a", "b", "c"], csr_matrix(train), None, csr_matrix(test), True, [])
    assert draw_triples(data, 3, 2, 0).users.tolist() == [0]
    with pytest.raises(UserError, match=r"no user has a test item and 3 items .*; ask for fewer negatives"):
        draw_triples(data, 3, 3, 0)
    bare = replace(data, test=csr_matrix((3, 6)))
    with pytest.raises(UserError, match="hold out a test item"):
        draw_triples(bare, 3, 1, 0)


def test_registered_and_says_what_it_needs() -> None:
    assert THREATS.get("untargeted") is Untargeted
    assert threat(users=7, negatives=20).pairs == 147
    assert Untargeted.on_recommender
    assert not Untargeted.one_catalog
    assert Untargeted().suits(RECOMMENDERS.get("VBPR")) is None
    assert "gradient" in str(Untargeted().suits(RECOMMENDERS.get("ContentKNN")))


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"users": 0}, "users"),
        ({"negatives": 0}, "negatives"),
        ({"k": []}, "k"),
        ({"k": [0]}, "distinct cutoffs of 1 or more"),
        ({"k": [5, 5]}, "distinct cutoffs"),
        ({"k": [5], "negatives": 4}, r"k 5 holds every one of 1 \+ 4 items"),
        ({"user": 3}, "did you mean 'users'"),
    ],
)
def test_bad_settings_are_refused(given_settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        validate(UntargetedConfig, given_settings, "threat")


def test_draw_lists_triple_after_triple() -> None:
    scene = shop().scene
    drawn = threat(users=6, negatives=4, k=[1]).draw(scene, 2)
    assert len(drawn) == 30
    assert drawn.raised is not None
    assert drawn.raised.reshape(6, 5).tolist() == [[False] + [True] * 4] * 6
    assert (drawn.target.reshape(6, 5) == drawn.target[::5, None]).all()
    assert threat().names(scene, drawn)[::5] == [f"u{row}" for row in drawn.target[::5]]
    fewer = threat(users=2, negatives=4, k=[1]).draw(scene, 2)
    assert fewer.attack.tolist() == drawn.first(10).attack.tolist()
    assert len(threat(users=10_000).draw(scene, 2)) <= USERS * 21


def test_pair_scores_are_those_of_the_recommender_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = shop().scene
    recommender: Any = scene.recommender
    random = np.random.default_rng(0)
    users, items = random.integers(0, USERS, 50), random.integers(0, ITEMS, 50)
    embeddings = torch.as_tensor(scene.embeddings)[items]
    expected = recommender.scores(users)[torch.arange(50), torch.from_numpy(items)]
    torch.testing.assert_close(pair_scores(recommender, users, items, embeddings), expected)
    monkeypatch.setattr(scores, "TOGETHER", 7)
    torch.testing.assert_close(pair_scores(recommender, users, items, embeddings), expected)
    assert pair_scores(recommender, users[:0], items[:0], embeddings[:0]).shape == (0,)


def bpr(made: Shop, targets: Targets, embeddings: torch.Tensor, group: int) -> torch.Tensor:
    """The sum of -ln sigmoid(s_ui - s_uj) over triples, as the paper has it."""
    recommender: Any = made.scene.recommender
    found = recommender.item_scores(np.arange(USERS), targets.attack, embeddings)
    own = found[torch.from_numpy(targets.target), torch.arange(len(targets))].reshape(-1, group)
    return -functional.logsigmoid(own[:, :1] - own[:, 1:]).sum()


def test_the_loss_points_where_the_bpr_loss_does() -> None:
    """In every picture the two gradients are the same up to a positive number, so signed steps are equal."""
    made = shop()
    goal = threat(users=5, negatives=3, k=[1])
    targets = goal.draw(made.scene, 0)
    loss = goal.loss(made.scene, made.extractor, targets)
    images = made.images[torch.from_numpy(targets.attack)].double()
    points = images.clone().requires_grad_()
    (mine,) = torch.autograd.grad(loss(points, torch.arange(20)).sum(), points)
    (theirs,) = torch.autograd.grad(-bpr(made, targets, made.extractor.embed(points), 4), points)
    ratio = theirs.flatten(1).norm(dim=1) / mine.flatten(1).norm(dim=1)
    assert (ratio > 0).all()
    torch.testing.assert_close(theirs, ratio.view(-1, 1, 1, 1) * mine, rtol=1e-6, atol=1e-12)
    assert torch.autograd.gradcheck(
        lambda e: loss.main(e, torch.arange(20)), made.extractor.embed(images).requires_grad_()
    )
    assert torch.autograd.gradcheck(
        lambda e: bpr(made, targets, e, 4), made.extractor.embed(images).requires_grad_()
    )


def test_rows_of_a_batch_in_any_order_and_directions() -> None:
    made = shop()
    goal = threat(users=3, negatives=2, k=[1])
    targets = goal.draw(made.scene, 0)
    recommender: Any = made.scene.recommender
    clean = torch.as_tensor(made.scene.embeddings)[targets.attack]
    expected = recommender.scores(targets.target)[torch.arange(9), torch.from_numpy(targets.attack)]
    expected[[1, 2, 4, 5, 7, 8]] *= -1
    loss = goal.loss(made.scene, made.extractor, targets)
    rows = torch.tensor([8, 0, 3, 3])
    torch.testing.assert_close(loss.main(clean[rows], rows), expected[rows])
    part = targets.slice(3, 6)
    torch.testing.assert_close(
        goal.loss(made.scene, made.extractor, part).main(clean[3:6], torch.arange(3)), expected[3:6]
    )


def naive_places(made: Shop, targets: Targets, embeddings: np.ndarray, group: int, known_only: bool) -> Any:
    """Sampled and full places, one user at a time, in a catalog in which its pictures were replaced."""
    scene: Any = made.scene
    sampled, full = [], []
    known = scene.interactions.trained()
    for start in range(0, len(targets), group):
        user, items = targets.target[start], targets.attack[start : start + group].tolist()
        changed = scene.recommender.with_items(np.array(items), embeddings[start : start + group])
        row = changed.scores(np.array([user]))[0].tolist()
        seen = entries(scene.interactions.train, user)

        def key(item: int, row: list[float] = row) -> tuple[float, int]:
            return -row[item], item

        everything = [i for i in range(ITEMS) if i not in seen and (known[i] or not known_only)]
        sampled.append(1 + sorted(items, key=key).index(items[0]))
        full.append(1 + sorted(everything, key=key).index(items[0]))
    return sampled, full


@pytest.mark.parametrize("known_only", [False, True])
def test_judge_equals_a_naive_loop(known_only: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shop()
    scene: Any = replace(made.scene, known_only=known_only)
    goal = threat(users=15, negatives=6, k=[3])
    targets = goal.draw(scene, 1)
    random = np.random.default_rng(0)
    after = made.scene.embeddings[targets.attack] + random.normal(size=(105, 16)).astype(np.float32)
    monkeypatch.setattr(places, "users_at_once", lambda items: 32)
    judged = goal.judge(scene, targets, after)
    clean = np.asarray(made.scene.embeddings)[targets.attack]
    for moment, embeddings in (("before", clean), ("after", np.asarray(after))):
        sampled, full = naive_places(made, targets, embeddings, 7, known_only)
        assert judged[f"sampled_place_{moment}"].reshape(15, 7).tolist() == [[p] * 7 for p in sampled]
        assert judged[f"catalog_place_{moment}"].reshape(15, 7).tolist() == [[p] * 7 for p in full]
    assert judged["triple"].tolist() == np.repeat(np.arange(15), 7).tolist()
    same = goal.judge(scene, targets, clean)
    assert np.array_equal(same["sampled_place_before"], same["sampled_place_after"])
    assert np.array_equal(same["catalog_place_before"], same["catalog_place_after"])


def test_equal_scores_go_by_item_row() -> None:
    class Flat:
        def scores(self, users: np.ndarray) -> torch.Tensor:
            return torch.zeros(len(users), 6)

    train = csr_matrix(np.array([[1, 0, 0, 0, 0, 0]], np.float32))
    data = Interactions(["u"], train, None, csr_matrix((1, 6)), True, [])
    flat: Any = Flat()
    items, zeros = np.array([[3, 1, 5]]), np.zeros((1, 3), np.float32)
    assert places.sampled_places(items, zeros).tolist() == [2]
    assert catalog_places(flat, data, np.array([0]), items, [zeros])[0].tolist() == [3]
    assert catalog_places(flat, data, np.array([0]), items, [zeros], known_only=True)[0].tolist() == [2]


@pytest.mark.parametrize("negatives", [1, 3, 20])
def test_probes_take_whole_triples(negatives: int) -> None:
    tried = probed(threat(negatives=negatives, users=9, k=[1]))
    assert tried >= PAIRS
    assert tried % (1 + negatives) == 0
    assert tried < PAIRS + 1 + negatives


def test_incomplete_triples_count_for_nothing() -> None:
    made = shop()
    goal = threat(users=4, negatives=4, k=[2])
    targets = goal.draw(made.scene, 0)
    clean = torch.as_tensor(made.scene.embeddings)[targets.attack]
    whole = stored(goal.judge(made.scene, targets.first(15), clean[:15]))
    cut = stored(goal.judge(made.scene, targets.first(18), clean[:18]))
    assert cut["triple"].tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [-1] * 3
    assert cut["catalog_place_after"][15:].tolist() == [-1] * 3
    assert goal.rows(cut) == goal.rows(whole)
    assert goal.successes(cut, "after")[0].met.tolist() == goal.successes(whole, "after")[0].met.tolist()
    middle = goal.judge(made.scene, targets.slice(2, 10), clean[2:10])
    assert middle["triple"].tolist() == [-1] * 3 + [0] * 5
    none = stored(goal.judge(made.scene, targets.first(3), clean[:3]))
    assert goal.rows(none) == []
    assert len(goal.successes(none, "before")[0].met) == 0


def test_rows_by_hand() -> None:
    goal = threat(users=2, negatives=2, k=[1, 2])
    pairs = {
        "triple": np.array([0, 0, 0, 1, 1, 1]),
        "raised": np.array([False, True, True] * 2),
        "score_before": np.array([2, 1, 0, 1, 0, 2], np.float32),
        "score_after": np.array([0, 1, 2, 1, 0, 0], np.float32),
    }
    for moment, sampled, full in (
        ("before", (1, 2), (1, 9)), ("after", (3, 1), (7, 2)), ("after_8bit", (2, 1), (4, 1))
    ):  # fmt: skip
        pairs[f"sampled_place_{moment}"] = np.repeat(sampled, 3)
        pairs[f"catalog_place_{moment}"] = np.repeat(full, 3)
    found = {(row["metric"], row.get("k")): row for row in goal.rows(pairs)}

    def value(metric: str, k: int | None = None) -> float:
        return float(found[metric, k]["value"])

    assert [value(f"sampled_HR{end}", 1) for end in ("_clean", "", "_8bit")] == [0.5, 0.5, 0.5]
    assert [value(f"sampled_HR{end}", 2) for end in ("_clean", "", "_8bit")] == [1.0, 0.5, 1.0]
    assert [value(f"catalog_HR{end}", 2) for end in ("_clean", "", "_8bit")] == [0.5, 0.5, 0.5]
    assert value("sampled_nDCG_clean", 2) == pytest.approx((1 + 1 / np.log2(3)) / 2)
    assert value("catalog_nDCG", 2) == pytest.approx(1 / np.log2(3) / 2)
    assert found["sampled_HR", 1]["n"] == 2
    assert all(
        0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1
        for (m, _), row in found.items()
        if "nDCG" in m
    )
    terms = [np.log1p(np.exp(x)) for x in (-1, -2, -1, 1)]
    assert value("bpr_loss_before") == pytest.approx(np.mean(terms))
    assert value("median_catalog_place_after") == 4.5
    assert value("prediction_shift_test_items") == pytest.approx(-1)
    assert value("prediction_shift_negatives") == pytest.approx(0)
    assert [rule.columns["k"] for rule in goal.successes(pairs, "after")] == [1, 2]
    assert goal.successes(pairs, "after")[0].met.tolist() == [True, False]
    assert goal.successes(pairs, "after_8bit")[1].met.tolist() == [False, False]


def test_embeddings_that_are_not_numbers_are_refused() -> None:
    made = shop()
    goal = threat(users=1, negatives=1, k=[1])
    targets = goal.draw(made.scene, 0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        goal.judge(made.scene, targets, np.full((2, 16), np.inf, np.float32))


@pytest.mark.parametrize("recommender", ["VBPR", "AMR", "DeepStyle"])
def test_pgd_drives_the_hit_ratio_to_nothing(recommender: str) -> None:
    made = shop(recommender)
    goal = threat(users=USERS, negatives=20, k=[5])
    targets = goal.draw(made.scene, 0)
    raised = targets.raised
    assert raised is not None
    rates, losses = [], []
    for eps in (0.0, 0.02, 0.15):
        judged = goal.judge(made.scene, targets, attacked(made, goal, targets, eps))
        shift = judged["score_after"] - judged["score_before"]
        if eps:
            assert (shift[~raised] < 0).all()
            assert (shift[raised] > 0).all()
        rows = {row["metric"]: row["value"] for row in goal.rows(stored(judged))}
        rates.append(rows["sampled_HR"])
        losses.append(rows["bpr_loss_after"])
    assert rates[0] == rows["sampled_HR_clean"] > 0.4  # chance is 0.24
    assert rates[0] >= rates[1] >= rates[2]
    assert rates[2] < 0.02
    assert losses[0] < losses[1] < losses[2]
