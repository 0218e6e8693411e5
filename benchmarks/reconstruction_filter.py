"""What a small reconstruction filter and contrastive detector do against attackers of growing knowledge.

    OMP_NUM_THREADS=1 python benchmarks/reconstruction_filter.py

Drawn garments of 48 pixels, a small extractor, a filter of width 16 trained for some 40 seconds of one core
(FGSM, then FGSM and PGD mixed), then the detector, all at eps 16/255. Test pictures are pushed towards the
embedding of another one (FGSM, and PGD with 20 steps, kept last) by an attacker who

- ``oblivious``: does not know the filter,
- ``adaptive``: differentiates through it,
- ``evading``: does so and keeps the detector's score below its threshold (calibrated to 5 % on validation).

``distance`` is that of the filtered picture's embedding to the clean picture's, relative to its length;
``reached`` is the share of pictures whose filtered embedding ends nearer to the target's than to its own
clean one; ``..._without`` is the same where the filter is missing. ``caught`` is the share of attacked
pictures above the threshold. Rates have Wilson's, AUROC Hanley and McNeil's 95 % interval.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from elliot_advrec.attacks.base import Attack
from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.fgsm import FGSM, FGSMConfig
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.data.pixels import prepare
from elliot_advrec.data.sources.synthetic import Synthetic, SyntheticConfig
from elliot_advrec.detectors import Parts
from elliot_advrec.detectors.contrastive import Contrastive, ContrastiveConfig
from elliot_advrec.detectors.evasion import evading
from elliot_advrec.extractors.config import ExtractorSettings, TrainingConfig
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.extractors.training import train as train_extractor
from elliot_advrec.files import write_json
from elliot_advrec.filters.reconstruction import Reconstruction, ReconstructionConfig
from elliot_advrec.filters.training import FilterTrainingConfig, train
from elliot_advrec.metrics.detection import auroc, confusion
from elliot_advrec.metrics.rates import wilson
from elliot_advrec.streams import Streams

SIZE, EPS = 48, 16 / 255
RESULTS = Path(__file__).parent / "results"
TRAINING = {
    "batch_size": 16,
    "pgd_steps": 5,
    "stages": [
        {"epochs": 2, "lr": 2e-3},
        {"epochs": 1, "lr": 2e-3, "attacks": ["fgsm", "pgd"]},
        {"epochs": 2, "lr": 1e-3, "learns": ["detector"]},
    ],
}
Loss = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, default=600)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=60, help="test pictures that are attacked, at once")
    parser.add_argument("--knowledge", choices=["oblivious", "adaptive"], default="oblivious")
    parser.add_argument("--output", type=Path, default=RESULTS / "reconstruction_filter.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), arguments)
    write_json(arguments.output, found)
    for row in found["rows"]:
        print({name: round(v, 3) if isinstance(v, float) else v for name, v in row.items()})


def measured(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Train all three networks in ``folder`` and attack the test pictures."""
    source = Synthetic(SyntheticConfig(items=asked.items, users=50))
    catalog, pixels, _ = prepare(source.catalog(), SIZE, folder / "pixels")
    settings = ExtractorSettings(backbone="test_efficientnet")
    extractor = Extractor(settings, catalog.categories, catalog.attribute_names, SIZE)
    train_extractor(
        extractor, catalog, pixels, TrainingConfig(epochs=8, lr=3e-3), folder=folder / "extractor"
    )
    filter = Reconstruction(ReconstructionConfig(width=asked.width, skip=True, tokens=12))
    detector = Contrastive(ContrastiveConfig(encoder="test_efficientnet", fpr=0.05), image_size=SIZE)
    config = FilterTrainingConfig.model_validate({**TRAINING, "eps": EPS, "knowledge": asked.knowledge})
    begun, cpu = time.perf_counter(), time.process_time()
    history = train(filter, extractor, catalog, pixels, config, detector=detector, folder=folder / "filter")
    seconds = {"wall": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
    detector.bind(Parts(filter=filter))
    detector.calibrate(detector(pixels.floats(catalog.rows_of("validation"))))
    view, clean = FrozenExtractor(extractor), pixels.floats(catalog.rows_of("test")[: asked.pictures])
    return {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} thread",
        "items": asked.items,
        "width": asked.width,
        "knowledge": asked.knowledge,
        "training_seconds": seconds,
        "history": [asdict(epoch) for epoch in history.epochs],
        "rows": rows(view, filter, detector, clean),
    }


def rows(
    view: FrozenExtractor, filter: Reconstruction, detector: Contrastive, clean: Tensor
) -> list[dict[str, Any]]:
    """One row an attack and knowledge, and one of the clean pictures."""
    with torch.no_grad():
        own = view.embed(clean)
    targets, scores = own.roll(1, 0), detector(clean)

    def toward(see: Callable[[Tensor], Tensor]) -> Loss:
        return lambda points, places: -F.cosine_similarity(view.embed(see(points)), targets[places])

    oblivious, adaptive = toward(lambda given: given), toward(filter.adaptive)
    joint = evading(adaptive, lambda points, places: detector.adaptive(points), detector.threshold, weight=10)
    attacks: dict[str, Attack] = {
        "fgsm": FGSM(FGSMConfig(keep="last")),
        "pgd": PGD(PGDConfig(steps=20, step_rule="scaled", keep="last")),
    }
    known = {"oblivious": oblivious, "adaptive": adaptive, "evading": joint}

    @torch.no_grad()
    def judged(points: Tensor) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, shown in (("", filter(points)), ("_without", points)):
            embedding = view.embed(shown)
            found[f"distance{name}"] = float(((embedding - own).norm(dim=1) / own.norm(dim=1)).mean())
            nearer = F.cosine_similarity(embedding, targets) > F.cosine_similarity(embedding, own)
            found[f"reached{name}"] = float(nearer.float().mean())
            found[f"reached{name}_interval"] = wilson(int(nearer.sum()), len(nearer))
        found["caught"] = asdict(confusion(scores.numpy(), detector(points).numpy(), detector.threshold).tpr)
        found["auroc"] = asdict(auroc(scores.numpy(), detector(points).numpy()))
        return found

    out = [{"attack": "none", "knowledge": "none", "n": len(clean), **judged(clean)}]
    for attack, optimiser in attacks.items():
        for knowledge, loss in known.items():
            streams = Streams(range(len(clean)))
            images = optimiser(loss, clean, Budget("linf", EPS), streams).images
            out.append({"attack": attack, "knowledge": knowledge, "n": len(clean), **judged(images)})
    return out


if __name__ == "__main__":
    main()
