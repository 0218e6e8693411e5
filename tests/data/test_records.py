"""Files of one record a line: JSON and Python literals mean what they say, and damage is named."""

from __future__ import annotations

import ast
import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elliot_advrec.data.sources import records as module
from elliot_advrec.data.sources.records import lines, record, records
from elliot_advrec.errors import UserError

HERE = Path("x.json")
TEXT = st.text(alphabet="ab'\"\\\n\t\u00e9 ,:{}[]uNoneTrue", max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
@example({"title": 'It\'s a "shoe"', "related": {"also": ["B1", "B2"]}, "price": None})
@example({"a": "None", "b": "uTrue 'u'", "c": [True, None]})
def test_both_forms_of_a_mapping_are_read_as_it_is(value: dict[str, object]) -> None:
    assert record(repr(value).encode(), HERE, 1) == value
    assert record(json.dumps(value).encode(), HERE, 1) == value


@pytest.mark.parametrize(
    "text", ["{u'a': u'b', 'c': (1, 2)}", "{'a': 'x' 'y'}", "{'a': '''b'''}", "{'n': -1.5e3, 't': {1, 2}}"]
)
def test_rarer_literals_are_left_to_python(text: str) -> None:
    found, expected = record(text.encode(), HERE, 1), ast.literal_eval(text)
    assert found == expected


@pytest.mark.parametrize(
    "line",
    [
        b"{'a': __import__('os').system('touch owned')}",
        b"{'a': open('owned', 'w')}",
        b"{'a': [x for x in 'b']}",
        b"{'a': 'b",
        b"{'a': 1" + b"[" * 10_000,
        b"\xff\xfe{",
        b"asin",
    ],
)
def test_what_is_no_literal_is_refused_and_never_run(
    line: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^x.json:7: the line is neither JSON nor a Python literal"):
        record(line, HERE, 7)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", [b"{'a': '" + b"\\'" * 10**6, b"{" + b"'" * (10**5 + 1), b"{'a': \"" + b"\\" * 10**6]
)
def test_a_text_without_an_end_is_refused_at_once(text: bytes) -> None:
    started = time.process_time()
    with pytest.raises(UserError, match="the line is neither JSON nor a Python literal"):
        record(text, HERE, 1)
    assert time.process_time() - started < 20, "as many seconds as millions of characters, not their square"


def test_a_line_must_hold_a_mapping() -> None:
    with pytest.raises(UserError, match=r"x.json:2: the line holds a list, not a mapping"):
        record(b"[1]", HERE, 2)


@pytest.mark.parametrize("packed", [True, False])
def test_compression_is_told_by_content_and_blank_lines_count(tmp_path: Path, packed: bool) -> None:
    data = b'{"a": 1}\n\n  \n{"a": 2}'
    path = tmp_path / ("plain.json" if packed else "named.gz")
    path.write_bytes(gzip.compress(data) if packed else data)
    assert list(records(path)) == [(1, {"a": 1}), (4, {"a": 2})]


def test_damage_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(b"".join(b'{"a": %d}\n' % n for n in range(5000)))
    path = tmp_path / "a.gz"
    path.write_bytes(packed[:-200])
    with pytest.raises(UserError, match="damaged or cut off after line"):
        list(lines(path))
    path.write_bytes(packed[:60] + b"\0\0\0\0" + packed[64:])
    with pytest.raises(UserError, match="damaged or cut off"):
        list(lines(path))
    path.write_bytes(packed[:-6] + b"\0" * 6)
    with pytest.raises(UserError, match="damaged or cut off"):
        list(lines(path))
    with pytest.raises(UserError, match="no such file"):
        list(lines(tmp_path / "none.gz"))
    monkeypatch.setattr(module, "MAX_LINE", 10)
    path.write_bytes(b"{}\n" + b"x" * 30)
    with pytest.raises(UserError, match=":2: the line is longer than"):
        list(lines(path))


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")

    def fail(*given: object, **named: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(UserError, match=r"cannot be read \(Input/output error\)"):
        list(lines(path))
