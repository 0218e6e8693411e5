"""One optimiser call a step for all parameters of a network, laid end to end."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from elliot_advrec.recommenders.bpr.network import Network

EPSILON = 1e-7
"""Adam's, as in Keras and so in Elliot; PyTorch's own is 1e-8."""


def lay_out(network: Network) -> nn.Parameter:
    """Move what the network learns into one vector, of which its parameters become views; gradients too.

    A step over one long vector costs a third of a step over five short ones, and it is taken a hundred times
    an epoch.

    Args:
        network: on its device; keeps its values.

    Returns:
        (P,) all values, with a zero gradient.
    """
    learnable = network.learnable()
    flat = nn.Parameter(torch.cat([parameter.detach().reshape(-1) for parameter in learnable]))
    flat.grad = torch.zeros_like(flat)
    start = 0
    for parameter in learnable:
        stop = start + parameter.numel()
        parameter.data = flat.data[start:stop].view(parameter.shape)
        parameter.grad = flat.grad[start:stop].view(parameter.shape)
        start = stop
    return flat


def make_optimiser(kind: Literal["adam", "descent"], flat: nn.Parameter, lr: float) -> torch.optim.Optimizer:
    """Adam, fused, or plain gradient descent."""
    if kind == "descent":
        return torch.optim.SGD([flat], lr=lr)
    return torch.optim.Adam([flat], lr=lr, eps=EPSILON, fused=True)
