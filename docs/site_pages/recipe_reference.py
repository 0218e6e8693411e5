"""The reference of recipes: every key that ``elliot schema`` knows, by section."""

from __future__ import annotations

from typing import Any

from elliot_advrec import recipe
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.recipe.elliot import Meta
from elliot_advrec.recipe.guard_spec import GuardConfig
from elliot_advrec.recipe.models import FOLDER
from elliot_advrec.recipe.schema import schema
from site_pages import settings
from site_pages.parts import KINDS, builtin

Schema = dict[str, Any]

INTRODUCTION = """# Recipe reference

Generated from the models that check recipes; `elliot schema` prints the same as JSON Schema for your editor,
and `elliot check RECIPE --resolved` prints a recipe with everything filled in. Unknown keys are refused with
the closest known one.

- `eps` is in units of [0, 1] pixels: `0.03`, or a fraction such as `8/255`.
- Any value may hold `${VARIABLE}`, taken from the environment.
- Paths are taken from the recipe's folder.
- `--set key=value` overrides any key on the command line, `--preset NAME` lays an overlay over the recipe.
- A key such as `a.b` is `b` in the mapping `a`; `a[].b` is `b` in every entry of the list `a`.
"""


def recipe_reference() -> str:
    """The page."""
    whole = schema()
    definitions = whole["$defs"]
    section = whole["properties"]["experiment"]
    experiment = section["properties"]
    ours = experiment["adversarial"]["properties"]
    sections = {key: v for key, v in ours.items() if key in SECTIONS}
    plain = {key: v for key, v in ours.items() if key not in sections}
    blocks = [INTRODUCTION, "## experiment\n\nElliot's own keys. `models` and `adversarial` follow below."]
    elliots = {k: v for k, v in experiment.items() if k not in ("models", "adversarial")}
    blocks.append(_elliots({"properties": elliots, "required": section["required"]}, definitions))
    blocks += [_models(), "## adversarial\n\nOurs. How the matrix is run:"]
    blocks.append(_table(plain, definitions))
    blocks += [
        _catalog(),
        "### extractor\n\nA preset's name, or settings; `preset` names one to change.\n\n"
        + _table(_mapping(sections["extractor"])["properties"], definitions)
        + _shown("models"),
        _defenses(),
        _listed("threats", "threat", recipe_keys(ours["threats"], "threats")),
        _listed("attacks", "attack", recipe_keys(ours["attacks"], "attacks")),
        _presets(),
    ]
    return "\n\n".join(blocks) + "\n"


#: Keys of ``adversarial`` that have a section of their own.
SECTIONS = ("catalog", "extractor", "defenses", "threats", "attacks")


def recipe_keys(listed: Schema, kind: str) -> Schema:
    """What an entry of ``threats`` or ``attacks`` may hold beside the settings of its part."""
    entries = _mappings(listed["anyOf"][0])
    own = KINDS[kind][0]
    known = {key for name in own.names() for key in own.get(name).config_class.model_fields}
    first = entries[0]["properties"]
    return {key: value for key, value in first.items() if key not in known and key not in ("type", "preset")}


def _elliots(schema: Schema, definitions: Schema) -> str:
    harmless = [f"`{key}`" for key, one in schema["properties"].items() if not one.get("description")]
    return (
        settings.table(list(settings.of_properties(schema, definitions)))
        + f"\nOf Elliot's other keys {', '.join(harmless)} are taken where they change nothing; "
        "the rest is refused by name.\n"
    )


def _models() -> str:
    lines = [
        "## models",
        "",
        "A mapping of recommenders to their settings. A plain name is ours too, unless the recipe runs "
        "inside Elliot, where it is Elliot's own model. A setting that is a list is searched over; `preset` "
        f"names settings to start from; `{FOLDER}` evaluates lists that were made elsewhere.",
        "",
        ", ".join(f"[`external.{name}`](recommenders/{name}.md)" for name in builtin("recommenders")) + ".",
        "",
        "Each may hold Elliot's `meta`:",
        "",
    ]
    return "\n".join(lines) + "\n" + settings.table(settings.of_model(Meta))


def _catalog() -> str:
    blocks = [
        "### catalog\n\nWhere pictures, labels and maybe interactions come from: `source` names one of the "
        "following, `preset` a data set, and `size` (whole number ≥ 16, ≤ 1024) the side of the square "
        "pictures in pixels. File formats: [data](../data.md)."
    ]
    for name in SOURCES.names():
        component = SOURCES.get(name)
        if component.__module__.startswith("elliot_advrec."):
            table = settings.table(settings.of_model(component.config_class))
            blocks.append(f"#### source: {name}\n\n{component.summary()}\n\n{table}")
    return "\n\n".join(blocks)


def _defenses() -> str:
    links = ", ".join(f"[`{name}`](defenses/{name}.md)" for name in builtin("defenses"))
    filters = ", ".join(f"[`{name}`](filters/{name}.md)" for name in builtin("filters"))
    detectors = ", ".join(f"[`{name}`](detectors/{name}.md)" for name in builtin("detectors"))
    table = settings.table(settings.of_model(GuardConfig))
    return (
        f"### defenses\n\nA list: `none`, a training defense ({links}), or an entry with `filter` "
        f"({filters}), `detector` ({detectors}) or both, each a preset's name or a mapping. The entry's own "
        f"settings are then:\n\n{table}"
    )


def _listed(section: str, word: str, keys: Schema) -> str:
    links = ", ".join(f"[`{name}`]({section}/{name}.md)" for name in builtin(section))
    table = _table(keys, {})
    return (
        f"### {section}\n\nA list of names or mappings. `preset` or `type` names the {word} ({links}); "
        f"beside its settings an entry may hold:\n\n{table}"
    )


def _presets() -> str:
    lines = ["## Presets", "", "| preset | |", "| --- | --- |"]
    for kind in recipe.PRESET_KINDS:
        lines += [f"| `{kind}/{name}` | {line} |" for name, line in recipe.presets(kind)]
    return "\n".join(lines)


def _shown(kind: str) -> str:
    return "\nPresets: " + "; ".join(f"`{name}` ({line})" for name, line in recipe.presets(kind)) + ".\n"


def _table(properties: Schema, definitions: Schema) -> str:
    return settings.table(list(settings.of_properties({"properties": properties}, definitions)))


def _mappings(one: Schema) -> list[Schema]:
    return [branch for branch in one["anyOf"] if branch.get("properties")]


def _mapping(one: Schema) -> Schema:
    return _mappings(one)[0]
