"""Who interacted with what: sparse matrices over the catalog, and their files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from elliot_advrec.errors import UserError
from elliot_advrec.files import read_arrays, write_arrays, write_json

PARTS = ("train", "validation", "test")
CANDIDATES = ("validation_candidates", "test_candidates")
FIELDS = ("data", "indices", "indptr")


@dataclass(frozen=True)
class Interactions:
    """Split interactions over the catalog.

    Each matrix is (users, catalog items) float32 ratings; an interaction is a *stored* entry, so a rating of
    0 counts. Every user has at least one training entry.
    """

    users: list[str]
    """Ids of the rows, in order of first appearance in training."""
    train: csr_matrix
    """What recommenders learn from; of repeated rows it holds the last rating, as Elliot does."""
    validation: csr_matrix | None
    """Held out for selection; None: no validation split."""
    test: csr_matrix
    """Held out for the reported numbers."""
    simulated: bool
    """True where the interactions were drawn from a model of taste rather than read."""
    notes: list[str]
    """What was dropped or kept back, one sentence each, for every report."""
    validation_candidates: csr_matrix | None = None
    """(users, catalog items) bool: all that is ranked when the validation part is judged; None: all items."""
    test_candidates: csr_matrix | None = None
    """The same for the test, where Elliot's ``negative_sampling`` asks for it."""

    def trained(self) -> np.ndarray:
        """(catalog items,) bool: items with a training entry, which are all that Elliot knows."""
        return np.bincount(self.train.indices, minlength=self.train.shape[1]) > 0

    def save(self, folder: Path) -> None:
        """Write ``interactions.npz`` (arrays, no pickle) and ``interactions.json`` into ``folder``."""
        arrays: dict[str, np.ndarray] = {"items": np.array([self.train.shape[1]], dtype=np.int64)}
        for part in (*PARTS, *CANDIDATES):
            matrix = getattr(self, part)
            if matrix is not None:
                for field in FIELDS:
                    arrays[f"{part}.{field}"] = getattr(matrix, field)
        write_arrays(folder / "interactions.npz", arrays, compressed=True)
        header = {"users": self.users, "simulated": self.simulated, "notes": self.notes}
        write_json(folder / "interactions.json", header)

    @classmethod
    def load(cls, folder: Path) -> Interactions:
        """What ``save`` wrote.

        Raises:
            UserError: the files are missing or damaged.
        """
        try:
            header = json.loads((folder / "interactions.json").read_text("utf-8"))
            arrays = read_arrays(folder / "interactions.npz")
            shape = (len(header["users"]), int(arrays["items"][0]))
            parts = {
                part: csr_matrix(tuple(arrays[f"{part}.{field}"] for field in FIELDS), shape=shape)
                for part in (*PARTS, *CANDIDATES)
                if f"{part}.indptr" in arrays
            }
            return cls(validation=parts.pop("validation", None), **header, **parts)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise UserError(
                f"the stored interactions cannot be read ({error})",
                where=str(folder),
                remedy="delete the folder and run again",
            ) from error
