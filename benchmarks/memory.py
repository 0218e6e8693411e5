"""Peak memory of whole runs: does it grow with the batch and the network, or with the catalog?

    python benchmarks/memory.py
    python benchmarks/memory.py --items 400 40000 --backbones test_efficientnet --size 64

Each run trains for one epoch, attacks a few pairs and re-ranks, in a process of its own over drawn items.
``pixels`` is what the decoded catalog takes on disk; ``imported`` is a process that has only imported the
package; ``peak`` is the highest resident memory of the run's process. The table is printed, and written as
JSON and Markdown beside this file.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from elliot_advrec.files import atomic, write_json

RESULTS = Path(__file__).parent / "results"
PAIRS, USERS = 16, 100
COLUMNS = ("backbone", "items", "pixels_mb", "embeddings_mb", "imported_mb", "peak_mb", "above_import_mb")


def recipe(backbone: str, items: int, size: int) -> dict[str, Any]:
    """One epoch, one defense, two attacks."""
    return {
        "experiment": {
            "dataset": f"memory-{items}",
            "models": {"external.ContentKNN": {"neighbors": 10}},
            "adversarial": {
                "catalog": {"source": "synthetic", "items": items, "users": USERS, "size": size},
                "extractor": {"backbone": backbone, "training": {"epochs": 1, "validate_epochs": False}},
                "threats": [{"preset": "item_to_item", "pairs": PAIRS}],
                "attacks": [{"preset": "fgsm", "eps": 0.03}, {"preset": "pgd", "steps": 4, "eps": 0.03}],
                "device": "cpu",
                "workers": 0,
            },
        }
    }


def peak_mb() -> float:
    """Highest resident memory of this process so far, in MB (10^6 bytes)."""
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(backbone: str, items: int, size: int, folder: str) -> dict[str, Any]:
    """Run once and say what it took; called in a fresh process."""
    import faiss  # noqa: F401
    import sklearn.manifold  # noqa: F401

    from elliot_advrec.hosts import embedded
    from elliot_advrec.recipe import load

    path = Path(folder) / "recipe.yml"
    path.write_text(yaml.safe_dump(recipe(backbone, items, size)), "utf-8")
    imported = peak_mb()
    embedded.run(load(path), Path(folder) / "out")
    peak, store = peak_mb(), Path(folder) / "out" / "store"
    return {
        "backbone": backbone,
        "items": items,
        "pixels_mb": _total(store.glob("catalog/*/pixels.bin")),
        "embeddings_mb": _total(store.glob("embeddings/*/embeddings.npy")),
        "imported_mb": imported,
        "peak_mb": peak,
        "above_import_mb": peak - imported,
    }


def _total(paths: Any) -> float:
    return sum(path.stat().st_size for path in paths) / 1e6


def table(found: list[dict[str, Any]]) -> str:
    """The measurements as Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "| --- |" + " ---: |" * (len(COLUMNS) - 1)]
    for line in found:
        cells = [f"{line[c]:,.1f}" if isinstance(line[c], float) else f"{line[c]}" for c in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, nargs="+", default=[400, 4000])
    parser.add_argument("--backbones", nargs="+", default=["test_efficientnet", "mobilenetv2_100"])
    parser.add_argument("--size", type=int, default=64, help="side of the pictures in pixels")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of memory.json and memory.md")
    options = parser.parse_args()
    found = []
    for backbone in options.backbones:
        for items in options.items:
            # A fresh process each: the highest memory of a process never falls again.
            context = multiprocessing.get_context("spawn")
            with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, mp_context=context) as pool:
                found.append(pool.submit(measure, backbone, items, options.size, folder).result())
    print(table(found))
    setting = {
        "size": options.size,
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
    }
    write_json(options.output / "memory.json", {"setting": setting, "runs": found})
    described = ", ".join(f"{name} {value}" for name, value in setting.items())
    with atomic(options.output / "memory.md") as temporary:
        temporary.write_text(f"Peak memory of whole runs in MB ({described}).\n\n{table(found)}\n", "utf-8")


if __name__ == "__main__":
    main()
