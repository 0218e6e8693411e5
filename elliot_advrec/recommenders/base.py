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
