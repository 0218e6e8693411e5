"""Image-gradient steps a second: our PGD, a bare loop, and the PGD of three other libraries.

Everybody attacks the same pictures with the same budget, step, number of steps, random start and goal: bring
each picture's embedding to a target's, by cosine. Contenders:

* ``bare loop``: gradient, sign, add, clamp on the folded channels-last network, with no bookkeeping at all.
  It says what the network itself allows; ours is to reach 0.9 of it.
* ``elliot_advrec``: PGD on the same folded network; ``elliot_advrec, bf16``: with its gradients in bf16
  (``precision: bf16``, which ``auto`` chooses where the processor multiplies it natively), judged in float32
  like everybody.
* ``bare loop, plain``: the bare loop on the network as timm makes it, frozen parameters.
* ``torchattacks``, ``foolbox``, ``art``: as their documentation shows, in their targeted modes, on that plain
  network. They attack classifiers, so the network is wrapped to give two logits, [cosine to the target, 0];
  cross-entropy to class 0 falls exactly as the cosine grows, so the signs of the gradients, and with them the
  steps, are those of the cosine itself. Parameters are frozen for them too, which is more than their
  documentation asks for and speeds them up.

Rounds are interleaved, in a rotating order, so that a slow spell of the machine hits everybody. Success is
the share of pictures at rank 3 or better in their target's neighbour list.

Run ``python benchmarks/attack_throughput.py --extractor PATH --images FOLDER``; without them the network has
random weights and the pictures are generated, which changes success but not speed. Peers that are not
installed (``pip install 'elliot-advrec[bench]'``) are left out and named.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from elliot_advrec.attacks import Budget
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.files import atomic, write_json
from elliot_advrec.streams import Streams
from elliot_advrec.threats import Scene, Targets
from elliot_advrec.threats.item_to_item import ItemToItem, ItemToItemConfig

Contender = Callable[[], Tensor]
"""Attacks the batch once and returns the attacked images (B,3,S,S)."""

OURS, OURS_BF16, BARE = "elliot_advrec", "elliot_advrec, bf16", "bare loop"


class Plain(nn.Module):
    """The backbone as timm makes it, with the extractor's weights and its normalisation in front."""

    mean: Tensor
    std: Tensor

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.backbone = timm.create_model(extractor.config.backbone, num_classes=0)
        self.backbone.load_state_dict(extractor.backbone.state_dict())
        self.register_buffer("mean", extractor.mean.clone())
        self.register_buffer("std", extractor.std.clone())
        self.eval().requires_grad_(False)

    def embed(self, pixels: Tensor) -> Tensor:
        """(B,3,S,S) in [0,1] -> (B,D)."""
        embedding: Tensor = self.backbone((pixels - self.mean) / self.std)
        return embedding


class CosineClassifier(nn.Module):
    """Two logits a picture: the cosine to its own target, and 0."""

    wanted: Tensor

    def __init__(self, plain: Plain, wanted: Tensor) -> None:
        super().__init__()
        self.plain = plain
        self.register_buffer("wanted", wanted)
        # torchattacks puts the mode it found back after every call: it must find evaluation mode.
        self.eval()

    def forward(self, pixels: Tensor) -> Tensor:
        cosine = functional.cosine_similarity(self.plain.embed(pixels), self.wanted, dim=1)
        return torch.stack((cosine, torch.zeros_like(cosine)), 1)


def bare_loop(
    embed: Callable[[Tensor], Tensor], images: Tensor, wanted: Tensor, eps: float, step: float, steps: int
) -> Tensor:
    """PGD with nothing but its formula."""
    lower, upper = (images - eps).clamp(min=0), (images + eps).clamp(max=1)
    points = (images + torch.empty_like(images).uniform_(-eps, eps)).clamp_(0, 1)
    for _ in range(steps):
        points.requires_grad_()
        loss = 1 - functional.cosine_similarity(embed(points), wanted, dim=1)
        (gradient,) = torch.autograd.grad(loss.sum(), points)
        points = points.detach().sub_(gradient.sign_(), alpha=step).clamp_(lower, upper)
    return points.detach()


def ours(
    frozen: FrozenExtractor, images: Tensor, pairs: Targets, embeddings: Tensor, eps: float, steps: int
) -> Contender:
    """Our PGD, checks and best iterate included."""
    attack = PGD(PGDConfig(steps=steps, step_rule="scaled"))
    loss = ItemToItem().loss(Scene(embeddings), frozen, pairs)
    return lambda: attack(loss, images, Budget("linf", eps), Streams(range(len(images)))).images


