"""``extractor``: a preset's name, its settings changed, or all of them written here."""

from __future__ import annotations

from pathlib import Path

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.recipe.checked import build, mapping, resolve, text
from elliot_advrec.recipe.merge import merge, settle
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.shipped import preset_path, presets
from elliot_advrec.recipe.text import read
from elliot_advrec.recipe.variables import expand


def read_extractor(node: Node, folder: Path) -> ExtractorSettings:
    """The settings in ``node``, of a recipe that lies in ``folder``; a path of weights is taken from there.

    Raises:
        UserError: the first thing that is wrong.
    """
    if isinstance(node.value, str):
        node = Node({"preset": node}, node.origin)
    mapping(node)
    named, settings = node.get("preset"), node.without("preset")
    if named is not None:
        name = text(named, "'preset'")
        path = preset_path("models", name, folder)
        if path is None:
            known = [preset for preset, _ in presets("models", folder)]
            raise UserError(
                f"unknown model preset '{name}'", where=str(named.origin), remedy=nearest(name, known)
            )
        settings = expand(merge(read(path), settings))
    settings = settle(settings, ExtractorSettings.model_fields)
    weights = settings.get("weights")
    if weights is not None and isinstance(weights.value, str) and Path(weights.value).suffix:
        # A word such as imagenet is no file; a file has a suffix.
        located = Node(resolve(weights.value, folder), weights.origin)
        settings = Node({**settings.value, "weights": located}, settings.origin)
    return build(ExtractorSettings, settings, folder)
