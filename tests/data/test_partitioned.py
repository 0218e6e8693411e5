"""DVBPR's pickled files: read as data, and hostile ones refused without running anything."""

from __future__ import annotations

import collections
import contextlib
import io
import os
import pickle
import pickletools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from elliot_advrec.data.bad_images import BadImage
from elliot_advrec.data.features import read_partitioned
from elliot_advrec.data.features.plain_machine import LEFT
from elliot_advrec.data.features.plain_pickle import load
from elliot_advrec.data.features.plain_values import Blob, Refused
from elliot_advrec.data.pixels import prepare
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.data.sources.amazon_partitioned import DVBPR, PartitionedConfig
from elliot_advrec.errors import UserError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
    | st.text(max_size=20) | st.binary(max_size=LEFT - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(PLAIN, st.integers(0, 4))
def test_plain_values_come_back(value: Any, protocol: int) -> None:
    assert load(io.BytesIO(pickle.dumps(value, protocol))) == value


def test_sets_tuples_arrays_and_long_bytes() -> None:
    arrays = [
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.array([[1.5]], "f"),
        np.asfortranarray(np.eye(2)),
        np.array(["a"]),
        np.arange(100.0),
    ]
    shared = [7]
    value = {
        "s": {1, 2},
        "f": frozenset({3}),
        "t": (1, ("x", [2])),
        "a": arrays,
        "n": np.float32(2.5),
        "b": b"x" * LEFT,
        "o": collections.OrderedDict(k=1),
        "d": collections.defaultdict(list, {"k": [1]}),
        "obj": np.array([[1, "x"], [None, 2.0]], object),
        "e": np.array([], object),
        "z": np.array("alone", object),
        "shared": [shared, shared],
        "in": (np.eye(2),),
    }
    for protocol in (2, 3, 4):
        data = pickle.dumps(value, protocol)
        stream = io.BytesIO(data)
        found = load(stream)
        assert (found["s"], found["f"], found["n"]) == ({1, 2}, {3}, 2.5)
        assert found["t"] == [1, ["x", [2]]]
        assert (found["o"], found["d"]) == ({"k": 1}, {"k": [1]})
        assert found["obj"] == [[1, "x"], [None, 2.0]]
        assert (found["e"], found["z"], found["shared"]) == ([], "alone", [[7], [7]])
        for ours, theirs in zip([*found["a"], found["in"][0]], [*arrays, np.eye(2)], strict=True):
            assert ours.dtype == theirs.dtype
            assert (ours == theirs).all()
        if protocol > 2:
            assert isinstance(found["b"], Blob)
            assert found["b"].read(stream) == b"x" * LEFT


class Evil:
    """What a hostile pickle would have run; each way of calling is another opcode."""

    def __init__(self, way: str, marker: Path) -> None:
        self.way, self.marker = way, marker

    def __reduce__(self) -> Any:
        command = f"touch {self.marker}"
        if self.way == "system":
            return os.system, (command,)
        if self.way == "eval":
            return eval, (f"open({str(self.marker)!r}, 'w')",)
        if self.way == "getattr":
            return getattr, ("x", "upper")
        return collections.UserDict, ()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    ("way", "named"), [("system", "system"), ("eval", "eval"), ("getattr", "getattr"), ("new", "UserDict")]
)
def test_hostile_pickles_are_refused_by_name_and_never_run(
    tmp_path: Path, way: str, named: str, protocol: int
) -> None:
    path, marker = tmp_path / "evil.npy", tmp_path / "owned"
    evil: Any = np.empty(6, object)
    evil[:] = [{}, {}, {}, {0: {"imgs": Evil(way, marker)}}, 1, 1]
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (6,)})
        pickle.dump(evil, stream, protocol)
    with pytest.raises(
        UserError, match=rf"the pickle was refused: it names '[\w.]*{named}', which no plain data"
    ):
        read_partitioned(path)
    assert not marker.exists()


