"""A user as the weighted sum of what it took, with weights that look at the pictures."""

from __future__ import annotations

from copy import copy
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.bpr.attention import AttentionNetwork, Looks
from elliot_advrec.recommenders.bpr.config import Layers, VisualConfig, Weight
from elliot_advrec.recommenders.bpr.features import Features, as_tensor
from elliot_advrec.recommenders.bpr.network import Initial, Network, without_cold
from elliot_advrec.recommenders.bpr.pairwise import PairwiseRecommender, on_cpu
from elliot_advrec.recommenders.bpr.products import rowwise
from elliot_advrec.recommenders.bpr.sampling import TripleSampler
from elliot_advrec.recommenders.embeddings import check_embeddings, check_width, last_of_each

COMPUTED = ("taste", "component_looks", "item_looks")
USERS = 256
"""Users whose histories are looked at together."""


class ACFConfig(VisualConfig):
    """Settings of ``ACF``."""

    factors: Annotated[int, Field(ge=1)] = 100
    """Factors of users and items."""
    lr: Annotated[float, Field(gt=0)] = 0.0005
    """Learning rate of Adam."""
    l_w: Weight = 0.000025
    """L2 penalty of the factors that a triple holds and of the attentions' layers."""
    layers_component: Layers = (64, 1)
    """Units of each layer of the attention over the components of a picture, the last one 1."""
    layers_item: Layers = (64, 1)
    """Units of each layer of the attention over the items of a user, the last one 1."""


