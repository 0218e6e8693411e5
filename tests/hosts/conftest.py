"""Elliot for the tests: the real one where it can be used, else a stand-in with its doors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from elliot_advrec.hosts import finding

STANDIN = Path(__file__).parent / "standin"


@dataclass(frozen=True)
class Home:
    """Where Elliot is, and whether it is the real one."""

    folder: Path
    real: bool


@pytest.fixture(scope="session")
def home() -> Iterator[Home]:
    """An Elliot that recipes can run in; ``ELLIOT_HOME`` says where the real one is."""
    found = finding.search()
    if found.usable:
        assert found.folder is not None
        yield Home(found.folder, True)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(finding.HOME, str(STANDIN))
        patch.setattr(finding, "NEEDED", ())
        yield Home(STANDIN, False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "elliot"]:
        del sys.modules[name]