def torchattacks_pgd(model: nn.Module, images: Tensor, eps: float, step: float, steps: int) -> Contender:
    """torchattacks, targeted by label."""
    import torchattacks

    attack = torchattacks.PGD(model, eps=eps, alpha=step, steps=steps, random_start=True)
    attack.set_mode_targeted_by_label(quiet=True)
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)
    return lambda: attack(images, labels)


def foolbox_pgd(model: nn.Module, images: Tensor, eps: float, step: float, steps: int) -> Contender:
    """foolbox, with its TargetedMisclassification; ``run`` is its loop without the final success check."""
    import foolbox

    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=images.device)
    attack = foolbox.attacks.LinfPGD(abs_stepsize=step, steps=steps, random_start=True)
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)
    goal = foolbox.criteria.TargetedMisclassification(labels)
    return lambda: attack.run(wrapped, images, goal, epsilon=eps)


def art_pgd(model: nn.Module, images: Tensor, eps: float, step: float, steps: int) -> Contender:
    """The Adversarial Robustness Toolbox, its PyTorch loop, arrays in and out."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    classifier = PyTorchClassifier(
        model,
        nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=2,
        clip_values=(0.0, 1.0),
        device_type="gpu" if images.is_cuda else "cpu",
    )
    attack = ProjectedGradientDescentPyTorch(
        classifier, eps=eps, eps_step=step, max_iter=steps, targeted=True, num_random_init=1,
        batch_size=len(images), verbose=False,
    )  # fmt: skip
    array, labels = images.contiguous().cpu().numpy(), np.zeros(len(images), dtype=np.int64)
    return lambda: torch.from_numpy(attack.generate(array, labels)).to(images.device)


PEERS = {"torchattacks": torchattacks_pgd, "foolbox": foolbox_pgd, "art": art_pgd}
PACKAGES = {"torchattacks": "torchattacks", "foolbox": "foolbox", "art": "adversarial-robustness-toolbox"}


def pictures(folder: Path | None, count: int, size: int) -> Tensor:
    """(count,3,size,size) on the 8-bit lattice: the first of a folder's, or generated blobs of colour."""
    if folder is None:
        coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(0))
        smooth = functional.interpolate(coarse, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
        return smooth.mul(255).round().div(255)
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise SystemExit(f"no pictures in {folder}")
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)]
    arrays = [np.asarray(Image.open(path).convert("RGB").resize((size, size))) for path in chosen]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float().div(255)


def make_extractor(path: Path | None, catalog: Tensor) -> Extractor:
    """A saved extractor, or random weights whose BatchNorm statistics are those of the pictures."""
    if path is not None:
        return Extractor.load(path).eval()
    extractor = Extractor(ExtractorSettings(weights="none"), image_size=catalog.shape[-1], seed=0)
    extractor.train()
    with torch.no_grad():
        for _ in range(8):
            extractor.embed(catalog[torch.randperm(len(catalog))[:64]])
    return extractor.eval()


