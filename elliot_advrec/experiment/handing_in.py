"""What becomes of pictures that are handed in: filtered, embedded, and refused where they are flagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from elliot_advrec.attacks.objective import OfEmbedding
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.guards import Guard
from elliot_advrec.metrics.perceptual import round_to_8_bits


@dataclass(frozen=True)
class Received:
    """Pictures after the shop has looked at them."""

    embedding: Tensor
    """(B, D) float32: of the picture that the item shows from now on."""
    flagged: Tensor | None = None
    """(B,) bool; None without a detector."""
    suspicion: Tensor | None = None
    """(B,) scores of the detector."""


@dataclass(frozen=True)
class Shop:
    """The pictures' way into the catalog.

    Attributes:
        view: the extractor, in float32.
        guard: in front of it; None: nothing.
        refuse: whether an item whose new picture is flagged keeps the old one.
        tries: how often a picture may be handed in.
        scored: scores of the items' own pictures by the names of a batch, which all shops of one guard share.
    """

    view: FrozenExtractor
    guard: Guard | None = None
    refuse: bool = True
    tries: int = 1
    scored: dict[tuple[str, ...], Tensor] = field(default_factory=dict, repr=False, compare=False)

    @torch.no_grad()
    def embed(self, pixels: Tensor, names: Sequence[str]) -> Tensor:
        """(B, D) float32 embeddings of (B, 3, S, S) pictures as the shop sees them; names decide draws."""
        shown = pixels if self.guard is None else self.guard.clean(pixels, names)
        return self.view.embed(shown).float()

    @torch.no_grad()
    def suspicion(self, pixels: Tensor, names: Sequence[str]) -> Tensor | None:
        """(B,) scores of the detector for the items' own pictures; None without one.

        Every attack on the same pairs asks for the same batches: each is scored once.
        """
        if self.guard is None or self.guard.detector is None:
            return None
        batch = tuple(names)
        if batch not in self.scored:
            self.scored[batch] = self.guard.score(pixels, names)
        return self.scored[batch]

    def receive(self, pixels: Tensor, names: Sequence[str], kept: Tensor) -> Received:
        """What becomes of (B, 3, S, S) new pictures.

        Args:
            names: one a picture, which decide what a random filter draws.
            kept: (B, D) embeddings of the pictures that the items have.
        """
        shown, suspicion = (pixels, None) if self.guard is None else self.guard.look(pixels, names)
        with torch.no_grad():
            embedding = self.view.embed(shown).float()
        if suspicion is None or self.guard is None:
            return Received(embedding)
        flagged = self.guard.flags(suspicion)
        if self.refuse:
            embedding = torch.where(flagged[:, None], kept.to(embedding), embedding)
        return Received(embedding, flagged, suspicion)

    def resubmit(
        self,
        clean: Tensor,
        attacked: Tensor,
        names: Sequence[str],
        kept: Tensor,
        value: OfEmbedding,
        first: Received,
    ) -> Received:
        """The best of several tries for each picture, as its owner sees it.

        The k-th of n tries shows the change at (n - k + 1) / n of its length, in 8 bits, before new draws:
        what was flagged at full length may pass at half of it, and what a draw undid may survive another. The
        first try is the one that is judged anyway, so several are never worse than one.

        Args:
            clean: (B, 3, S, S) untouched pictures.
            attacked: (B, 3, S, S), in 8 bits.
            names: one a picture.
            kept: (B, D) embeddings of the pictures that the items have.
            value: of the attacker's loss; the lowest that is not flagged is kept.
            first: what ``receive`` made of ``attacked``, the first try.
        """
        rows = torch.arange(len(clean), device=clean.device)
        best = first
        least = torch.full((len(clean),), torch.inf, device=clean.device)
        for number in range(self.tries):
            tried = first
            if number:
                shown = clean + (attacked - clean) * ((self.tries - number) / self.tries)
                shown = round_to_8_bits(shown.clamp(0, 1), clean, None)
                tried = self.receive(shown, [f"{name}, try {number + 1}" for name in names], kept)
            with torch.no_grad():
                loss = value(tried.embedding, rows).float()
            if tried.flagged is not None and self.refuse:
                loss = loss.masked_fill(tried.flagged, torch.inf)
            better = loss < least
            least = torch.where(better, loss, least)
            best = _where(better, tried, best)
        return best


def _where(better: Tensor, new: Received, old: Received) -> Received:
    def mixed(one: Tensor | None, other: Tensor | None) -> Tensor | None:
        return None if one is None or other is None else torch.where(better, one, other)

    embedding = torch.where(better[:, None], new.embedding, old.embedding)
    return Received(embedding, mixed(new.flagged, old.flagged), mixed(new.suspicion, old.suspicion))
