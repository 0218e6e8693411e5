"""Training curves for TensorBoard, where it is installed and asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from elliot_advrec.errors import UserError
from elliot_advrec.extractors.history import Epoch


class Curves:
    """Writes the numbers of each epoch, or nothing.

    Args:
        writer: a TensorBoard ``SummaryWriter``; None writes nothing.
    """

    def __init__(self, writer: Any = None) -> None:
        self._writer = writer

    def add(self, epoch: Epoch) -> None:
        """One point on each curve."""
        if self._writer is not None:
            for name, value in asdict(epoch).items():
                if name != "epoch" and value is not None:
                    self._writer.add_scalar(name, value, epoch.epoch)
            self._writer.flush()


@contextmanager
def open_curves(wanted: bool, folder: Path, done: int) -> Iterator[Curves]:
    """Curves in ``folder/tensorboard`` when ``wanted``, else ones that write nothing.

    Args:
        wanted: the setting ``tensorboard``.
        folder: of the training.
        done: epochs that are there already; later points of a killed training are dropped.

    Raises:
        UserError: TensorBoard is not installed.
    """
    if not wanted:
        yield Curves()
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(
            "`tensorboard: true` needs TensorBoard, which is not installed",
            where="training.tensorboard",
            remedy="pip install 'elliot-advrec[tensorboard]', or write tensorboard: false",
        ) from error
    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1)
    try:
        yield Curves(writer)
    finally:
        writer.close()
