"""Attention over what a user took, and over the components of each picture (for ``ACF``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from elliot_advrec.recommenders.bpr.features import Features
from elliot_advrec.recommenders.bpr.network import Network, half_squares
from elliot_advrec.recommenders.bpr.sampling import Triples

ITEM, COMPONENT = "item", "component"


class Looks(NamedTuple):
    """What both attentions see of items: their features times the first layers, (n, M, h) each."""

    component: Tensor
    item: Tensor

    def take(self, rows: Tensor) -> Looks:
        """Those of some rows."""
        return Looks(self.component[rows], self.item[rows])


class Entries(NamedTuple):
    """The training items of P users, one after the other; T of them."""

    users: Tensor
    """(P,) user rows."""
    owner: Tensor
    """(T,) which of the P users an entry belongs to."""
    item: Tensor
    """(T,) its item row."""


class AttentionNetwork(Network):
    """Users, items and profiles (an item's part in the taste of who took it), all K wide, and two attentions.

    Args:
        config: settings with ``l_w``, ``layers_item`` and ``layers_component``.
        tensors: parameters, and ``indptr`` (U + 1,) and ``indices`` of the training items of users.
        features: (N, M, D), M components a picture.
    """

    users: nn.Parameter
    items: nn.Parameter
    profiles: nn.Parameter
    indptr: Tensor
    indices: Tensor

    def __init__(self, config: Any, tensors: Mapping[str, Tensor], features: Features | None = None) -> None:
        super().__init__(
            config, {n: t for n, t in tensors.items() if n not in ("indptr", "indices")}, features
        )
        self.register_buffer("indptr", tensors["indptr"])
        self.register_buffer("indices", tensors["indices"])

    @property
    def width(self) -> int:
        """D of the features."""
        return len(self._of("item_look"))

    def _of(self, name: str) -> Tensor:
        return cast(Tensor, getattr(self, name))

    def entries(self, users: Tensor) -> Entries:
        """The training items of users, each at least one."""
        start = self.indptr[users]
        count = self.indptr[users + 1] - start
        owner = torch.repeat_interleave(torch.arange(len(users), device=users.device), count)
        before = torch.cumsum(count, 0) - count
        within = torch.arange(len(owner), device=users.device) - before[owner]
        return Entries(users, owner, self.indices[start[owner] + within])

    def looks(self, features: Tensor) -> Looks:
        """(n, M, D) features of any floating type; differentiable in them."""
        return Looks(*(features @ self._of(f"{part}_look").to(features) for part in (COMPONENT, ITEM)))

    def represent(self, entries: Entries, looks: Looks) -> Tensor:
        """(P, K) users with what they took added, each item by its weight.

        Args:
            entries: of P users.
            looks: of the T entries; their type is that of the result.
        """
        # The parameters may lie elsewhere than the looks, which come from where an attack runs.
        kind, owner = looks.item, entries.owner.to(looks.item.device)
        user = self.users[entries.users].to(kind)
        seen = looks.item[:, 0]
        if looks.item.shape[1] > 1:
            first = (user @ self._of("component_user").to(kind))[owner][:, None] + looks.component
            share = torch.softmax(self._layers(COMPONENT, first), dim=1)
            seen = (share * looks.item).sum(1)
        shown, place = torch.unique(entries.item, return_inverse=True)
        profile = self.profiles[shown].to(kind)
        latent = self.items[shown].to(kind) @ self._of("item_latent").to(kind)
        latent = latent + profile @ self._of("item_profile").to(kind)
        place = place.to(owner.device)
        first = (user @ self._of("item_user").to(kind))[owner] + latent[place] + seen
        weight = segment_softmax(self._layers(ITEM, first)[:, 0], owner, len(user))
        return user.index_add(0, owner, weight[:, None] * profile[place])

    def _layers(self, part: str, first: Tensor) -> Tensor:
        """What follows the first products: its bias and ReLU, then the other layers, linear as in Elliot."""
        found = functional.relu(first + self._of(f"{part}_bias0").to(first))
        for number in range(1, len(getattr(self.config, f"layers_{part}"))):
            weight, bias = self._of(f"{part}_weight{number}"), self._of(f"{part}_bias{number}")
            found = found @ weight.to(first) + bias.to(first)
        return found

    def loss(self, triples: Triples) -> Tensor:
        assert self.features is not None
        asked, place = torch.unique(triples.users, return_inverse=True)
        entries = self.entries(asked)
        shown, at = torch.unique(entries.item, return_inverse=True)
        taste = self.represent(entries, self.looks(self.features.rows(shown)).take(at))[place]
        taken, not_taken = self.items[triples.positives], self.items[triples.negatives]
        preference = (taste * (taken - not_taken)).sum(1)
        held = [self.profiles[triples.positives], self.profiles[triples.negatives]]
        own = [p for name, p in self.named_parameters() if name.startswith((f"{ITEM}_", f"{COMPONENT}_"))]
        penalty = half_squares(self.users[triples.users], taken, not_taken, *held, *own)
        return functional.softplus(-preference).sum() + self.config.l_w * penalty


def segment_softmax(values: Tensor, owner: Tensor, owners: int) -> Tensor:
    """(T,) softmax of the values of each owner apart; owners are sorted, and none is without values."""
    highest = values.detach().new_full((owners,), -torch.inf)
    highest = highest.scatter_reduce(0, owner, values.detach(), "amax")
    grown = (values - highest[owner]).exp()
    return grown / grown.new_zeros(owners).index_add(0, owner, grown)[owner]
