"""The contract of every recommender."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import torch
from safetensors.numpy import load_file, save
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.component import Component, validate
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.files import atomic, write_json
from elliot_advrec.recommenders.context import FitContext

R = TypeVar("R", bound="Recommender")
BLOCK = 8192
"""Rows of a large matrix that are looked at together."""


class DivergedError(UserError):
    """A training whose loss or weights are no longer finite; another learning rate may do better."""


class Recommender(Component, ABC):
    """Scores every item for a user.

    Authors write ``fit``, ``scores``, ``_state`` and ``_restore``, ``with_items`` if images matter, and
    ``item_scores`` if gradients can flow through them.

    Args:
        config: an instance of ``config_class``; None: its defaults.
    """

    uses_images: ClassVar[bool] = False
    """Whether item embeddings change the scores; if not, no attack on images can."""
    own_picture: ClassVar[bool] = True
    """Whether an item's picture changes how users score it who have not taken it; only of ``uses_images``."""
    uses_categories: ClassVar[bool] = False
    """Whether its fit needs ``context.categories``."""
    uses_pixels: ClassVar[bool] = False
    """Whether it trains an extractor of its own on ``context.pixels``; embeddings are then that one's."""
    trained: ClassVar[bool] = False
    """Whether it learns in epochs, so that ``context.folder`` and ``context.selection`` matter."""
    differentiable: ClassVar[bool] = False
    """Whether ``item_scores`` is there."""
    context: FitContext = FitContext()
    """What the fit may draw on; set it before ``fit``."""

    @abstractmethod
    def fit(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None,
        *,
        seed: int = 42,
        device: str | torch.device = "cpu",
    ) -> None:
        """Learn from the training part.

        Args:
            interactions: (U, N) matrices.
            embeddings: (N, D) float32, row i of catalog item i; may be None if not ``uses_images``.
            seed: decides everything random about the fit.
            device: where heavy arithmetic runs.

        Raises:
            UserError: embeddings are missing, of another length than the catalog, or not finite.
        """

    @abstractmethod
    def scores(self, users: np.ndarray) -> Tensor:
        """(len(users), N) float32 on the CPU, higher is better, training items not yet masked.

        Row i depends on ``users[i]`` alone, so no result depends on how users are batched.
        """

    def with_items(self, rows: np.ndarray, embeddings: np.ndarray) -> Recommender:
        """The same recommender over a catalog in which some items' embeddings changed; this one stays.

        Args:
            rows: (n,) item rows; where one comes twice, its last embedding counts.
            embeddings: (n, D) their new embeddings.
        """
        return self

    def fold_in(self, profiles: csr_matrix, interactions: Interactions, *, seed: int = 42) -> Recommender:
        """The same items for other users, who have these histories; this one stays.

        What is learned of a user is learned as in the fit, with everything about items held as it is. It
        depends on ``seed`` and on that user's own history, not on who else is there.

        Args:
            profiles: (m, N) histories, stored entries; they become the users.
            interactions: what this was fitted on.
            seed: decides what is random about it.

        Raises:
            UserError: this recommender cannot take in users, or a history from which nothing can be learned.
        """
        raise UserError(
            f"{type(self).__name__} cannot take in new users without being fitted again",
            remedy="take VBPR, DeepStyle or another recommender with user factors",
        )

    def item_scores(self, users: np.ndarray, rows: np.ndarray, embeddings: Tensor) -> Tensor:
        """What users would give items if their embeddings were these; differentiable in the embeddings.

        Each column is a world of its own, in which that one item has changed: column k agrees with
        ``with_items(rows[[k]], embeddings[[k]]).scores(users)[:, rows[k]]`` up to rounding.

        Args:
            users: (U,) user rows.
            rows: (n,) item rows; one may come several times.
            embeddings: (n, D) float on any device, float64 allowed; what gradients flow to.

        Returns:
            (U, n) of the embeddings' type and device.

        Raises:
            UserError: this recommender's scores have no gradient, or the embeddings have another shape.
        """
        raise UserError(
            f"{type(self).__name__} has no differentiable item side", remedy="attack a recommender that has"
        )

    @abstractmethod
    def _state(self) -> dict[str, np.ndarray]:
        """Everything that was learned, as arrays."""

    @abstractmethod
    def _restore(self, state: dict[str, np.ndarray]) -> None:
        """Take back what ``_state`` gave."""

    def save(self, folder: Path) -> None:
        """Write ``recommender.safetensors`` and ``recommender.json`` into ``folder``."""
        arrays = {name: np.ascontiguousarray(array) for name, array in self._state().items()}
        with atomic(folder / "recommender.safetensors") as temporary:
            # Not save_file, whose own error type hides that the disk is full.
            temporary.write_bytes(save(arrays))
        header = {"recommender": type(self).__name__, "config": self.config.model_dump(mode="json")}
        write_json(folder / "recommender.json", header)

    @classmethod
    def load(cls: type[R], folder: Path) -> R:
        """The recommender that ``save`` wrote; call it on the class that wrote it.

        Raises:
            UserError: the files are missing, damaged or of another recommender.
        """
        place = str(folder)
        try:
            header = json.loads((folder / "recommender.json").read_text("utf-8"))
            state = load_file(folder / "recommender.safetensors")
            name, config = header["recommender"], header["config"]
        except Exception as error:  # safetensors raises its own error type for damaged files
            raise UserError(
                f"no recommender can be read ({error})", where=place, remedy="delete the folder and run again"
            ) from error
        if name != cls.__name__:
            raise UserError(f"holds a {name}, not a {cls.__name__}", where=place)
        loaded = cls(validate(cls.config_class, config, place))
        loaded._restore(state)
        return loaded


