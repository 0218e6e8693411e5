"""How strong attacks are at equal eps: RankAuto, every single attack, and those of three other libraries.

Everybody attacks the same (attack item, target item) pairs on the same extractor with the same goal, the
cosine of the two embeddings, in the same L-infinity ball, in float32. ``torchattacks``, ``foolbox`` and
``art`` attack classifiers, so the network is wrapped to give two logits, [cosine to the target, cosine of the
target's nearest neighbour]: class 0 is rank 1, and cross-entropy falls for it as the cosine grows. Their APGD
gives back only what reached that class, so it is to be compared at rank 1; their PGD at any rank. Each runs
with as many gradients as RankAuto may spend. Success is the share of pairs in which the attacked picture
stands at rank 1 (3, 10, 100) or better among the target's neighbours, with Wilson's 95 % interval.

``python benchmarks/attack_strength.py --extractor FILE.safetensors --catalog FOLDER`` takes both from the
store of any run: ``extractor/KEY/extractor.safetensors`` and ``catalog/KEY``; ``--only`` names attacks by
their parts.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attack_throughput import CosineClassifier, Plain, art_pgd, foolbox_pgd, torchattacks_pgd
from torch import Tensor, nn

from elliot_advrec.attacks import Attack, Budget
from elliot_advrec.attacks.apgd import APGD
from elliot_advrec.attacks.cw import CW, CWConfig
from elliot_advrec.attacks.feature_slope import BlackBoxGradient
from elliot_advrec.attacks.fgsm import FGSM
from elliot_advrec.attacks.nes import NES
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.attacks.rank_auto import RankAuto
from elliot_advrec.attacks.square import Square
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.data.pixels import reopen
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.files import atomic, write_json
from elliot_advrec.metrics.rates import success_rate
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams
from elliot_advrec.threats import Scene, Targets
from elliot_advrec.threats.item_to_item import ItemToItem, ItemToItemConfig
from elliot_advrec.threats.ranks import nearest_cosine

RANKS = (1, 3, 10, 100)
GRADIENTS = 100
Peer = Callable[[nn.Module, Tensor, float], Tensor]
"""(two-logit network, images (b,3,H,W), eps) -> attacked images."""

OURS: dict[str, Attack] = {
    "RankAuto": RankAuto(),
    "FGSM": FGSM(),
    "BIM-10": PGD(PGDConfig(steps=10, random_start=False)),
    "MI-FGSM-10": PGD(PGDConfig(steps=10, random_start=False, momentum=1.0)),
    "PGD-64": PGD(),
    "PGD-64, cosine": PGD(PGDConfig(step_rule="cosine")),
    "APGD-100": APGD(),
    "CW-200": CW(CWConfig(steps=200)),
    "CW-1000": CW(),
    "BB-Score, 661 queries": BlackBoxGradient(),
    "Square, 1000 queries": Square(),
    "NES, 1000 queries": NES(),
}


class Barred(CosineClassifier):
    """Two logits a picture: the cosine to its own target, and that of the target's nearest neighbour."""

    bar: Tensor

    def __init__(self, plain: Plain, wanted: Tensor, bar: Tensor) -> None:
        super().__init__(plain, wanted)
        self.register_buffer("bar", bar)

    def forward(self, pixels: Tensor) -> Tensor:
        cosine = super().forward(pixels)[:, 0]
        return torch.stack((cosine, self.bar.to(cosine)), 1)


def torchattacks_apgd(model: nn.Module, images: Tensor, eps: float) -> Tensor:
    """torchattacks' APGD, untargeted: to leave class 1 is to go to class 0."""
    import torchattacks

    attack = torchattacks.APGD(model, eps=eps, steps=GRADIENTS, n_restarts=1, seed=0)
    labels = torch.ones(len(images), dtype=torch.long)
    return attack(images, labels)


def art_apgd(model: nn.Module, images: Tensor, eps: float) -> Tensor:
    """The Adversarial Robustness Toolbox's Auto-PGD, targeted."""
    from art.attacks.evasion import AutoProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    classifier = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), input_shape=tuple(images.shape[1:]), nb_classes=2,
        clip_values=(0.0, 1.0), device_type="cpu",
    )  # fmt: skip
    attack = AutoProjectedGradientDescent(
        classifier, eps=eps, eps_step=2 * eps, max_iter=GRADIENTS, targeted=True, nb_random_init=1,
        batch_size=len(images), loss_type="cross_entropy", verbose=False,
    )  # fmt: skip
    goal = np.eye(2, dtype=np.float32)[np.zeros(len(images), dtype=int)]
    return torch.from_numpy(attack.generate(images.contiguous().numpy(), goal))


PEERS: dict[str, Peer] = {
    "torchattacks, PGD": lambda m, x, eps: torchattacks_pgd(m, x, eps, 2.5 * eps / GRADIENTS, GRADIENTS)(),
    "torchattacks, APGD": torchattacks_apgd,
    "foolbox, PGD": lambda m, x, eps: foolbox_pgd(m, x, eps, 2.5 * eps / GRADIENTS, GRADIENTS)(),
    "art, PGD": lambda m, x, eps: art_pgd(m, x, eps, 2.5 * eps / GRADIENTS, GRADIENTS)(),
    "art, Auto-PGD": art_apgd,
}


