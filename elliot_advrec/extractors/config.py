"""Settings of the extractor and of its training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from elliot_advrec.component import Config

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class AugmentationConfig(Config):
    """Random changes of a training picture, drawn for each (seed, epoch, item)."""

    crop: Fraction = 0.25
    """Largest share of a picture's side that the random crop cuts away; 0 keeps the whole picture."""
    stretch: Annotated[float, Field(ge=0.0, le=0.5)] = 0.1
    """Largest relative change of width against height by the crop."""
    rotation: Annotated[float, Field(ge=0.0, le=45.0)] = 5.0
    """Largest turn to either side, in degrees."""
    flip: Fraction = 0.5
    """Probability of mirroring left and right."""
    brightness: Fraction = 0.1
    """Largest brightness added or taken, in pixels of [0, 1]."""
    contrast: Fraction = 0.2
    """Largest relative change of contrast."""
    saturation: Fraction = 0.2
    """Largest relative change of colour against grey."""

    @classmethod
    def none(cls) -> AugmentationConfig:
        """No change at all."""
        return cls(crop=0, stretch=0, rotation=0, flip=0, brightness=0, contrast=0, saturation=0)


class TrainingConfig(Config):
    """How the extractor learns its labels."""

    epochs: Annotated[int, Field(ge=1)] = 24
    """Passes over the training pictures."""
    lr: Annotated[float, Field(gt=0.0)] = 1e-3
    """Highest learning rate of the schedule."""
    batch_size: Annotated[int, Field(ge=2)] = 32
    """Pictures a step; at least 2, because BatchNorm learns nothing from one."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """`sgd` has Nesterov momentum 0.9."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    """L2 penalty (`adam`, `sgd`) or decoupled decay (`adamw`)."""
    schedule: Literal["onecycle", "cosine", "constant"] = "onecycle"
    """`onecycle` warms up and falls to almost nothing; `cosine` falls from `lr` to 0."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Probability of the category target that is spread over all categories."""
    texture_weight: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight of the texture loss beside the category loss."""
    gradient_clip: Annotated[float, Field(gt=0.0)] | None = None
    """Largest L2 norm of a step's gradient; none when absent."""
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    """Number format of the forward pass; `auto` is bf16 (else fp16) on CUDA and float32 on the CPU."""
    validate_epochs: bool = True
    """Whether to measure the loss and accuracy on the validation split after each epoch."""
    tensorboard: bool = False
    """Whether to write TensorBoard curves into the training folder (needs the `tensorboard` extra)."""
    augmentation: AugmentationConfig = AugmentationConfig()
    """Random changes of the training pictures."""


class ExtractorSettings(Config):
    """What turns a picture into an embedding, and how it is trained."""

    backbone: str = "mobilenetv2_100"
    """Any timm model name; the embedding is its pooled penultimate layer."""
    weights: str = "none"
    """Start of the training: `none` (random), `imagenet` (timm's pretrained weights) or the path of a
    `.safetensors` or `.pth` state dict of this backbone."""
    embedding: Annotated[int, Field(ge=1)] | None = None
    """Width of a linear layer put between backbone and heads; the backbone's own width when absent."""
    training: TrainingConfig = TrainingConfig()
    """The clean training."""

    @model_validator(mode="after")
    def _named(self) -> ExtractorSettings:
        if not self.backbone.strip():
            raise ValueError("'backbone' is empty; name a timm model such as mobilenetv2_100")
        if not self.weights.strip():
            raise ValueError("'weights' is empty; write none, imagenet or the path of a file")
        return self
