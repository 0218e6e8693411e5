"""Filter and detector trained together: attacked embeddings come back, attacked pictures are told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from drawn_items import build, draw, short

from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.fgsm import FGSM, FGSMConfig
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.detectors import Parts
from elliot_advrec.detectors.contrastive import Contrastive, ContrastiveConfig
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.extractors.training import train as train_extractor
from elliot_advrec.filters.reconstruction import Reconstruction, ReconstructionConfig
from elliot_advrec.filters.training import FilterTrainingConfig, train
from elliot_advrec.metrics.detection import auroc
from elliot_advrec.streams import Streams


def test_on_pictures_that_were_not_trained_on(tmp_path: Path) -> None:
    catalog, pixels = draw(tmp_path, items=192)
    extractor = build(catalog)
    train_extractor(extractor, catalog, pixels, short(6), folder=tmp_path / "extractor")
    filter = Reconstruction(ReconstructionConfig(width=8, blocks=3, heads=2, tokens=8, skip=True))
    detector = Contrastive(ContrastiveConfig(encoder="test_efficientnet", projection=16), image_size=32)
    config = FilterTrainingConfig.model_validate(
        {
            "batch_size": 8,
            "pgd_steps": 3,
            "pixel_weight": 1e-3,  # a training this short fits features before it takes noise away
            "stages": [
                {"epochs": 3, "lr": 2e-3},
                {"epochs": 1, "lr": 2e-3, "attacks": ["fgsm", "pgd"]},
                {"epochs": 3, "lr": 1e-3, "learns": ["detector"]},
                {"epochs": 1, "lr": 3e-4, "attacks": ["fgsm", "pgd"], "learns": ["filter", "detector"]},
            ],
        }
    )
    history = train(filter, extractor, catalog, pixels, config, detector=detector, folder=tmp_path / "filter")
    contrastive = [epoch.losses["contrastive"] for epoch in history.epochs[4:7]]
    assert contrastive[-1] < contrastive[0]

    view, rows = FrozenExtractor(extractor), np.flatnonzero(catalog.split != "train")
    clean = pixels.floats(rows)
    detector.bind(Parts(filter=filter))
    with torch.no_grad():
        embeddings = view.embed(clean)
    targets = embeddings.roll(1, 0)

    def towards_another(points: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return -F.cosine_similarity(view.embed(points), targets[places])

    def away(points: torch.Tensor) -> float:
        with torch.no_grad():
            return float(((view.embed(points) - embeddings).norm(dim=1) / embeddings.norm(dim=1)).mean())

    budget = Budget("linf", 16 / 255)
    streams = Streams(range(len(rows)))
    fgsm = FGSM(FGSMConfig(keep="last"))(towards_another, clean, budget, streams).images
    pgd = PGD(PGDConfig(steps=8, step_rule="scaled"))(towards_another, clean, budget, streams).images
    assert away(filter(fgsm)) < 0.7 * away(fgsm)
    found = auroc(detector(clean).numpy(), detector(pgd).numpy())
    assert found.low > 0.6
    print(
        away(clean), away(filter(clean)), away(fgsm), away(filter(fgsm)), away(pgd), away(filter(pgd)), found
    )
