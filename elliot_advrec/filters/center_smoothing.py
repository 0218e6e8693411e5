"""Centre smoothing: an embedding that provably cannot move far, and how far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from scipy import stats
from torch import Tensor

from elliot_advrec.filters.gaussian import Gaussian, GaussianConfig
from elliot_advrec.streams import Streams

Embed = Callable[[Tensor], Tensor]
"""(B, 3, H, W) float32 in [0, 1] -> (B, D)."""


class CenterSmoothingConfig(GaussianConfig):
    """Settings of centre smoothing."""

    draws: int = Field(default=500, ge=2)
    """Noisy pictures that a centre is found from, n."""
    certify_draws: int = Field(default=2000, ge=2)
    """Noisy pictures that a radius is measured on, m."""
    alpha: float = Field(default=0.001, gt=0, lt=1)
    """Probability that a certificate is wrong; half of it goes to the centre, half to the radius."""
    batch_size: int = Field(default=64, ge=1)
    """Noisy pictures at once; decides no number but for the last digits."""


@dataclass(frozen=True)
class Certificate:
    """A smoothed embedding and how far it can be moved."""

    centre: Tensor
    """(D,) the smoothed embedding."""
    radius: float
    """R: with confidence 1 - alpha/2 the ball of this radius around the centre holds the share p."""
    bound: float
    """3 R, the largest distance that the smoothed embedding can move; infinite where m draws cannot tell."""


class CenterSmoothing:
    """Smooths an embedding under Gaussian noise, with a certificate (Kumar and Goldstein 2021).

    The smoothed embedding of x is the centre of a small ball that holds more than half of
    f(x + N(0, sigma^2 I)), found among n draws: the draw with the smallest distance to its
    (floor(n/2) + 1)-th nearest draw, itself counted. Its ball is at most twice as wide as the smallest one
    (their beta = 2, section 3.2).

    Bound. Let Delta = sqrt(ln(2 / alpha) / (2 n)) and p = Phi(Phi^-1(1/2 + Delta) + eps / sigma). Let R be
    the k-th smallest of m fresh distances from the centre c, k the smallest with
    P(Binomial(m, p) >= k) <= alpha / 2. For every x' with ||x' - x||_2 <= eps, with probability at least
    1 - alpha over the draws at x and at x':

        ||centre(x') - c||_2 <= 3 R        (their theorem 2, (1 + beta) R with beta = 2)

    Why: with confidence 1 - alpha/2 the ball B(c, R) holds at least p of f(x + N), so at least 1/2 + Delta of
    f(x' + N) (Neyman-Pearson for Gaussians), so by Hoeffding more than half of the n draws at x' but for
    alpha/2. Then the best draw's majority ball at x' has a radius of at most 2 R, and two majorities share a
    draw: R + 2 R. The radius is taken by the exact binomial where the paper uses Hoeffding, so it is smaller.

    eps is Euclidean: an L-infinity budget e on a 3 x H x W picture is eps = e sqrt(3 H W). A score that is
    L-Lipschitz in the embedding, as VBPR's with L = ||E^T p_u||, moves by at most L times the bound.

    Args:
        embed: what is smoothed; called without gradients.
        config: noise, draws and confidence.
    """

    def __init__(self, embed: Embed, config: CenterSmoothingConfig | None = None) -> None:
        self.embed, self.config = embed, config or CenterSmoothingConfig()
        self._noise = Gaussian(GaussianConfig(sigma=self.config.sigma))

    @torch.no_grad()
    def centre(self, pixels: Tensor, streams: Streams) -> Tensor:
        """(B, D) smoothed embeddings of (B, 3, H, W) pictures, one random stream each."""
        found = [
            self._centre(self._draws(picture, self.config.draws, streams.take([row])))
            for row, picture in enumerate(pixels)
        ]
        return torch.stack(found) if found else self.embed(pixels)

    @torch.no_grad()
    def certify(self, pixels: Tensor, eps: float, streams: Streams) -> list[Certificate]:
        """A certificate for each of (B, 3, H, W) pictures, against changes of Euclidean length up to ``eps``.

        Args:
            pixels: float32 in [0, 1].
            eps: in units of pixels in [0, 1], at least 0.
            streams: one a picture.

        Raises:
            ValueError: a negative ``eps``.
        """
        if not eps >= 0:
            raise ValueError(f"eps must be at least 0, got {eps}")
        place = self.order(eps)
        found = []
        for row, (picture, centre) in enumerate(zip(pixels, self.centre(pixels, streams), strict=True)):
            if place is None:
                found.append(Certificate(centre, math.inf, math.inf))
                continue
            fresh = self._draws(picture, self.config.certify_draws, streams.take([row]))
            distances = torch.linalg.vector_norm(fresh - centre, dim=1)
            radius = float(distances.kthvalue(place).values)
            found.append(Certificate(centre, radius, 3 * radius))
        return found

    def mass(self, eps: float) -> float:
        """p, the share of embeddings that the certified ball must hold; 1 where n draws are too few."""
        delta = math.sqrt(math.log(2 / self.config.alpha) / (2 * self.config.draws))
        if delta >= 0.5:
            return 1.0
        return float(stats.norm.cdf(stats.norm.ppf(0.5 + delta) + eps / self.config.sigma))

    def order(self, eps: float) -> int | None:
        """k, which of the m sorted distances is the radius, counted from 1; None: none is sure enough."""
        count, p = self.config.certify_draws, self.mass(eps)
        # P(Binomial >= k) for k = 1..m, falling.
        tail = stats.binom.sf(np.arange(count), count, p)
        sure = np.flatnonzero(tail <= self.config.alpha / 2)
        return int(sure[0]) + 1 if len(sure) else None

    def _draws(self, picture: Tensor, count: int, streams: Streams) -> Tensor:
        """(count, D) float32 embeddings of one picture (3, H, W) under noise."""
        found = []
        for start in range(0, count, self.config.batch_size):
            size = min(self.config.batch_size, count - start)
            # One stream, so many draws in a row: the batch size cuts the same sequence elsewhere.
            noisy = [self._noise(picture.unsqueeze(0), streams) for _ in range(size)]
            found.append(self.embed(torch.cat(noisy)).float())
        return torch.cat(found)

    def _centre(self, draws: Tensor) -> Tensor:
        majority = len(draws) // 2 + 1
        apart = torch.cdist(draws, draws, compute_mode="donot_use_mm_for_euclid_dist")
        reach = apart.kthvalue(majority, dim=1).values
        return draws[int(reach.argmin())]
