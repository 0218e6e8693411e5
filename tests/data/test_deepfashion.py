"""DeepFashion's layout, in miniature: read right, and refused with the file and line when it is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from elliot_advrec.data.pixels import prepare
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.data.sources.deepfashion import DeepFashion, DeepFashionConfig
from elliot_advrec.errors import UserError

N = 12
ATTRIBUTES = [
    ("a-line", 3),
    ("abstract chevron print", 1),
    ("cotton", 2),
    ("floral", 1),
    ("zip", 4),
    ("cool", 5),
]
NAMES = [f"img/Blouse_No_{n // 4}/img_{n:08d}.jpg" for n in range(N)]
PARTS = ["train", "train", "val", "test"]


def values(n: int) -> list[int]:
    """Texture 'abstract chevron print' on even pictures, 'floral' on every third; others at random."""
    row = np.random.default_rng(n).integers(-1, 2, len(ATTRIBUTES))
    row[1] = 1 if n % 2 == 0 else -1
    row[3] = 1 if n % 3 == 0 else 0
    return row.tolist()


def listing(path: Path, header: str, lines: list[str], count: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([str(len(lines) if count is None else count), header, *lines]) + "\n")


def picture(n: int) -> Image.Image:
    coarse = np.random.default_rng(n).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((40, 40), Image.Resampling.BICUBIC)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "deepfashion"
    anno = root / "Anno"
    listing(
        anno / "list_category_cloth.txt",
        "category_name  category_type",
        ["Blouse  1", "Polo Shirt  1", "Jeans  2"],
    )
    listing(
        anno / "list_category_img.txt",
        "image_name  category_label",
        [f"{x}   {n % 3 + 1}" for n, x in enumerate(NAMES)],
    )
    listing(
        anno / "list_attr_cloth.txt", "attribute_name  attribute_type", [f"{a}   {t}" for a, t in ATTRIBUTES]
    )
    listing(
        anno / "list_attr_img.txt",
        "image_name  attribute_labels",
        [f"{x}     " + "  ".join(f"{v:2d}" for v in values(n)) for n, x in enumerate(NAMES)],
    )
    listing(anno / "list_bbox.txt", "image_name  x_1  y_1  x_2  y_2", [f"{x}  10 010 030 030" for x in NAMES])
    listing(
        root / "Eval" / "list_eval_partition.txt",
        "image_name  evaluation_status",
        [f"{x}    {PARTS[n % 4]}" for n, x in enumerate(NAMES)],
    )
    for n, name in enumerate(NAMES):
        path = root / "Img" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(n).save(path, quality=95)
    return root


def source(root: Path, **settings: object) -> DeepFashion:
    return DeepFashion(DeepFashionConfig(root=root.name, **settings), root.parent)


def test_labels(archive: Path) -> None:
    found = source(archive, require_texture=False).catalog()
    assert found.ids == [name[4:-4] for name in NAMES]
    assert found.categories == ["Blouse", "Polo Shirt", "Jeans"]
    assert found.category.tolist() == [n % 3 for n in range(N)]
    assert found.attribute_names == ["abstract chevron print", "floral"]
    assert found.attributes.dtype == bool
    assert found.attributes.toarray().tolist() == [[n % 2 == 0, n % 3 == 0] for n in range(N)]
    assert found.split.tolist() == ["train", "train", "validation", "test"] * 3
    assert found.duplicate_distance == 2
    assert found.notes == []
    assert source(archive).interactions(found) is None


def test_textureless_pictures_are_dropped_and_said(archive: Path) -> None:
    found = source(archive).catalog()
    labelled = [n for n in range(N) if n % 2 == 0 or n % 3 == 0]
    assert found.ids == [NAMES[n][4:-4] for n in labelled]
    assert found.notes == ["4 of 12 items were dropped: they have no texture label"]
    assert found.pictures[3].path.endswith(NAMES[labelled[3]])


def test_without_textures_their_files_are_not_read(archive: Path) -> None:
    (archive / "Anno" / "list_attr_img.txt").unlink()
    (archive / "Anno" / "list_attr_cloth.txt").unlink()
    found = source(archive, textures=False).catalog()
    assert (len(found), found.attributes, found.attribute_names) == (N, None, [])


def test_boxes_show_the_garment(archive: Path) -> None:
    whole = np.asarray(Image.open(archive / "Img" / NAMES[0]))
    boxed = source(archive).catalog().pictures[0].load(20)
    np.testing.assert_array_equal(boxed, expected_crop(archive / "Img" / NAMES[0]))
    (archive / "Anno" / "list_bbox.txt").unlink()
    np.testing.assert_array_equal(source(archive, boxes=False).catalog().pictures[0].load(40), whole)


def test_other_layouts(archive: Path) -> None:
    expected = source(archive).catalog()
    (archive / "Anno").rename(archive / "Anno_coarse")
    (archive / "Img" / "img").rename(archive / "img")
    found = source(archive).catalog()
    assert found.ids == expected.ids
    assert found.pictures[1].path == str(archive / NAMES[2])
    np.testing.assert_array_equal(found.pictures[1].load(20), expected_crop(archive / NAMES[2]))


def expected_crop(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))[10:30, 10:30]


def test_files_in_another_order_are_joined_by_name(archive: Path) -> None:
    expected = source(archive).catalog()
    for name in ("Anno/list_attr_img.txt", "Anno/list_bbox.txt", "Eval/list_eval_partition.txt"):
        head, rows = (
            (archive / name).read_text().splitlines()[:2],
            (archive / name).read_text().splitlines()[2:],
        )
        (archive / name).write_text("\r\n".join([*head, *rows[::-1], ""]))
    found = source(archive).catalog()
    assert (found.attributes != expected.attributes).nnz == 0
    assert found.split.tolist() == expected.split.tolist()


def test_limit_takes_the_same_pictures_whatever_else_is_there(archive: Path) -> None:
    full = source(archive, require_texture=False).catalog()
    one, two = (source(archive, require_texture=False, limit=limit).catalog() for limit in (1, 2))
    assert [one.split.tolist().count(part) for part in ("train", "validation", "test")] == [1, 1, 1]
    assert set(one.ids) < set(two.ids) < set(full.ids)
    assert two.ids == [item for item in full.ids if item in two.ids]
    assert one.notes == ["limit: 3 of 12 items are used, at most 1 a split"]
    assert source(archive, require_texture=False, limit=100).catalog().notes == []


def test_prepared_without_near_duplicates(archive: Path, tmp_path: Path) -> None:
    picture(0).save(archive / "Img" / NAMES[2], quality=90)
    (archive / "Img" / NAMES[4]).write_bytes(b"")
    settings = {"require_texture": False, "boxes": False}
    kept, _, skipped = prepare(source(archive, **settings).catalog(), 32, tmp_path / "out")
    assert [entry.id for entry in skipped] == [NAMES[4][4:-4]]
    assert kept.ids == [NAMES[n][4:-4] for n in range(N) if n not in (2, 4)]
    assert "near-duplicates" in kept.notes[-1]
    everything, _, _ = prepare(source(archive, duplicates="keep", **settings).catalog(), 32, tmp_path / "all")
    assert len(everything) == N - 1


def change(name: str, edit: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        path = root / name
        path.write_text("\n".join(edit(path.read_text().splitlines())) + "\n")

    return apply


def swap(line: int, old: str, new: str) -> Callable[[list[str]], list[str]]:
    def edit(lines: list[str]) -> list[str]:
        assert old in lines[line - 1]
        return [*lines[: line - 1], lines[line - 1].replace(old, new), *lines[line:]]

    return edit


CATEGORY, ATTRIBUTE = "Anno/list_category_img.txt", "Anno/list_attr_img.txt"
BOX, PARTITION = "Anno/list_bbox.txt", "Eval/list_eval_partition.txt"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            change(CATEGORY, lambda x: x[:-1]),
            r"list_category_img\.txt: the first line states 12 rows, .* holds 11",
        ),
        (
            change(ATTRIBUTE, lambda x: x[:-2]),
            r"list_attr_img\.txt: the first line states 12 rows, .* holds 10",
        ),
        (change(BOX, lambda x: [*x, x[-1]]), r"list_bbox\.txt: the first line states 12 rows, .* holds 13"),
        (
            change(PARTITION, lambda x: x[1:]),
            r"list_eval_partition\.txt:1: the first line must be the number of rows",
        ),
        (
            change(PARTITION, lambda x: []),
            r"list_eval_partition\.txt:1: the first line must be the number of rows",
        ),
        (change(CATEGORY, swap(5, "   3", "   4")), r"list_category_img\.txt:5: category 4 is not in 1\.\.3"),
        (change(CATEGORY, swap(3, "   1", "   0")), r"list_category_img\.txt:3: category 0 is not in 1\.\.3"),
        (change(CATEGORY, swap(3, "   1", "   x")), r"list_category_img\.txt:3: 'x' is not a whole number"),
        (
            change(CATEGORY, swap(3, "   1", "")),
            r"list_category_img\.txt:3: the row must hold a name and 1 value",
        ),
        (
            change(CATEGORY, swap(4, NAMES[1], NAMES[0])),
            r"list_category_img\.txt:4: the picture '.*' comes twice",
        ),
        (
            change(CATEGORY, swap(3, "img/Blouse", "img/../../Blouse")),
            r"list_category_img\.txt:3: .*leads out",
        ),
        (change(CATEGORY, swap(3, "img/Blouse", "/img/Blouse")), r"list_category_img\.txt:3: .*leads out"),
        (change(ATTRIBUTE, lambda x: [*x[:4], x[4] + "  1", *x[5:]]), r"list_attr_img\.txt:5: .*6 values"),
        (change(ATTRIBUTE, lambda x: [*x[:4], x[4][:-2], *x[5:]]), r"list_attr_img\.txt:5: .*6 values"),
        (
            change(ATTRIBUTE, lambda x: [*x[:4], x[4][:-2] + " 7", *x[5:]]),
            r"list_attr_img\.txt:5: .*-1, 0 or 1",
        ),
        (
            change(ATTRIBUTE, lambda x: [*x[:4], x[4][:-2] + "1-1", *x[5:]]),
            r"list_attr_img\.txt:5: .*-1, 0 or 1",
        ),
        (
            change(ATTRIBUTE, swap(6, NAMES[3], "img/none.jpg")),
            r"list_attr_img\.txt:6: the picture 'img/none.jpg' is not",
        ),
        (
            change(BOX, swap(3, "030 030", "030")),
            r"list_bbox\.txt:3: '.*' is not|list_bbox\.txt:3: the row must",
        ),
        (
            change(BOX, swap(3, "10 010 030 030", "10 10 10 30")),
            r"list_bbox\.txt:3: the box \(10, 10, 10, 30\) is empty",
        ),
        (
            change(BOX, swap(4, NAMES[1], NAMES[0])),
            r"list_bbox\.txt: 1 pictures are missing, the first is '.*00001\.jpg'",
        ),
        (change(PARTITION, swap(3, "train", "dev")), r"list_eval_partition\.txt:3: unknown partition 'dev'"),
        (change(PARTITION, swap(4, NAMES[1], NAMES[0])), r"list_eval_partition\.txt: 1 pictures are missing"),
        (lambda root: (root / PARTITION).unlink(), r"list_eval_partition\.txt: no such file"),
        (lambda root: (root / BOX).unlink(), r"list_bbox\.txt: no such file"),
        (lambda root: (root / CATEGORY).unlink(), "there is no Anno/list_category_img.txt"),
        (lambda root: (root / BOX).write_bytes(b"12\nx\n\xff\xfe 1 1 1 1\n"), "the file is not UTF-8 text"),
        (
            lambda root: (root / "Img").rename(root / "pics"),
            "there is no folder Img/img; put the archive's pictures",
        ),
    ],
)
def test_damage_is_named(archive: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(archive)
    with pytest.raises(UserError, match=message):
        source(archive).catalog()


def test_pictures_still_packed(archive: Path) -> None:
    (archive / "Img" / "img").rename(archive / "elsewhere")
    (archive / "Img" / "img.zip").touch()
    with pytest.raises(UserError, match=r"unpack Img/img.zip"):
        source(archive).catalog()


def test_missing_archive(archive: Path) -> None:
    with pytest.raises(UserError, match=r"no such folder; did you mean '.*deepfashion'"):
        source(archive.with_name("deepfashoin")).catalog()


def test_fingerprint_follows_what_is_read(archive: Path) -> None:
    seen = [source(archive).fingerprint(), source(archive, boxes=False).fingerprint()]
    assert source(archive).fingerprint() == seen[0]
    picture(99).save(archive / "Img" / NAMES[3], quality=70)
    seen.append(source(archive).fingerprint())
    change(ATTRIBUTE, lambda lines: [*lines, ""])(archive)
    seen.append(source(archive).fingerprint())
    assert all(seen[i] != seen[j] for i in range(len(seen)) for j in range(i))


def test_configuration() -> None:
    assert SOURCES.get("deepfashion") is DeepFashion
    with pytest.raises(ValidationError, match="require_texture needs textures: true"):
        DeepFashionConfig(root="x", textures=False, require_texture=True)
    with pytest.raises(ValidationError, match="duplicate_distance means nothing with duplicates: keep"):
        DeepFashionConfig(root="x", duplicates="keep", duplicate_distance=1)
    with pytest.raises(ValidationError, match="limit"):
        DeepFashionConfig(root="x", limit=0)
