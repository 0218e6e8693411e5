"""Recipes: valid, mutated and hostile ones, each by `elliot check`."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from benchmarks.faults.bytes_and_values import VALUES, damaged
from benchmarks.faults.command import called
from benchmarks.faults.trial import Tally, Trials, Wrong, attempt
from benchmarks.faults.valid import parts, valid
from elliot_advrec import resources

Tree = dict[str, Any]
SETTINGS = (
    "eps", "pairs", "steps", "epochs", "lr", "batch_size", "workers", "seeds", "size", "items", "users",
    "rank_min", "norm", "knowledge", "tries", "draws", "threshold", "fpr", "restarts", "lpips", "device",
    "precision", "strict", "weights", "backbone", "images", "interactions", "top_k", "cutoffs",
)  # fmt: skip
DRAWN = {"source": "synthetic", "items": 40, "users": 12, "size": 32}


def run(trials: Trials, folder: Path) -> Tally:
    """A third valid, half mutated (trees, then bytes), the rest hostile texts."""
    tally = Tally("recipes")
    shipped = _shipped()
    for number in trials.numbers():
        chance = trials.random(tally.kind, number)
        path = folder / "recipe.yml"
        kind = number % 6
        if kind < 2:
            data = _text(valid(chance))
        elif kind < 4:
            data = _text(mutated(chance.choice([valid(chance), chance.choice(shipped)]), chance))
        elif kind == 4:
            data = damaged(_text(chance.choice([valid(chance), chance.choice(shipped)])), chance)
        else:
            data = chance.choice(HOSTILE)(chance)
        path.write_bytes(data)
        attempt(tally, number, lambda path=path, kind=kind: _checked(path, folder, kind < 2))
    return tally


def _checked(path: Path, folder: Path, must: bool) -> None:
    out = folder / "out"
    called("check", path, "-o", out)
    if out.exists():
        raise Wrong("a check made its output folder")
    if must:
        called("check", path, "--resolved", "-o", out)


def _text(tree: Tree) -> bytes:
    text: str = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    return text.encode("utf-8", "surrogatepass")


def _shipped() -> list[Tree]:
    """The shipped recipes over drawn items, so that none needs data."""
    found = []
    for path in sorted(resources.folder("recipes").glob("*.yml")):
        tree = yaml.safe_load(path.read_text("utf-8"))
        if "adversarial" in tree.get("experiment", {}):
            tree["experiment"]["adversarial"]["catalog"] = dict(DRAWN)
            tree["experiment"]["adversarial"].setdefault("extractor", {})["weights"] = "none"
        found.append(tree)
    return found


def mutated(tree: Tree, chance: random.Random) -> Tree:
    """A copy in which a few places hold what they must not, or are gone, renamed, doubled or swapped."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        places = list(_places(tree))
        if not places:
            break
        holder, key = chance.choice(places)
        how = chance.randrange(8)
        if how < 4:
            holder[key] = copy.deepcopy(chance.choice(VALUES))
        elif how == 4:
            del holder[key]
        elif how == 5 and isinstance(holder, dict):
            name = chance.choice([f"{key}s", str(key)[:-1], key.upper(), "<<", "", *parts(chance)[:2]])
            holder[name] = holder.pop(key)
        elif how == 6 and isinstance(holder, dict):
            setting, value = chance.choice(list(_settings(chance)))
            holder[setting] = value
        else:
            other, name = chance.choice(places)
            holder[key] = copy.deepcopy(other[name])
    return tree


def _places(node: Any) -> Any:
    """Every (mapping or list, key or index) below a node."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in list(entries):
        yield node, key
        yield from _places(child)


def _settings(chance: random.Random) -> Any:
    """Names that recipes know, with values that they do not."""
    for name in SETTINGS:
        yield name, copy.deepcopy(chance.choice(VALUES))


def _laughs(chance: random.Random) -> bytes:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for level in range(1, chance.randint(5, 30)):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join(lines).encode()


def _merges(chance: random.Random) -> bytes:
    lines = ["b0: &b0 {x0: 1}"]
    for level in range(1, chance.randint(5, 30)):
        lines.append(f"b{level}: &b{level} {{<<: [{', '.join([f'*b{level - 1}'] * 9)}], x{level}: 1}}")
    return "\n".join(lines).encode()


def _inner_merges(chance: random.Random) -> bytes:
    text = "&a0 {x: 1, y: 2}"
    for level in range(1, chance.randint(5, 18)):
        text = f"&a{level} {{<<: [{text}{f', *a{level - 1}' * 8}]}}"
    return f"experiment: {text}".encode()


def _deep(chance: random.Random) -> bytes:
    depth = chance.choice([50, 1_000, 100_000])
    opening = chance.choice(["[", "{a: ", "- ", "? "])
    return b"experiment: " + opening.encode() * depth


def _loops(chance: random.Random) -> bytes:
    return chance.choice(
        [b"experiment: &a\n  models: *a\n", b"&a [*a]", b"experiment: &a {<<: *a}", b"a: *nothing", b"&a *a"]
    )


def _tags(chance: random.Random) -> bytes:
    tag = chance.choice(
        ["python/object/apply:os.system ['touch ran']", "python/name:os.system", "python/module:os",
         "binary aGk=", "set {a, b}", "omap [a: b]", "int abc", "float x", "bool maybe",
          "timestamp never", "null x",
         "str [a]", "map [a]", "seq {a: b}", "python/tuple [1, 2]",
          "python/object/new:os.system ['touch ran']"]
    )  # fmt: skip
    return f"experiment:\n  top_k: !!{tag}\n".encode()


def _large(chance: random.Random) -> bytes:
    return chance.choice(
        [b"a: 1\n" * 200_000, b"x" * (1 << 20), b"- " * 300_000, b"#" * (3 << 20), b"k: " + b"1" * 500_000,
         b"k: 1" + b":1" * 100_000, b"k: 0b" + b"1" * 300_000, b"k: " + b"1:" * 200_000 + b"1",
         b"? " * 3_000 + b"x", b'k: "' + b"\\x41" * 100_000 + b'"', b"k: 1e" + b"9" * 50_000]
    )  # fmt: skip


def _noise(chance: random.Random) -> bytes:
    return chance.choice(
        [b"", b"\x00", b"\xff\xfe" + "experiment: {}".encode("utf-16-le"), b"\xef\xbb\xbf",
         chance.randbytes(2_000), b"\t\texperiment:", b"--- a\n--- b\n",
          b"%YAML 9.9\n---\nexperiment: {}", b"experiment:\x1b[2J\n",
         "experiment:\n  dataset: \u2028\n".encode(), b"\x80\x04\x95posix\nsystem\n(S'touch ran'\ntR.",
         b"experiment: ~", b"experiment: 1", b"experiment: []", b"[]", b"1", b"''", b"experiment: {models: }"]
    )  # fmt: skip


HOSTILE: tuple[Callable[[random.Random], bytes], ...] = (
    _laughs,
    _merges,
    _inner_merges,
    _deep,
    _loops,
    _tags,
    _large,
    _noise,
)
