"""How the matrix of a recipe is run: seeds, device, precision, simulated users."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from elliot_advrec.component import Config
from elliot_advrec.errors import nearest


class Simulation(Config):
    """Users drawn from a model of visual taste, where neither the recipe nor the source has interactions."""

    users: int = Field(default=600, ge=1)
    """How many."""
    per_user: tuple[int, int] = (5, 20)
    """Fewest and most interactions of a user."""
    sharpness: float = Field(default=2.5, ge=0)
    """How firmly users keep to their taste; 0: they ignore it."""
    popularity: float = Field(default=0.5, ge=0)
    """How long-tailed the items' popularity is, all taste apart; 0: none."""
    cold: float = Field(default=0.0, ge=0, lt=1)
    """Share of items that are new: nobody has taken one yet."""


class LpipsSettings(Config):
    """Learned perceptual distance of attacked pictures (LPIPS); its weights are not shipped."""

    net: Literal["vgg", "alex", "squeeze"] = "vgg"
    """Its backbone; papers on recommenders report vgg."""
    backbone: Path | None = None
    """File of torchvision's ImageNet weights of that backbone, e.g. ``vgg16-397923af.pth``, or the same as
    safetensors. Absent: LPIPS is not measured, and a note in the report says so."""
    linear: Path | None = None
    """File of the linear layers as published, version 0.1; absent: the copy that torchmetrics brings."""


class RunSettings(Config):
    """How the matrix is run."""

    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field(default=(1,), min_length=1)
    """One repetition of training and attacks a seed; absent in a recipe without pictures: Elliot's, 42."""
    device: str | None = None
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``; absent: Elliot's ``gpu`` where given, else ``auto``."""
    precision: Literal["auto", "float32", "bf16"] = "float32"
    """Number format in which adversaries (attacks, and those of training defenses) differentiate the network.
    ``auto``: bf16 where the processor multiplies it natively (on a CPU as far as PyTorch can tell, from 2.5
    on), else float32. Training adversaries use bf16 also where the training itself does. Embeddings, ranks
    and accuracies are float32 whatever stands here."""
    batch_size: int = Field(default=32, ge=1)
    """Images attacked at a time; decides speed and memory, and the last digits of results."""
    strict: bool = False
    """Refuse items without an image, bad images and unknown items, instead of dropping them with a note."""
    simulation: Simulation = Simulation()
    """Used only where there are no interactions; reports then say so."""
    lpips: LpipsSettings | None = None
    """Measure the learned perceptual distance (LPIPS) of every attacked picture."""
    workers: int = Field(default_factory=lambda: min(8, os.cpu_count() or 1), ge=0, le=256)
    """Processes that decode pictures; 0: none beside the main one."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, int) else value

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"a seed is listed twice: {list(value)}")
        return value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str | None) -> str | None:
        number = (value or "").removeprefix("cuda:")
        if value not in (None, "auto", "cpu", "cuda") and not (number != value and number.isdecimal()):
            raise ValueError(
                f"unknown device '{value}'; {nearest(str(value), ['auto', 'cpu', 'cuda', 'cuda:0'])}"
            )
        return value