def measure(
    contenders: dict[str, Contender], rounds: int, wait: Callable[[], None]
) -> dict[str, list[float]]:
    """Seconds of each contender in each round; one untimed round first."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            wait()
            start = time.perf_counter()
            contenders[name]()
            wait()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everybody and describe the machine."""
    device = torch.device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    catalog = pictures(arguments.images, arguments.catalog, arguments.size)
    extractor = make_extractor(arguments.extractor, catalog)
    frozen = FrozenExtractor(extractor).to(device)
    plain = Plain(extractor).to(device)
    with torch.no_grad():
        embeddings = torch.cat([frozen.embed(part.to(device)) for part in catalog.split(64)])
    threat = ItemToItem(ItemToItemConfig(pairs=arguments.batch))
    pairs = threat.draw(Scene(embeddings), 0)
    images = catalog[torch.from_numpy(pairs.attack)].to(device)
    last = images.contiguous(memory_format=torch.channels_last)
    wanted = embeddings[torch.from_numpy(pairs.target).to(device)]
    eps, steps = arguments.eps, arguments.steps
    step = 2.5 * eps / steps
    contenders: dict[str, Contender] = {
        BARE: lambda: bare_loop(frozen.embed, last, wanted, eps, step, steps),
        OURS: ours(frozen, last, pairs, embeddings, eps, steps),
        OURS_BF16: ours(FrozenExtractor(extractor, "bf16").to(device), last, pairs, embeddings, eps, steps),
        "bare loop, plain": lambda: bare_loop(plain.embed, images, wanted, eps, step, steps),
    }
    missing = []
    for name, make in PEERS.items():
        try:
            contenders[name] = make(CosineClassifier(plain, wanted), images, eps, step, steps)
        except ImportError as error:
            missing.append(f"{name} ({error})")
    seconds = measure(
        contenders, arguments.rounds, torch.cuda.synchronize if device.type == "cuda" else lambda: None
    )
    speed = {name: len(images) * steps / statistics.median(times) for name, times in seconds.items()}
    rows = []
    for name, attack in contenders.items():
        found = attack()
        with torch.no_grad():
            judged = threat.judge(Scene(embeddings), pairs, frozen.embed(found.float()))
        rows.append(
            {
                "contender": name,
                "steps_per_second": speed[name],
                "slowest": len(images) * steps / max(seconds[name]),
                "fastest": len(images) * steps / min(seconds[name]),
                "ours_to_it": speed[OURS] / speed[name],
                "ours_bf16_to_it": speed[OURS_BF16] / speed[name],
                "ratio_to_bare": speed[name] / speed[BARE],
                "success_rank_3": float((judged["rank_after"] <= 3).mean()),
                "mean_cosine": float(judged["cosine_after"].mean()),
                "largest_change": float((found - images).abs().max()),
                "seconds": seconds[name],
            }
        )
    return {
        "settings": {
            key: value.name if isinstance(value, Path) else value for key, value in vars(arguments).items()
        },
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "versions": {name: importlib.metadata.version(name) for name in ("torch", "timm")}
            | {
                PACKAGES[name]: importlib.metadata.version(PACKAGES[name])
                for name in PEERS
                if name in contenders
            },
        },
        "clean_success_rank_3": float((judged["rank_before"] <= 3).mean()),
        "folded": frozen.folded,
        "missing": missing,
        "rows": rows,
    }


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown page."""
    settings, machine = result["settings"], result["machine"]
    head = (
        f"MobileNetV2, {settings['size']} px, batch {settings['batch']}, {settings['steps']} steps, "
        f"eps {settings['eps']:g}, median of {settings['rounds']} interleaved rounds; {machine['device']} "
        f"({machine['processor']}), {machine['threads']} thread(s); "
        + ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    )
    lines = [
        "# Image-gradient steps a second",
        "",
        head + ".",
        "",
        "| contender | steps a second (range) | of bare loop | ours is faster | ours in bf16 is faster "
        "| success, rank 3 | cosine |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in result["rows"]:
        pace = f"{row['steps_per_second']:.0f} ({row['slowest']:.0f}, {row['fastest']:.0f})"
        ratios = f"{row['ratio_to_bare']:.2f} | {row['ours_to_it']:.2f} x | {row['ours_bf16_to_it']:.2f} x"
        success = f"{100 * row['success_rank_3']:.1f} % | {row['mean_cosine']:.4f}"
        lines.append(f"| {row['contender']} | {pace} | {ratios} | {success} |")
    lines += ["", *(f"Not measured: {name}." for name in result["missing"])]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Measure, print the table, and write it as JSON and Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--extractor", type=Path, help="a saved extractor; random weights if absent")
    parser.add_argument("--images", type=Path, help="folder of pictures; generated ones if absent")
    parser.add_argument("--catalog", type=int, default=512, help="how many pictures")
    parser.add_argument("--size", type=int, default=96, help="side in pixels")
    parser.add_argument("--batch", type=int, default=32, help="pictures attacked at once")
    parser.add_argument("--steps", type=int, default=32, help="PGD steps, each 2.5 eps / steps long")
    parser.add_argument("--eps", type=float, default=0.05, help="L-infinity budget in units of [0,1]")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds")
    parser.add_argument("--threads", type=int, default=0, help="torch threads; 0 leaves its choice")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    result = run(arguments)
    name = f"attack_throughput_{datetime.date.today():%Y-%m-%d}"
    write_json(arguments.output / f"{name}.json", result)
    page = table(result)
    with atomic(arguments.output / f"{name}.md") as temporary:
        temporary.write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
