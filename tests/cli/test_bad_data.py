"""Bad pictures, interactions and archives at the command line: used where they can be, else named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import pytest
from commands import Called
from tiny_recipes import save, small

Elliot = Callable[..., Called]
Refused = Callable[..., str]

NO_TRAINING: dict[str, Any] = {"backbone": "test_efficientnet", "training": {"epochs": 1, "batch_size": 16}}
ITEMS = [f"train{category}{index:02d}" for category in pictures.CATEGORIES for index in range(14)]


def folder_recipe(tmp_path: Path, interactions: Path | None = None, **adversarial: Any) -> Path:
    catalog = adversarial.pop("catalog", {"source": "folder", "images": "images", "size": 32})
    recipe = small(
        catalog=catalog,
        extractor=NO_TRAINING,
        simulation={"users": 8, "per_user": [3, 6]},
        **adversarial,
    )
    if interactions is not None:
        recipe["experiment"]["data_config"] = {"strategy": "dataset", "dataset_path": str(interactions)}
    return save(recipe, tmp_path / "recipe.yml")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures.folder(tmp_path_factory.mktemp("good") / "images")


def linked(tmp_path: Path, good: Path) -> Path:
    """A folder of its own with the good pictures."""
    for path in sorted(good.rglob("*.png")):
        target = tmp_path / "images" / path.relative_to(good)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(path)
    return tmp_path / "images"


def test_unusual_pictures_are_used_and_bad_ones_skipped_and_named(
    elliot: Elliot, refused: Refused, tmp_path: Path, good: Path
) -> None:
    images = linked(tmp_path, good)
    for name, write in pictures.UNUSUAL.items():
        write(images / "train" / "shoe" / name)
    for name, (write_bad, _) in pictures.BAD.items():
        write_bad(images / "train" / "shoe" / name)
    out = tmp_path / "out"
    called = elliot("run", folder_recipe(tmp_path), "-q", "-o", out)
    assert called.code == 0, called.err
    notes = "\n".join(json.loads((out / "results.json").read_text("utf-8"))["notes"])
    for name, (_, reason) in pictures.BAD.items():
        assert f"{images / 'train' / 'shoe' / name}" in notes
        assert reason in notes
    assert "5 of 52 items were dropped" in notes
    assert "shoe/empty.png" in (out / "report.html").read_text("utf-8")
    [catalog] = (out / "store" / "catalog").glob("*/catalog.json")
    ids = json.loads(catalog.read_text("utf-8"))["ids"]
    assert {Path(name).stem for name in pictures.UNUSUAL} <= set(ids)
    assert len(ids) == 47
    strict = folder_recipe(tmp_path, strict=True)
    said = refused("run", strict, "-q", "-o", tmp_path / "strict", out=tmp_path / "strict")
    assert "a picture cannot be used and strict is set: " in said
    assert "(5 bad of 52); mend or remove these files" in said
    assert str(images / "train" / "shoe") in said


def test_mostly_bad_pictures_are_refused(refused: Refused, tmp_path: Path) -> None:
    for index in range(20):
        path = tmp_path / "images" / "train" / "shoe" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    said = refused("run", folder_recipe(tmp_path), "-q", "-o", tmp_path / "out", out=tmp_path / "out")
    assert "more than half of the pictures cannot be used: the file is empty" in said


def test_a_missing_or_empty_image_folder_is_refused(refused: Refused, tmp_path: Path) -> None:
    recipe = folder_recipe(tmp_path)
    (tmp_path / "imagse").mkdir()
    said = refused("run", recipe, "-o", tmp_path / "out")
    assert f"{tmp_path / 'images'}: no such folder; did you mean" in said
    (tmp_path / "images").mkdir()
    assert "the folder holds no picture" in refused("run", recipe, "-q", "-o", tmp_path / "out")


MANIFESTS = [
    pytest.param(
        "item\tpath\na\tx.png\nb\ty.png\na\tz.png\n", ":4: the item 'a' comes twice", id="duplicate id"
    ),
    pytest.param("item\tfile\na\tx.png\n", ":1: the column 'path' is missing", id="missing column"),
    pytest.param("item\tpath\na\t\n", "path is empty", id="empty cell"),
    pytest.param("item\tpath\na\t../x.png\n", "leads out of", id="path outside"),
    pytest.param("item\tpath\tsplit\na\tx.png\ttets\n", "did you mean 'test'?", id="misspelt split"),
    pytest.param("", "the file is empty", id="empty"),
]


@pytest.mark.parametrize(("text", "words"), MANIFESTS)
def test_a_bad_manifest_is_refused(refused: Refused, tmp_path: Path, text: str, words: str) -> None:
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text(text)
    recipe = folder_recipe(tmp_path, catalog={"source": "folder", "manifest": "manifest.tsv", "size": 32})
    out = tmp_path / "out"
    said = refused("run", recipe, "-q", "-o", out, out=out)
    assert str(manifest) in said
    assert words in said


def tsv(*rows: tuple[Any, ...]) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def ratings(users: int = 8, each: int = 4) -> list[tuple[Any, ...]]:
    random = np.random.default_rng(0)
    return [
        (f"u{u}", item, 5, 100) for u in range(users) for item in random.choice(ITEMS, each, replace=False)
    ]


BAD_INTERACTIONS = [
    pytest.param("user\trating\nu1\t3\n", "missing column 'item'", id="missing column"),
    pytest.param("u1\n", "1 column", id="one column"),
    pytest.param(tsv(*ratings(), ("u1", ITEMS[0], "nan", 3)), "rating 'nan' is not a number", id="NaN"),
    pytest.param(tsv(*ratings(), ("", ITEMS[0], 5, 3)), "line 33: no user", id="no user"),
    pytest.param(tsv(*ratings(), ("u1", ITEMS[0])), "line 33: 2 columns where", id="ragged"),
    pytest.param(tsv(("u1", "x", 5, 1)), "no interaction is with an item of the catalog", id="other items"),
    pytest.param("", "holds no interactions", id="empty"),
    pytest.param(
        tsv(*((f"u{u}", ITEMS[u], 5, 1) for u in range(8))), "leaves no test rows", id="one item each"
    ),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures that these tests share are decoded once."""
    return tmp_path_factory.mktemp("store")


