"""What happened in each epoch of a training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from elliot_advrec.progress import epoch_line


@dataclass
class Epoch:
    """One pass over the training pictures."""

    epoch: int
    """Counted from 1."""
    loss: float
    """Mean training loss, on the pictures as they were trained on (augmented, perturbed)."""
    accuracy: float | None
    """Share of labelled training pictures whose category was right as they were trained on."""
    lr: float
    """Learning rate after the last step."""
    validation_loss: float | None
    """Mean loss on the validation split; None where it was not measured."""
    validation_accuracy: float | None
    """Category accuracy on the validation split."""
    seconds: float
    """Wall-clock time."""

    def line(self, epochs: int) -> str:
        """What is said of it, the last of so many."""
        measured = {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "validation loss": self.validation_loss,
            "validation accuracy": self.validation_accuracy,
        }
        return epoch_line(self.epoch, epochs, measured, self.seconds)


@dataclass
class History:
    """A training's epochs, in order."""

    epochs: list[Epoch] = field(default_factory=list)

    def to_json(self) -> list[dict[str, Any]]:
        """A list of flat objects."""
        return [asdict(epoch) for epoch in self.epochs]

    @classmethod
    def from_json(cls, rows: list[dict[str, Any]]) -> History:
        """The history that ``to_json`` gave."""
        return cls([Epoch(**row) for row in rows])
