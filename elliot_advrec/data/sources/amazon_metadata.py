"""Amazon's metadata: which part of the shop an item belongs to, and whether it ever had a picture."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.data.sources.records import lines, record
from elliot_advrec.data.sources.shop import Labels
from elliot_advrec.errors import UserError

SEPARATOR = " > "
# The files of 2014 begin each line with the id, so most lines need not be parsed to be passed over.
_LEADING_ID = re.compile(rb"""\s*\{\s*['"]asin['"]\s*:\s*['"]([^'"\\]+)['"]""")
_URLS = ("imUrl", "imageURL", "imageURLHighRes", "images")

Path_ = tuple[str, ...]


def read_labels(path: Path, items: Sequence[str], within: Sequence[str], depth: int) -> Labels:
    """Categories of ``items`` from a metadata file, which is read as a stream.

    Args:
        path: JSON or Python literals, one record a line, plain or gzip; ``categories`` holds lists of paths
            (2014) or ``category`` / ``categories`` one path (2018, 2023).
        items: ids that were interacted with; other records are passed over.
        within: beginnings of category paths such as ``Clothing, Shoes & Jewelry > Men``; an item is usable
            when one of its paths has one of them. None: all are usable.
        depth: how many names below that beginning make an item's category.

    Raises:
        UserError: as ``records.lines``; a record without an id; no item within, which names known beginnings.
    """
    row = {item: number for number, item in enumerate(items)}
    beginnings = [tuple(part.strip() for part in text.split(SEPARATOR.strip())) for text in within]
    label: list[str | None] = [None] * len(items)
    usable = np.zeros(len(items), bool)
    known, imaged = np.zeros(len(items), bool), np.zeros(len(items), bool)
    tops: dict[str, int] = {}
    for number, line in lines(path):
        leading = _LEADING_ID.match(line)
        if leading is not None and leading[1].decode("utf-8", "replace") not in row:
            continue
        entry = record(line, path, number)
        item = entry.get("parent_asin") or entry.get("asin")
        if not isinstance(item, str):
            raise UserError("the record has no asin", where=f"{path}:{number}")
        place = row.get(item)
        if place is None:
            continue
        known[place] = True
        imaged[place] = any(entry.get(key) for key in _URLS)
        paths = _paths(entry)
        for found in paths:
            top = SEPARATOR.join(found[:2])
            tops[top] = tops.get(top, 0) + 1
        name = _label(paths, beginnings, depth)
        if name is not None:
            label[place], usable[place] = name or None, True
    if not beginnings:
        usable[:] = True
    if not usable.any():
        common = sorted(tops, key=lambda top: -tops[top])[:6]
        raise UserError(
            f"no item lies within {' or '.join(repr(text) for text in within)}",
            where=str(path),
            remedy=f"paths begin with {', '.join(repr(top) for top in common)}"
            if common
            else "it has no paths",
        )
    names = sorted({name for name, used in zip(label, usable, strict=True) if used and name})
    index = {name: place for place, name in enumerate(names)}
    return Labels(
        usable,
        np.array([index.get(name or "", -1) for name in label], np.int64),
        names,
        tuple(_notes(path, usable, known, imaged, bool(beginnings))),
    )


def _paths(entry: dict[str, Any]) -> list[Path_]:
    given = entry.get("categories") or entry.get("category") or []
    if not isinstance(given, list):
        return []
    nested = given if all(isinstance(path, list) for path in given) else [given]
    return [tuple(html.unescape(str(name)).strip() for name in path) for path in nested if path]


def _label(paths: list[Path_], beginnings: list[Path_], depth: int) -> str | None:
    """Name of the category; empty where there is none, None where the item lies outside."""
    for beginning in beginnings or [()]:
        for path in paths:
            if path[: len(beginning)] == beginning:
                return SEPARATOR.join(path[len(beginning) : len(beginning) + depth] or path[-1:])
    return None


def _notes(
    path: Path, usable: np.ndarray, known: np.ndarray, imaged: np.ndarray, filtered: bool
) -> list[str]:
    notes = []
    if filtered:
        notes.append(f"{path.name}: {usable.sum()} of {len(usable)} items lie within the chosen categories")
    if not known.all():
        notes.append(f"{path.name}: {(~known).sum()} of {len(known)} items are not in it")
    bare = known & usable & ~imaged
    if bare.any():
        notes.append(f"{path.name}: {bare.sum()} items have no address of an image")
    return notes
