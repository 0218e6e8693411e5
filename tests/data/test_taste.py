"""Simulated users: well-formed, independent of each other, and predictable from what they see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elliot_advrec.data.appearance import visual_features
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.data.pixels import prepare
from elliot_advrec.data.sources.synthetic import Synthetic, SyntheticConfig
from elliot_advrec.data.taste import describe, simulate
from elliot_advrec.errors import UserError

K = 10


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, PixelFile]:
    made = Synthetic(SyntheticConfig(items=400, users=10), Path())
    catalog, pixels, _ = prepare(made.catalog(), 48, tmp_path_factory.mktemp("pixels"))
    return catalog, pixels


def test_nobody_has_taken_a_cold_item(drawn: tuple[Catalog, PixelFile]) -> None:
    catalog = drawn[0]
    taken = set(simulate(catalog, users=3000, seed=3, cold=0.25)["item"])
    assert len(taken) == 300  # of 400
    assert set(simulate(catalog, users=50, seed=3, cold=0.25)["item"]) <= taken
    assert not set(simulate(catalog, users=3000, seed=3)["item"]) <= taken
    with pytest.raises(UserError, match="390 of them cold"):
        simulate(catalog, users=5, seed=3, cold=0.975)
    source = Synthetic(SyntheticConfig(items=100, users=500, cold=0.5), Path())
    assert source.interactions(source.catalog())["item"].nunique() == 50


@pytest.fixture(scope="module")
def seen(drawn: tuple[Catalog, PixelFile]) -> np.ndarray:
    return visual_features(drawn[1])


def unlabelled(catalog: Catalog) -> Catalog:
    nothing = np.full(len(catalog.ids), -1, np.int64)
    return replace(catalog, taste=None, category=nothing, categories=[], attributes=None, attribute_names=[])


def leave_one_out(
    frame: pd.DataFrame, catalog: Catalog, vectors: np.ndarray
) -> dict[str, tuple[float, float]]:
    """(HR@10, nDCG@10) of nearest neighbours in ``vectors`` and of popularity, by a naive full ranking."""
    row = {item: place for place, item in enumerate(catalog.ids)}
    popular = np.zeros(len(row))
    held: list[tuple[list[int], int]] = []
    for _, mine in frame.sort_values("timestamp").groupby("user"):
        rows = [row[item] for item in mine["item"]]
        held.append((rows[:-1], rows[-1]))
        popular[rows[:-1]] += 1
    ranks: dict[str, list[int]] = {"content": [], "popular": []}
    for known, wanted in held:
        for name, scores in (("content", (vectors @ vectors[known].T).max(1)), ("popular", popular.copy())):
            scores[known] = -np.inf
            # Ties count half, so that equal scores are worth what a coin is.
            ahead = (scores > scores[wanted]).sum() + ((scores == scores[wanted]).sum() - 1) // 2
            ranks[name].append(int(ahead))
    return {
        name: (
            float(np.mean([rank < K for rank in found])),
            float(np.mean([1 / np.log2(rank + 2) if rank < K else 0.0 for rank in found])),
        )
        for name, found in ranks.items()
    }


def test_content_beats_popularity_where_users_have_taste(
    drawn: tuple[Catalog, PixelFile], seen: np.ndarray
) -> None:
    catalog = drawn[0]
    frame = simulate(catalog, users=500, seed=4)
    right = leave_one_out(frame, catalog, seen)
    shuffled = seen[np.random.default_rng(0).permutation(len(seen))]
    control = leave_one_out(frame, catalog, shuffled)
    for metric in (0, 1):
        assert right["content"][metric] > 1.8 * right["popular"][metric]
        assert control["content"][metric] < 1.2 * control["popular"][metric]
        assert right["content"][metric] > 4 * control["content"][metric]


def test_without_labels_taste_is_read_from_the_pictures(
    drawn: tuple[Catalog, PixelFile], seen: np.ndarray
) -> None:
    bare = unlabelled(drawn[0])
    result = leave_one_out(simulate(bare, users=400, seed=4, pixels=drawn[1]), bare, seen)
    assert result["content"][0] > 3 * result["popular"][0]


def test_without_taste_pictures_say_nothing(drawn: tuple[Catalog, PixelFile], seen: np.ndarray) -> None:
    frame = simulate(drawn[0], users=500, seed=4, sharpness=0)
    assert leave_one_out(frame, drawn[0], seen)["content"][0] < 0.07


def test_popularity_makes_a_long_tail(drawn: tuple[Catalog, PixelFile]) -> None:
    even = simulate(drawn[0], users=500, seed=4, sharpness=0, popularity=0)["item"].value_counts()
    tail = simulate(drawn[0], users=500, seed=4, sharpness=0, popularity=1)["item"].value_counts()
    assert tail.iloc[:20].sum() > 3 * even.iloc[:20].sum()


def test_frame_is_well_formed(drawn: tuple[Catalog, PixelFile]) -> None:
    frame = simulate(drawn[0], users=120, per_user=(4, 9), seed=1)
    assert list(frame.columns) == ["user", "item", "rating", "timestamp"]
    assert frame["user"].iloc[0] == "u0001"
    assert frame["user"].nunique() == 120
    assert set(frame["item"]) <= set(drawn[0].ids)
    assert not frame.duplicated(["user", "item"]).any()
    assert set(frame["rating"]) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert frame["timestamp"].dtype == np.int64
    assert (frame.groupby("user")["timestamp"].diff().dropna() > 0).all()
    sizes = frame.groupby("user").size()
    assert (sizes.min(), sizes.max()) == (4, 9)


def test_ratings_follow_affinity(drawn: tuple[Catalog, PixelFile]) -> None:
    catalog = drawn[0]
    described = describe(catalog)
    frame = simulate(catalog, users=150, per_user=(15, 20), seed=2, sharpness=0.8)
    row = {item: place for place, item in enumerate(catalog.ids)}
    closeness = []
    for _, mine in frame.groupby("user"):
        rows = mine["item"].map(row).to_numpy()
        alike = np.sort(described[rows] @ described[rows].T, axis=1)[:, -4:-1].mean(1)
        closeness += list(zip(mine["rating"], alike, strict=True))
    rating, alike = np.array(closeness).T
    assert alike[rating == 5].mean() > 1.3 * alike[rating <= 2].mean()


def test_a_user_does_not_depend_on_the_others(
    drawn: tuple[Catalog, PixelFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = simulate(drawn[0], users=60, seed=8)
    few = simulate(drawn[0], users=7, seed=8)
    pd.testing.assert_frame_equal(many[many["user"].isin(few["user"])], few)
    monkeypatch.setattr("elliot_advrec.data.taste._BLOCK_FLOATS", 400 * 3 * 5)
    told: list[int] = []
    pd.testing.assert_frame_equal(simulate(drawn[0], users=60, seed=8, advance=told.append), many)
    assert len(told) > 1
    assert sum(told) == 60
    assert not simulate(drawn[0], users=7, seed=9)["item"].equals(few["item"])


def test_features_take_the_place_of_labels(drawn: tuple[Catalog, PixelFile]) -> None:
    catalog = drawn[0]
    two = np.zeros((len(catalog.ids), 2), np.float32)
    two[np.arange(len(two)), np.arange(len(two)) % 2] = 1
    frame = simulate(catalog, users=50, seed=3, features=two, interests=1, sharpness=20)
    row = {item: place for place, item in enumerate(catalog.ids)}
    parity = frame["item"].map(row) % 2
    assert (parity.groupby(frame["user"]).nunique() == 1).all()
    assert set(parity) == {0, 1}
    with pytest.raises(ValueError, match="row for each"):
        simulate(catalog, users=5, seed=3, features=two[:-1])


@settings(max_examples=20)
@given(
    items=st.integers(1, 30),
    users=st.integers(1, 12),
    least=st.integers(1, 5),
    more=st.integers(0, 5),
    seed=st.integers(0, 99),
)
def test_any_small_catalog_is_served_or_refused(
    items: int, users: int, least: int, more: int, seed: int
) -> None:
    catalog = Catalog(
        [f"x{place}" for place in range(items)],
        np.arange(items, dtype=np.int64) % 3,
        ["a", "b", "c"],
        None,
        [],
        np.full(items, "train"),
        [],
    )
    if least + more > items:
        with pytest.raises(UserError, match="lower per_user"):
            simulate(catalog, users=users, per_user=(least, least + more), seed=seed)
        return
    frame = simulate(catalog, users=users, per_user=(least, least + more), seed=seed)
    assert frame.groupby("user").size().between(least, least + more).all()
    assert frame["user"].nunique() == users
    assert frame["rating"].between(1, 5).all()


def test_small_catalogs_get_a_fitting_default() -> None:
    catalog = Catalog(["a", "b", "c"], np.array([0, 1, 0]), ["x", "y"], None, [], np.full(3, "train"), [])
    frame = simulate(catalog, seed=1)
    assert frame["user"].nunique() == 100
    assert frame.groupby("user").size().max() == 1


def test_nothing_to_have_a_taste_for_is_refused(drawn: tuple[Catalog, PixelFile]) -> None:
    with pytest.raises(UserError, match="cannot be simulated"):
        simulate(unlabelled(drawn[0]), users=5, seed=1)
    with pytest.raises(UserError, match="cannot simulate 0 users"):
        simulate(drawn[0], users=0, seed=1)


def test_labels_and_looks_weigh_the_same(drawn: tuple[Catalog, PixelFile]) -> None:
    catalog, pixels = drawn
    described = describe(replace(catalog, taste=None), pixels)
    lengths = [np.linalg.norm(block, axis=1) for block in np.split(described, [14, 32], axis=1)]
    for length in lengths:
        np.testing.assert_allclose(length, 1 / np.sqrt(3), rtol=1e-5)


def test_visual_features_know_kind_cloth_and_colour(
    drawn: tuple[Catalog, PixelFile], seen: np.ndarray
) -> None:
    catalog = drawn[0]
    assert seen.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(seen, axis=1), 1, rtol=1e-4)
    assert catalog.taste is not None
    blocks = np.split(catalog.taste, [14, 32], axis=1)
    alike = seen @ seen.T
    np.fill_diagonal(alike, -np.inf)
    near = np.argsort(-alike, axis=1)[:, :3]
    for block in blocks:
        label = block.argmax(1)
        found = (label[near] == label[:, None]).mean()
        chance = (label[None, :] == label[:, None]).mean()
        assert found > 3 * chance


def test_visual_features_do_not_depend_on_the_batch(
    drawn: tuple[Catalog, PixelFile], seen: np.ndarray
) -> None:
    again = visual_features(drawn[1], batch=37)
    np.testing.assert_allclose(again @ again.T, seen @ seen.T, atol=2e-3)


def test_visual_features_of_few_or_equal_pictures_are_finite(tmp_path: Path) -> None:
    path = tmp_path / "pixels.bin"
    path.write_bytes(bytes([200]) * (3 * 3 * 16 * 16))
    flat = visual_features(PixelFile(path, 16, 3))
    assert flat.shape[0] == 3
    assert np.isfinite(flat).all()
    path.write_bytes(b"")
    assert visual_features(PixelFile(path, 16, 0)).shape[0] == 0
