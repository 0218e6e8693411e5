"""Processes that make one stage together, as ``torchrun`` starts them; one alone is the usual case."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed

from elliot_advrec.errors import UserError

FOREVER = timedelta(days=30)
"""How long one process waits for another: the first may train for days what the others only need finished."""


class Group:
    """One process's place among all; this one, alone, makes every exchange a matter of nothing.

    Args:
        rank: its number, from 0.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def share(self, count: int, rank: int | None = None) -> slice:
        """This process's consecutive part of ``count`` rows, or another's; sizes differ by one at most."""
        place = self.rank if rank is None else rank
        return slice(count * place // self.size, count * (place + 1) // self.size)

    def gather(self, part: Tensor, count: int) -> Tensor:
        """(count, ...) rows of all processes, in order, from the ``share`` of each; every one gets them."""
        if self.size == 1:
            return part
        longest = -(-count // self.size)
        padded = part.new_zeros((longest, *part.shape[1:]))
        padded[: len(part)] = part
        every = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(every, padded)
        lengths = [len(range(count)[self.share(count, rank)]) for rank in range(self.size)]
        return torch.cat([rows[:length] for rows, length in zip(every, lengths, strict=True)])

    def take_over(self, module: torch.nn.Module) -> None:
        """The first process's parameters and buffers, in place, so that rounding never adds up."""
        if self.size > 1:
            for tensor in (*module.parameters(), *module.buffers()):
                distributed.broadcast(tensor.detach(), 0)

    def hear(self, text: str = "", speaker: int = 0) -> str:
        """What the ``speaker`` says, on every process; its own ``text`` counts alone."""
        if self.size == 1:
            return text
        raw = text.encode() if self.rank == speaker else b""
        length = torch.tensor(len(raw))
        distributed.broadcast(length, speaker)
        said = torch.zeros(int(length), dtype=torch.uint8)
        if self.rank == speaker:
            said[:] = torch.frombuffer(bytearray(raw), dtype=torch.uint8) if raw else said
        distributed.broadcast(said, speaker)
        return bytes(said.tolist()).decode()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Each process works by itself within the block, and all wait for the last of them at its end.

        Raises:
            UserError: one of them failed; all raise the same then.
        """
        mine: UserError | None = None
        try:
            yield
        except UserError as error:
            mine = error
        except Exception as error:
            if self.size == 1:
                raise
            mine = UserError(f"process {self.rank} failed: {type(error).__name__}: {error}")
        if self.size == 1 and mine is not None:
            raise mine
        said = [self.hear("" if mine is None else str(mine), rank) for rank in range(self.size)]
        failed = next((each for each in said if each), None)
        if failed is not None:
            raise UserError(failed) from mine


ALONE = Group()


@contextmanager
def joined() -> Iterator[Group]:
    """The group of processes that a launcher started; gloo on the CPU, NCCL between GPUs.

    Raises:
        UserError: the others cannot be reached.
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        distributed.init_process_group(backend, timeout=FOREVER)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"the processes of this launch do not find each other ({error})",
            remedy="start them so: torchrun --nproc_per_node 2 -m elliot_advrec.cli run RECIPE",
        ) from error
    try:
        yield Group(distributed.get_rank(), distributed.get_world_size())
    except SystemExit:  # all went well, and this one is not the first
        distributed.destroy_process_group()
        raise
    distributed.destroy_process_group()  # not after an error: the others may wait for what will not come
