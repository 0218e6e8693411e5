"""Training defenses: what each costs and what it withstands, beside adversarial training with PGD-8.

    OMP_NUM_THREADS=1 python benchmarks/training_defenses.py
    OMP_NUM_THREADS=1 python benchmarks/training_defenses.py --seeds 1 --only "free, m 4"

The settings are those of ``recipes/quickstart.yml`` (drawn garments, a narrow MobileNetV2, PGD-8 at eps 0.03
with its warm-up; 8 epochs at lr 0.002 for the defenses); each seed trains a clean extractor and then every
contender from its weights.
``cpu_seconds`` is processor time of the training alone, without validation, all contenders of a seed in one
process. Success is the share of item-to-item pairs that PGD brings to rank 3 or better, attacked through the
defended weights; accuracy is that of the test pictures, clean and under PGD-8 at eps 0.03. The worst seed is
the one with the largest distance to PGD-8 AT of the same seed. The tables are printed, and written as JSON
and Markdown beside this file.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import multiprocessing
import os
import platform
import shlex
import sys
import tempfile
import time
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
from elliot_advrec.data.pixels import PixelFile, prepare
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
PACE = {"epochs": 8, "lr": 0.002}
"""Two epochs more than in the quick start; the free ones divide the epochs by their replays."""
SHORT = {**PACE, "epochs": 6}
"""For one gradient a step: on a network as narrow as this one the weights' own step is the longer part."""
CONTENDERS: dict[str, dict[str, Any]] = {
    REFERENCE: {"preset": "at", "warmup": 0.6, "training": PACE},
    "free, m 4": {"preset": "free", "warmup": 0.6, "training": PACE},
    "free, m 8": {"preset": "free", "m": 8, "warmup": 0.6, "training": PACE},
    "fast (N-FGSM)": {"preset": "fast_at", "warmup": 0.6, "training": SHORT},
    "fast (FGSM, random start)": {
        "preset": "fast_at", "noise": 1, "step": 1.25, "clip": True, "warmup": 0.6, "training": SHORT,
    },
}  # fmt: skip
RANK, EPS = 3, (0.03, 0.05)
BATCH = 32


def settings(items: int, folder: Path) -> Adversarial:
    """The quick start with as many garments and with the contenders as its defenses."""
    text = (resources.folder("recipes") / "quickstart.yml").read_text("utf-8")
    recipe = yaml.safe_load(text)
    recipe["experiment"]["adversarial"]["catalog"]["items"] = items
    recipe["experiment"]["adversarial"]["defenses"] = [
        "none", *({**settings, "name": name} for name, settings in CONTENDERS.items()),
    ]  # fmt: skip
    path = folder / "recipe.yml"
    path.write_text(yaml.safe_dump(recipe), "utf-8")
    return load(path).adversarial


def withstood(
    extractor: Extractor,
    catalog: Catalog,
    pixels: PixelFile,
    seed: int,
    precision: Precision,
    *,
    pairs: int,
    steps: int,
) -> dict[str, Any]:
    """Accuracies of the test pictures, and success of PGD on item-to-item pairs at each eps."""
    view, judge = FrozenExtractor(extractor, precision), FrozenExtractor(extractor)
    with torch.no_grad():
        rows = np.arange(len(pixels))
        parts = [judge.embed(pixels.floats(part)) for part in np.array_split(rows, -(-len(rows) // BATCH))]
    embeddings = torch.cat(parts)
    found: dict[str, Any] = {
        "accuracy": evaluate(judge, catalog, pixels)["accuracy"],
        "pgd8_accuracy": adversarial_accuracy(judge, catalog, pixels, seed=seed)["accuracy"],
    }
    threat, attack = ItemToItem(ItemToItemConfig(pairs=pairs)), PGD(PGDConfig(steps=steps))
    scene = Scene(embeddings, catalog)
    targets = threat.draw(scene, seed)
    for eps in EPS:
        moved = []
        for start in range(0, pairs, BATCH):
            some = targets.slice(start, start + BATCH)
            seeds = [stream_seed(seed, "pgd", a, t) for a, t in zip(some.attack, some.target, strict=True)]
            loss, images = threat.loss(scene, view, some), pixels.floats(some.attack)
            attacked = attack(loss, images, Budget("linf", eps), Streams(seeds)).images
            with torch.no_grad():
                moved.append(judge.embed(attacked))
        judged = threat.judge(scene, targets, torch.cat(moved))
        rate = success_rate(judged["rank_after"], RANK)
        found[f"success_{eps:g}"] = 100 * rate.value
        found[f"interval_{eps:g}"] = [100 * rate.low, 100 * rate.high]
    found["success_untouched"] = 100 * success_rate(judged["rank_before"], RANK).value
    return found


def measure(seed: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and attack the clean extractor and every contender with one seed, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        return _measure(settings(options.items, Path(folder)), seed, options, Path(folder))


def _measure(ours: Adversarial, seed: int, options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    source = SOURCES.get(ours.catalog.kind)(ours.catalog.config, folder)
    catalog, pixels, _ = prepare(source.catalog(), ours.size, folder / "catalog")
    runs: list[dict[str, Any]] = []
    precision = resolve_precision(options.precision, "cpu")
    clean = Extractor(ours.extractor, catalog.categories, catalog.attribute_names, ours.size, seed=seed)
    for spec in ours.defenses:
        if options.only and spec.name not in (*options.only, UNDEFENDED, REFERENCE):
            continue
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
            **withstood(
                extractor, catalog, pixels, seed, precision, pairs=options.pairs, steps=options.steps
            ),
        }
        runs.append(run)
        print(line(run), flush=True)
    return runs


def line(run: dict[str, Any]) -> str:
    """One run as a row of Markdown."""
    rates = [
        f"{run[f'success_{e:g}']:.1f} [{', '.join(f'{x:.1f}' for x in run[f'interval_{e:g}'])}]" for e in EPS
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
    success = " | ".join(f"success % at eps {eps:g}" for eps in EPS)
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
        "| --- |" + " ---: |" * (4 + len(EPS)),
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
        "--only", nargs="+", choices=CONTENDERS, help="contenders beside the reference; all when absent"
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
    data = {"setting": setting, "contenders": CONTENDERS, "worst": worst, "runs": runs}
    write_json(options.output / "training_defenses.json", data)
    described = ", ".join(f"{name} {value}" for name, value in setting.items())
    with atomic(options.output / "training_defenses.md") as temporary:
        temporary.write_text(f"Training defenses ({described}).\n\n{tables(runs, worst)}\n", "utf-8")


if __name__ == "__main__":
    main()
