"""What evaluation gives: a number for each user, or one number for all lists together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elliot_advrec.errors import UserError
from elliot_advrec.files import read_arrays, write_arrays
from elliot_advrec.metrics.rates import Rate, mean_interval, wilson


@dataclass(frozen=True)
class PerUser:
    """A metric that every user has a value of."""

    users: np.ndarray
    """(n,) rows of the users, ascending."""
    values: np.ndarray
    """(n,) float64, at least 0."""
    highest: float = 1.0
    """The largest value there can be."""

    @property
    def value(self) -> float:
        """The mean over users."""
        return float(np.mean(self.values))

    def rate(self, confidence: float = 0.95) -> Rate:
        """The mean with its interval: Wilson's for shares of users, else Student's t within the range."""
        share = self.highest == 1.0 and np.isin(self.values, (0.0, 1.0)).all()
        if share:
            low, high = wilson(int(self.values.sum()), len(self.values), confidence)
            return Rate(self.value, low, high, len(self.values))
        mean, low, high = mean_interval(self.values, confidence)
        return Rate(mean, max(low, 0.0), min(high, self.highest), len(self.values))


@dataclass(frozen=True)
class Overall:
    """A metric of all lists together: no user has a value, so it has no interval and no paired test."""

    value: float
    """The number; nan where it has no value, as a mean of nothing."""
    n: int
    """Users whose lists it is taken over."""
    low: None = None
    """There is no interval."""
    high: None = None
    """There is no interval."""


Measured = PerUser | Overall


@dataclass(frozen=True)
class Ranking(Mapping[tuple[str, int], Measured]):
    """(metric, cutoff) -> what was measured; and the lists themselves."""

    users: np.ndarray
    """(n,) rows of the users with a held-out rating, ascending."""
    lists: np.ndarray
    """(n, K) item rows, best first, -1 where no candidate was left."""
    by_key: dict[tuple[str, int], Measured]
    """What this mapping holds, metric by metric in the order they were asked for, each at every cutoff."""

    def __getitem__(self, key: tuple[str, int]) -> Measured:
        return self.by_key[key]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self.by_key)

    def __len__(self) -> int:
        return len(self.by_key)

    def value(self, metric: str, cutoff: int) -> float:
        """The number that is reported."""
        return self[metric, cutoff].value

    def rate(self, metric: str, cutoff: int, confidence: float = 0.95) -> Rate | Overall:
        """The number with its interval, or without one where it has none."""
        found = self[metric, cutoff]
        return found.rate(confidence) if isinstance(found, PerUser) else found

    def save(self, path: Path) -> None:
        """Write users' values as .npz, for paired tests later; the lists are not kept."""
        header, arrays = [], {"users": self.users}
        for number, ((metric, k), found) in enumerate(self.by_key.items()):
            entry: dict[str, object] = {"metric": metric, "k": k}
            if isinstance(found, PerUser):
                entry["highest"] = None if np.isinf(found.highest) else found.highest
                arrays[f"{number}.users"], arrays[f"{number}.values"] = found.users, found.values
            else:
                arrays[f"{number}.value"] = np.array([found.value, found.n])
            header.append(entry)
        write_arrays(path, {**arrays, "header": np.array(json.dumps(header))}, compressed=True)

    @classmethod
    def load(cls, path: Path) -> Ranking:
        """What ``save`` wrote, with lists of no length.

        Raises:
            UserError: the file is missing or damaged.
        """
        try:
            arrays = read_arrays(path)
            by_key: dict[tuple[str, int], Measured] = {}
            for number, entry in enumerate(json.loads(str(arrays["header"]))):
                key = str(entry["metric"]), int(entry["k"])
                if "highest" in entry:
                    highest = np.inf if entry["highest"] is None else float(entry["highest"])
                    values = arrays[f"{number}.users"], arrays[f"{number}.values"]
                    by_key[key] = PerUser(*values, highest)
                else:
                    value, n = arrays[f"{number}.value"]
                    by_key[key] = Overall(float(value), int(n))
            users = arrays["users"]
            return cls(users, np.zeros((len(users), 0), dtype=np.int64), by_key)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"the stored measurements cannot be read ({error})",
                where=str(path),
                remedy="delete the file and run again",
            ) from error
