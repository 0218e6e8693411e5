"""Keys of Elliot that the embedded host does not act on: refused by name, never ignored."""

from __future__ import annotations

from typing import Any

from elliot_advrec.errors import UserError
from elliot_advrec.recipe.node import Node

# Keys of Elliot 0.3.1 that change what it does and that the embedded host does not act on, by section, with
# the values that ask for nothing. Any other value is refused: an ignored key would give a wrong result.
_OFF = (None, False)
UNSUPPORTED: dict[tuple[str, ...], dict[str, tuple[Any, ...]]] = {
    (): {
        "config_test": _OFF,
        "align_side_with_train": (None, True),
        "dataloader": (None, "DataSetLoader"),
        "path_logger_config": (None,),
        "path_log_folder": (None,),
        "hyper_max_evals": (None,),
        "hyper_opt_alg": (None,),
        "data_paths": (None,),
    },
    ("data_config",): {
        "dataloader": (None, "DataSetLoader"),
        "root_folder": (None,),
    },
    ("evaluation",): {"complex_metrics": _OFF},
}
META_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "save_weights": _OFF,
    "restore": _OFF,
    "verbose": (None, True, False),
    "eval_perf": _OFF,
}


def supported(experiment: Node) -> Node:
    """Elliot's sections less the keys that ask for nothing, e.g. ``config_test: false``.

    Raises:
        UserError: a key that the embedded host does not act on asks for something.
    """
    for section, keys in UNSUPPORTED.items():
        experiment = _within(experiment, section, keys)
    return experiment


def supported_meta(meta: Node) -> Node:
    """The same for the ``meta`` of one model."""
    return _within(meta, (), META_UNSUPPORTED)


def _within(node: Node, section: tuple[str, ...], keys: dict[str, tuple[Any, ...]]) -> Node:
    if section:
        child = node.get(section[0])
        if child is None:
            return node
        return Node({**node.value, section[0]: _within(child, section[1:], keys)}, node.origin)
    if not isinstance(node.value, dict):
        return node
    for key, harmless in keys.items():
        child = node.get(key)
        if child is not None and not any(_same(child.value, value) for value in harmless):
            raise UserError(
                f"Elliot key '{key}' is not supported by the embedded host",
                where=node.where(key),
                remedy="take it out, or run the recipe with Elliot itself",
            )
    return node.without(*keys)


def _same(value: Any, harmless: Any) -> bool:
    return type(value) is type(harmless) and bool(value == harmless)
