"""Training defenses: what each costs and what it withstands, beside adversarial training with PGD-8.

    OMP_NUM_THREADS=1 python benchmarks/training_defenses.py
    OMP_NUM_THREADS=1 python benchmarks/training_defenses.py --seeds 1 --only "free, m 4"
    OMP_NUM_THREADS=1 python benchmarks/training_defenses.py --seeds 1 --output /tmp --only \\
        --variant 'noise 1={"preset": "fast_at", "noise": 1, "warmup": 0.6, "training": {"epochs": 6}}'

The settings are those of ``recipes/quickstart.yml`` (drawn garments, a narrow MobileNetV2, PGD-8 at eps 0.03
with its warm-up; 8 epochs for the defenses, 6 for the fast ones); each seed trains a clean extractor and
then every contender from its weights.
``cpu_seconds`` is processor time of the training alone, without validation, all contenders of a seed in one
process. Success is the share of item-to-item pairs that PGD brings to rank 3 or better, attacked through the
defended weights (adaptive) or through the clean ones of the same seed (oblivious: the same pictures for every
contender, judged by its own neighbours); accuracy is that of the test pictures, clean and under PGD-8 at eps
0.03. The worst seed is the one with the largest distance to PGD-8 AT of the same seed. The tables are
printed, and written as JSON and Markdown beside this file.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import multiprocessing
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from elliot_advrec import resources
from elliot_advrec.attacks import Budget
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.data.pixels import prepare
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.defenses import DEFENSES
from elliot_advrec.defenses.accuracy import adversarial_accuracy
from elliot_advrec.extractors.evaluation import evaluate
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor, Precision, resolve_precision
from elliot_advrec.extractors.training import train
from elliot_advrec.files import atomic, write_json
from elliot_advrec.metrics.rates import success_rate
from elliot_advrec.recipe import Adversarial, load
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams
from elliot_advrec.threats import Scene
from elliot_advrec.threats.item_to_item import ItemToItem, ItemToItemConfig

RESULTS = Path(__file__).parent / "results"
REFERENCE, UNDEFENDED = "PGD-8 AT", "none"
PACE = {"epochs": 8, "lr": 0.004}
"""The clean training's own rate, two epochs more than in the quick start; the free ones divide the epochs by
their replays."""
SHORT = {"epochs": 6, "lr": 0.006}
"""For one gradient a step, fewer epochs at a higher rate, as Wong, Rice and Kolter 2020 have it: on a network
as narrow as this one the weights' own step is the longer part."""
WARMUP = 0.6
CONTENDERS: dict[str, dict[str, Any]] = {
    REFERENCE: {"preset": "at", "warmup": WARMUP, "training": PACE},
    "free, m 4": {"preset": "free", "warmup": WARMUP, "training": PACE},
    "free, m 8": {"preset": "free", "m": 8, "warmup": WARMUP, "training": PACE},
    "fast (N-FGSM)": {"preset": "fast_at", "warmup": WARMUP, "training": SHORT},
    "fast (FGSM, random start)": {
        "preset": "fast_at", "noise": 1, "step": 1.25, "clip": True, "warmup": WARMUP, "training": SHORT,
    },
}  # fmt: skip
RANK, EPS = 3, (0.03, 0.05)
BATCH = 32


def settings(items: int, contenders: dict[str, dict[str, Any]], folder: Path) -> Adversarial:
    """The quick start with as many garments and with the contenders as its defenses."""
    text = (resources.folder("recipes") / "quickstart.yml").read_text("utf-8")
    recipe = yaml.safe_load(text)
    recipe["experiment"]["adversarial"]["catalog"]["items"] = items
    recipe["experiment"]["adversarial"]["defenses"] = [
        "none", *({**settings, "name": name} for name, settings in contenders.items()),
    ]  # fmt: skip
    path = folder / "recipe.yml"
    path.write_text(yaml.safe_dump(recipe), "utf-8")
    return load(path).adversarial


Pictures = dict[float, torch.Tensor]
"""The attacked pictures (pairs, 3, H, W) of each eps."""


