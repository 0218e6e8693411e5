"""The recipe that Elliot is running: Elliot passes models its own keys of it alone, so it is read again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from elliot_advrec.errors import UserError


class _Loader(yaml.SafeLoader):
    """Safe YAML without the tag that Elliot's logging adds to PyYAML's own loader: it would read any text
    with a ``${VARIABLE}`` as its log."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to configure a loader
        first: [(tag, pattern) for tag, pattern in resolvers if tag.startswith("tag:yaml.org,2002:")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(frozen=True)
class Running:
    """A recipe as Elliot reads it.

    Attributes:
        path: its file, absolute.
        experiment: what stands under ``experiment``, not validated.
    """

    path: Path
    experiment: dict[str, Any]

    @property
    def adversarial(self) -> Any:
        """Our section; None where the recipe has none."""
        return self.experiment.get("adversarial")

    def externals(self) -> list[str]:
        """Names of the models that come through our door."""
        names = self.experiment.get("models") or {}
        return [str(key).partition(".")[2] for key in names if str(key).startswith("external.")]

    def where(self, key: str) -> str:
        """A place in it, for messages."""
        return f"{self.path}: experiment.{key}"


def running() -> Running | None:
    """The recipe of the innermost ``run_experiment`` on the call stack; None where Elliot is not running.

    Elliot 0.3.1 hands models neither the recipe nor its path, and reads no key that it does not know; the
    argument of ``run_experiment`` is the one place that has it.

    Raises:
        UserError: the recipe cannot be read, which Elliot would have found first.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "elliot.run" and frame.f_code.co_name == "run_experiment":
            return read(Path(frame.f_locals["config_path"]))
        frame = frame.f_back  # type: ignore[assignment]
    return None


def read(path: Path) -> Running:
    """The recipe in ``path``.

    Raises:
        UserError: it cannot be read, or is none.
    """
    try:
        tree = yaml.load(path.read_text("utf-8"), _Loader)
        experiment = tree["experiment"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise UserError(f"is no recipe that can be read ({error})", where=str(path)) from error
    return Running(path.absolute(), experiment if isinstance(experiment, dict) else {})