def check_embeddings(
    embeddings: np.ndarray | None, items: int, name: str, *, width: int | None = None
) -> np.ndarray:
    """The embeddings as (items, D) float32; a float32 array, mapped from a file or not, is not copied.

    Args:
        embeddings: a row for each item.
        items: how many rows there must be.
        name: who asks, for messages.
        width: the D that they must have, if it is known.

    Raises:
        UserError: they are missing, of another shape, or hold NaN or infinity; names the first such row.
    """
    if embeddings is None:
        raise UserError(f"{name} needs item embeddings", remedy="give the recipe an extractor")
    array = np.ascontiguousarray(embeddings, dtype=np.float32)
    if array.ndim != 2 or len(array) != items:
        raise UserError(f"{name} expected embeddings of shape ({items}, D), got {tuple(array.shape)}")
    check_width(array.shape[1], width, name)
    # A block at a time: the matrix may be larger than memory.
    blocks = [np.isfinite(array[start : start + BLOCK]).all(axis=1) for start in range(0, items, BLOCK)]
    finite = np.concatenate([*blocks, np.empty(0, bool)])
    if not finite.all():
        raise UserError(
            f"{name}: {int((~finite).sum())} embeddings hold NaN or infinity, the first of item row "
            f"{int(np.argmin(finite))}",
            remedy="the extractor diverged: lower its learning rate or eps",
        )
    return array


def check_width(found: int, width: int | None, name: str) -> None:
    """Refuse embeddings of another extractor, as far as their width tells.

    Raises:
        UserError: they are ``found`` wide, not ``width``.
    """
    if width is not None and found != width:
        raise UserError(
            f"{name} was fitted on embeddings of width {width}, got width {found}",
            remedy="give it the embeddings of the extractor it was fitted on",
        )


def last_of_each(rows: np.ndarray, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct sorted rows (m,) and the last embedding given for each (m, D)."""
    rows = np.asarray(rows, dtype=np.int64)
    distinct, place = np.unique(rows[::-1], return_index=True)
    return distinct, np.asarray(embeddings)[len(rows) - 1 - place]


def unit(embeddings: np.ndarray) -> np.ndarray:
    """(n, D) float32 rows of length 1; a zero row stays zero, so its cosine to everything is 0."""
    found = np.empty(embeddings.shape, np.float32)
    for start in range(0, len(embeddings), BLOCK):  # the float64 in between takes twice the memory
        block = embeddings[start : start + BLOCK]
        length = np.sqrt(np.einsum("nd,nd->n", block, block, dtype=np.float64))
        found[start : start + BLOCK] = block / np.maximum(length, 1e-30)[:, None]
    return found