@dataclass(frozen=True)
class Bench:
    """What everybody attacks."""

    pixels: PixelFile
    frozen: FrozenExtractor
    plain: Plain
    scene: Scene
    threat: ItemToItem
    seed: int

    def attack(self, name: str, some: Targets, eps: float) -> tuple[Tensor, Tensor | None]:
        """Embeddings (b,D) of the attacked pictures, and (b,2) gradients and queries where they are known."""
        clean, spent = self.pixels.floats(some.attack), None
        if name in OURS:
            pairs = zip(some.attack, some.target, strict=True)
            streams = Streams([stream_seed(self.seed, name, *pair) for pair in pairs])
            loss = self.threat.loss(self.scene, self.frozen, some)
            found = OURS[name](loss, clean, Budget("linf", eps), streams)
            images, spent = found.images, torch.stack([found.gradient_evaluations, found.queries], 1)
        else:
            wanted = torch.as_tensor(self.scene.embeddings)[torch.from_numpy(some.target)]
            bar = nearest_cosine(torch.as_tensor(self.scene.embeddings), some)
            model = Barred(self.plain, wanted, bar)
            images = PEERS[name](model, clean.contiguous(), eps).detach().float()
        if float((images - clean).abs().max()) > eps + 1e-5:
            raise RuntimeError(f"{name} left the budget")
        with torch.no_grad():
            return self.frozen.embed(images.contiguous(memory_format=torch.channels_last)), spent


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Attack the pairs with everybody, one budget after the other."""
    torch.set_num_threads(arguments.threads)
    catalog, pixels, _ = reopen(arguments.catalog)
    extractor = Extractor.load(arguments.extractor).eval()
    frozen, count = FrozenExtractor(extractor), len(catalog.ids)
    with torch.no_grad():
        parts = np.array_split(np.arange(count), max(1, count // 64))
        scene = Scene(torch.cat([frozen.embed(pixels.floats(part)) for part in parts]))
    threat = ItemToItem(ItemToItemConfig(pairs=arguments.pairs))
    bench = Bench(pixels, frozen, Plain(extractor), scene, threat, arguments.seed)
    targets, rows, missing = threat.draw(scene, arguments.seed), [], {}
    names = [n for n in (*OURS, *PEERS) if not arguments.only or any(part in n for part in arguments.only)]
    for eps, name in product(arguments.eps, names):
        torch.manual_seed(arguments.seed)
        start = time.perf_counter()
        batches = [targets.slice(i, i + arguments.batch) for i in range(0, len(targets), arguments.batch)]
        try:
            done = [bench.attack(name, some, eps) for some in batches]
        except ImportError as error:
            missing[name] = str(error)
            continue
        judged = threat.judge(scene, targets, torch.cat([embedding for embedding, _ in done]))
        spent = [each for _, each in done if each is not None]
        mean = torch.cat(spent).double().mean(0).tolist() if spent else [None, None]
        rows.append(
            {
                "eps": eps,
                "attack": name,
                "success": {str(rank): vars(success_rate(judged["rank_after"], rank)) for rank in RANKS},
                "cosine": float(judged["cosine_after"].mean()),
                "gradients": mean[0],
                "queries": mean[1],
                "seconds": time.perf_counter() - start,
                "ranks": judged["rank_after"].tolist(),
            }
        )
        print(line(rows[-1]), flush=True)
    return {
        "settings": {
            key: value.name if isinstance(value, Path) else value for key, value in vars(arguments).items()
        },
        "processor": platform.processor() or platform.machine(),
        "missing": missing,
        "rows": rows,
    }


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    rates = " / ".join(f"{100 * row['success'][str(rank)]['value']:.1f}" for rank in RANKS)
    third = row["success"]["3"]
    interval = f"{100 * third['low']:.1f}, {100 * third['high']:.1f}"
    spent = " | ".join("" if row[name] is None else f"{row[name]:.0f}" for name in ("gradients", "queries"))
    name = f"{row['eps']:g} | {row['attack']} | {rates} | {interval}"
    return f"| {name} | {row['cosine']:.4f} | {spent} | {row['seconds']:.0f} |"


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown page."""
    settings = result["settings"]
    lines = [
        "# Strength of attacks at equal eps",
        "",
        f"Item-to-item on '{settings['name']}', {settings['pairs']} pairs, float32, {settings['threads']} "
        f"thread(s), {result['processor']}. Success in percent at rank 1 / 3 / 10 / 100, 95 % interval of "
        "the second.",
        "",
        "| eps | attack | success | 95 % at 3 | mean cosine | gradients | queries | seconds |",
        "| ---: | --- | --- | --- | ---: | ---: | ---: | ---: |",
        *(line(row) for row in result["rows"]),
        "",
        *(f"Not measured: {name} ({why})." for name, why in result["missing"].items()),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Measure, print the table, and write it as JSON and Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--extractor", type=Path, required=True, help="a saved extractor")
    parser.add_argument("--catalog", type=Path, required=True, help="folder of a prepared catalog")
    parser.add_argument("--name", default="extractor", help="what the extractor is called in the table")
    parser.add_argument("--pairs", type=int, default=48)
    parser.add_argument("--batch", type=int, default=24, help="pairs attacked at once")
    parser.add_argument("--eps", type=float, nargs="+", default=[0.03], help="L-infinity budgets")
    parser.add_argument("--only", nargs="*", default=[], help="attacks whose name holds one of these")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    result = run(arguments)
    stem = f"attack_strength_{arguments.name}_{datetime.date.today():%Y-%m-%d}"
    write_json(arguments.output / f"{stem}.json", result)
    page = table(result)
    with atomic(arguments.output / f"{stem}.md") as temporary:
        temporary.write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
