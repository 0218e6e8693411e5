"""What all recommenders that are trained on triples share: the fit, and how they are kept."""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import asdict
from typing import ClassVar, Literal

import numpy as np
import torch

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.metrics.ranking import evaluate
from elliot_advrec.recommenders.base import Recommender
from elliot_advrec.recommenders.bpr.config import BPRConfig
from elliot_advrec.recommenders.bpr.history import History
from elliot_advrec.recommenders.bpr.network import Initial, Network
from elliot_advrec.recommenders.bpr.sampling import TripleSampler
from elliot_advrec.recommenders.bpr.state import digest
from elliot_advrec.recommenders.bpr.trainer import Trainer
from elliot_advrec.seeding import stream_seed


class PairwiseRecommender(Recommender):
    """A recommender whose network learns that users prefer what they took (Rendle et al. 2009, eq. 4).

    Authors write ``_network`` and ``_take``, beside what a recommender needs.
    """

    config_class = BPRConfig
    config: BPRConfig
    trained: ClassVar[bool] = True
    optimiser: ClassVar[Literal["adam", "descent"]] = "adam"
    history: History
    """What each epoch of the fit gave; not saved."""
    _learned: Network

    def fit(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None,
        *,
        seed: int = 42,
        device: str | torch.device = "cpu",
    ) -> None:
        """Train on triples; see ``Recommender.fit``.

        Raises:
            UserError: embeddings that do not fit, nothing to learn from, a metric to stop by that is not
                measured, divergence (names the epoch and the setting), or a folder of another training.
        """
        place = torch.device(device)
        seed = seed if self.config.seed is None else self.config.seed
        sampler = TripleSampler(interactions.train, stream_seed(seed, "bpr"))
        network = self._network(interactions, embeddings, sampler, Initial(seed), place).to(place)
        identity = {
            "recommender": type(self).__name__,
            "config": self.config.model_dump(mode="json"),
            "selection": asdict(self.context.selection),
            "known_only": self.context.known_only,
            "seed": seed,
            "device": place.type,
            **({} if self.context.folder is None else self._learned_from(interactions, embeddings)),
        }

        def measure() -> dict[str, float]:
            self._take(network)
            selection = self.context.selection
            found = evaluate(
                self,
                interactions,
                selection.cutoffs,
                split="validation",
                batch=self.config.batch_eval,
                relevance_threshold=selection.relevance_threshold,
                metrics=selection.metrics,
                items=interactions.trained() if self.context.known_only else None,
                candidates=interactions.validation_candidates,
            )
            return {f"{metric}@{cutoff}": found.value(metric, cutoff) for metric, cutoff in found}

        self.history = Trainer(
            type(self).__name__,
            network,
            sampler,
            self.config,
            self.optimiser,
            seed=seed,
            context=self.context,
            identity=identity,
            measure=None if interactions.validation is None else measure,
        ).run()
        self._take(network)
        self._learned.features = None  # large, and no longer needed

    def _learned_from(self, interactions: Interactions, embeddings: np.ndarray | None) -> dict[str, str]:
        """Digests of all data that decide the training."""
        train = interactions.train
        held, ranked = interactions.validation, interactions.validation_candidates
        parts = {
            "interactions": [train.indptr, train.indices],
            "validation": [None] if held is None else [held.indptr, held.indices, held.data],
            "validation_candidates": [None] if ranked is None else [ranked.indptr, ranked.indices],
            "embeddings": [embeddings],
            "categories": [self.context.categories],
        }
        return {name: digest(*arrays) for name, arrays in parts.items()}

    @abstractmethod
    def _network(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None,
        sampler: TripleSampler,
        initial: Initial,
        device: torch.device,
    ) -> Network:
        """What learns, with its first weights; on the CPU, save for the features it reads.

        Args:
            interactions: (U, N) matrices.
            embeddings: as ``fit`` got them, not yet checked.
            sampler: knows the items that are trained.
            initial: draws first weights.
            device: where it is going to be trained.
        """

    @abstractmethod
    def _take(self, network: Network) -> None:
        """Make ``scores`` answer with the network's present weights; called between epochs as well.

        Keeps the network, on the CPU, as ``_learned``.
        """


def on_cpu(network: Network) -> Network:
    """The network itself if it is on the CPU, else a copy that is."""
    if next(network.parameters()).device.type == "cpu":
        return network
    return copy.deepcopy(network).cpu()
