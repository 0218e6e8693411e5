"""What a machine of the cluster finds when it looks at the store; imports little, to answer at once."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import elliot_advrec
from elliot_advrec.hosts.cluster.board import Board, seen

DECIDING = ("torch", "torchvision", "timm", "numpy", "faiss-cpu")
"""Libraries that decide numbers."""


def look(store: str, run: str, patience: float) -> dict[str, Any]:
    """Run on each machine before any stage is.

    Args:
        store: root of the store.
        run: name of the board in it.
        patience: seconds in which the board must be seen.

    Returns:
        Plain data: ``host``, ``sees`` the board, ``package`` version, and ``versions`` of libraries.
    """
    board = Board(Path(store), run)
    return {
        "host": platform.node(),
        "sees": seen(board.recipe.exists, patience),
        "package": elliot_advrec.__version__,
        "versions": libraries(),
    }


def libraries() -> dict[str, str]:
    """Those of ``DECIDING`` that are installed here."""
    found = {}
    for name in DECIDING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
