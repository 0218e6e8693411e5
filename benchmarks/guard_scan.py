"""What a scan of a folder costs beside its two networks, and whether its memory grows with the folder.

    OMP_NUM_THREADS=1 python benchmarks/guard_scan.py

``throughput``: the shipped presets `reconstruction_small` and `contrastive_small` (random weights: speed does
not depend on them) at 96 pixels over photographs (``ELLIOT_ADVREC_DATA``; drawn garments where it is not
set). ``bare`` is a loop over the pictures already decoded in memory that runs the filter's network once and
the detector's twice, which is what a score takes; ``scan`` is everything from the folder to
``verdicts.tsv``: finding, decoding in worker processes, scoring, the journal. The two alternate, so that
both meet the same machine. ``ratio`` is that of the medians, ``wall`` of pictures a second and ``cpu`` of
pictures a second of processor time of the process that scores: on a machine that others use too, the first
says how busy they were, the second what the scan itself adds to its networks.

``memory``: a median filter and a small contrastive detector at 48 pixels over drawn garments, each size of
folder in a process of its own. ``peak`` is the highest resident memory of the process that scores, ``worker``
that of the largest that decodes, ``before`` what the first held when the guard was loaded and had scored one
batch.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from elliot_advrec.data.decoding_workers import decode_all
from elliot_advrec.data.finding import Found, Pictures
from elliot_advrec.files import atomic, write_json
from elliot_advrec.progress import Advance, Silent

if TYPE_CHECKING:
    from elliot_advrec.guards import Guard
# Processes that decode import this file again, as they do any script that starts them: torch is imported
# where it is used, or each of them would spend seconds and a gigabyte on it.

RESULTS = Path(__file__).parent / "results"
BATCH = 32


def preset(kind: str, name: str) -> dict[str, Any]:
    """The settings of a shipped preset, without its type."""
    import yaml

    from elliot_advrec import resources

    found: dict[str, Any] = yaml.safe_load((resources.folder("configs") / kind / f"{name}.yml").read_text())
    del found["type"]
    return found


def shipped(size: int) -> Guard:
    """The small reconstruction filter and contrastive detector."""
    from elliot_advrec.detectors.contrastive import Contrastive, ContrastiveConfig
    from elliot_advrec.filters.reconstruction import Reconstruction, ReconstructionConfig
    from elliot_advrec.guards import Guard

    filter = Reconstruction(ReconstructionConfig.model_validate(preset("filters", "reconstruction_small")))
    settings = {**preset("detectors", "contrastive_small"), "threshold": 0.2}
    return Guard(filter, Contrastive(ContrastiveConfig.model_validate(settings), image_size=size), size)


def cheap(size: int) -> Guard:
    """One that scores some hundred pictures a second on one core."""
    from elliot_advrec.detectors.contrastive import Contrastive, ContrastiveConfig
    from elliot_advrec.filters.median import Median
    from elliot_advrec.guards import Guard

    settings = ContrastiveConfig(encoder="test_efficientnet", threshold=0.2)
    return Guard(Median(), Contrastive(settings, image_size=size), size)


def drawn(folder: Path, count: int, side: int = 160) -> Path:
    """``count`` smooth pictures as JPEG, a thousand a folder."""
    for number in range(count):
        path = folder / f"{number // 1000:03d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        rough = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((side, side), Image.Resampling.BICUBIC).save(path, quality=92)
    return folder


def photographs(folder: Path, count: int) -> tuple[Path, str]:
    """A folder of ``count`` pictures (links to files within it are followed), and what they are."""
    root = os.environ.get("ELLIOT_ADVREC_DATA")
    if root is None:
        return drawn(folder, count), "drawn, 160 x 160"
    found = sorted((Path(root) / "clothing-small" / "images").rglob("*.jpg"))[:count]
    for number, path in enumerate(found):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06d}.jpg").write_bytes(path.read_bytes())
    return folder, "photographs with a short side of 160"


class Clock:
    """Pictures a second since it was made, by the wall and by this process's processor time."""

    def __init__(self) -> None:
        self._begun = time.perf_counter(), time.process_time()

    def rates(self, count: int) -> dict[str, float]:
        """For ``count`` pictures."""
        wall, cpu = self._begun
        return {"wall": count / (time.perf_counter() - wall), "cpu": count / (time.process_time() - cpu)}


def bare(guard: Guard, pixels: np.ndarray) -> dict[str, float]:
    """The two networks alone."""
    import torch

    from elliot_advrec.guards.verdicts import as_floats

    filter, detector = guard.filter.network, guard.detector.network  # type: ignore[union-attr]
    with torch.inference_mode():
        clock, kept = Clock(), []
        for start in range(0, len(pixels), BATCH):
            given = as_floats(pixels[start : start + BATCH])
            shown = filter(given).clamp(0, 1)
            kept.append((detector(given) - detector(shown)).norm(dim=1))
        assert len(torch.cat(kept)) == len(pixels)
        return clock.rates(len(pixels))


