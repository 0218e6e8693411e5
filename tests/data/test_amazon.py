"""Amazon's raw files of three dumps, the papers' filters, and every way the files can be wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

from elliot_advrec.data.matrices import build_folds
from elliot_advrec.data.pixels import prepare
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.data.sources.amazon import Amazon, AmazonConfig
from elliot_advrec.data.sources.amazon_reviews import read_pairs
from elliot_advrec.data.sources.pairs import Collector, frequent
from elliot_advrec.data.standin_amazon import META, RATINGS, REVIEWS, ROOT, write_amazon
from elliot_advrec.errors import UserError

ROWS = [("u1", "B1", 5.0, 100), ("u1", "B2", 4.0, 200), ("u2", "B1", 3.0, 300), ("u1", "B1", 1.0, 400)]


def of_2014(user: str, item: str, rating: float, time: int) -> dict[str, Any]:
    return {
        "reviewerID": user,
        "asin": item,
        "reviewText": "It's ok",
        "overall": rating,
        "unixReviewTime": time,
    }


def of_2023(user: str, item: str, rating: float, time: int) -> dict[str, Any]:
    return {
        "rating": rating,
        "asin": f"{item}-red",
        "parent_asin": item,
        "user_id": user,
        "timestamp": time * 1000 + 10**12,
    }


def frame(path: Path) -> list[list[Any]]:
    pairs = read_pairs(path)
    found: list[list[Any]] = pairs.frame(np.ones(len(pairs), bool)).to_numpy().tolist()
    return found


@pytest.mark.parametrize("form", ["json", "json.gz", "literal", "literal.gz"])
def test_reviews_of_2014(tmp_path: Path, form: str) -> None:
    write = repr if "literal" in form else json.dumps
    data = "\n".join(write(of_2014(*row)) for row in ROWS).encode()
    path = tmp_path / f"reviews.{form}"
    path.write_bytes(gzip.compress(data) if form.endswith("gz") else data)
    assert frame(path) == [list(row) for row in ROWS]


def test_reviews_of_2023_go_by_parent_and_count_milliseconds(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    path.write_text("\n".join(json.dumps(of_2023(*row)) for row in ROWS))
    assert frame(path) == [[*row[:3], row[3] + 10**9] for row in ROWS]


def test_reviews_may_lack_times(tmp_path: Path) -> None:
    path = tmp_path / "reviews.json"
    path.write_text(
        "\n".join(json.dumps({k: v for k, v in of_2014(*r).items() if "Time" not in k}) for r in ROWS)
    )
    assert frame(path) == [list(row[:3]) for row in ROWS]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (None, "{user},{item},{rating},{time}"),
        ("user_id,parent_asin,rating,timestamp", "{user},{item},{rating},{time}0000000000"),
        ("user,item,rating,timestamp", "{user},{item},{rating},{time}"),
        ("timestamp,asin,parent_asin,user_id,rating", "{time},x,{item},{user},{rating}"),
        ("reviewerID,asin,overall,unixReviewTime,verified", '"{user}",{item},{rating},{time},True'),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_ratings(tmp_path: Path, header: str | None, row: str, packed: bool) -> None:
    lines = [row.format(user=u, item=i, rating=r, time=t) for u, i, r, t in ROWS]
    data = "\n".join([*([header] if header else []), *lines, ""]).encode()
    path = tmp_path / "ratings.csv"
    path.write_bytes(gzip.compress(data) if packed else data)
    scale = 10**7 if "0000000000" in row else 1  # those are milliseconds
    assert frame(path) == [[u, i, r, t * scale] for u, i, r, t in ROWS]


def test_ratings_of_2018_have_the_item_first(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("0001234567,A3AF8FFZAZYNE5,5.0,100\nB000000002,A1YJEY40YUW4SE,4.0,200\n")
    pairs = read_pairs(path)
    assert (pairs.users, pairs.items) == (["A3AF8FFZAZYNE5", "A1YJEY40YUW4SE"], ["0001234567", "B000000002"])
    assert "first column holds the items" in pairs.notes[0]


BAD = [
    ("r.json", "", "the file is empty"),
    ("r.json", "\n \n", "the file is empty"),
    ("r.json", '{"asin": "B1", "overall": 5}', ":1: the review has no user: none of reviewerID, user_id"),
    (
        "r.json",
        json.dumps(of_2014(*ROWS[0])) + '\n{"asin": "B1", "overall": 5}',
        ":2: the review has no 'reviewer",
    ),
    (
        "r.json",
        json.dumps({**of_2014(*ROWS[0]), "overall": "five"}),
        ":1: rating or timestamp is not a number",
    ),
    ("r.json", json.dumps({**of_2014(*ROWS[0]), "unixReviewTime": None}), ":1: rating or timestamp is not a"),
    ("r.json", json.dumps({**of_2014(*ROWS[0]), "overall": float("nan")}), "empty or not what it should be"),
    ("r.json", json.dumps({**of_2014(*ROWS[0]), "reviewerID": ""}), "empty or not what it should be"),
    ("r.json", json.dumps({**of_2014(*ROWS[0]), "asin": 7}), "empty or not what it should be"),
    ("r.json", '{"reviewerID": "u1", "asin', ":1: the line is neither JSON nor"),
    ("r.csv", "u1,B1\n", ":1: the row has 2 columns"),
    ("r.csv", "u1,B1,5,1\nu2,,5,1\n", ":2: user or item is empty"),
    ("r.csv", "u1,B1,5,1\nu2,B1,good,1\n", ":2: the rating is not a number"),
    ("r.csv", "u1,B1,5,1\nu2,B1,4,\n", ":2: the timestamp is not a number"),
    (
        "r.json",
        json.dumps({**of_2014(*ROWS[0]), "unixReviewTime": 10**20}),
        ":1: rating or timestamp is not a",
    ),
    ("r.csv", "u1,B1,5,1\nu2,B1,4,1e30\n", ":2: the timestamp is not a number"),
    ("r.csv", "u1,B1,5,1\nu2,B1,1e400,1\n", ":2: the rating is not a number"),
    ("r.csv", "\n\nuser,item,rating\n\nu1,B1,5\n\nu2,B1,good\n", ":7: the rating is not a number"),
    ("r.csv", "\nuser,rating\nu1,5\n", ":2: the column item is missing"),
    ("r.csv", "u1,B1,5,1\nu2,B1,4,3,9\n", "line 2, saw 5"),
    ("r.csv", "user_id,rating,timestamp\nu1,5,1\n", ":1: the column item is missing"),
    ("r.csv", "user_id,user,item,rating\nu1,u1,B1,5\n", ":1: the column user is there twice"),
    ("r.csv", "user_id,item,rating\n", "no rows below its header"),
    ("r.csv", "u1,B\udcff,5,1\n", "cannot be read as a table"),
]


@pytest.mark.parametrize(("name", "text", "words"), BAD)
def test_bad_interactions_are_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError) as caught:
        read_pairs(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_cut_off_archive_of_ratings_is_named(tmp_path: Path, kept: float) -> None:
    rows = "".join(f"A{n % 999},B{n % 777:09d},5.0,{n}\n" for n in range(20_000)).encode()
    packed, path = gzip.compress(rows), tmp_path / "ratings.csv.gz"
    path.write_bytes(packed[: int(len(packed) * kept)])
    with pytest.raises(
        UserError, match=r"ratings.csv.gz: the gzip stream is damaged or cut off .*fetch the file"
    ):
        read_pairs(path)


def naive(
    rows: list[tuple[str, str]], usable: set[str], per_user: int, per_item: int, core: bool
) -> list[bool]:
    kept = [item in usable for _, item in rows]
    while True:
        seen = {row for row, ok in zip(rows, kept, strict=True) if ok}
        users = {u for u, _ in rows if sum(x == u for x, _ in seen) >= per_user}
        seen = {row for row in seen if row[0] in users}
        items = {i for _, i in rows if sum(x == i for _, x in seen) >= per_item}
        then = [ok and u in users and i in items for (u, i), ok in zip(rows, kept, strict=True)]
        if not core or then == kept:
            return then
        kept = then


@pytest.mark.parametrize("core", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_filters_count_each_pair_once_as_a_naive_loop_does(seed: int, core: bool) -> None:
    random = np.random.default_rng(seed)
    rows = [(f"u{u}", f"i{i}") for u, i in random.integers(0, 9, (70, 2))]
    found = Collector()
    for user, item in rows:
        found.add(user, item)
    pairs = found.pairs()
    usable = random.random(len(pairs.items)) < 0.8
    kept = frequent(pairs, usable, 4, 3, core)
    names = {item for item, ok in zip(pairs.items, usable, strict=True) if ok}
    assert kept.tolist() == naive(rows, names, 4, 3, core)
    assert 0 < kept.sum() < len(rows) or core


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "amazon"
    write_amazon(folder, items=120, seed=2, size=32)
    return folder


def source(root: Path, **settings: Any) -> Amazon:
    given = {"interactions": REVIEWS, "metadata": META, "images": "images", "min_per_user": 3}
    return Amazon(AmazonConfig(**given | settings), root)


def test_a_part_of_the_shop_with_the_papers_filter(written: Path, tmp_path: Path) -> None:
    men = source(written, within=(f"{ROOT} > Men",))
    catalog = men.catalog()
    assert catalog.ids == sorted(catalog.ids)
    assert set(catalog.categories) <= {"Clothing > Shirts", "Clothing > Pants", "Clothing > Shorts"}
    assert catalog.category.min() >= 0
    rows = men.interactions(catalog)
    raw = pd.read_csv(written / RATINGS, header=None, names=["user", "item", "rating", "timestamp"])
    ours = rows[rows["item"].isin(catalog.ids)]
    expected = raw[raw["user"].isin(set(rows["user"])) & raw["item"].isin(catalog.ids)]
    assert ours.to_numpy().tolist() == expected.to_numpy().tolist()
    assert ours.groupby("user")["item"].nunique().min() >= 3
    lone = raw[raw["item"].isin(catalog.ids)].groupby("user")["item"].nunique()
    assert set(lone.index[lone >= 3]) == set(ours["user"])
    notes = "\n".join(catalog.notes)
    assert "items lie within the chosen categories" in notes
    assert f"{len(catalog)} of" in notes
    kept, pixels, skipped = prepare(catalog, 16, tmp_path / "pixels")
    assert len(kept) == len(pixels) == len(catalog)
    assert not skipped
    [[built]] = build_folds(
        rows, catalog, {"test_splitting": {"strategy": "random_subsampling", "leave_n_out": 1}}
    )
    assert len(built.users) == ours["user"].nunique()


def test_reviews_and_ratings_say_the_same(written: Path) -> None:
    first, second = source(written), source(written, interactions=RATINGS)
    assert first.catalog().ids == second.catalog().ids
    assert first.interactions(first.catalog()).equals(second.interactions(second.catalog()))


def test_imageless_items_are_counted_and_strict_refuses_their_rows(written: Path) -> None:
    shop = source(written)
    catalog = shop.catalog()
    rows = shop.interactions(catalog)
    bare = set(rows["item"]) - set(catalog.ids)
    assert bare
    assert not any((written / "images" / f"{item}.jpg").exists() for item in bare)
    assert any("were dropped because they have no image" in note for note in catalog.notes)
    assert any("items have no address of an image" in note for note in catalog.notes)
    with pytest.raises(UserError, match="items that the catalog lacks"):
        build_folds(
            rows,
            catalog,
            {"test_splitting": {"strategy": "random_subsampling", "leave_n_out": 1}},
            strict=True,
        )


def shop(
    root: Path, metadata: str | None = None, images: tuple[str, ...] = ("B1.png",), **settings: Any
) -> Amazon:
    (root / "images").mkdir()
    for name in images:
        Image.new("RGB", (16, 16)).save(root / "images" / name)
    (root / "r.json").write_text("\n".join(json.dumps(of_2014(*row)) for row in ROWS))
    if metadata is not None:
        (root / "m.json").write_text(metadata)
        settings["metadata"] = "m.json"
    return Amazon(AmazonConfig(interactions="r.json", images="images", min_per_user=1, **settings), root)


def test_any_extension_and_the_first_of_several_images(tmp_path: Path) -> None:
    found = shop(tmp_path, images=("B1.png", "B1.jpg", "B2.webp")).catalog()
    assert found.ids == ["B1", "B2"]
    assert [Path(picture.path).name for picture in found.pictures] == ["B1.jpg", "B2.webp"]  # type: ignore[attr-defined]
    assert "1 images are further ones of an item that has one" in "\n".join(found.notes)
    assert found.categories == []


@pytest.mark.parametrize(
    "record",
    [
        {"asin": "B1", "category": ["A &amp; B", "Men", "Shoes", "Boots"], "imageURL": ["x"]},
        {"title": "x", "parent_asin": "B1", "categories": ["A & B", "Men", "Shoes", "Boots"], "images": [1]},
        {"asin": "B1", "imUrl": "x", "categories": [["Sports"], ["A & B", "Men", "Shoes", "Boots", "High"]]},
    ],
    ids=["2018", "2023", "2014"],
)
def test_categories_of_three_dumps(tmp_path: Path, record: dict[str, Any]) -> None:
    other = {"asin": "B2", "categories": [["A & B", "Women", "Hats"]]}
    text = "\n".join(json.dumps(each) for each in (record, other, {"title": "x", "asin": "B9"}))
    found = shop(tmp_path, text, ("B1.png", "B2.png"), within=("A & B > Men",)).catalog()
    assert (found.ids, found.categories, found.category.tolist()) == (["B1"], ["Shoes > Boots"], [0])


def test_items_without_a_path_are_unlabelled(tmp_path: Path) -> None:
    text = json.dumps({"asin": "B1", "categories": "none"})
    found = shop(tmp_path, text, ("B1.png", "B2.png")).catalog()
    assert (found.categories, found.category.tolist()) == ([], [-1, -1])
    assert any("1 of 2 items are not in it" in note for note in found.notes)


def test_a_category_that_nothing_lies_in_names_those_there_are(tmp_path: Path) -> None:
    text = json.dumps({"asin": "B1", "categories": [["Clothing", "Men"]]})
    made = shop(tmp_path, text, within=("Clothing > Man",))
    with pytest.raises(
        UserError, match=r"no item lies within 'Clothing > Man'; paths begin with 'Clothing > Men'"
    ):
        made.catalog()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: (root / "m.json").write_text('{"title": 1}'), "m.json:1: the record has no asin"),
        (lambda root: (root / "m.json").unlink(), "no such file"),
        (
            lambda root: (root / "images" / "B1.png").rename(root / "images" / "C1.png"),
            "no item has an image",
        ),
        (lambda root: (root / "images" / "B1.png").unlink(), "the folder holds no picture"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], object], words: str) -> None:
    made = shop(tmp_path, json.dumps({"asin": "B1", "categories": [["Clothing"]]}))
    damage(tmp_path)
    with pytest.raises(UserError, match=words):
        made.catalog()


def test_filters_that_leave_nothing_say_which(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    made = shop(tmp_path / "a", min_per_item=3)
    with pytest.raises(UserError, match=r"the filters leave nothing.*lower min_per_user or min_per_item"):
        made.catalog()


def test_within_needs_metadata() -> None:
    with pytest.raises(ValidationError, match="'within' needs 'metadata'"):
        AmazonConfig(interactions="r", images="i", within=("Clothing",))


def test_the_fingerprint_changes_with_every_file(tmp_path: Path) -> None:
    made = shop(tmp_path, json.dumps({"asin": "B1", "categories": [["Clothing"]]}))
    seen = [json.dumps(made.fingerprint(), default=str)]
    for name in ("r.json", "m.json", "images/B1.png"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes() + b"\n")
        seen.append(json.dumps(Amazon(made.config, tmp_path).fingerprint(), default=str))
    assert len(set(seen)) == 4


def test_it_is_registered() -> None:
    assert SOURCES.get("amazon") is Amazon
