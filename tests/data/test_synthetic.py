"""The drawn catalog: deterministic, labelled, told apart by eye, cheap to hold."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from elliot_advrec.component import validate
from elliot_advrec.data.garments import FAMILIES, SHAPES, TEXTURES, Design, Drawn, cutout, picture, snapshot
from elliot_advrec.data.garments.geometry import band, outline, symmetric
from elliot_advrec.data.garments.textures import TILE, tile
from elliot_advrec.data.pixels import prepare
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.data.sources.synthetic import Synthetic, SyntheticConfig
from elliot_advrec.errors import UserError


def source(**settings: object) -> Synthetic:
    return Synthetic(validate(SyntheticConfig, {"items": 60, "users": 20, **settings}, "catalog"), Path())


def test_registered_under_its_name() -> None:
    assert SOURCES.get("synthetic") is Synthetic
    assert Synthetic.summary().endswith(".")


def test_there_is_enough_to_tell_apart() -> None:
    assert len(SHAPES) >= 10
    assert len(TEXTURES) >= 12
    assert len(FAMILIES) >= 8


def test_catalog_has_labels_splits_and_unique_ids() -> None:
    catalog = source(items=200).catalog()
    assert len(set(catalog.ids)) == 200
    assert {name: int((catalog.split == name).sum()) for name in ("train", "validation", "test")} == {
        "train": 140,
        "validation": 20,
        "test": 40,
    }
    assert set(catalog.category) == set(range(len(SHAPES)))
    assert catalog.attributes is not None
    assert catalog.attributes.shape == (200, len(TEXTURES))
    for row, drawn in enumerate(catalog.pictures):
        design = drawn.design()  # type: ignore[attr-defined]
        assert catalog.categories[catalog.category[row]] == design.category
        worn = {catalog.attribute_names[column] for column in catalog.attributes[row].indices}
        assert worn == set(design.textures)


def test_mixed_garments_carry_both_textures() -> None:
    none = source(items=300, mixed=0.0).catalog().attributes
    every = source(items=300, mixed=1.0).catalog().attributes
    assert none is not None
    assert every is not None
    assert set(np.diff(none.indptr)) == {1}
    assert (np.diff(every.indptr) == 2).sum() > 50
    sleeved = np.flatnonzero(np.diff(every.indptr) == 2)[0]
    plain, both = source(items=300, mixed=0.0).catalog(), source(items=300, mixed=1.0).catalog()
    assert not np.array_equal(plain.pictures[sleeved].load(32), both.pictures[sleeved].load(32))


def test_an_item_depends_on_its_row_and_the_seed_alone() -> None:
    few, many = source(items=25).catalog(), source(items=60).catalog()
    for row in reversed(range(25)):
        np.testing.assert_array_equal(few.pictures[row].load(32), many.pictures[row].load(32))
        assert few.category[row] == many.category[row]
    other = source(seed=2).catalog()
    assert any(
        not np.array_equal(other.pictures[row].load(32), few.pictures[row].load(32)) for row in range(3)
    )


def test_pictures_survive_pickling() -> None:
    drawn = source().catalog().pictures[3]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(drawn)).load(32), drawn.load(32))
    assert len(pickle.dumps(drawn)) < 500


@pytest.mark.parametrize("size", [16, 31, 64, 160])
def test_any_size_shows_the_same_garment(size: int) -> None:
    drawn = Drawn(1, 7, len(SHAPES), len(TEXTURES), len(FAMILIES), 0.0)
    shown = drawn.load(size)
    assert shown.shape == (size, size, 3)
    assert shown.dtype == np.uint8
    # Averaged to 4 x 4 the two sizes agree: nothing random depended on the size.
    coarse = [_coarse(image) for image in (shown, drawn.load(96))]
    assert np.abs(coarse[0] - coarse[1]).mean() < 12


@pytest.mark.parametrize("category", list(SHAPES))
def test_every_category_draws_a_garment_inside_the_picture(category: str) -> None:
    for stream in range(6):
        drawn = cutout(Design(category, ("plain",), "red", stream), 64)
        cover = drawn[..., 3] > 0
        assert 0.06 < cover.mean() < 0.75
        rim = np.concatenate([cover[0], cover[-1], cover[:, 0], cover[:, -1]])
        assert rim.mean() < 0.06


def test_a_texture_changes_the_cloth_and_not_the_outline() -> None:
    for name in TEXTURES:
        made = cutout(Design("skirt", (name,), "blue", 5), 64)
        assert made[..., 3].max() == 255
    drawn = [picture(Design("t-shirt", (name,), "teal", 11), 64).astype(int) for name in TEXTURES]
    for first in range(len(drawn)):
        for second in range(first):
            changed = (np.abs(drawn[first] - drawn[second]).max(2) > 24).mean()
            assert changed > 0.02, (list(TEXTURES)[first], list(TEXTURES)[second])


@pytest.mark.parametrize("name", list(TEXTURES))
def test_tiles_are_seamless_indices(name: str) -> None:
    made = tile(name, np.random.default_rng(3))
    assert made.shape == (TILE, TILE)
    assert made.max() <= 3
    assert (made.max() > 0) == (name != "plain")
    # Across the seam as many neighbours differ as across some line inside: the pattern does not break.
    for axis in (0, 1):
        steps = (np.diff(made, axis=axis, append=made.take([0], axis)) != 0).mean(1 - axis)
        assert steps[-1] <= steps[:-1].max() + 0.05


def test_main_colour_is_the_family_asked_for() -> None:
    for family, rgb in FAMILIES.items():
        shown = cutout(Design("skirt", ("plain",), family, 21), 48).astype(float)
        middle = np.median(shown[shown[..., 3] == 255][:, :3], axis=0)
        distance = {name: np.abs(np.asarray(other) - middle).sum() for name, other in FAMILIES.items()}
        assert distance[family] <= sorted(distance.values())[2], (family, rgb, middle)


def test_a_snapshot_box_holds_the_garment() -> None:
    generator = np.random.default_rng(5)
    image, (x1, y1, x2, y2) = snapshot(Design("dress", ("dotted",), "red", 9), 96, generator)
    width, height = image.size
    assert height == 96
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height
    pixels = np.asarray(image).astype(float)
    inside = np.zeros((height, width), bool)
    inside[y1:y2, x1:x2] = True
    sharpness = np.abs(np.diff(pixels.mean(2), axis=1, prepend=pixels[:, :1].mean(2)))
    assert sharpness[inside].mean() > 3 * sharpness[~inside].mean()


def test_prepare_draws_the_whole_catalog(tmp_path: Path) -> None:
    catalog = source().catalog()
    kept, pixels, skipped = prepare(catalog, 32, tmp_path)
    assert not skipped
    assert len(kept.ids) == len(pixels) == 60
    np.testing.assert_array_equal(pixels.bytes([5])[0].permute(1, 2, 0).numpy(), catalog.pictures[5].load(32))


def test_interactions_are_simulated_and_said_to_be() -> None:
    made = source(per_user=(3, 6))
    frame = made.interactions(made.catalog())
    assert made.simulated
    assert frame.attrs["simulated"] is True
    assert frame["user"].nunique() == 20
    assert frame.groupby("user").size().between(3, 6).all()


def test_fingerprint_changes_with_the_settings() -> None:
    assert source().fingerprint() == source().fingerprint()
    assert source().fingerprint() != source(seed=9).fingerprint()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"items": 3}, "at least 10"),
        ({"per_user": (9, 4)}, "fewest and most|fewest, most"),
        ({"per_user": (5, 60)}, "items"),
        ({"item": 5}, "did you mean 'items'"),
        ({"textures": 99}, "at most 18"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        source(**settings)


def test_outlines_bend_and_mirror() -> None:
    open_line = outline([(0, 0), (1, 0), (1, 1)], rounds=2, closed=False)
    np.testing.assert_allclose(open_line[[0, -1]], [(0, 0), (1, 1)])
    whole = symmetric(open_line)
    np.testing.assert_allclose(whole[:, 0].sum(), 0, atol=1e-12)
    ribbon = band(np.array([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)]), 0.2)
    np.testing.assert_allclose(np.abs(ribbon[:, 1]), 0.1)


def _coarse(image: np.ndarray) -> np.ndarray:
    edges = np.linspace(0, len(image), 5).round().astype(int)
    return np.array([[image[a:b, c:d].mean((0, 1)) for c, d in pairwise(edges)] for a, b in pairwise(edges)])
