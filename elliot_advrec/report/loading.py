"""Reading a finished experiment back from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.errors import UserError
from elliot_advrec.files import read_arrays
from elliot_advrec.report.document import parse

_AGAIN = "run the experiment again with this --output"


def load(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The results and the exhibits of an output folder.

    Args:
        folder: where an experiment wrote ``results.json`` and, if it has pictures, ``exhibits.npz``.

    Returns:
        The results as they stand in the file, and the arrays by name (none where there is no exhibits file).

    Raises:
        UserError: a file is absent, damaged, or of another format version.
    """
    path = folder / "results.json"
    if not folder.is_dir():
        raise UserError(
            "there is no such folder", where=str(folder), remedy="name the output folder of a finished run"
        )
    try:
        results = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(
            "there are no results in this folder",
            where=str(folder),
            remedy="name the output folder of a finished run",
        ) from None
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror or error})", where=str(path)) from error
    except ValueError as error:  # bad JSON, bad UTF-8
        raise UserError(f"is damaged ({error})", where=str(path), remedy=_AGAIN) from error
    if not isinstance(results, dict):
        raise UserError("is damaged (not a JSON object)", where=str(path), remedy=_AGAIN)
    parse(results, str(path))
    return results, _arrays(folder / "exhibits.npz")


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    try:
        return read_arrays(path)
    except (OSError, ValueError) as error:
        raise UserError(f"is damaged ({error})", where=str(path), remedy=_AGAIN) from error