class ACF(PairwiseRecommender):
    """Attention over a user's items and over the components of their pictures, trained on pairs.

    Chen et al. 2017, "Attentive Collaborative Filtering: Multimedia Recommendation with Item- and
    Component-Level Attention", eq. 4 to 9: score(u, i) = (p_u + sum over the items l of u of a(u, l) z_l) .
    q_i, where a is a softmax over those items of a small network that sees p_u, q_l, z_l and the picture,
    and a picture is the sum of its components, weighted by another such network. Embeddings may be (N, D),
    one component a picture, or (N, M, D). (In Elliot 0.3.1 both softmaxes run over an axis of length 1.)

    Pictures change what a user is taken to like, not the item that is scored: an attacked item moves the
    lists of those who took it, and one without training interactions, whose q_i is 0, scores 0 everywhere.
    """

    config_class = ACFConfig
    config: ACFConfig
    uses_images: ClassVar[bool] = True
    own_picture: ClassVar[bool] = False
    differentiable: ClassVar[bool] = True
    _learned: AttentionNetwork

    def _network(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None,
        sampler: TripleSampler,
        initial: Initial,
        device: torch.device,
    ) -> Network:
        users, items = interactions.train.shape
        features = _components(embeddings, items)
        factors, wide = self.config.factors, features.shape[2]
        train = interactions.train
        tensors = {
            "users": initial.normal("users", users, factors, 0.01),
            "items": without_cold(initial.normal("items", items, factors, 0.01), sampler.items),
            "profiles": without_cold(initial.normal("profiles", items, factors, 0.01), sampler.items),
            "indptr": torch.from_numpy(train.indptr.astype(np.int64)),
            "indices": torch.from_numpy(train.indices.astype(np.int64)),
        }
        for part, layers, given in (
            ("component", self.config.layers_component, {"user": factors, "look": wide}),
            (
                "item",
                self.config.layers_item,
                {"user": factors, "latent": factors, "profile": factors, "look": wide},
            ),
        ):
            for name, rows in given.items():
                tensors[f"{part}_{name}"] = initial.glorot(f"{part} {name}", rows, layers[0])
            for number, units in enumerate(layers):
                tensors[f"{part}_bias{number}"] = torch.zeros(units)
                if number:
                    weight = initial.glorot(f"{part} weight{number}", layers[number - 1], units)
                    tensors[f"{part}_weight{number}"] = weight
        return AttentionNetwork(self.config, tensors, Features(features, device))

    def _take(self, network: Network) -> None:
        learned: Any = on_cpu(network)
        self._learned = learned
        with torch.no_grad():
            self._items = learned.items.detach().t().contiguous()
            self._looks = Looks(*(part.contiguous() for part in learned.looks(learned.features.host)))
            self._taste = self._tastes(torch.arange(len(learned.users)))

    def _tastes(self, users: Tensor) -> Tensor:
        """(P, K) what users are multiplied with items as, a block at a time."""
        found = []
        for start in range(0, len(users), USERS):
            entries = self._learned.entries(users[start : start + USERS])
            found.append(self._learned.represent(entries, self._looks.take(entries.item)))
        return torch.cat(found) if found else self._learned.users[users]

    def scores(self, users: np.ndarray) -> Tensor:
        with torch.no_grad():
            return rowwise(self._taste[torch.from_numpy(np.asarray(users, dtype=np.int64))], self._items)

    def with_items(self, rows: np.ndarray, embeddings: np.ndarray) -> ACF:
        """The same weights over a catalog with these items changed; only users who took one are new."""
        features = _components(embeddings, len(rows))
        check_width(features.shape[2], self._width, "ACF")
        rows, new = last_of_each(rows, features)
        changed = copy(self)
        with torch.no_grad():
            places = torch.from_numpy(rows)
            looks = self._learned.looks(as_tensor(np.ascontiguousarray(new)))
            changed._looks = Looks(*(part.clone() for part in self._looks))
            changed._looks.component[places], changed._looks.item[places] = looks
            concerned = torch.from_numpy(np.flatnonzero(self._took()[:, rows].getnnz(axis=1)))
            changed._taste = self._taste.clone()
            changed._taste[concerned] = changed._tastes(concerned)
        return changed

    def item_scores(self, users: np.ndarray, rows: np.ndarray, embeddings: Tensor) -> Tensor:
        wide = embeddings if embeddings.ndim == 3 else embeddings[:, None]
        if wide.ndim != 3 or len(wide) != len(rows):
            raise ValueError(f"embeddings must be ({len(rows)}, D), got {tuple(embeddings.shape)}")
        check_width(wide.shape[2], self._width, "ACF")
        asked = torch.from_numpy(np.asarray(users, dtype=np.int64))
        changed = torch.from_numpy(np.asarray(rows, dtype=np.int64))
        items = self._learned.items[changed].to(embeddings)
        plain = self._taste[asked].to(embeddings) @ items.t()
        # Only a user who took the item sees its picture: one representation for each such pair.
        who, which = self._took()[np.asarray(users, dtype=np.int64)][:, np.asarray(rows)].nonzero()
        user, column = torch.from_numpy(who.astype(np.int64)), torch.from_numpy(which.astype(np.int64))
        entries = self._learned.entries(asked[user])
        new, old = self._learned.looks(wide), self._looks.take(entries.item)
        its = column[entries.owner]
        replaced = (entries.item == changed[its])[:, None, None].to(embeddings.device)
        looks = Looks(*(torch.where(replaced, n[its], o.to(n)) for n, o in zip(new, old, strict=True)))
        taste = self._learned.represent(entries, looks)
        return plain.index_put((user, column), (taste * items[column]).sum(1))

    @property
    def _width(self) -> int:
        return self._learned.width

    def _took(self) -> csr_matrix:
        """(U, N) the training items of users."""
        indices, indptr = self._learned.indices.numpy(), self._learned.indptr.numpy()
        shape = (len(self._learned.users), len(self._learned.items))
        return csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=shape)

    def _state(self) -> dict[str, np.ndarray]:
        computed = dict(zip(COMPUTED, (self._taste, *self._looks), strict=True))
        return {name: tensor.numpy() for name, tensor in {**self._learned.state_dict(), **computed}.items()}

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        self._taste, *looks = (tensors.pop(name) for name in COMPUTED)
        self._looks = Looks(*looks)
        self._learned = AttentionNetwork(self.config, tensors)
        self._learned.eval().requires_grad_(False)
        self._items = self._learned.items.t().contiguous()


def _components(embeddings: np.ndarray | None, items: int) -> np.ndarray:
    """(items, M, D) float32; M is 1 where a picture has one embedding.

    Raises:
        UserError: missing, of another length, or not finite.
    """
    shape = np.shape(embeddings) if embeddings is not None else ()
    whole = embeddings if embeddings is None or len(shape) != 3 else np.reshape(embeddings, (shape[0], -1))
    found = check_embeddings(whole, items, "ACF")
    return found.reshape(shape) if len(shape) == 3 else found[:, None]
