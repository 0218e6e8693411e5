"""Entries of ``defenses`` that stand in front of an extractor: a filter, a detector, or both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recipe.checked import build, mapping, resolve, text
from elliot_advrec.recipe.entry import open_entry
from elliot_advrec.recipe.guard_rules import fitting, idle, learns
from elliot_advrec.recipe.guard_spec import FILES, PARTS, GuardConfig, GuardSpec
from elliot_advrec.recipe.kinds import DETECTOR, FILTER, Kind, P
from elliot_advrec.recipe.merge import merge, settle
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.shipped import preset_path
from elliot_advrec.recipe.spec import Spec
from elliot_advrec.recipe.text import read
from elliot_advrec.recipe.variables import expand


def guarded(node: Node, folder: Path) -> Node | None:
    """The entry with its preset filled in, where it has a filter or a detector; None where it has neither.

    Args:
        folder: the recipe's, whose ``configs/`` holds presets too.
    """
    opened = Node({"preset": node}, node.origin) if isinstance(node.value, str) else node
    if not isinstance(opened.value, dict):
        return None
    direct = any(opened.get(part) is not None for part in PARTS)
    named = opened.get("preset")
    if named is None and not direct and opened.get("type") is None:
        named = opened.get("name")  # {name: squeeze, ...} names the preset as well
    if named is not None and isinstance(named.value, str):
        path = preset_path("defenses", named.value, folder)
        below = None if path is None else read(path)
        if below is not None and any(below.get(part) is not None for part in PARTS):
            label = opened.get("name") or named
            settings = merge(below, opened.without("preset", "name"))
            return expand(Node({**settings.value, "name": label}, node.origin))
    return opened if direct else None


def read_guard(node: Node, folder: Path, recommenders: list[str]) -> GuardSpec:
    """One entry that ``guarded`` opened.

    Args:
        recommenders: names of the recipe's models.

    Raises:
        UserError: the first thing that is wrong.
    """
    filter = _part(FILTER, node.get("filter"), folder)
    detector = _part(DETECTOR, node.get("detector"), folder)
    nothing = idle(filter, detector)
    # What an overlay says of every entry is dropped where it would do nothing. Its `filter?` or `detector?`
    # changes the one that is there and makes none.
    node = settle(node, set(GuardConfig.model_fields) - set(nothing))
    _keys(node)
    config = build(GuardConfig, node.without(*PARTS, "name"), folder)
    label = node.get("name")
    name = (
        text(label, "'name'")
        if label is not None
        else "+".join(part.name for part in (filter, detector) if part is not None)
    )
    fitting(name, filter, detector, config, node)
    config = _without_what_nobody_learns(config, filter, detector)
    if config.ranking is not None and config.ranking not in recommenders:
        raise UserError(
            f"the recipe has no recommender '{config.ranking}'",
            where=node.where("ranking"),
            remedy=nearest(config.ranking, recommenders),
        )
    return GuardSpec(name, "guard", config, str(node.origin), filter, detector)


def _without_what_nobody_learns(
    config: GuardConfig, filter: Spec | None, detector: Spec | None
) -> GuardConfig:
    """The config with those parts of the training alone that are run, so that a resolved recipe loads again.

    Stages of a detector come from defaults and overlays, which speak of filters with and without one.
    """
    stages = tuple(config.filter_training.parts(learns(detector)))
    if not learns(filter) or not stages or stages == config.filter_training.stages:
        return config
    training = config.filter_training.model_copy(update={"stages": stages})
    return config.model_copy(update={"filter_training": training})


def _keys(node: Node) -> None:
    """Refuse unknown keys, and say where those belong that are another entry's.

    Raises:
        UserError: the first of them.
    """
    known = {*GuardConfig.model_fields, *PARTS, "name"}
    for key in node.value:
        if key in ("preset", "type"):
            raise UserError(
                f"'{key}' names a training defense, and a filter or detector stands in front of one",
                where=node.where(key),
                remedy="list the training defense by itself, and write over: its name here",
            )
        if key not in known:
            _misplaced(FILTER, key, node)
            _misplaced(DETECTOR, key, node)
    mapping(node, known)


def _misplaced(kind: Kind[P], key: str, node: Node) -> None:
    """Refuse a setting of the entry's filter or detector that stands beside it.

    Raises:
        UserError: says where it belongs.
    """
    part = node.get(kind.word)
    if part is None or part.value is None:
        return
    entry = open_entry(kind, part, Path())
    if key in entry.component.config_class.model_fields:
        raise UserError(
            f"'{key}' is a setting of the {kind.word}",
            where=node.where(key),
            remedy=f"write {kind.word}: {{preset: {entry.name}, {key}: ...}}",
        )


def _part(kind: Kind[P], node: Node | None, folder: Path) -> Spec | None:
    """A filter or a detector; paths of first weights are taken from the recipe's folder."""
    if node is None or node.value is None:
        return None
    entry = open_entry(kind, node, folder)
    settings = dict(entry.settings.value)
    for key in FILES:
        given = settings.get(key)
        if given is None or not isinstance(given.value, str) or not Path(given.value).suffix:
            continue  # a word such as imagenet is no file; a file has a suffix
        path = Path(resolve(given.value, folder))
        if not path.is_file():
            raise UserError(
                f"there is no file {path}",
                where=str(given.origin),
                remedy="relative paths are taken from the recipe's folder",
            )
        settings[key] = Node(str(path), given.origin)
    return replace(entry, settings=Node(settings, entry.settings.origin)).spec(folder)
