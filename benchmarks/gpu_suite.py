"""Do the CPU and the accelerator agree, and how fast is each? One call, under ten minutes, no files needed.

    python benchmarks/gpu_suite.py                    # the whole suite, needs CUDA
    python benchmarks/gpu_suite.py --device cpu       # a dry run of the same code at tiny size

Prints a Markdown table of checks and one of throughputs; ``--output`` writes them to a file too. Exit code
0: all checks passed; 1: some did not; 2: there is no CUDA device.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor

from elliot_advrec.attacks import Budget
from elliot_advrec.attacks.cw import CW, CWConfig
from elliot_advrec.attacks.fgsm import FGSM
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.defenses.adversarial_training import AdversarialTraining
from elliot_advrec.defenses.adversary import AdversaryConfig
from elliot_advrec.extractors.config import ExtractorSettings, TrainingConfig
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor, Precision
from elliot_advrec.extractors.training import train
from elliot_advrec.files import atomic
from elliot_advrec.streams import Streams
from elliot_advrec.threats import Scene
from elliot_advrec.threats.item_to_item import ItemToItem, ItemToItemConfig

BUDGET = Budget("linf", 0.03)
RANK = 3


@dataclass(frozen=True)
class Size:
    """How much the suite does."""

    pictures: int
    side: int
    pairs: int
    batch: int
    epochs: int
    pgd: int
    cw: int
    repeats: int


FULL = Size(pictures=2048, side=96, pairs=256, batch=128, epochs=6, pgd=16, cw=100, repeats=20)
DRY = Size(pictures=96, side=32, pairs=64, batch=16, epochs=2, pgd=4, cw=8, repeats=2)


@dataclass
class Report:
    """The two tables."""

    checks: list[tuple[str, str, str, bool]] = field(default_factory=list)
    speeds: list[tuple[str, str, float]] = field(default_factory=list)

    def check(self, what: str, found: float, limit: float) -> None:
        """A value that must not exceed its limit."""
        self.checks.append((what, f"{found:.2e}", f"<= {limit:g}", found <= limit))
        print(f"  {what}: {found:.2e} (<= {limit:g})", flush=True)

    def speed(self, what: str, unit: str, value: float) -> None:
        self.speeds.append((what, unit, value))
        print(f"  {what}: {value:,.0f} {unit}", flush=True)

    @property
    def passed(self) -> bool:
        return all(ok for *_, ok in self.checks)

    def markdown(self, title: str) -> str:
        lines = [f"# {title}", "", "| check | found | limit | |", "| --- | --- | --- | --- |"]
        lines += [f"| {w} | {f} | {limit} | {'ok' if ok else 'FAILED'} |" for w, f, limit, ok in self.checks]
        lines += ["", "| throughput | value | unit |", "| --- | ---: | --- |"]
        lines += [f"| {what} | {value:,.0f} | {unit} |" for what, unit, value in self.speeds]
        return "\n".join(lines) + "\n"


def draw(folder: Path, size: Size) -> tuple[Catalog, PixelFile]:
    """Smooth blobs in eight colours and places, so that an extractor has something to learn."""
    rng = np.random.default_rng(0)
    category = np.arange(size.pictures) % 8
    coarse = rng.uniform(0.2, 0.6, (size.pictures, 3, 8, 8))
    for item, kind in enumerate(category):
        coarse[item, int(kind) % 3, int(kind) // 2 : int(kind) // 2 + 4, 2:6] += 0.35
    upscaled = torch.nn.functional.interpolate(torch.from_numpy(coarse), size=size.side, mode="bilinear")
    path = folder / "pixels.bin"
    path.write_bytes((upscaled.clamp(0, 1) * 255).round().to(torch.uint8).numpy().tobytes())
    catalog = Catalog(
        ids=[f"item{row}" for row in range(size.pictures)],
        category=category.astype(np.int64),
        categories=[f"kind{kind}" for kind in range(8)],
        attributes=None,
        attribute_names=[],
        split=np.where(np.arange(size.pictures) % 16 < 14, "train", "test"),
        pictures=[],
        taste=None,
    )
    return catalog, PixelFile(path, size.side, size.pictures)


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest value."""
    return float((found.cpu() - expected.cpu()).abs().max() / expected.abs().max().cpu())


def embed(view: FrozenExtractor, pixels: PixelFile, device: torch.device, batch: int) -> Tensor:
    """(N, D) on the device."""
    with torch.no_grad():
        parts = [
            view.embed(pixels.floats(np.arange(start, min(start + batch, len(pixels)))).to(device))
            for start in range(0, len(pixels), batch)
        ]
    return torch.cat(parts)


def success(
    view: FrozenExtractor,
    pixels: PixelFile,
    clean: Tensor,
    size: Size,
    attack: PGD | FGSM | CW,
    device: torch.device,
) -> float:
    """Share of pairs whose attacked item comes among the target's ``RANK`` nearest neighbours."""
    threat = ItemToItem(ItemToItemConfig(pairs=size.pairs))
    targets = threat.draw(Scene(clean), 0)
    attacked = []
    for start in range(0, size.pairs, size.batch):
        part = targets.slice(start, min(start + size.batch, size.pairs))
        loss = threat.loss(Scene(clean), view, part)
        images = pixels.floats(part.attack).to(device)
        found = attack(loss, images, BUDGET, Streams(range(start, start + len(part)))).images
        with torch.no_grad():
            attacked.append(view.embed(found))
    judged = threat.judge(Scene(clean.cpu()), targets, torch.cat(attacked).cpu())
    return float((judged["rank_after"] <= RANK).mean())


