"""Pictures of attacked pairs: neighbour lists before and after, and what was changed, enlarged."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from elliot_advrec.errors import plain
from elliot_advrec.report.document import Document
from elliot_advrec.report.exhibits import Example, Neighbour
from elliot_advrec.report.labels import ARROW, attack_at, count, name_of, number
from elliot_advrec.report.scatters import absent

_THUMBNAIL = 112
_LARGE = 256


@dataclass(frozen=True)
class Thumb:
    """One picture: a data URI, what stands below it, and whether it is the attacked item."""

    uri: str
    caption: str
    detail: str = ""
    attacked: bool = False


@dataclass(frozen=True)
class Card:
    """One attacked pair as the page shows it."""

    title: str
    facts: tuple[tuple[str, str], ...]
    images: tuple[Thumb, ...]
    before: tuple[Thumb, ...]
    after: tuple[Thumb, ...]


def cards(document: Document, arrays: Mapping[str, np.ndarray]) -> tuple[list[Card], list[str]]:
    """A card an example, and why any is left out."""
    made, missing = [], []
    for example in document.exhibits.examples:
        lists = example.neighbours_before + example.neighbours_after
        names = [example.original, example.perturbed, example.target, *(entry.image for entry in lists)]
        trouble = absent(names, arrays) or _misshapen(example, names, arrays)
        if trouble:
            missing.append(trouble)
        else:
            made.append(_card(example, arrays))
    return made, missing


def _misshapen(example: Example, names: list[str], arrays: Mapping[str, np.ndarray]) -> str:
    for name in names:
        array = arrays[name]
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
            return f"The array '{plain(name)}' is not an (H, W, 3) uint8 picture."
    if arrays[example.original].shape != arrays[example.perturbed].shape:
        return f"The original and perturbed picture of '{plain(example.attack_item)}' differ in size."
    return ""


def _card(example: Example, arrays: Mapping[str, np.ndarray]) -> Card:
    original, perturbed = arrays[example.original], arrays[example.perturbed]
    enlarged, gain = amplify(original, perturbed)
    attack = attack_at(example.attack, example.steps, example.eps, example.norm)
    seed = f" · seed {example.seed}" if example.seed is not None else ""
    facts = (
        ("Rank", f"{count(example.rank_before)} {ARROW} {count(example.rank_after)}"),
        ("Cosine", f"{number(example.cosine_before)} {ARROW} {number(example.cosine_after)}"),
    )
    images = (
        Thumb(png(original), "original", plain(example.attack_item)),
        Thumb(png(perturbed), "perturbed", attack),
        Thumb(png(enlarged), f"difference × {gain:.3g}" if gain else "no difference", "grey: unchanged"),
        Thumb(png(arrays[example.target]), "target", plain(example.target_item)),
    )
    return Card(
        f"{name_of(example.defense)} · {attack}{seed}",
        facts,
        images,
        tuple(_thumb(entry, i, arrays) for i, entry in enumerate(example.neighbours_before, 1)),
        tuple(_thumb(entry, i, arrays) for i, entry in enumerate(example.neighbours_after, 1)),
    )


def _thumb(entry: Neighbour, rank: int, arrays: Mapping[str, np.ndarray]) -> Thumb:
    return Thumb(jpeg(arrays[entry.image]), f"{rank}", number(entry.similarity), entry.is_attacked)


def amplify(original: np.ndarray, perturbed: np.ndarray) -> tuple[np.ndarray, float]:
    """The difference of two (H,W,3) uint8 pictures on mid-grey, enlarged so that its largest value just fits.

    Returns:
        The (H,W,3) uint8 picture, and the factor (0 where the two are the same).
    """
    change = perturbed.astype(np.float64) - original.astype(np.float64)
    largest = np.abs(change).max()
    gain = 127.0 / largest if largest else 0.0
    return np.rint(128 + gain * change).clip(0, 255).astype(np.uint8), float(gain)


def png(array: np.ndarray) -> str:
    """A lossless data URI; a picture above 256 pixels is shrunk to that."""
    return _uri(_shrunk(array, _LARGE), "PNG", optimize=True)


def jpeg(array: np.ndarray) -> str:
    """A small data URI for a thumbnail of at most 112 pixels."""
    return _uri(_shrunk(array, _THUMBNAIL), "JPEG", quality=88)


def _shrunk(array: np.ndarray, side: int) -> Image.Image:
    image = Image.fromarray(array)
    if max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def _uri(image: Image.Image, kind: str, **options: int | bool) -> str:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
