"""What each epoch of a training gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from elliot_advrec.progress import epoch_line
from elliot_advrec.recommenders.context import Selection


@dataclass(frozen=True)
class Epoch:
    """One epoch.

    Args:
        number: counted from 1.
        loss: mean over its steps of the loss that is summed over a batch, as Elliot reports it.
        seconds: that training took, validation not counted.
        measured: ``nDCG@10`` -> mean over users of the validation part; empty where it was not validated.
        validated: whether it may be chosen and is looked at by early stopping.
    """

    number: int
    loss: float
    seconds: float
    measured: Mapping[str, float] = field(default_factory=dict)
    validated: bool = True

    def line(self, epochs: int) -> str:
        """What is said of it, one of at most so many."""
        return epoch_line(self.number, epochs, {"loss": self.loss, **self.measured}, self.seconds)


@dataclass
class History:
    """All epochs of a training, and the best one.

    Args:
        epochs: in order.
        best: number of the epoch whose weights are kept; 0: none yet.
    """

    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0

    def add(self, epoch: Epoch, selection: Selection, *, held_out: bool) -> bool:
        """Append an epoch; whether it is the best so far.

        Args:
            epoch: the next one.
            selection: by what the best is chosen.
            held_out: whether there is a validation part; without one, and unless the loss chooses, the last
                epoch is the best.
        """
        self.epochs.append(epoch)
        if held_out or selection.optimize_internal_loss:
            if not epoch.validated:
                return False
            kept = next((each for each in self.epochs if each.number == self.best), None)
            if kept is not None and not _better(epoch, kept, selection):
                return False
        self.best = epoch.number
        return True

    def observed(self, monitor: str) -> list[float]:
        """``loss`` or a metric (``nDCG@10``) of each validated epoch."""
        return [
            epoch.loss if monitor == "loss" else epoch.measured[monitor]
            for epoch in self.epochs
            if epoch.validated
        ]

    def to_json(self) -> dict[str, Any]:
        """JSON-able; ``from_json`` takes it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> History:
        """What ``to_json`` gave."""
        return cls([Epoch(**epoch) for epoch in stored["epochs"]], stored["best"])


def _better(epoch: Epoch, kept: Epoch, selection: Selection) -> bool:
    if selection.optimize_internal_loss:
        return epoch.loss < kept.loss
    name = "{}@{}".format(*selection.key())
    return epoch.measured[name] > kept.measured[name]