class Judged:
    """An extractor and its embeddings of the clean catalog: what is attacked, and what judges."""

    def __init__(
        self, extractor: Extractor, catalog: Catalog, pixels: PixelFile, seed: int, pairs: int
    ) -> None:
        self.extractor, self.catalog, self.pixels, self.seed = extractor, catalog, pixels, seed
        self.frozen = FrozenExtractor(extractor)
        self.threat = ItemToItem(ItemToItemConfig(pairs=pairs))
        rows = np.arange(len(pixels))
        parts = [pixels.floats(part) for part in np.array_split(rows, -(-len(rows) // BATCH))]
        self.scene = Scene(self._embed(parts), catalog)
        self.targets = self.threat.draw(self.scene, seed)

    def attacked(self, precision: Precision, steps: int) -> Pictures:
        """The pairs' pictures, moved by PGD through this extractor."""
        view, attack = FrozenExtractor(self.extractor, precision), PGD(PGDConfig(steps=steps))
        found = {}
        for eps in EPS:
            moved = []
            for start in range(0, len(self.targets), BATCH):
                some = self.targets.slice(start, start + BATCH)
                pairs = zip(some.attack, some.target, strict=True)
                streams = Streams([stream_seed(self.seed, "pgd", *pair) for pair in pairs])
                loss, images = self.threat.loss(self.scene, view, some), self.pixels.floats(some.attack)
                moved.append(attack(loss, images, Budget("linf", eps), streams).images)
            found[eps] = torch.cat(moved)
        return found

    def success(self, pictures: Pictures, prefix: str) -> dict[str, Any]:
        """Success with these pictures at each eps, in percent, and its interval."""
        found: dict[str, Any] = {}
        for eps, images in pictures.items():
            judged = self.threat.judge(self.scene, self.targets, self._embed(images.split(BATCH)))
            rate = success_rate(judged["rank_after"], RANK)
            found[f"{prefix}_{eps:g}"] = 100 * rate.value
            found[f"{prefix}_interval_{eps:g}"] = [100 * rate.low, 100 * rate.high]
        found["success_untouched"] = 100 * success_rate(judged["rank_before"], RANK).value
        return found

    def accuracies(self) -> dict[str, float]:
        """Of the test pictures, clean and attacked."""
        return {
            "accuracy": evaluate(self.frozen, self.catalog, self.pixels)["accuracy"],
            "pgd8_accuracy": adversarial_accuracy(self.frozen, self.catalog, self.pixels, seed=self.seed)[
                "accuracy"
            ],
        }

    @torch.no_grad()
    def _embed(self, parts: Iterable[torch.Tensor]) -> torch.Tensor:
        return torch.cat([self.frozen.embed(part) for part in parts])


def measure(seed: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and attack the clean extractor and every contender with one seed, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        return _measure(settings(options.items, chosen(options), Path(folder)), seed, options, Path(folder))


def chosen(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The reference, the contenders asked for, and the variants."""
    asked = CONTENDERS if options.only is None else [REFERENCE, *options.only]
    return {name: CONTENDERS[name] for name in CONTENDERS if name in asked} | dict(options.variant)


def variant(text: str) -> tuple[str, dict[str, Any]]:
    """``NAME=JSON`` of the command line."""
    name, _, rest = text.partition("=")
    return name, dict(json.loads(rest))


def _measure(ours: Adversarial, seed: int, options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    source = SOURCES.get(ours.catalog.kind)(ours.catalog.config, folder)
    catalog, pixels, _ = prepare(source.catalog(), ours.size, folder / "catalog")
    runs: list[dict[str, Any]] = []
    oblivious: Pictures = {}
    precision = resolve_precision(options.precision, "cpu")
    clean = Extractor(ours.extractor, catalog.categories, catalog.attribute_names, ours.size, seed=seed)
    for spec in ours.defenses:
        defense = None if spec.name == UNDEFENDED else DEFENSES.get(spec.kind)(spec.config)
        training = ours.extractor.training if defense is None else defense.training(ours.extractor.training)
        training = training.model_copy(update={"validate_epochs": False})
        extractor = clean if defense is None else copy.deepcopy(clean)
        begun, worked = time.perf_counter(), time.process_time()
        place = folder / f"{seed}" / spec.name
        train(
            extractor,
            catalog,
            pixels,
            training,
            defense=defense,
            adversary=precision,
            seed=seed,
            folder=place,
        )
        run = {
            "seed": seed,
            "defense": spec.name,
            "passes": training.epochs,
            "cpu_seconds": time.process_time() - worked,
            "seconds": time.perf_counter() - begun,
        }
        judge = Judged(extractor, catalog, pixels, seed, options.pairs)
        own = judge.attacked(precision, options.steps)
        if spec.name == UNDEFENDED:
            oblivious = own
        run |= judge.accuracies() | judge.success(own, "success") | judge.success(oblivious, "oblivious")
        runs.append(run)
        print(line(run), flush=True)
    return runs


def line(run: dict[str, Any]) -> str:
    """One run as a row of Markdown."""
    rates = [
        f"{run[f'{kind}_{e:g}']:.1f} [{', '.join(f'{x:.1f}' for x in run[f'{kind}_interval_{e:g}'])}]"
        for kind in ("success", "oblivious")
        for e in EPS
    ]
    shares = [f"{100 * run[name]:.1f}" for name in ("accuracy", "pgd8_accuracy")]
    return f"| {run['defense']} | {run['seed']} | {run['cpu_seconds']:.1f} | {' | '.join(rates + shares)} |"


def compared(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each contender against the reference of the same seed; the worst over the seeds."""
    by = {(run["defense"], run["seed"]): run for run in runs}
    seeds = sorted({run["seed"] for run in runs})
    found = []
    for name in dict.fromkeys(
        run["defense"] for run in runs if run["defense"] not in (REFERENCE, UNDEFENDED)
    ):
        pairs = [(by[name, seed], by[REFERENCE, seed]) for seed in seeds]
        found.append(
            {
                "defense": name,
                "time": max(one["cpu_seconds"] / other["cpu_seconds"] for one, other in pairs),
                **{
                    f"behind_{eps:g}": max(
                        one[f"success_{eps:g}"] - other[f"success_{eps:g}"] for one, other in pairs
                    )
                    for eps in EPS
                },
                **{
                    f"lost_{name}": max(100 * (other[name] - one[name]) for one, other in pairs)
                    for name in ("accuracy", "pgd8_accuracy")
                },
            }
        )
    return found


def tables(runs: list[dict[str, Any]], worst: list[dict[str, Any]]) -> str:
    """Both tables as Markdown."""
    success = " | ".join(
        f"success % {kind}at eps {eps:g}" for kind in ("", "of oblivious PGD ") for eps in EPS
    )
    behind = " | ".join(f"success above AT's at eps {eps:g}, points" for eps in EPS)
    lines = [
        f"Worst of {len({run['seed'] for run in runs})} seeds, each against {REFERENCE} of the same seed:",
        "",
        f"| defense | share of its time | {behind} | accuracy lost, points | lost under PGD-8 |",
        "| --- |" + " ---: |" * (3 + len(EPS)),
    ]
    for row in worst:
        points = [f"{row[f'behind_{eps:g}']:+.1f}" for eps in EPS]
        points += [f"{row[name]:+.1f}" for name in ("lost_accuracy", "lost_pgd8_accuracy")]
        lines.append(f"| {row['defense']} | {row['time']:.3f} | {' | '.join(points)} |")
    lines += [
        "",
        "Every run, with 95 % intervals:",
        "",
        f"| defense | seed | CPU seconds | {success} | accuracy | under PGD-8 |",
        "| --- |" + " ---: |" * (4 + 2 * len(EPS)),
        *map(line, runs),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1200, help="garments in the catalog")
    parser.add_argument("--pairs", type=int, default=128, help="attacked pairs")
    parser.add_argument("--steps", type=int, default=64, help="of the PGD that judges")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument(
        "--precision",
        choices=["auto", "float32", "bf16"],
        default="auto",
        help="of every adversary's gradients",
    )
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once, each in a process of its own")
    parser.add_argument(
        "--only", nargs="*", choices=CONTENDERS, help="contenders beside the reference; all when absent"
    )
    parser.add_argument(
        "--variant",
        type=variant,
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="one more contender: a defense as a recipe names it; may be given again",
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the JSON and the Markdown")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        parts = pool.map(measure, options.seeds, [options] * len(options.seeds))
        runs = [run for part in parts for run in part]
    worst = compared(runs)
    setting = {
        "date": datetime.date.today().isoformat(),
        "command": "python " + shlex.join(sys.argv),
        "items": options.items,
        "pairs": options.pairs,
        "seeds at once": options.jobs,
        "judge": f"PGD-{options.steps}, rank {RANK}",
        "adversaries": resolve_precision(options.precision, "cpu"),
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load after": f"{os.getloadavg()[0]:.1f}",
        "torch": torch.__version__,
    }
    print(tables(runs, worst))
    data = {"setting": setting, "contenders": chosen(options), "worst": worst, "runs": runs}
    write_json(options.output / "training_defenses.json", data)
    described = ", ".join(f"{name} {value}" for name, value in setting.items())
    with atomic(options.output / "training_defenses.md") as temporary:
        temporary.write_text(f"Training defenses ({described}).\n\n{tables(runs, worst)}\n", "utf-8")


if __name__ == "__main__":
    main()