ATTACKS = {
    "inst": b"(S'touch owned'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch owned'\no.",
    "newobj": b"cbuiltins\nlist\n)\x81.",
    "persistent": b"Pevil\n.",
    "binary persistent": b"K\x01Q.",
    "extension": b"\x82\x01.",
    "buffer": b"\x97.",
    "unknown": b"\xff.",
    "call of a list": b"cbuiltins\nlist\n(K\x01tR.",
    "ndarray called": b"cnumpy\nndarray\n)R.",
    "a name as value": b"cnumpy\nndarray\n.",
    "a name inside": b"(cnumpy\nndarray\nl.",
    "records": b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR(I3\nS'|'\nN(S'a'\nt}I8\nI1\nI16\ntb.",
    "type of a module": b"cnumpy\ndtype\n(S'datetime64'\ntR.",
    "object scalar": b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\ntRS'x'\ntR.",
    "state of a list": b"](tb.",
    "wrong size": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    b"(I1\n(I9\ntcnumpy\ndtype\n(S'i4'\ntRI00\nS'abcd'\ntb.",
    "negative side": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    b"(I1\n(I-1\ntcnumpy\ndtype\n(S'i4'\ntRI00\nS''\ntb.",
    "object count": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    b"(I1\n(I9\ntcnumpy\ndtype\n(S'O8'\ntRI00\n]tb.",
    "announced bytes": b"B\xff\xff\xff\x7fab.",
    "announced more": b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "empty stack": b"0.",
    "no mark": b"t.",
    "missing memo": b"h\x07.",
    "append to a number": b"K\x01K\x02a.",
    "odd items": b"(K\x01d.",
    "unhashable": b"}]K\x01s.",
    "cut": b"(K\x01",
    "nothing": b"",
    "cut argument": b"J\x01",
    "cut length": b"X\x01",
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_opcodes_that_no_data_needs_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused):
        load(io.BytesIO(ATTACKS[name]))
    assert not list(tmp_path.iterdir())


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
NUMBERS = b"](" + b"".join(b"J" + n.to_bytes(4, "little") for n in range(1000)) + b"eq\1"
TEXT = b"X" + (5000).to_bytes(4, "little") + b"x" * 5000 + b"q\1"
FLOATS = b"B" + (8000).to_bytes(4, "little") + bytes(8000) + b"q\1"
OFTEN = 3000
HUGE = {
    "a set of one list, often": NUMBERS + b"cbuiltins\nset\nq\2" + b"h\2h\1\x85R" * OFTEN + b".",
    "a mapping of one list, often": b"](" + b"K\1K\2\x86" * 40 + b"eq\1cbuiltins\ndict\nq\2"
    + b"h\2h\1\x85R" * OFTEN + b".",
    "bytes of one text, often": TEXT + b"c_codecs\nencode\nq\2" + b"h\2h\1\x85R" * OFTEN + b".",
    "an array of one text, often": FLOATS + b"cnumpy\ndtype\n(S'f8'\ntRq\2"
    + (ARRAY + b"(K\1(M\xe8\3th\2\x89h\1tb") * OFTEN + b".",
    "many empty rows": ARRAY + b"(I1\n(I1000000000\nI0\ntcnumpy\ndtype\n(S'O8'\ntRI00\n]tb.",
    "many empty rows of rows": ARRAY + b"(I1\n(I1000000000\nI0\nI5\ntcnumpy\ndtype\n(S'O8'\ntRI00\n]tb.",
    "many sides": ARRAY + b"(I1\n(" + b"K\1" * 500 + b"tcnumpy\ndtype\n(S'O8'\ntRI00\n](K\1etb.",
    "a key that holds itself 2 ** 60 times": b"}K\1" + b"2\x86" * 60 + b"K\2s.",
    "a member that holds itself 2 ** 60 times": b"\x8f(K\1" + b"2\x86" * 60 + b"\x90.",
    "a number of too many digits": b"I" + b"9" * 100_000 + b"\n.",
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_small_files_that_would_unpack_to_large_ones_are_refused(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Refused):
            load(io.BytesIO(HUGE[name]))
        assert tracemalloc.get_traced_memory()[1] < 40 * len(HUGE[name]) + 500_000
    finally:
        tracemalloc.stop()


def test_a_value_that_is_there_2_to_the_60th_time_is_one_value() -> None:
    found = load(io.BytesIO(b"K\1" + b"2\x86" * 60 + b"."))
    for _ in range(60):
        assert found[0] is found[1] or found == [1, 1] or found == (1, 1)
        found = found[0]
    assert found == 1


def test_a_list_within_itself_ends() -> None:
    cycle = load(io.BytesIO(b"]q\0h\0a."))
    assert cycle[0] is cycle


@given(st.binary(max_size=60))
def test_noise_is_refused_or_plain(data: bytes) -> None:
    try:
        found = load(io.BytesIO(data))
    except Refused:
        return
    assert isinstance(found, int | float | str | bytes | list | tuple | dict | set | np.ndarray | Blob | None)


def test_every_opcode_of_python_is_either_known_or_refused() -> None:
    for op in pickletools.opcodes:
        with contextlib.suppress(Refused):
            load(io.BytesIO(op.code.encode("latin-1") + b"\x01\0\0\0\0\0\0\0a\n."))


def jpeg(shade: int) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (40, 40), (shade, 0, 0)).save(held, "JPEG")
    return held.getvalue()


def python2(value: Any, out: list[bytes]) -> None:
    """The pickle that Python 2 writes with protocol 2: its byte strings are BINSTRINGs."""
    if isinstance(value, bytes):
        size = len(value)
        out.append((b"U" + bytes([size]) if size < 256 else b"T" + size.to_bytes(4, "little")) + value)
    elif isinstance(value, dict):
        out.append(b"}(")
        for key, inner in value.items():
            python2(key, out)
            python2(inner, out)
        out.append(b"u")
    elif isinstance(value, list):
        out.append(b"](")
        for inner in value:
            python2(inner, out)
        out.append(b"e")
    else:
        out.append(b"J" + int(value).to_bytes(4, "little", signed=True))


def contents(images: dict[int, bytes]) -> list[Any]:
    part = [[(0, 0), (0, 1), (1, 1), (1, 2)], [(0, 2), (1, 0)], [(0, 3), (1, 3)]]

    def grouped(rows: list[tuple[int, int]]) -> dict[int, list[dict[bytes, int]]]:
        return {u: [{b"productid": i} for v, i in rows if v == u] for u in (0, 1)}

    items = {item: {b"imgs": data} for item, data in images.items()}
    return [*map(grouped, part), items, 2, 4]


def write_python2(path: Path, value: list[Any]) -> None:
    out: list[bytes] = []
    python2(value, out)
    head = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01bq\x03\x87q\x04Rq\x05"
        b"(K\x01K\x06\x85cnumpy\ndtype\nq\x06U\x02O8K\x00K\x01\x87q\x07Rq\x08(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff"
        b"\xff\xffK?tb\x89"
    )
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (6,)})
        stream.write(head + b"".join(out) + b"tb.")


