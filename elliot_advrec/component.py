"""What every pluggable part shares: a validated configuration and a one-line summary."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from elliot_advrec.errors import UserError, nearest


class Config(BaseModel):
    """Settings of one component: unknown keys are refused, values do not change after validation.

    Numbers are finite: settings are hashed as JSON, which has no infinity.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


C = TypeVar("C", bound=BaseModel)


class Component:
    """A part that a recipe names: subclasses set ``config_class`` and write a one-line docstring summary.

    Args:
        config: settings, an instance of ``config_class``; its defaults if absent.

    Raises:
        TypeError: settings of another component.
    """

    config_class: ClassVar[type[Config]] = Config
    config: Any

    def __init__(self, config: Config | None = None) -> None:
        found = self.config_class() if config is None else config
        if not isinstance(found, self.config_class):
            expected, given = self.config_class.__name__, type(found).__name__
            raise TypeError(f"{type(self).__name__} takes a {expected}, got {given}")
        self.config = found

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
    location, what, remedy = complaint(error, model)
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return UserError(what, where=f"{where}{path}" if where else path.lstrip("."), remedy=remedy)


def complaint(error: ValidationError, model: type[BaseModel]) -> tuple[list[str | int], str, str | None]:
    """The first complaint of a pydantic error: where in ``model``, what is wrong, what would be right."""
    # A bad element of a union is reported once per branch; the first branch is the main one.
    first = error.errors()[0]
    location = [part for part in first["loc"] if not (isinstance(part, str) and _is_branch(part))]
    kind, value, context = first["type"], first.get("input"), first.get("ctx", {})
    if kind == "extra_forbidden":
        return (
            location,
            f"unknown key '{location[-1]}'",
            nearest(str(location[-1]), _fields(model, location[:-1])),
        )
    if kind == "missing":
        return location, f"'{location[-1]}' is missing", "add it"
    if kind in ("literal_error", "enum"):
        known = [part.strip("'") for part in re.split(", | or ", str(context.get("expected", "")))]
        return location, f"unknown value {value!r}", nearest(str(value), known)
    if kind == "value_error":
        message = first["msg"].removeprefix("Value error, ")
        return location, message[0].lower() + message[1:], None
    shown = "" if isinstance(value, Mapping | list) else f", got {value!r}"
    for types, rule in _RULES:
        if kind in types:
            # An entry of a list has no name of its own; its place is in the location.
            named = f"{location[-1]!r} " if location and isinstance(location[-1], str) else ""
            return location, f"{named}must {rule.format(**context)}{shown}", None
    message = first["msg"]
    return location, message[0].lower() + message[1:] + shown, None


# What pydantic's names of errors ask for, in the words of a recipe.
_RULES: list[tuple[tuple[str, ...], str]] = [
    (("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "be a whole number"),
    (("float_type", "float_parsing"), "be a number"),
    (("finite_number",), "be a finite number"),
    (("bool_type", "bool_parsing"), "be true or false"),
    (("string_type",), "be text"),
    (("path_type",), "be a path"),
    (("list_type", "tuple_type", "set_type"), "be a list, e.g. [1, 2]"),
    (("model_type", "model_attributes_type", "dict_type"), "be a mapping (key: value)"),
    (("too_short",), "hold at least {min_length}"),
    (("too_long",), "hold at most {max_length}"),
    (("string_too_short",), "have at least {min_length} characters"),
    (("greater_than",), "be above {gt:g}"),
    (("greater_than_equal",), "be at least {ge:g}"),
    (("less_than",), "be below {lt:g}"),
    (("less_than_equal",), "be at most {le:g}"),
]
_BRANCH = re.compile(
    r"^(function-|(int|float|str|bool|list|tuple|constrained-\w+|nullable|literal|path)$|(list|tuple)\[)"
)


def _is_branch(part: str) -> bool:
    """Whether pydantic put ``part`` into a location to name a branch of a union."""
    return _BRANCH.match(part) is not None


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
