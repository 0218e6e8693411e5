"""Settings of the training of filters: stages, losses and the adversary."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from elliot_advrec.attacks.radius import Radius
from elliot_advrec.component import Config
from elliot_advrec.extractors.config import TrainingConfig

Learner = Literal["filter", "detector"]
Kind = Literal["fgsm", "pgd"]


class StageConfig(Config):
    """One part of the schedule."""

    epochs: int = Field(default=1, ge=1)
    """Passes over the training pictures."""
    lr: float = Field(default=1e-5, gt=0)
    """Highest learning rate of the stage."""
    attacks: tuple[Kind, ...] = Field(default=("fgsm",), min_length=1)
    """Attacks whose pictures are learned from beside clean ones, all in equal shares."""
    eps: tuple[Radius, ...] | None = Field(default=None, min_length=1)
    """L-infinity radii of these attacks, one of them drawn for each step; the training's where absent."""
    learns: tuple[Learner, ...] = Field(default=("filter",), min_length=1)
    """Which networks learn. Where the detector does, each picture is seen clean and attacked (1:1); else it
    is seen as one of the two, as drawn."""
    bpr_weight: float | None = Field(default=None, ge=0)
    """Of the BPR loss in this stage, in which the filter learns; the training's where absent. Lists ask for a
    heavy one, which ruins a filter that cannot give pictures back yet."""

    @model_validator(mode="after")
    def _consistent(self) -> StageConfig:
        for name in ("attacks", "learns", "eps"):
            values = getattr(self, name) or ()
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must be distinct, got {list(values)}")
        if self.bpr_weight is not None and "filter" not in self.learns:
            raise ValueError("bpr_weight does nothing in a stage in which the filter does not learn")
        return self


PAPER = (
    StageConfig(epochs=10),
    StageConfig(epochs=3, attacks=("fgsm", "pgd")),
    StageConfig(epochs=2, learns=("detector",)),
    StageConfig(epochs=1, attacks=("fgsm", "pgd"), learns=("filter", "detector")),
)
"""Yin et al. 2023, section 4.3; they do not say how long the two are fine-tuned together."""


class FilterTrainingConfig(Config):
    """How a filter, and a detector beside it, learn."""

    stages: tuple[StageConfig, ...] = Field(default=PAPER, min_length=1)
    """One after the other, each with an optimiser of its own; without a detector its part is left out."""
    batch_size: int = Field(default=16, ge=2)
    """Items a step; with a ranking their negatives' pictures come on top."""
    eps: Radius = 16 / 255
    """L-infinity radius of the attacks, in pixels of [0, 1]."""
    pgd_steps: int = Field(default=10, ge=1)
    """Steps of PGD; each is 2.5 eps / steps long."""
    knowledge: Literal["oblivious", "adaptive"] = "oblivious"
    """Whether attacks see the pipeline without the filter, as in the paper, or through its present state."""
    pixel_weight: float = Field(default=1.0, ge=0)
    """Of the squared difference to the clean picture, summed over its pixels as in the paper."""
    perceptual_weight: float = Field(default=1.0, ge=0)
    """Of the mean squared difference of feature maps, alpha."""
    contrastive_weight: float = Field(default=100.0, ge=0)
    """Of the detector's loss, beta."""
    bpr_weight: float = Field(default=0.1, ge=0)
    """Of the BPR loss of triples, gamma; only with a ranking."""
    perceptual_stages: tuple[int, ...] = (2, 3, 4)
    """Stages of the extractor's backbone, in timm's count: of a ResNet, 0 is the stem and 4 the last."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """`adamw` decouples its weight decay."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty (`adam`) or decoupled decay (`adamw`)."""
    schedule: Literal["onecycle", "cosine", "constant"] = "constant"
    """Course of the learning rate within each stage."""
    gradient_clip: float | None = Field(default=None, gt=0)
    """Largest L2 norm of a step's gradient; none when absent."""
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    """Number format of the forward pass, as in the extractor's training."""

    def parts(self, detector: bool) -> list[StageConfig]:
        """The stages that are run; without a detector, what it would learn is left out."""
        if detector:
            return list(self.stages)
        return [
            stage.model_copy(update={"learns": ("filter",)})
            for stage in self.stages
            if "filter" in stage.learns
        ]

    def optimisation(self, stage: StageConfig) -> TrainingConfig:
        """The stage's settings in the words of the extractor's optimiser."""
        return TrainingConfig(
            epochs=stage.epochs,
            lr=stage.lr,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            gradient_clip=self.gradient_clip,
            precision=self.precision,
        )
