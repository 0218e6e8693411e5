"""A user's own folder or manifest: what its layout means, and every way to get it wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from elliot_advrec.data.bad_images import BadImage
from elliot_advrec.data.finding import Pictures
from elliot_advrec.data.pixels import prepare
from elliot_advrec.data.sources import SOURCES, tree
from elliot_advrec.data.sources.base import split_by_id
from elliot_advrec.data.sources.folder import Folder, FolderConfig
from elliot_advrec.errors import UserError


def draw(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (number * 9 % 256, 0, 0)).save(path)


def folder(root: Path, **settings: object) -> Folder:
    return Folder(
        FolderConfig(**({"images": "images"} if "manifest" not in settings else {}) | settings), root
    )


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_split_category_file(tmp_path: Path) -> None:
    draw(
        tmp_path / "images", "Train/hat/a.PNG", "val/shoe/b.jpeg", "testing/shoe/boots/c.webp", "Train/d.gif"
    )
    found = folder(tmp_path).catalog()
    assert found.ids == ["d", "a", "c", "b"]
    assert found.split.tolist() == ["train", "train", "test", "validation"]
    assert found.categories == ["hat", "shoe", "shoe/boots"]
    assert found.category.tolist() == [-1, 0, 2, 1]
    assert found.attributes is None
    assert found.notes == []


def test_category_file_splits_by_id(tmp_path: Path) -> None:
    draw(tmp_path / "images", *(f"{'hat' if n % 2 else 'shoe'}/n{n}.png" for n in range(40)))
    found = folder(tmp_path).catalog()
    assert found.categories == ["hat", "shoe"]
    assert found.split.tolist() == split_by_id(found.ids).tolist()
    assert "no splits are given" in found.notes[0]
    # An item keeps its split when others go.
    before = dict(zip(found.ids, found.split, strict=True))
    for n in range(0, 40, 3):
        next((tmp_path / "images").rglob(f"n{n}.png")).unlink()
    after = folder(tmp_path).catalog()
    assert len(after) == 26
    assert all(before[item] == split for item, split in zip(after.ids, after.split, strict=True))


def test_split_shares() -> None:
    split = split_by_id([f"item {n}" for n in range(20_000)])
    shares = [(split == name).mean() for name in ("train", "validation", "test")]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.015)


def test_bare_files_have_no_category(tmp_path: Path) -> None:
    draw(tmp_path / "images", "b.png", "a.png")
    found = folder(tmp_path).catalog()
    assert (found.ids, found.categories, found.category.tolist()) == (["a", "b"], [], [-1, -1])


def test_ids_stay_unique(tmp_path: Path) -> None:
    draw(tmp_path / "images", "hat/1.png", "shoe/1.png", "shoe/2.png", "hat/3.png", "hat/3.jpg", "4.b.png")
    assert folder(tmp_path).catalog().ids == ["4.b", "hat/1", "hat/3.jpg", "hat/3.png", "shoe/1", "2"]


def test_other_files_are_counted(tmp_path: Path) -> None:
    draw(tmp_path / "images", "a.png", ".hidden.png", ".cache/b.png")
    write(tmp_path / "images" / "notes.txt", "x")
    found = folder(tmp_path).catalog()
    assert found.ids == ["a"]
    assert found.notes[0] == "entries that are not pictures and were ignored: 3"


def test_pictures_can_be_prepared(tmp_path: Path) -> None:
    draw(tmp_path / "images", "train/hat/a.png", "train/hat/b.png", "train/hat/c.png")
    (tmp_path / "images/train/hat/zero.png").touch()
    kept, pixels, skipped = prepare(folder(tmp_path).catalog(), 16, tmp_path / "out")
    assert [entry.id for entry in skipped] == ["zero"]
    assert pixels.bytes(range(3))[:, 0, 0, 0].tolist() == [0, 9, 18]
    assert kept.ids == ["a", "b", "c"]


def test_duplicates_are_asked_for(tmp_path: Path) -> None:
    draw(tmp_path / "images", "a.png", "b.png")
    assert folder(tmp_path).catalog().duplicate_distance is None
    wanted = folder(tmp_path, duplicate_distance=3).catalog()
    assert prepare(wanted, 16, tmp_path / "out")[0].ids == ["a"]


def test_split_folders_beside_others(tmp_path: Path) -> None:
    draw(tmp_path / "images", "train/hat/a.png", "shoe/b.png")
    with pytest.raises(UserError, match="the split folder 'train' stands beside folder 'shoe'"):
        folder(tmp_path).catalog()


def test_split_folders_beside_bare_pictures(tmp_path: Path) -> None:
    draw(tmp_path / "images", "train/hat/a.png", "b.png")
    with pytest.raises(UserError, match="'train' stands beside pictures without a folder"):
        folder(tmp_path).catalog()


def test_missing_folder_names_the_closest(tmp_path: Path) -> None:
    draw(tmp_path / "imagse", "a.png")
    with pytest.raises(UserError, match=r"images: no such folder; did you mean '.*imagse'"):
        folder(tmp_path).catalog()
    with pytest.raises(UserError, match=r"the last folder there is: '.*imagse'"):
        folder(tmp_path, images="imagse/zzz/b").catalog()
    with pytest.raises(UserError, match="is not a folder"):
        folder(tmp_path, images="imagse/a.png").catalog()


def test_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    write(tmp_path / "images" / "a.txt", "x")
    with pytest.raises(UserError, match=r"the folder holds no picture \(1 other files\)"):
        folder(tmp_path).catalog()


@pytest.mark.parametrize("target", ["outside.png", "elsewhere"])
def test_links_that_lead_out_are_refused(tmp_path: Path, target: str) -> None:
    draw(tmp_path, "images/a.png", "outside.png", "elsewhere/b.png")
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / target)
    with pytest.raises(UserError, match=r"link\.png: this link leads out of the image folder"):
        folder(tmp_path).catalog()


def test_links_within_are_followed_for_files_alone(tmp_path: Path) -> None:
    draw(tmp_path, "images/hat/a.png")
    (tmp_path / "images" / "b.png").symlink_to(tmp_path / "images/hat/a.png")
    (tmp_path / "images" / "loop").symlink_to(tmp_path / "images")
    assert folder(tmp_path).catalog().ids == ["b", "a"]


def test_names_that_would_break_tables(tmp_path: Path) -> None:
    draw(tmp_path, "images/a\tb.png")
    with pytest.raises(UserError, match="holds a tab or a line break"):
        folder(tmp_path).catalog()


def test_manifest(tmp_path: Path) -> None:
    draw(tmp_path, "pics/x.png", "pics/y.png")
    write(
        tmp_path / "items.tsv",
        "Item\tpath\tcategory\tattributes\tsplit\tprice",
        "1\tpics/x.png\tHat\tfloral|dotted\tTrain\t9",
        "",
        "NA\tpics/y.png\t\t\tval\t8",
    )
    found = folder(tmp_path, manifest="items.tsv").catalog()
    assert found.ids == ["1", "NA"]
    assert (found.categories, found.category.tolist()) == (["Hat"], [0, -1])
    assert found.attribute_names == ["dotted", "floral"]
    assert found.attributes.toarray().tolist() == [[True, True], [False, False]]
    assert found.split.tolist() == ["train", "validation"]
    assert found.notes == ["columns of items.tsv that were not used: price"]
    assert found.pictures[1].load(16)[0, 0].tolist() == [9, 0, 0]


def test_manifest_with_commas_and_a_folder_of_its_own(tmp_path: Path) -> None:
    draw(tmp_path, "images/x.png", "images/y.png")
    write(tmp_path / "items.csv", "item,path", '"a,b",x.png', "c,y.png")
    found = folder(tmp_path, manifest="items.csv", images="images").catalog()
    assert found.ids == ["a,b", "c"]
    assert found.attributes is None
    assert prepare(found, 16, tmp_path / "out")[0].ids == ["a,b", "c"]


def test_manifest_that_names_a_missing_picture(tmp_path: Path) -> None:
    draw(tmp_path, "x.png")
    write(tmp_path / "items.tsv", "item\tpath", "a\tx.png", "b\tnone.png")
    _, _, skipped = prepare(folder(tmp_path, manifest="items.tsv").catalog(), 16, tmp_path / "out")
    assert [(entry.id, entry.reason) for entry in skipped] == [("b", "no such file")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["item\tcategory", "a\thut"], "items.tsv:1: the column 'path' is missing.*found: item, category"),
        (["item\tpath\tpath", "a\tb\tc"], "items.tsv:1: the column 'path' comes twice"),
        (["item\tpath"], "no rows below its header"),
        ([""], "the file is empty"),
        (["item\tpath", "a\tx.png", "", "\tx.png"], "items.tsv:4: the item is empty"),
        (["item\tpath", "a\t"], "items.tsv:2: the path is empty"),
        (["item\tpath", "a\tx.png", "a\ty.png"], "items.tsv:3: the item 'a' comes twice"),
        (["item\tpath", "a\t../x.png"], r"items.tsv:2: the path '\.\./x\.png' leads out"),
        (["item\tpath", "a\t/etc/x.png"], "items.tsv:2: the path '/etc/x.png' leads out"),
        (
            ["item\tpath\tsplit", "a\tx.png\ttrian"],
            "items.tsv:2: unknown split 'trian'; did you mean 'train'",
        ),
        (["item\tpath", "a\tb\tc"], "cannot be read as a table"),
    ],
)
def test_manifest_mistakes(tmp_path: Path, lines: list[str], message: str) -> None:
    write(tmp_path / "items.tsv", *lines)
    with pytest.raises(UserError, match=message):
        folder(tmp_path, manifest="items.tsv").catalog()


def test_manifest_path_through_a_link(tmp_path: Path) -> None:
    draw(tmp_path, "secret/x.png", "data/y.png")
    (tmp_path / "data" / "in").symlink_to(tmp_path / "secret")
    write(tmp_path / "data" / "items.tsv", "item\tpath", "a\tin/x.png")
    with pytest.raises(UserError, match=r"the path 'in/x\.png' leads out"):
        folder(tmp_path, manifest="data/items.tsv").catalog()


def test_manifest_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "items.tsv").write_bytes("item\tpath\nHüte\tx.png\n".encode("latin-1"))
    with pytest.raises(UserError, match="the file is not UTF-8 text"):
        folder(tmp_path, manifest="items.tsv").catalog()


def test_interactions(tmp_path: Path) -> None:
    draw(tmp_path / "images", "1.png", "2.png")
    source = folder(tmp_path, interactions="ratings.tsv")
    with pytest.raises(UserError, match=r"ratings\.tsv: no such file"):
        source.interactions(source.catalog())
    write(tmp_path / "ratings.tsv", "007\t1\t5\t100", "u\t2\t3.5\t200")
    frame = source.interactions(source.catalog())
    assert frame.to_dict("list") == {
        "user": ["007", "u"],
        "item": ["1", "2"],
        "rating": [5.0, 3.5],
        "timestamp": [100, 200],
    }
    assert folder(tmp_path).interactions(source.catalog()) is None


def test_fingerprint_follows_what_is_read(tmp_path: Path) -> None:
    draw(tmp_path / "images", "a.png", "b.png")
    ratings = write(tmp_path / "ratings.tsv", "u\ta\t1\t1")
    source = folder(tmp_path, interactions="ratings.tsv")
    seen = [source.fingerprint()]
    assert source.fingerprint() == seen[0]
    write(tmp_path / "images" / "notes.txt", "not read")
    assert source.fingerprint() == seen[0]
    draw(tmp_path / "images", "c.png")
    seen.append(source.fingerprint())
    Image.new("RGB", (20, 20), "red").save(tmp_path / "images" / "a.png")
    seen.append(source.fingerprint())
    write(ratings, "u\ta\t1\t1", "u\tb\t1\t2")
    seen.append(source.fingerprint())
    seen.append(folder(tmp_path, interactions="ratings.tsv", duplicate_distance=1).fingerprint())
    assert all(seen[i] != seen[j] for i in range(len(seen)) for j in range(i))


def test_fingerprint_of_a_manifest(tmp_path: Path) -> None:
    draw(tmp_path, "x.png", "unused.png")
    write(tmp_path / "items.tsv", "item\tpath", "a\tx.png", "b\tnone.png")
    source = folder(tmp_path, manifest="items.tsv")
    before = source.fingerprint()
    draw(tmp_path, "other.png")
    assert source.fingerprint() == before
    draw(tmp_path, "none.png")
    assert source.fingerprint() != before


def test_configuration() -> None:
    assert SOURCES.get("folder") is Folder
    assert Folder.summary().startswith("Your own pictures")
    with pytest.raises(ValidationError, match="name a folder of 'images', a 'manifest', or both"):
        FolderConfig()
    with pytest.raises(TypeError, match="Folder takes a FolderConfig, got Config"):
        Folder(FolderConfig.__base__(), Path())


def test_ids_do_not_depend_on_the_order_of_the_disk(tmp_path: Path) -> None:
    names = [f"c{n % 3}/p{n}.png" for n in range(12)]
    draw(tmp_path / "one" / "images", *names)
    draw(tmp_path / "two" / "images", *reversed(names))
    one, two = (folder(tmp_path / part).catalog() for part in ("one", "two"))
    assert one.ids == two.ids
    np.testing.assert_array_equal(one.category, two.category)


def test_links_that_lead_to_themselves(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (16, 16)).save(images / "a.png")
    (images / "b.png").symlink_to("b.png")
    found = list(Pictures(images))
    assert [each.name for each in found] == ["a.png", "b.png"]
    assert found[0].load(16).shape == (16, 16, 3)
    with pytest.raises(BadImage, match="cannot be read"):
        found[1].load(16)
    assert tree.walk(images) == tree.Tree(["a.png"], 1)
    (tmp_path / "m.tsv").write_text("item\tpath\na\timages/a.png\nb\timages/b.png\n")
    source = folder(tmp_path, manifest="m.tsv", images=".")
    assert source.fingerprint() == source.fingerprint()
    assert source.catalog().ids == ["a", "b"]
    (tmp_path / "m.tsv").write_text("item\tpath\na\tima\0ges/a.png\n")
    assert source.fingerprint()
    with pytest.raises(UserError, match="leads out"):
        source.catalog()
