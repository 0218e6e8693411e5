"""What the benchmarks of visual recommenders share: a recipe's interactions and features, and one fit.

Catalog, simulated users, clean extractor and its embeddings are made by the recipe's own stages and kept in a
store, so that a later run, or ``elliot run`` of the same recipe over that store, trains nothing twice.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from elliot_advrec.console import ConsoleProgress
from elliot_advrec.data.interactions import FIELDS, Interactions
from elliot_advrec.experiment import Store, Workspace, make_plan, run_plan
from elliot_advrec.experiment.plan import Plan
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.metrics.rates import mean_interval
from elliot_advrec.recipe import Recipe, load
from elliot_advrec.recipe.spec import ModelSpec
from elliot_advrec.recommenders import Recommender
from elliot_advrec.recommenders.bpr.state import digest
from elliot_advrec.recommenders.context import FitContext

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Inputs:
    """What recommenders are fitted on."""

    recipe: Recipe
    interactions: Interactions
    embeddings: np.ndarray
    """(N, D) float32 of the recipe's first defense."""
    categories: np.ndarray
    """(N,) of the items."""
    store: Path
    """Where what was fitted is kept as well."""

    def described(self) -> dict[str, Any]:
        """Sizes, for the result file."""
        users, items = self.interactions.train.shape
        held = self.interactions.validation
        return {
            "users": users,
            "items": items,
            "width": self.embeddings.shape[1],
            "train": self.interactions.train.nnz,
            "validation": 0 if held is None else held.nnz,
            "test": self.interactions.test.nnz,
            "mean_feature_length": float(np.linalg.norm(self.embeddings, axis=1).mean()),
            "settings": {model.name: model.resolved() for model in self.recipe.models},
        }


def prepare(path: Path, overrides: Sequence[str], store: Path) -> Inputs:
    """The recipe's inputs, from the store or made now."""
    recipe = load(path, overrides)
    plan = make_plan(recipe, "cpu")
    embeddings = next(stage for stage in plan.stages if stage.kind == "embeddings")
    interactions = next(stage for stage in plan.stages if stage.kind == "interactions")
    needed = [*_needs(embeddings), embeddings, *_needs(interactions), interactions]
    workspace = Workspace(Store(store), torch.device("cpu"), recipe.adversarial.workers)
    unique = tuple({stage.key: stage for stage in needed}.values())
    run_plan(Plan(unique, 0), workspace, ConsoleProgress())
    return Inputs(
        recipe,
        workspace.interactions(interactions),
        workspace.embeddings(embeddings),
        workspace.catalog(embeddings.needs["catalog"]).category,
        store,
    )


def _needs(stage: Stage) -> Iterator[Stage]:
    for needed in stage.needs.values():
        yield from _needs(needed)
        yield needed


def fitted(model: ModelSpec, inputs: Inputs, embeddings: np.ndarray, seed: int) -> Recommender:
    """The recipe's model, best epoch by the validation part, on these embeddings; kept if trained."""
    kind, held = model.component, inputs.interactions
    identity = [model.kind, str(model.resolved()), seed, digest(embeddings if model.uses_images else None)]
    parts = [part for part in (held.train, held.validation) if part is not None]
    identity += [digest(*(getattr(part, name) for name in FIELDS)) for part in parts]
    folder = inputs.store / "fitted" / hashlib.blake2b(repr(identity).encode(), digest_size=16).hexdigest()
    if (folder / "recommender.json").exists():  # written last
        return kind.load(folder)
    recommender: Recommender = kind(model.config)
    recommender.context = FitContext(
        categories=inputs.categories if kind.uses_categories else None,
        selection=model.selection(inputs.recipe.experiment.evaluation),
    )
    recommender.fit(held, embeddings if model.uses_images else None, seed=seed)
    if kind.trained:
        recommender.save(folder)
    return recommender


def arguments(description: str, recipe: str) -> argparse.ArgumentParser:
    """What all of these benchmarks are told."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", nargs="?", type=Path, default=Path(recipe), help="file or shipped name")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--seeds", type=int, default=3, help="of the recommenders: 1 to this many")
    parser.add_argument("--store", type=Path, default=Path("results/visual/store"), help="finished stages")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the JSON and Markdown files")
    return parser


def circumstances() -> dict[str, Any]:
    """When, where and by what command."""
    words = list(sys.argv[1:])
    for option, stands in (("--store", "STORE"), ("--output", "FOLDER")):
        if option in words:
            words[words.index(option) + 1] = stands
    return {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words]),
        "date": f"{date.today():%Y-%m-%d}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
    }


def interval(values: np.ndarray, digits: int = 4, sign: str = "") -> str:
    """Mean and 95 % interval of a value a user, as text."""
    return " ".join(
        (f"{(found := mean_interval(values)).mean:{sign}.{digits}f}",
         f"[{found.low:{sign}.{digits}f}, {found.high:{sign}.{digits}f}]")
    )  # fmt: skip
