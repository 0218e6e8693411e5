"""Where Elliot is, whether it can be used, and so which host runs a recipe."""

from __future__ import annotations

import ast
import importlib.util
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.hosts.suited import VERSION, ElliotError, check_suited
from elliot_advrec.recipe import Recipe

HOME = "ELLIOT_HOME"
"""Environment variable that names a clone of Elliot."""
HOSTS = ("auto", "elliot", "embedded")
NEEDED = ("tensorflow", "hyperopt", "sklearn", "networkx", "tqdm", "pandas", "scipy", "yaml")
"""What Elliot imports, beside what this package needs itself."""
INSTALL = "install the extra: pip install 'elliot-advrec[elliot]', on Python 3.10 or 3.11"


@dataclass(frozen=True)
class Search:
    """What a search for Elliot came to.

    Attributes:
        folder: what must be on the import path for ``import elliot`` to be Elliot; None where there is none.
        version: what its package says it is.
        how: ``import`` or ``ELLIOT_HOME``.
        problem: why it cannot be used, one phrase; empty where it can.
        remedy: what would help.
    """

    folder: Path | None = None
    version: str | None = None
    how: str = "import"
    problem: str = ""
    remedy: str = ""

    @property
    def usable(self) -> bool:
        """Whether recipes can run inside it."""
        return not self.problem


@dataclass(frozen=True)
class Choice:
    """Which host runs a recipe.

    Attributes:
        host: ``elliot`` or ``embedded``.
        why: one sentence, for ``elliot check``.
        notable: whether a run says so too: there is an Elliot, and nobody asked for the host by name.
    """

    host: str
    why: str
    notable: bool


def search(environment: Mapping[str, str] | None = None) -> Search:
    """Look for Elliot, in ``ELLIOT_HOME`` first and then on the import path; imports nothing of it.

    Args:
        environment: instead of the process's own.
    """
    named = (os.environ if environment is None else environment).get(HOME)
    if named:
        return _inspect(Path(named).expanduser().absolute(), HOME)
    found = importlib.util.find_spec("elliot")
    places = list(found.submodule_search_locations or []) if found is not None else []
    if not places:
        return Search(problem="there is none on the import path, and ELLIOT_HOME is not set", remedy=_CLONE)
    return _inspect(Path(places[0]).parent, "import")


def require() -> Search:
    """The Elliot that can be used.

    Raises:
        UserError: there is none, it is another version, or a library that it imports is missing.
    """
    found = search()
    if not found.usable:
        raise UserError(
            f"Elliot cannot be used: {found.problem}",
            where=None if found.folder is None else str(found.folder),
            remedy=f"{found.remedy}, or run with --host embedded",
        )
    return found


def choose(host: str = "auto", recipe: Recipe | None = None) -> Choice:
    """Which host runs, and why.

    Args:
        host: what ``--host`` says. ``auto``: Elliot where it can be used and can take the recipe, else the
            embedded engine.
        recipe: what is to be run; None: any that Elliot takes.

    Raises:
        UserError: an unknown host, or ``elliot`` where it cannot be used or cannot take the recipe.
    """
    if host not in HOSTS:
        raise UserError(f"unknown host '{host}'", where="--host", remedy=nearest(host, HOSTS))
    found = require() if host == "elliot" else search()
    there = found.folder is not None
    at = f"Elliot {found.version} in {found.folder} (found by {found.how})" if found.usable else ""
    if host == "embedded" or not found.usable:
        asked = " as --host asks" if host == "embedded" else ""
        why = f"{at} could be used" if found.usable else f"Elliot cannot be used: {found.problem}"
        return Choice("embedded", f"host: embedded{asked}; {why}", there and host == "auto")
    try:
        if recipe is not None:
            check_suited(recipe)
    except ElliotError as error:
        if host == "elliot":
            raise
        return Choice("embedded", f"host: embedded; {at} cannot take the recipe: {error.what}", True)
    return Choice("elliot", f"host: {at}{' as --host asks' if host == 'elliot' else ''}", True)


_CLONE = f"clone sisinflab/elliot {VERSION} and set {HOME} to the folder"


def _inspect(folder: Path, how: str) -> Search:
    package = folder / "elliot"
    if not (package / "run.py").is_file():
        what = (
            "holds no package 'elliot' with a run.py" if how == HOME else "holds an 'elliot' that is not it"
        )
        return Search(folder, None, how, f"{folder} {what}", _CLONE)
    version = _version(package / "__init__.py")
    if version != VERSION:
        said = f"it is version {version}" if version else "it does not say its version"
        return Search(folder, version, how, f"{said}, and this package knows {VERSION}", f"use {VERSION}")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        problem = f"it needs {', '.join(missing)}, which Python {platform.python_version()} does not find"
        return Search(folder, version, how, problem, INSTALL)
    return Search(folder, version, how)


def _version(path: Path) -> str | None:
    """``__version__`` of a module, read without running it."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if "__version__" in names:
                return str(node.value.value)
    return None
