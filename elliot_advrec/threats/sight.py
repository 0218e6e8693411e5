"""What an adversary sees of the users it watches: scores, places, or the top of the lists alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.attacks.objective import OfEmbedding
from elliot_advrec.threats.crowd import Crowd


class Sight:
    """Values of all watched users, to be lowered; this one shows scores.

    Args:
        crowd: of B items.
        index: (B, P) its users, as places in ``crowd.users``, that are watched for each item.
    """

    def __init__(self, crowd: Crowd, index: np.ndarray) -> None:
        self.crowd, self.index = crowd, torch.from_numpy(index).to(crowd.device)
        self.sign = -1.0 if crowd.raised else 1.0

    def values(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """(b, P) values of items whose embeddings are (b, D); rows (b,) are their places in the batch."""
        return self.sign * self.of_watched(self.crowd.scores(embeddings, rows), rows)

    def of_watched(self, found: Tensor, rows: Tensor) -> Tensor:
        """(b, P) from the crowd's (m, b)."""
        return found.t().gather(1, self.index.to(found.device)[rows.to(found.device)])

    def around(self, embeddings: Tensor, rows: Tensor, active: Tensor) -> OfEmbedding:
        """What is looked at while the slope at (b, D) ``embeddings`` is estimated: ``active`` users alone.

        Args:
            active: (B,) which of the P users; only those of ``rows`` count.
        """

        def seen(near: Tensor, places: Tensor) -> Tensor:
            return self.values(near, places).gather(1, active[places][:, None]).squeeze(1)

        return seen


class RankSight(Sight):
    """Shows places in the full ranking: s = 1 - r / N up to a constant (Cohen et al. 2021, 3.6), so r / N."""

    def values(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        ranks = self.of_watched(self.crowd.ranks(embeddings, rows), rows)
        return -self.sign * ranks.to(embeddings.device, torch.float32) / self.crowd.size


class PartialSight(RankSight):
    """Shows the first ``crowd.depth`` places; all that is further down looks as if it were the next one.

    With surrogates (Cohen et al. 2021, 3.6): while the item cannot be seen by user u, u' = u + an added item
    i' is watched instead, and what i' alone contributes is taken off: ((n + 1) o(u') - o(u(i'))) / n, n the
    length of u's history. While u' cannot see it either, u(i') is. To be seen by u is better than by u', and
    that better than by u(i'), so values are r / N for u, 1 + r / N for u' and 2 + r / N for u(i').

    Args:
        crowd: u, index: as in ``Sight``.
        surrogates: u' and u(i'), one of each for every watched user of every item: user (item * P + p).
        lengths: (B, P) n.
    """

    def __init__(
        self,
        crowd: Crowd,
        index: np.ndarray,
        surrogates: Sequence[Crowd] = (),
        lengths: np.ndarray | None = None,
    ) -> None:
        super().__init__(crowd, index)
        self.surrogates: list[RankSight] = []
        if lengths is not None:
            own = np.arange(index.size).reshape(index.shape)
            self.surrogates = [RankSight(each, own) for each in surrogates]
            self.lengths = torch.from_numpy(lengths).to(crowd.device)

    def values(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        stages, offset = self._stages(embeddings, rows)
        return offset + stages.gather(2, offset.long()[..., None]).squeeze(2)

    def _stages(self, embeddings: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(b, P, stages) places over N of u, u' and u(i'), and (b, P) the first stage that sees the item."""
        seen = [
            super().values(embeddings, rows),
            *(each.values(embeddings, rows) for each in self.surrogates),
        ]
        stages = torch.stack(seen, 2)
        offset = torch.zeros_like(seen[0])
        if self.surrogates:
            hidden = stages > (self.crowd.depth + 0.5) / self.crowd.size
            offset = hidden[..., 0].float() * (1 + hidden[..., 1].float())
        return stages, offset

    def around(self, embeddings: Tensor, rows: Tensor, active: Tensor) -> OfEmbedding:
        if not self.surrogates:
            return super().around(embeddings, rows, active)
        stage = torch.zeros_like(active)
        offset = self._stages(embeddings, rows)[1]
        stage[rows] = offset.gather(1, active[rows][:, None]).squeeze(1).long()
        n = self.lengths.to(active.device).gather(1, active[:, None]).squeeze(1)

        def seen(near: Tensor, places: Tensor) -> Tensor:
            chosen = active[places][:, None, None].expand(-1, 1, 3)
            user, surrogate, alone = self._stages(near, places)[0].gather(1, chosen).squeeze(1).unbind(1)
            corrected = ((n[places] + 1) * surrogate - alone) / n[places]
            choices = torch.stack([user, corrected.to(user), alone], 1)
            return choices.gather(1, stage[places][:, None]).squeeze(1)

        return seen
