"""Whether a launcher such as ``torchrun`` started this process as one of several; free of torch."""

from __future__ import annotations

import os

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def launched() -> bool:
    """Whether it is one of several."""
    return all(name in os.environ for name in _VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1


def speaks() -> bool:
    """Whether it speaks to a person: of the processes that were started on one machine, the first."""
    return not launched() or os.environ.get("LOCAL_RANK", "0") == "0"


def leads() -> bool:
    """Whether it is the first of all processes, on whatever machine: what there is once, it writes."""
    return not launched() or os.environ["RANK"] == "0"
