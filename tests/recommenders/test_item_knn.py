"""Item neighbourhoods, against loops over pairs of items."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from elliot_advrec.component import validate
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.listing import recommend
from elliot_advrec.recommenders.item_knn import ItemKNN, ItemKNNConfig

Data = tuple[Interactions, np.ndarray]
Pair = Callable[[np.ndarray, np.ndarray], float]

USERS, ITEMS = 30, 18


def ratings(seed: int = 0, *, whole: bool = False, users: int = USERS, items: int = ITEMS) -> np.ndarray:
    """About half of all pairs rated; not whole: by reals, so that no two similarities are equal."""
    generator = np.random.default_rng(seed)
    values = generator.integers(1, 6, (users, items)) if whole else generator.uniform(0.5, 5, (users, items))
    rated = generator.random((users, items)) < 0.5
    rated[:, 0] |= ~rated.any(axis=1)
    return np.where(rated, values, 0).astype(np.float32)


def interactions(train: np.ndarray) -> Interactions:
    matrix = csr_matrix(train)
    return Interactions([str(user) for user in range(len(train))], matrix, None, matrix, True, [])


def fit(train: np.ndarray, **settings: Any) -> ItemKNN:
    recommender = ItemKNN(validate(ItemKNNConfig, settings, ""))
    recommender.fit(interactions(train))
    return recommender


def scores(train: np.ndarray, **settings: Any) -> np.ndarray:
    return fit(train, **settings).scores(np.arange(len(train))).numpy()


def votes(train: np.ndarray, **settings: Any) -> np.ndarray:
    """(n, n): entry (j, i) is what item j counts for item i, read off users who rated one item with 1."""
    recommender = fit(train, **settings)
    recommender._ratings = csr_matrix(np.eye(train.shape[1], dtype=np.float32))
    return recommender.scores(np.arange(train.shape[1])).numpy()


def pairwise(train: np.ndarray, pair: Pair, *, itself: float | None) -> np.ndarray:
    """(n, n) of ``pair``, whose first argument is the item that gets the votes (the column)."""
    items = train.shape[1]
    found = np.zeros((items, items))
    for i in range(items):
        for j in range(items):
            own = i == j and itself is not None
            found[j, i] = itself if own else pair(*train[:, [i, j]].astype(np.float64).T)
    if itself is None:
        np.fill_diagonal(found, 0)
    return found


def largest(column: np.ndarray, k: int, *, with_zeros: bool = False) -> list[float]:
    """The k largest that are not 0, or those that are not 0 among the k largest."""
    values = np.sort(column if with_zeros else column[column != 0])[::-1][:k]
    return [float(value) for value in values if value]


def product(x: np.ndarray, y: np.ndarray) -> float:
    return float(sum(a * b for a, b in zip(x, y, strict=True)))


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return product(x, y) / (product(x, x) ** 0.5 * product(y, y) ** 0.5)


def distance(of: Callable[[np.ndarray, np.ndarray], float]) -> Pair:
    return lambda x, y: 1 / (1 + of(x, y))


def counts(x: np.ndarray, y: np.ndarray) -> tuple[int, int, int, int]:
    """Users of both, of the first alone, of the second alone, of neither."""
    a, b = x != 0, y != 0
    return int((a & b).sum()), int((a & ~b).sum()), int((b & ~a).sum()), int((~a & ~b).sum())


def jaccard(x: np.ndarray, y: np.ndarray) -> float:
    both, one, other, _ = counts(x, y)
    return (one + other) / (both + one + other)


def rogerstanimoto(x: np.ndarray, y: np.ndarray) -> float:
    both, one, other, neither = counts(x, y)
    return 2 * (one + other) / (both + neither + 2 * (one + other))


def yule(x: np.ndarray, y: np.ndarray) -> float:
    both, one, other, neither = counts(x, y)
    return 2 * one * other / (both * neither + one * other) if one * other else 0.0


STANDARD: dict[str, Pair] = {
    "cosine": cosine,
    "dot": product,
    "euclidean": distance(lambda x, y: float(((x - y) ** 2).sum() ** 0.5)),
    "l2": distance(lambda x, y: float(((x - y) ** 2).sum() ** 0.5)),
    "minkowski": distance(lambda x, y: float(((x - y) ** 2).sum() ** 0.5)),
    "sqeuclidean": distance(lambda x, y: float(((x - y) ** 2).sum())),
    "manhattan": distance(lambda x, y: float(abs(x - y).sum())),
    "cityblock": distance(lambda x, y: float(abs(x - y).sum())),
    "l1": distance(lambda x, y: float(abs(x - y).sum())),
    "chebyshev": distance(lambda x, y: float(abs(x - y).max())),
    "braycurtis": distance(lambda x, y: float(abs(x - y).sum() / abs(x + y).sum())),
    "canberra": distance(lambda x, y: sum(abs(a - b) / (a + b) for a, b in zip(x, y, strict=True) if a + b)),
    "correlation": distance(lambda x, y: 1 - cosine(x - x.mean(), y - y.mean())),
    "hamming": distance(lambda x, y: float((x != y).mean())),
    "jaccard": distance(jaccard),
    "dice": distance(lambda x, y: (c := counts(x, y)) and (c[1] + c[2]) / (2 * c[0] + c[1] + c[2])),
    "russellrao": distance(lambda x, y: 1 - counts(x, y)[0] / len(x)),
    "rogerstanimoto": distance(rogerstanimoto),
    "sokalsneath": distance(
        lambda x, y: (c := counts(x, y)) and 2 * (c[1] + c[2]) / (c[0] + 2 * (c[1] + c[2]))
    ),
    "yule": distance(yule),
}


@pytest.mark.parametrize("k", [1, 5, ITEMS, 100])
@pytest.mark.parametrize("similarity", STANDARD)
def test_an_item_keeps_its_nearest_itself_among_them(similarity: str, k: int) -> None:
    train = ratings()
    itself = None if similarity == "dot" else 1.0
    expected = pairwise(train, STANDARD[similarity], itself=itself)
    if similarity == "dot":
        np.fill_diagonal(expected, (train.astype(np.float64) ** 2).sum(axis=0))
    found = votes(train, similarity=similarity, neighbors=k)
    for i in range(ITEMS):
        kept = np.flatnonzero(found[:, i])
        assert np.allclose(found[kept, i], expected[kept, i], rtol=1e-5)
        assert np.allclose(np.sort(found[kept, i])[::-1], largest(expected[:, i], k), rtol=1e-5)


def test_standardised_distances_divide_by_what_varies_over_the_items() -> None:
    train = ratings(3, users=8, items=40)
    variance = train.astype(np.float64).var(axis=1, ddof=1)
    inverse = np.linalg.inv(np.cov(train.astype(np.float64)))
    formulas = {
        "seuclidean": lambda x, y: float((((x - y) ** 2) / variance).sum() ** 0.5),
        "mahalanobis": lambda x, y: float((x - y) @ inverse @ (x - y)) ** 0.5,
    }
    for similarity, formula in formulas.items():
        found = votes(train, similarity=similarity, neighbors=40)
        assert np.allclose(found, pairwise(train, distance(formula), itself=1.0), rtol=1e-4), similarity


def aiolli_pair(similarity: str, train: np.ndarray, s: float, a: float, t: tuple[float, float]) -> Pair:
    stored = train != 0

    def pair(x: np.ndarray, y: np.ndarray) -> float:
        p, low = product(x, y), s + 1e-6
        nx, ny = product(x, x) ** 0.5, product(y, y) ** 0.5
        both, one, other, _ = counts(x, y)
        return {
            "cosine": lambda: p / (nx * ny + low),
            "asymmetric": lambda: p / (nx ** (2 * a) * ny ** (2 - 2 * a) + low),
            "jaccard": lambda: both / (both + one + other + low),
            "tanimoto": lambda: both / (both + one + other + low),
            "dice": lambda: both / (2 * both + one + other + low),
            "tversky": lambda: both / (both + t[0] * one + t[1] * other + low),
            "adjusted": lambda: p / (nx * ny + low),
            "pearson": lambda: p / (nx * ny + low),
        }[similarity]()

    def centred(x: np.ndarray, y: np.ndarray) -> float:
        if similarity == "pearson":
            x, y = (np.where(v != 0, v - v[v != 0].mean(), 0) for v in (x, y))
        if similarity == "adjusted":
            mean = train.sum(axis=1) / stored.sum(axis=1)
            x, y = (np.where(v != 0, v - mean, 0) for v in (x, y))
        return pair(x, y)

    return centred


@pytest.mark.parametrize("k", [4, ITEMS])
@pytest.mark.parametrize("shrink", [0.0, 7.5])
@pytest.mark.parametrize(
    "similarity", ["cosine", "asymmetric", "jaccard", "tanimoto", "dice", "tversky", "adjusted", "pearson"]
)
def test_aiolli_shrinks_normalises_and_leaves_the_item_itself_out(
    similarity: str, shrink: float, k: int
) -> None:
    train = ratings(1)
    pair = aiolli_pair(similarity, train.astype(np.float64), shrink, 0.3, (0.4, 1.5))
    expected = pairwise(train, pair, itself=None)
    found = votes(
        train, implementation="aiolli", similarity=similarity, neighbors=k, shrink=shrink,
        asymmetric_alpha=0.3, tversky_alpha=0.4, tversky_beta=1.5,
    )  # fmt: skip
    for i in range(ITEMS):
        kept = np.flatnonzero(found[:, i])
        assert i not in kept
        assert np.allclose(found[kept, i], expected[kept, i], rtol=1e-4, atol=1e-6)
        wanted = largest(expected[:, i], k, with_zeros=True)
        assert np.allclose(np.sort(found[kept, i])[::-1], wanted, rtol=1e-4, atol=1e-6)


def test_a_negative_neighbour_is_kept_only_where_too_few_others_are_there() -> None:
    train = ratings(2)
    pair = aiolli_pair("pearson", train.astype(np.float64), 0, 0, (0, 0))
    expected = pairwise(train, pair, itself=None)
    negative = (expected < 0).sum(axis=0)
    assert negative.min() > 1
    for k in range(1, ITEMS + 1):
        found = votes(train, implementation="aiolli", similarity="pearson", neighbors=k)
        kept = (found < 0).sum(axis=0)
        assert np.array_equal(kept, np.maximum(0, k - (ITEMS - negative)))


def test_without_normalisation_sums_are_divided_by_the_shrinkage_alone() -> None:
    train = ratings(1)
    sums = pairwise(train, product, itself=None)
    settings: dict[str, Any] = {"implementation": "aiolli", "normalize": False, "neighbors": ITEMS}
    assert np.allclose(votes(train, **settings), sums, rtol=1e-5)
    assert np.allclose(votes(train, **settings, shrink=4), sums / 4, rtol=1e-5)


def test_row_weights_weigh_users() -> None:
    train = ratings(1)
    weights = np.linspace(0, 2, USERS)
    settings: dict[str, Any] = {"implementation": "aiolli", "normalize": False, "neighbors": ITEMS}
    expected = pairwise(train, lambda x, y: product(x * weights, y), itself=None)
    assert np.allclose(votes(train, **settings, row_weights=weights.tolist()), expected, rtol=1e-4)
    with pytest.raises(UserError, match="row_weights has 2 entries for 30 users"):
        fit(train, **settings, row_weights=[1, 2])


def test_ratings_and_similarities_make_the_scores() -> None:
    train = ratings(4)
    kept = votes(train, neighbors=6)
    expected = [
        [sum(train[u, j] * kept[j, i] for j in range(ITEMS)) for i in range(ITEMS)] for u in range(USERS)
    ]
    assert np.allclose(scores(train, neighbors=6), expected, rtol=1e-5)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "hamming"])
def test_implicit_takes_every_stored_rating_as_one(similarity: str) -> None:
    train = ratings(4, whole=True)
    ones = (train != 0).astype(np.float32)
    settings: dict[str, Any] = {"similarity": similarity, "neighbors": 5}
    assert np.array_equal(scores(train, implicit=True, **settings), scores(ones, **settings))
    assert not np.array_equal(scores(train, **settings), scores(ones, **settings))


def test_among_equal_neighbours_numpy_chooses_as_it_does_for_elliot() -> None:
    train = (ratings(5, users=9, items=60) != 0).astype(np.float32)
    sums = (train.T @ train).astype(np.float32)
    found = votes(train, similarity="dot", neighbors=20)
    ties = 0
    for i in range(60):
        column = sums[:, i]
        shared = np.flatnonzero(column)
        chosen = shared[np.argsort(column[shared])[-20:]]
        ties += (column[shared] == column[chosen].min()).sum() > (
            column[chosen] == column[chosen].min()
        ).sum()
        assert np.array_equal(np.flatnonzero(found[:, i]), np.sort(chosen))
    assert ties > 30
    np.fill_diagonal(sums, 0)
    found = votes(train, similarity="cosine", implementation="aiolli", normalize=False, neighbors=20)
    for i in range(60):
        chosen = np.argpartition(-sums[:, i], 19)[:20]
        assert np.array_equal(np.flatnonzero(found[:, i]), np.sort(chosen[sums[chosen, i] != 0]))


@pytest.mark.parametrize(
    "settings",
    [
        {"similarity": "cosine"},
        {"similarity": "euclidean"},
        {"similarity": "canberra"},
        {"similarity": "pearson", "implementation": "aiolli"},
        {"similarity": "jaccard", "implementation": "aiolli", "implicit": True},
    ],
    ids=lambda settings: settings["similarity"],
)
def test_blocks_change_nothing(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    train = ratings(6, whole=True)
    whole = votes(train, neighbors=5, **settings)
    monkeypatch.setattr("elliot_advrec.recommenders.similarity.overlap.WORK", 300)
    monkeypatch.setattr("elliot_advrec.recommenders.similarity.distances.PAIRS", 5 * ITEMS)
    assert np.array_equal(votes(train, neighbors=5, **settings), whole)


@pytest.mark.parametrize("similarity", ["cosine", "euclidean", "chebyshev"])
def test_items_without_training_neither_vote_nor_are_voted_for(similarity: str) -> None:
    train = ratings(7)
    wider = np.insert(train, [0, 5, ITEMS], 0, axis=1)
    found = scores(wider, similarity=similarity, neighbors=4)
    untrained = [0, 6, ITEMS + 2]
    assert not found[:, untrained].any()
    assert np.array_equal(
        np.delete(found, untrained, axis=1), scores(train, similarity=similarity, neighbors=4)
    )


def test_what_has_no_correlation_is_no_neighbour() -> None:
    train = ratings(8)
    train[:, 3] = 2  # the same rating by everybody
    found = votes(train, similarity="correlation", neighbors=ITEMS)
    assert found[3, 3] == 1
    assert not np.delete(found[3], 3).any()
    assert not np.delete(found[:, 3], 3).any()
    assert np.isfinite(found).all()


def test_on_a_checkerboard_every_user_gets_the_item_of_its_colour(checkerboard: Data) -> None:
    for settings in ({}, {"implementation": "aiolli", "similarity": "jaccard"}):
        recommender = ItemKNN(ItemKNNConfig(neighbors=4, **settings))
        recommender.fit(*checkerboard)
        first = recommend(recommender, np.arange(8), [checkerboard[0].train], 1)
        assert np.array_equal(first[:, 0], checkerboard[0].test.indices)


def test_it_survives_the_disk(tmp_path: Path) -> None:
    recommender = fit(ratings(9), neighbors=3, implementation="aiolli", similarity="tanimoto")
    recommender.save(tmp_path)
    loaded = ItemKNN.load(tmp_path)
    users = np.arange(USERS)
    assert loaded.scores(users).equal(recommender.scores(users))
    assert loaded.config == recommender.config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"similarity": "cosin"},
            "unknown similarity 'cosin' with implementation 'standard'; did you mean 'cosine'",
        ),
        ({"similarity": "tversky"}, "unknown similarity 'tversky'.*set implementation: aiolli"),
        (
            {"similarity": "euclidean", "implementation": "aiolli"},
            "unknown similarity 'euclidean'.*set implementation: standard",
        ),
        ({"similarity": "chi2"}, "similarity 'chi2' fails on sparse ratings, in Elliot as well; known: "),
        ({"neighbors": 0}, "'neighbors' must be at least 1"),
        ({"shrink": -1}, "'shrink' must be at least 0"),
        ({"asymmetric_alpha": 2}, "'asymmetric_alpha' must be at most 1"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        validate(ItemKNNConfig, settings, "ItemKNN")


def test_elliots_defaults_and_spellings_are_taken() -> None:
    config = validate(
        ItemKNNConfig,
        {
            "implementation": "classical",
            "asymmetric_alpha": False,
            "tversky_alpha": False,
            "row_weights": None,
        },
        "",
    )
    assert (config.neighbors, config.similarity, config.asymmetric_alpha) == (40, "cosine", 0)
    train = ratings(1)
    assert np.array_equal(scores(train, implementation="classical"), scores(train))


def test_distances_that_cannot_be_computed_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    train = ratings()
    with pytest.raises(UserError, match="18 items are too few for similarity 'mahalanobis' with 30 users"):
        fit(train, similarity="mahalanobis")
    monkeypatch.setattr("elliot_advrec.recommenders.similarity.distances.DENSE", 18 * 30 - 1)
    with pytest.raises(
        UserError, match=r"'canberra' needs a dense matrix of 18 items x 30 users.*use cosine"
    ):
        fit(train, similarity="canberra")
    fit(train, similarity="manhattan")
