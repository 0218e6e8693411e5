"""What every training defense shares: where it starts, how its training differs, and what it perturbs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from elliot_advrec.component import Component, Config
from elliot_advrec.extractors.config import AugmentationConfig, TrainingConfig
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.streams import Streams


class TrainingOverrides(Config):
    """What a defense's training does otherwise than the extractor's clean training; absent keys stay."""

    epochs: Annotated[int, Field(ge=1)] | None = None
    """Passes over the training pictures."""
    lr: Annotated[float, Field(gt=0.0)] | None = None
    """Highest learning rate of the schedule."""
    batch_size: Annotated[int, Field(ge=2)] | None = None
    """Pictures a step."""
    schedule: Literal["onecycle", "cosine", "constant"] | None = None
    """Course of the learning rate."""
    weight_decay: Annotated[float, Field(ge=0.0)] | None = None
    """L2 penalty."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    """Of the category loss that the weights minimise; the adversary's has none."""
    augmentation: AugmentationConfig | None = None
    """Random changes of the training pictures before the adversary sees them."""


class DefenseConfig(Config):
    """Settings of every training defense."""

    start: Literal["clean", "scratch"] = "clean"
    """Which weights its training starts from: those of the clean training, or the first weights."""
    training: TrainingOverrides = TrainingOverrides()
    """What its training does otherwise than the clean one."""


class TrainingDefense(Component, ABC):
    """Changes each training batch; authors write ``perturb``.

    A defense that learns its perturbation from the training's own backward passes writes ``replays`` and
    ``ascend`` as well.

    Args:
        config: settings, an instance of ``config_class``; its defaults if absent.
    """

    config_class: ClassVar[type[Config]] = DefenseConfig
    config: DefenseConfig

    @property
    def start(self) -> Literal["clean", "scratch"]:
        """Which weights its training starts from."""
        return self.config.start

    def training(self, clean: TrainingConfig) -> TrainingConfig:
        """The training settings under this defense: the clean ones with its overrides."""
        changed = {
            name: value
            for name in TrainingOverrides.model_fields
            if (value := getattr(self.config.training, name)) is not None
        }
        return clean.model_copy(update=changed)

    @abstractmethod
    def perturb(
        self,
        extractor: FrozenExtractor,
        pixels: Tensor,
        category: Tensor | None,
        attributes: Tensor | None,
        progress: float,
        streams: Streams,
    ) -> Tensor:
        """The batch to train on.

        Args:
            extractor: frozen view with the present weights.
            pixels: (B, 3, H, W) in [0, 1], augmented; not changed.
            category: (B,) int64, -1 where unlabelled; or None.
            attributes: (B, A) bool; or None.
            progress: share of the training that is done, in [0, 1).
            streams: one random stream a sample.

        Returns:
            (B, 3, H, W) in [0, 1].
        """

    @abstractmethod
    def gradient_evaluations(self, progress: float) -> float:
        """How many gradients a sample costs on average at this share of the training.

        Those that the weights are updated by are not counted: clean training has them too.
        """

    @property
    def replays(self) -> int | None:
        """How often in a row each batch is trained on while ``ascend`` moves its perturbation.

        None: once, on what ``perturb`` gives; ``ascend`` is not asked, and no gradient of pixels is computed.
        """
        return None

    def ascend(self, change: Tensor, gradient: Tensor, progress: float) -> Tensor:
        """The perturbation after a step of the training, only asked where there are ``replays``.

        The first batch of an epoch starts without one, every other with what the batch before it ended with.
        It is added to what ``perturb`` gives, and the sum is clipped to [0, 1].

        Args:
            change: (B, 3, H, W) perturbation that the step was taken at, in pixels of [0, 1].
            gradient: (B, 3, H, W) of the training loss that the weights descended, there.
            progress: share of the training that is done, in [0, 1).

        Returns:
            (B, 3, H, W).
        """
        raise NotImplementedError(f"{type(self).__name__} has replays but no `ascend`")