def throughput(asked: argparse.Namespace) -> dict[str, Any]:
    """Alternating runs of ``bare`` and of a whole scan."""
    from elliot_advrec.guards.scanning import Options, scan

    guard = shipped(asked.size)
    with tempfile.TemporaryDirectory() as place:
        folder, shown = photographs(Path(place) / "pictures", asked.pictures)
        guard.save(Path(place) / "guard")
        files: list[Found] = list(Pictures(folder))
        pixels = np.concatenate([batch.pixels for batch in decode_all(files, asked.size)])
        bare(guard, pixels[: 2 * BATCH])  # first calls choose their kernels
        runs = []
        for run in range(asked.repeats):
            before = bare(guard, pixels)
            options, clock = Options(batch_size=BATCH, workers=asked.workers), Clock()
            assert scan(folder, guard, Path(place) / f"out{run}", options).scanned == len(files)
            runs.append({"bare": before, "scan": clock.rates(len(files))})
            print(runs[-1], flush=True)
    medians = {
        name: {by: statistics.median(run[name][by] for run in runs) for by in ("wall", "cpu")}
        for name in ("bare", "scan")
    }
    return {
        "pictures": f"{len(files)} {shown}",
        "size": asked.size,
        "workers": asked.workers,
        "runs": runs,
        "median": medians,
        "ratio": {by: medians["scan"][by] / medians["bare"][by] for by in ("wall", "cpu")},
    }


def peak_mb(process: int | str = "self") -> float:
    """Highest resident memory of a process so far, in MB (10^6 bytes); Linux."""
    # Not getrusage: for a child it counts what the process held that it was split from.
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0  # it ended in between


class Watched(Silent):
    """Looks at the worker processes after every batch."""

    largest = 0.0

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        yield self._look

    def _look(self, units: int) -> None:
        for child in multiprocessing.active_children():
            with suppress(OSError):
                self.largest = max(self.largest, peak_mb(child.pid or "self"))


def memory(folder: str, count: int, size: int, workers: int) -> dict[str, Any]:
    """One scan; called in a fresh process."""
    import torch

    from elliot_advrec.guards.scanning import Options, scan

    pictures, guard = drawn(Path(folder) / "pictures", count), cheap(size)
    guard.save(Path(folder) / "guard")
    guard.score(torch.rand(BATCH, 3, size, size), [""] * BATCH)
    before = peak_mb()
    watched, options = Watched(), Options(("tsv", "json"), workers=workers)
    found = scan(pictures, guard, Path(folder) / "out", options, watched)
    assert found.scanned == count
    return {
        "pictures": count,
        "decoded_mb": count * 3 * size * size / 1e6,
        "before_mb": before,
        "peak_mb": peak_mb(),
        "grown_mb": peak_mb() - before,
        "worker_mb": watched.largest,
        "images_per_second": count / found.seconds,
    }


def tables(found: dict[str, Any]) -> str:
    """The measurements as Markdown."""
    setting = ", ".join(f"{name} {value}" for name, value in found["setting"].items())
    lines = [f"Scans of folders ({setting}).", ""]
    if speed := found.get("throughput"):
        lines += [
            f"`reconstruction_small` and `contrastive_small` at {speed['size']} pixels over"
            f" {speed['pictures']}; processes that decode: {speed['workers']}. Pictures a second, in turn:",
            "",
            "| run | bare, wall | scan, wall | ratio | bare, cpu | scan, cpu | ratio |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for name, run in [*enumerate(speed["runs"], 1), ("median", speed["median"])]:
            cells = [
                f"{run['bare'][by]:.1f} | {run['scan'][by]:.1f} | {run['scan'][by] / run['bare'][by]:.3f}"
                for by in ("wall", "cpu")
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    if rows := found.get("memory"):
        lines += ["Memory in MB, a median filter and a small detector at 48 pixels:", ""]
        lines += ["| " + " | ".join(rows[0]) + " |", "| " + " | ".join(["---:"] * len(rows[0])) + " |"]
        lines += [
            "| " + " | ".join(f"{value:,.1f}".removesuffix(".0") for value in row.values()) + " |"
            for row in rows
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folders", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument(
        "--only", choices=["throughput", "memory"], help="keeps what was measured of the other"
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    path = asked.output / "guard_scan.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if asked.only and path.exists() else {}
    found["setting"] = {
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    if asked.only != "memory":
        found["throughput"] = throughput(asked)
    if asked.only != "throughput":
        found["memory"] = []
        for count in asked.folders:
            # A fresh process each: the highest memory of a process never falls again.
            context = multiprocessing.get_context("spawn")
            with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, mp_context=context) as pool:
                found["memory"].append(pool.submit(memory, folder, count, 48, asked.workers).result())
            print(found["memory"][-1], flush=True)
    write_json(path, found)
    with atomic(asked.output / "guard_scan.md") as temporary:
        temporary.write_text(tables(found), "utf-8")


if __name__ == "__main__":
    main()