IMAGES = {0: jpeg(10), 1: jpeg(90), 2: jpeg(200)}


@pytest.fixture(params=["python 2", "python 3"])
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "AmazonImgPartitioned.npy"
    if request.param == "python 2":
        write_python2(path, contents(IMAGES))
        return path
    held = np.empty(6, object)
    parts = contents(IMAGES)
    held[:3] = [{u: [i[b"productid"] for i in rows] for u, rows in part.items()} for part in parts[:3]]
    held[3] = [
        {"imgs": IMAGES[i], "c": np.eye(4, dtype=np.float32)[i]} if i in IMAGES else {} for i in range(4)
    ]
    held[4:] = [2, np.int64(4)]
    np.save(path, held, allow_pickle=True)
    return path


def test_what_numpy_itself_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    write_python2(path, contents(IMAGES))
    theirs = np.load(path, allow_pickle=True, encoding="bytes")  # made above: nothing hostile in it
    assert theirs[3][1][b"imgs"] == IMAGES[1]
    ours = read_partitioned(path)
    assert ours.parts["train"].tolist() == [[0, 0], [0, 1], [1, 1], [1, 2]]
    with path.open("rb") as stream:
        assert {item: blob.read(stream) for item, blob in ours.images.items()} == IMAGES


def test_a_source_of_interactions_and_pictures(packed: Path, tmp_path: Path) -> None:
    source = DVBPR(PartitionedConfig(file=packed.name, min_per_user=3), tmp_path)
    catalog = source.catalog()
    assert catalog.ids == ["0", "1", "2"]
    assert "1 of 4 items were dropped because they have no image (first: '3')" in catalog.notes
    rows = source.interactions(catalog)
    assert rows[["user", "item"]].to_numpy().tolist() == [
        ["0", "0"], ["0", "1"], ["1", "1"], ["1", "2"], ["0", "2"], ["1", "0"], ["0", "3"], ["1", "3"],
    ]  # fmt: skip
    kept, pixels, skipped = prepare(catalog, 16, tmp_path / "pixels")
    assert not skipped
    reds = pixels.bytes(np.arange(3))[:, 0].float().mean((1, 2)).round().int().tolist()
    assert np.abs(np.array(reds) - [10, 90, 200]).max() <= 2
    if catalog.categories:
        assert [catalog.categories[c] for c in kept.category] == ["category 0", "category 1", "category 2"]
    assert SOURCES.get("dvbpr") is DVBPR
    assert source.fingerprint()["files"][0][0] == str(packed)


def test_a_bad_picture_inside_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    write_python2(path, contents({**IMAGES, 1: b"no picture" * 100}))
    catalog = DVBPR(PartitionedConfig(file=path, min_per_user=1), tmp_path).catalog()
    with pytest.raises(BadImage, match=r"x.npy: item 1: not a picture of a known format"):
        catalog.pictures[1].load(16)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([*contents(IMAGES)[:5], 0], "counts 2 users and 0 items"),
        ([*contents(IMAGES)[:5], 2**31 - 1], "counts 2 users and 2147483647 items in [0-9]+ bytes"),
        ([*contents(IMAGES)[:5], 1], "a user or item of its train part is out of range"),
        ([5, *contents(IMAGES)[1:]], "a int stands where a mapping or a list must"),
        ([{0: [{b"item": 1}]}, *contents(IMAGES)[1:]], "productid"),
        ([*contents(IMAGES)[:3], {9: {}}, 2, 4], "the item 9 is out of range"),
    ],
)
def test_contents_of_another_form_are_named(tmp_path: Path, value: list[Any], words: str) -> None:
    path = tmp_path / "x.npy"
    write_python2(path, value)
    with pytest.raises(UserError, match=f"is not a file of DVBPR.*{words}"):
        read_partitioned(path)


def test_other_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.eye(3))
    with pytest.raises(UserError, match="an array of float64, not of objects"):
        read_partitioned(path)
    np.save(path, np.array([{}, 1], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"holds a list of 2\)"):
        read_partitioned(path)
    path.write_bytes(b"hello")
    with pytest.raises(UserError, match="is not a file of DVBPR"):
        read_partitioned(path)
    write_python2(path, contents(IMAGES))
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(UserError, match="cut off"):
        read_partitioned(path)
