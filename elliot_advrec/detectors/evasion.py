"""The joint loss of an attacker who also evades a detector."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
"""(pixels (b, 3, H, W), rows (b,)) -> (b,)."""


def evading(loss: Loss, score: Loss, threshold: float, *, weight: float = 1.0, margin: float = 0.1) -> Loss:
    """``loss`` plus what a detector's score exceeds a safe level by (after Carlini and Wagner 2017).

    loss + weight * max(0, score - (1 - margin) threshold): nothing is paid below the level, so the attack
    spends its budget on its goal once it is unseen. Weights of very different size are worth a try each, and
    the best result that is not flagged counts.

    Args:
        loss: the attack's own, to minimise; through the filter where there is one.
        score: the detector's, differentiable (``Detector.adaptive``, in an ``AdaptiveView`` where it draws).
        threshold: scores above it are flagged.
        weight: of the excess, at least 0.
        margin: share of the threshold that is kept free, for what rounding to 8 bits adds.

    Raises:
        ValueError: a negative weight.
    """
    if not weight >= 0:
        raise ValueError(f"weight must be at least 0, got {weight}")
    level = threshold - margin * abs(threshold)

    def joint(pixels: Tensor, rows: Tensor) -> Tensor:
        return loss(pixels, rows) + weight * (score(pixels, rows) - level).clamp_min(0)

    return joint
