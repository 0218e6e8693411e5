"""The door for Elliot's ``external_models_path``: every ``external.<Name>`` of a recipe is made here.

Elliot runs this file under the name ``external`` and asks it for a class by name. It stands in a package of
its own because Elliot finds a model's logger only where the module is the ``__init__`` of a package.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """The Elliot model called ``name`` in the recipe that Elliot is running.

    Raises:
        AttributeError: Elliot is not running.
        UserError: neither a recommender nor a cell has that name.
    """
    from elliot_advrec.hosts.inside.models import model_class
    from elliot_advrec.hosts.inside.running import running

    recipe = None if name.startswith("__") else running()
    if recipe is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return model_class(name, recipe)