def with_ratings(tmp_path: Path, good: Path, text: str, **adversarial: Any) -> tuple[Path, Path]:
    path = tmp_path / "ratings.tsv"
    path.write_text(text)
    catalog = {"source": "folder", "images": str(good), "size": 32}
    return folder_recipe(tmp_path, path, catalog=catalog, **adversarial), path


@pytest.mark.parametrize(("text", "words"), BAD_INTERACTIONS)
def test_bad_interactions_are_refused(
    refused: Refused, tmp_path: Path, good: Path, store: Path, text: str, words: str
) -> None:
    recipe, path = with_ratings(tmp_path, good, text)
    said = refused("run", recipe, "-q", "-o", tmp_path / "out", "--store", store, out=store)
    assert words in said
    assert ";" in said, "it says what would be right"
    if "splitting" not in said:
        assert str(path) in said


def test_unknown_items_and_lone_users_are_reported(
    elliot: Elliot, refused: Refused, tmp_path: Path, good: Path, store: Path
) -> None:
    text = tsv(*ratings(), ("u1", "nowhere", 5, 1), ("lone", ITEMS[0], 5, 1))
    recipe, path = with_ratings(tmp_path, good, text)
    out = tmp_path / "out"
    called = elliot("run", recipe, "-q", "-o", out, "--store", store)
    assert called.code == 0, called.err
    results = json.loads((out / "results.json").read_text("utf-8"))
    notes = "\n".join(results["notes"])
    assert f"{path}: 1 interactions with 1 items that the catalog lacks were dropped" in notes
    assert "1 users have no training row left and are not evaluated for the test" in notes
    assert "simulated" not in notes
    assert {row["n"] for row in results["rows"] if row["metric"] == "HR"} == {8}
    strict, _ = with_ratings(tmp_path, good, text, strict=True)
    said = refused("run", strict, "-q", "-o", out, "--store", store, out=store)
    assert "the first 'nowhere'; add the items, or set strict: false" in said


def cut(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-3]))


def recount(path: Path) -> None:
    first, rest = path.read_text().split("\n", 1)
    path.write_text(f"{int(first) + 1}\n{rest}")


def unlabelled(path: Path) -> None:
    path.write_text(path.read_text().replace(" train\n", " trian\n", 1).replace("train\n", "trian\n", 1))


ARCHIVES = [
    pytest.param("Anno/list_category_img.txt", cut, "rows, the file holds", id="cut"),
    pytest.param("Anno/list_attr_img.txt", recount, "rows, the file holds", id="wrong count"),
    pytest.param("Anno/list_bbox.txt", Path.unlink, "no such file", id="missing"),
    pytest.param("Eval/list_eval_partition.txt", unlabelled, "train, val or test", id="partition"),
]


@pytest.mark.parametrize(("name", "damage", "words"), ARCHIVES)
def test_a_damaged_deepfashion_archive_is_refused(
    elliot: Elliot,
    refused: Refused,
    tmp_path: Path,
    name: str,
    damage: Callable[[Path], object],
    words: str,
) -> None:
    root = tmp_path / "deepfashion"
    assert elliot("data", "standin", "deepfashion", root, "--items", 20).code == 0
    [path] = [root / name] if (root / name).exists() else list(root.rglob(Path(name).name))
    damage(path)
    recipe = folder_recipe(tmp_path, catalog={"source": "deepfashion", "root": str(root), "size": 32})
    said = refused("run", recipe, "-q", "-o", tmp_path / "out", out=tmp_path / "out")
    assert str(path) in said
    assert words in said
