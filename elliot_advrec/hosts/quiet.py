"""A room for Elliot: what it prints goes to a file, what it changes in the process is put back."""

from __future__ import annotations

import atexit
import logging
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np

_Configured = tuple[logging.Logger, int, list[logging.Handler], bool, bool]
VARIABLES = ("CUDA_VISIBLE_DEVICES", "TF_CPP_MIN_LOG_LEVEL")


@contextmanager
def room(folder: Path, log: Path) -> Iterator[None]:
    """Run Elliot inside this.

    Elliot prints, configures all of logging, seeds Python's and NumPy's global streams, hides GPUs through
    the environment and replaces the module ``external``.

    Args:
        folder: goes on the import path first, for ``import elliot``.
        log: gets what is printed.
    """
    environment = {name: os.environ.get(name) for name in VARIABLES}
    path, module = list(sys.path), sys.modules.get("external")
    numbers, state = random.getstate(), np.random.get_state()
    loggers = [
        logging.root,
        *(x for x in logging.root.manager.loggerDict.values() if isinstance(x, logging.Logger)),
    ]
    configured = [(each, each.level, each.handlers[:], each.propagate, each.disabled) for each in loggers]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow prints below Python, where no one reads
    sys.path.insert(0, str(folder))
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("w", encoding="utf-8") as stream, redirect_stdout(stream), redirect_stderr(stream):
            try:
                yield
            finally:
                _restore_logging(configured)
    finally:
        sys.path[:] = path
        random.setstate(numbers)
        np.random.set_state(state)
        if module is None:
            sys.modules.pop("external", None)
        else:
            sys.modules["external"] = module
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _restore_logging(configured: list[_Configured]) -> None:
    """As it was; what was configured since is stopped and closed, for it writes to a file that is closed."""
    kept = {id(handler) for _, _, handlers, _, _ in configured for handler in handlers}
    everyone = [logging.root, *logging.root.manager.loggerDict.values()]
    for each in everyone:
        for handler in getattr(each, "handlers", [])[:]:
            if id(handler) not in kept:
                each.handlers.remove(handler)  # type: ignore[union-attr]
                _end(handler)
    for logger, level, handlers, propagate, disabled in configured:
        logger.setLevel(level)
        logger.handlers[:], logger.propagate, logger.disabled = handlers, propagate, disabled


def _end(handler: logging.Handler) -> None:
    """Close a handler; one of Elliot's is a thread as well, which it would stop when Python ends."""
    stop = getattr(handler, "stop", None)
    if stop is not None and getattr(handler, "_listener", None) is not None:
        atexit.unregister(stop)
        if handler._listener._thread is not None:  # type: ignore[attr-defined]
            stop()
    handler.close()
