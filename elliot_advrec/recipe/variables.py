"""``${VARIABLE}`` in the texts of a recipe, filled in from the environment."""

from __future__ import annotations

import os
import re

from elliot_advrec.errors import UserError
from elliot_advrec.recipe.node import Node, Origin

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expand(node: Node) -> Node:
    """``node`` with every ``${VARIABLE}`` of its texts replaced.

    Raises:
        UserError: a variable that is not set, or is empty.
    """
    value = node.value
    if isinstance(value, dict):
        value = {key: expand(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [expand(child) for child in value]
    elif isinstance(value, str):
        value = _fill(value, node.origin)
    return Node(value, node.origin)


def _fill(text: str, origin: Origin) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        found = os.environ.get(name)
        if not found:
            raise UserError(
                f"the environment variable {name} is {'not set' if found is None else 'empty'}",
                where=str(origin),
                remedy=f"set it (export {name}=...), or write the value in place of ${{{name}}}",
            )
        return found

    return _VARIABLE.sub(value, text)
