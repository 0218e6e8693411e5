"""What a shop could see of a black-box attack: an account that uploads ever the same picture."""

from __future__ import annotations

import torch
from torch import Tensor


class RepeatedQueries:
    """Watches each account's uploads and raises an alarm where they lie too close together.

    In the spirit of Chen, Carlini & Wagner 2019, "Stateful Detection of Black-Box Adversarial Attacks": the
    mean distance of a query to its nearest neighbours among the account's recent ones is compared with a
    threshold that honest uploads hardly ever fall below. Here similarity is that of the embeddings which the
    shop has anyway, where the original trains an encoder for it. Pass an instance as ``watch`` to an attack;
    every sample is an account of its own.

    Args:
        count: accounts, the size of the batch.
        threshold: Euclidean distance between embeddings of unit length, below which an alarm is raised; see
            ``calibrate``.
        neighbours: how many nearest queries the mean is over, k; no alarm comes before k + 1 queries.
        memory: queries of an account that are remembered, at least ``neighbours``.

    Raises:
        ValueError: settings that can never raise an alarm.
    """

    def __init__(self, count: int, threshold: float, *, neighbours: int = 10, memory: int = 200) -> None:
        if not 1 <= neighbours <= memory:
            raise ValueError(f"neighbours must be in 1..memory ({memory}), got {neighbours}")
        if not threshold > 0:
            raise ValueError(f"threshold must be above 0, got {threshold}")
        self.threshold, self.neighbours, self.memory = threshold, neighbours, memory
        self.seen = torch.zeros(count, dtype=torch.long)
        self.alarm = torch.zeros(count, dtype=torch.long)
        self._recent: Tensor | None = None

    def __call__(self, embeddings: Tensor, rows: Tensor) -> None:
        """Take in one query (b,D) of each of the accounts ``rows`` (b,), each of which occurs once."""
        new = torch.nn.functional.normalize(embeddings.detach().float().cpu(), dim=1)
        rows = rows.cpu()
        if self._recent is None:
            self._recent = torch.full((len(self.seen), self.memory, new.shape[1]), torch.inf)
        # Only the first alarm counts, so an account that has raised it is not looked at again.
        quiet = (self.alarm[rows] == 0).nonzero().flatten()
        held = int(self.seen.max().clamp(max=self.memory))
        if len(quiet) and held >= self.neighbours:
            accounts = rows[quiet]
            distance = torch.linalg.vector_norm(self._recent[accounts, :held] - new[quiet, None], dim=2)
            nearest = distance.topk(self.neighbours, dim=1, largest=False).values.mean(1)
            raised = accounts[nearest < self.threshold]
            self.alarm[raised] = self.seen[raised] + 1
        self._recent[rows, self.seen[rows] % self.memory] = new
        self.seen[rows] += 1

    def queries_until_detected(self) -> Tensor:
        """(count,) float: the query that raised each account's first alarm, 1 the first; NaN for none."""
        return torch.where(self.alarm > 0, self.alarm.double(), torch.nan)

    @staticmethod
    def calibrate(embeddings: Tensor, *, neighbours: int = 10, false_alarms: float = 0.001) -> float:
        """The threshold under which a share of honest uploads falls.

        Args:
            embeddings: (N,D) of different items' pictures, N above ``neighbours``.
            neighbours: as for the detector.
            false_alarms: share of honest uploads that may raise an alarm, where one account uploads them all.

        Raises:
            ValueError: too few pictures.
        """
        if len(embeddings) <= neighbours:
            raise ValueError(f"{len(embeddings)} pictures have no {neighbours} neighbours each")
        unit = torch.nn.functional.normalize(embeddings.float().cpu(), dim=1)
        means = []
        for start in range(0, len(unit), 1024):
            distance = torch.cdist(unit[start : start + 1024], unit)
            own = torch.arange(len(distance))
            distance[own, own + start] = torch.inf
            means.append(distance.topk(neighbours, dim=1, largest=False).values.mean(1))
        return float(torch.cat(means).quantile(false_alarms))
