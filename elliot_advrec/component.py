"""What every pluggable part shares: a validated configuration and a one-line summary."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from elliot_advrec.errors import UserError, nearest


class Config(BaseModel):
    """Settings of one component: unknown keys are refused, values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


C = TypeVar("C", bound=BaseModel)


class Component:
    """A part that a recipe names: subclasses set ``config_class`` and write a one-line docstring summary."""

    config_class: ClassVar[type[Config]] = Config

    @classmethod
    def summary(cls) -> str:
        """First line of the class docstring, as ``elliot list`` prints it."""
        return (inspect.getdoc(cls) or "").split("\n", 1)[0]


def validate(model: type[C], settings: Mapping[str, Any], where: str) -> C:
    """Build ``model`` from ``settings``.

    Raises:
        UserError: the first thing that is wrong, with the key's full path and the closest known key.
    """
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        raise explain(error, model, where) from None


def explain(error: ValidationError, model: type[BaseModel], where: str) -> UserError:
    """The first complaint of a pydantic error as one sentence with its place and remedy."""
    # A bad element of a union is reported once per branch; the deepest place is the one the user wrote.
    first = error.errors()[0]
    location = [part for part in first["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    place = f"{where}{path}" if where else path.lstrip(".")
    if first["type"] == "extra_forbidden":
        return UserError(
            f"unknown key '{location[-1]}'",
            where=place,
            remedy=nearest(str(location[-1]), _fields(model, location[:-1])),
        )
    if first["type"] == "missing":
        return UserError(f"'{location[-1]}' is missing", where=place, remedy="add it")
    message = first["msg"].removeprefix("Value error, ")
    value = first.get("input")
    shown = "" if isinstance(value, Mapping | list) or first["type"] == "value_error" else f", got {value!r}"
    return UserError(message[0].lower() + message[1:] + shown, where=place)


def _fields(model: type[BaseModel], location: list[Any]) -> list[str]:
    """Known keys of the (nested) model that ``location`` leads to."""
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            return []
        found = [t for t in _flatten(field.annotation) if isinstance(t, type) and issubclass(t, BaseModel)]
        if not found:
            return []
        current = found[0]
    return [info.alias or name for name, info in current.model_fields.items()]


def _flatten(annotation: Any) -> list[Any]:
    inner = getattr(annotation, "__args__", None)
    return [annotation] if not inner else [leaf for part in inner for leaf in _flatten(part)]
