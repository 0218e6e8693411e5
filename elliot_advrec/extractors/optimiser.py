"""Optimiser, learning-rate schedule and mixed precision as one thing that steps and can be stored."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from elliot_advrec.errors import UserError
from elliot_advrec.extractors.config import TrainingConfig


class Optimiser:
    """Steps the parameters of ``network``.

    Args:
        network: what learns; already on its device.
        config: optimiser, learning rate, schedule, precision, clipping.
        steps: of the whole training, which the schedule spans.
        device: where it runs.

    Raises:
        UserError: a precision that the device does not have.
    """

    def __init__(self, network: nn.Module, config: TrainingConfig, steps: int, device: torch.device) -> None:
        self._named = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
        parameters = [parameter for _, parameter in self._named]
        self._clip, self._device = config.gradient_clip, device
        self._optimiser = _optimiser(parameters, config)
        self._scheduler = _scheduler(self._optimiser, config, steps)
        self._dtype = _dtype(config.precision, device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._dtype == torch.float16)

    @property
    def lr(self) -> float:
        """The present learning rate."""
        return float(self._optimiser.param_groups[0]["lr"])

    @property
    def in_bf16(self) -> bool:
        """Whether ``autocast`` computes in bf16."""
        return self._dtype == torch.bfloat16

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of a forward pass in the training's precision."""
        return torch.autocast(
            self._device.type, self._dtype or torch.bfloat16, enabled=self._dtype is not None
        )

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of the scalar ``loss``, and one step of the schedule."""
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        if self._clip is not None:
            self._scaler.unscale_(self._optimiser)
            nn.utils.clip_grad_norm_([parameter for _, parameter in self._named], self._clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._scheduler.step()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that decides the next step: tensors by ``parameter/slot`` and a JSON-able rest."""
        tensors, plain = {}, {}
        found = self._optimiser.state_dict()
        for index, slots in found["state"].items():
            name = self._named[index][0]
            for slot, value in slots.items():
                if isinstance(value, Tensor):
                    tensors[f"{name}/{slot}"] = value
                else:
                    plain[f"{name}/{slot}"] = value
        rest = {
            "slots": plain,
            "groups": found["param_groups"],
            "scheduler": self._scheduler.state_dict(),
            "scaler": self._scaler.state_dict(),
        }
        return tensors, rest

    def restore(self, tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
        """Take up the state that ``state`` gave."""
        slots: dict[int, dict[str, Any]] = {}
        index = {name: position for position, (name, _) in enumerate(self._named)}
        for key, value in [*tensors.items(), *rest["slots"].items()]:
            name, _, slot = key.rpartition("/")
            position = index[name]
            parameter = self._named[position][1]
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                # In the parameter's memory format, as an undisturbed optimiser has it: same bits, same speed.
                value = torch.empty_like(parameter).copy_(value)
            slots.setdefault(position, {})[slot] = value
        self._optimiser.load_state_dict({"state": slots, "param_groups": rest["groups"]})
        self._scheduler.load_state_dict(rest["scheduler"])
        self._scaler.load_state_dict(rest["scaler"])


def _optimiser(parameters: list[nn.Parameter], config: TrainingConfig) -> torch.optim.Optimizer:
    # Fused: hundreds of small tensors are stepped in one kernel.
    shared: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay, "fused": True}
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=0.9, nesterov=True, **shared)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, **shared)


def _scheduler(optimiser: torch.optim.Optimizer, config: TrainingConfig, steps: int) -> LRScheduler:
    if config.schedule == "onecycle":
        return OneCycleLR(optimiser, max_lr=config.lr, total_steps=steps + 1)
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimiser, T_max=steps)
    return ConstantLR(optimiser, factor=1.0)


def _dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """What autocast computes in; None for plain float32."""
    if precision == "float32" or (precision == "auto" and device.type != "cuda"):
        return None
    if precision == "fp16" and device.type != "cuda":
        raise UserError(
            f"`precision: fp16` does not train on {device.type}",
            where="training.precision",
            remedy="write auto, float32 or bf16",
        )
    if precision == "auto":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if precision == "bf16" else torch.float16
