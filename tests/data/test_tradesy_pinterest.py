"""Tradesy and Pinterest in the forms their papers publish."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from elliot_advrec.data.sources import SOURCES
from elliot_advrec.data.sources import pinterest_bson as bson_module
from elliot_advrec.data.sources.pinterest import BOARDS, IMAGES, Pinterest, PinterestConfig
from elliot_advrec.data.sources.pinterest_bson import documents
from elliot_advrec.data.sources.tradesy import Tradesy, TradesyConfig
from elliot_advrec.errors import UserError


def draw(root: Path, *names: str) -> None:
    root.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", (16, 16)).save(root / name)


def tradesy(root: Path, *users: object, **settings: Any) -> Tradesy:
    text = "\n".join(user if isinstance(user, str) else repr(user) for user in users)
    (root / "tradesy.json.gz").write_bytes(gzip.compress(text.encode()))
    draw(root / "images", "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    config = {"interactions": "tradesy.json.gz", "images": "images", "min_per_user": 2}
    return Tradesy(TradesyConfig(**config | settings), root)


def user(uid: object, bought: list[object], want: list[object], sold: list[object]) -> dict[str, object]:
    return {"lists": {"selling": ["9"], "sold": sold, "bought": bought, "want": want}, "uid": uid}


def test_tradesy_takes_what_is_bought_and_wanted(tmp_path: Path) -> None:
    users = (user("7", ["1"], ["2", "1"], ["4"]), user(8, [3, 2], [], []), user("9", ["1"], ["1"], ["2"]))
    found = tradesy(tmp_path, *users)
    catalog = found.catalog()
    assert catalog.ids == ["1", "2", "3"]
    rows = found.interactions(catalog)
    assert rows.to_numpy().tolist() == [
        ["7", "1", 1.0], ["7", "2", 1.0], ["7", "1", 1.0], ["8", "3", 1.0], ["8", "2", 1.0],
    ]  # fmt: skip
    other = Tradesy(
        TradesyConfig(**found.config.model_dump() | {"lists": ["sold"], "min_per_user": 1}), tmp_path
    )
    assert other.catalog().ids == ["2", "4"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("{'uid': '1'}",), ":1: the line has no 'uid' or no 'lists'"),
        ((user("1", ["1"], ["2"], []), user("", [], [], [])), ":2: the line has no 'uid'"),
        (("{'uid': '1', 'lists': {'bought': 'x'}}",), "'bought' is not a list of ids"),
        (("{'uid': '1', 'lists': {'want': [[1]]}}",), "'want' is not a list of ids"),
        ((user("1", [], [], ["3"]),), "no user has anything in bought, want"),
    ],
)
def test_bad_tradesy_files_are_named(tmp_path: Path, lines: tuple[object, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        tradesy(tmp_path, *lines).catalog()


def test_tradesys_lists_are_known() -> None:
    with pytest.raises(ValidationError, match="unknown list 'buoght'; did you mean 'bought'"):
        TradesyConfig(interactions="x", images="y", lists=("buoght",))


def bson(value: dict[str, Any]) -> bytes:
    """The few types that Pinterest's files use, written by the specification (bsonspec.org)."""
    body = b"".join(element(name, each) for name, each in value.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def element(name: str, value: Any) -> bytes:
    key = name.encode() + b"\0"
    if isinstance(value, bytes):
        return b"\x07" + key + value
    if isinstance(value, str):
        text = value.encode() + b"\0"
        return b"\x02" + key + struct.pack("<i", len(text)) + text
    if isinstance(value, list):
        return b"\x04" + key + bson({str(place): each for place, each in enumerate(value)})
    if isinstance(value, dict):
        return b"\x03" + key + bson(value)
    if value is None:
        return b"\x0a" + key
    if isinstance(value, bool):
        return b"\x08" + key + bytes([value])
    if isinstance(value, float):
        return b"\x01" + key + struct.pack("<d", value)
    return (
        (b"\x10" + key + struct.pack("<i", value))
        if value < 2**31
        else b"\x12" + key + struct.pack("<q", value)
    )


ODD = {
    "_id": b"0123456789ab",
    "s": "caf\u00e9",
    "l": ["a", ["b"], {}],
    "n": None,
    "t": True,
    "f": 1.5,
    "i": -3,
    "j": 2**40,
}


def test_bson_is_read_by_its_specification(tmp_path: Path) -> None:
    path = tmp_path / "x.bson"
    path.write_bytes(bson(ODD) + bson({}) + b"\x13\0\0\0\x09d\0" + struct.pack("<q", 5) + b"\0")
    path.write_bytes(bson(ODD) + bson({}) + struct.pack("<i", 16) + b"\x09d\0" + struct.pack("<q", 5) + b"\0")
    found = list(documents(path))
    assert found == [{**ODD, "_id": ODD["_id"].hex()}, {}, {"d": 5}]  # type: ignore[attr-defined]


@pytest.mark.parametrize("cut", range(1, len(bson(ODD)), 7))
def test_a_cut_off_bson_file_names_its_byte(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.bson"
    path.write_bytes(bson({"a": 1}) + bson(ODD)[:cut])
    with pytest.raises(UserError, match=f"no BSON document begins at byte {len(bson({'a': 1}))}"):
        list(documents(path))


@pytest.mark.parametrize(
    "data",
    [
        b"\x05\0\0\0\x01",
        b"\x04\0\0\0\0",
        b"\xff\xff\xff\x7f\0",
        struct.pack("<i", 14) + b"\x02a\0\xff\xff\xff\x7f" + b"xy\0",
        struct.pack("<i", 13) + b"\x03a\0\x50\0\0\0\0\0",
        struct.pack("<i", 9) + b"\x7fa\0\0\0",
        struct.pack("<i", 11) + b"\x07a\0abc\0",
        struct.pack("<i", 13) + b"\x03a\0\x05\0\0\0\0x",
        bson({"a": {"a": {}}})[:4]
        + b"\x03a\0\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[: len(bson({"a": {"a": {}}})) - 5]
        + b"\0",
    ],
)
def test_broken_bson_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.bson"
    path.write_bytes(data)
    with pytest.raises(UserError, match="no BSON document begins at byte 0"):
        list(documents(path))


def test_deep_bson_does_not_bring_the_process_down(tmp_path: Path) -> None:
    data = bson({})
    for _ in range(3000):
        data = struct.pack("<i", len(data) + 8) + b"\x03a\0" + data + b"\0"
    (tmp_path / "x.bson").write_bytes(data)
    with pytest.raises(UserError, match="no BSON document"):
        list(documents(tmp_path / "x.bson"))
    assert bson_module.MAX_DOCUMENT >= 1 << 24


def pinterest(root: Path, **settings: Any) -> Pinterest:
    draw(root / "images", "a.jpg", "b.jpg", "c.jpg")
    config = {"root": ".", "images": "images", "min_per_user": 2}
    return Pinterest(PinterestConfig(**config | settings), root)


def archive(root: Path) -> None:
    pins = [("p1", "a.jpg"), ("p2", "b.jpg"), ("p3", "a.jpg"), ("p4", "c"), ("p5", "d.jpg")]
    (root / IMAGES).write_bytes(
        b"".join(bson({"_id": b"0" * 12, "pin_id": p, "im_name": n, "im_url": "http://x"}) for p, n in pins)
    )
    boards = [("b1", ["p1", "p2", "p9"]), ("b2", ["p3", "p4", "p5"]), ("b3", ["p1", "p3"])]
    (root / BOARDS).write_bytes(
        b"".join(bson({"_id": b"1" * 12, "board_id": b, "board_url": "/x", "pins": p}) for b, p in boards)
    )


def test_pinterests_boards_are_users_and_images_are_items(tmp_path: Path) -> None:
    archive(tmp_path)
    found = pinterest(tmp_path)
    catalog = found.catalog()
    assert catalog.ids == ["a", "b", "c"]
    rows = found.interactions(catalog)
    # The board that pinned one image twice has one item; the image that is missing is left to the join.
    assert rows[["user", "item"]].to_numpy().tolist() == [
        ["b1", "a"], ["b1", "b"], ["b2", "a"], ["b2", "c"], ["b2", "d"],
    ]  # fmt: skip
    assert f"{BOARDS}: 1 pins without an entry in {IMAGES}" in catalog.notes


def test_pinterest_in_the_form_of_amr(tmp_path: Path) -> None:
    (tmp_path / "pos.txt").write_text("0 1\n0 2\n1 2\n1 0\n")
    (tmp_path / "neg.txt").write_text("0 2 2\n1 0 0\n")
    draw(tmp_path / "images", "0.jpg", "1.jpg", "2.jpg")
    found = pinterest(tmp_path)
    rows = found.interactions(found.catalog())
    assert rows[["user", "item"]].to_numpy().tolist() == [
        ["0", "1"], ["0", "2"], ["1", "2"], ["1", "0"], ["0", "0"], ["1", "1"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, f"neither {BOARDS} nor pos.txt"),
        ({BOARDS: b""}, f"{IMAGES}: no such file"),
        ({BOARDS: b"", IMAGES: b""}, "no item is left"),
        ({"pos.txt": b""}, "the file is empty"),
        ({"pos.txt": b"0 1\n2\n"}, "pos.txt:2: the line must hold 2 numbers"),
        ({"pos.txt": b"0 x\n"}, "pos.txt:1: the line holds what is no whole number"),
        ({"pos.txt": b"0 -1\n"}, "pos.txt:1: the line must hold 2 numbers from 0 up"),
        ({"pos.txt": b"0 1\n", "neg.txt": b"1 2\n1 2 3\n"}, "neg.txt:2: the line must hold 2 numbers"),
        ({BOARDS: bson({"pins": []}), IMAGES: b""}, "a document has no 'board_id'"),
        ({BOARDS: bson({"board_id": "b"}), IMAGES: b""}, "the board 'b' has no list of pins"),
        ({BOARDS: b"", IMAGES: bson({"pin_id": "p"})}, "a document has no 'im_name'"),
    ],
)
def test_bad_pinterest_files_are_named(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=words):
        pinterest(tmp_path).catalog()


def test_they_are_registered() -> None:
    assert SOURCES.get("tradesy") is Tradesy
    assert SOURCES.get("pinterest") is Pinterest