def rate(work: Callable[[], object], pictures: int, device: torch.device, repeats: int) -> float:
    """Pictures a second, after two calls that do not count."""
    for _ in range(2):
        work()
    _wait(device)
    begun = time.perf_counter()
    for _ in range(repeats):
        work()
    _wait(device)
    return repeats * pictures / (time.perf_counter() - begun)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def gradient_step(view: FrozenExtractor, images: Tensor) -> Tensor:
    """One gradient with respect to pixels: what attacks spend their time on."""
    given = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(view.embed(given).sum(), given)
    return gradient


def compare_training(report: Report, folder: Path, size: Size, device: torch.device) -> Extractor:
    """Train on the device, twice to see that it repeats, once with the adversary; the clean extractor."""
    catalog, pixels = draw(folder, size)
    count = int((catalog.split == "train").sum())

    def fresh() -> Extractor:
        return Extractor(ExtractorSettings(), catalog.categories, [], size.side, seed=1)

    def run(name: str, epochs: int, defense: AdversarialTraining | None = None) -> Extractor:
        extractor = fresh()
        config = TrainingConfig(epochs=epochs, batch_size=min(64, size.batch))
        history = train(
            extractor, catalog, pixels, config, defense=defense, seed=1, device=device, folder=folder / name
        )
        # The first epoch pays for the choice of kernels.
        report.speed(f"training, {name}", "img/s", count / min(e.seconds for e in history.epochs))
        return extractor

    one, other = run("clean", size.epochs), run("clean again", size.epochs)
    gaps = [
        float((a.float() - b.float()).abs().max())
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    ]
    report.check("two trainings of one seed, largest difference of a weight", max(gaps), 0.0)
    run("PGD-8 adversary", 2, AdversarialTraining(AdversaryConfig(steps=8)))
    return one.eval()


def compare_views(
    report: Report, extractor: Extractor, pixels: PixelFile, size: Size, device: torch.device
) -> None:
    """Embeddings, success rates and speed, the CPU in float32 against the device in each precision."""
    cpu = torch.device("cpu")
    extractor = extractor.cpu()
    reference = FrozenExtractor(extractor)
    expected = embed(reference, pixels, cpu, size.batch)
    attacks: dict[str, PGD | FGSM | CW] = {
        "FGSM": FGSM(),
        f"PGD-{size.pgd}": PGD(PGDConfig.model_validate({"steps": size.pgd})),
        f"CW-{size.cw}": CW(CWConfig.model_validate({"steps": size.cw})),
    }
    rates = {
        name: success(reference, pixels, expected, size, attack, cpu) for name, attack in attacks.items()
    }
    images = pixels.floats(np.arange(size.batch))
    work = rate(lambda: gradient_step(reference, images), size.batch, cpu, max(2, size.repeats // 10))
    report.speed("gradient steps, CPU float32", "img/s", work)
    modes: list[tuple[str, Precision, bool, bool, float, float]] = [
        ("float32", "float32", False, False, 1e-4, 0.03),
        ("tf32", "float32", True, False, 1e-2, 0.05),
        ("bf16", "bf16", False, False, 1e-1, 0.10),
    ]
    if device.type == "cuda":
        modes.append(("bf16 compiled", "bf16", False, True, 1e-1, 0.10))
    for name, precision, tf32, compiled, near, slack in modes:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        view = FrozenExtractor(extractor, precision, compiled=compiled).to(device)
        found = embed(view, pixels, device, size.batch)
        report.check(f"embeddings, {name}: relative difference", relative(found, expected), near)
        for label, attack in attacks.items():
            gained = success(view, pixels, found, size, attack, device)
            what = (
                f"{label} success at rank {RANK}, {name} {gained:.3f} against {rates[label]:.3f}: difference"
            )
            report.check(what, abs(gained - rates[label]), max(slack, 2 / size.pairs))
        moved = images.to(device)
        report.speed(f"gradient steps, {name}", "img/s", rate(lambda v=view, m=moved: gradient_step(v, m), size.batch, device, size.repeats))  # fmt: skip # noqa: E501
        with torch.no_grad():
            report.speed(f"embedding, {name}", "img/s", rate(lambda v=view, m=moved: v.embed(m), size.batch, device, size.repeats))  # fmt: skip # noqa: E501


def main(arguments: list[str] | None = None) -> int:
    """Run the suite; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument(
        "--output", type=Path, help="also write the tables here, e.g. benchmarks/results/gpu.md"
    )
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print(
            "there is no CUDA device here; --device cpu makes a tiny dry run of the same code",
            file=sys.stderr,
        )
        return 2
    device, size = torch.device(options.device), FULL if options.device == "cuda" else DRY
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"dry run on {platform.machine()}"
    title = f"GPU suite: {name}, torch {torch.__version__}, timm {timm.__version__}, {size.side} px"
    print(title, flush=True)
    report, begun = Report(), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        extractor = compare_training(report, folder, size, device)
        pixels = PixelFile(folder / "pixels.bin", size.side, size.pictures)
        compare_views(report, extractor, pixels, size, device)
    text = report.markdown(title)
    print(f"\n{text}\n{time.perf_counter() - begun:.0f} s")
    if options.output:
        with atomic(options.output) as temporary:
            temporary.write_text(text, "utf-8")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
