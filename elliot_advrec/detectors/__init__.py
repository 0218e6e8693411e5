"""Detectors: pictures in, one score of suspicion each out, and a threshold."""

from elliot_advrec.detectors.base import Detector, DetectorConfig, Parts
from elliot_advrec.registry import Registry

DETECTORS: Registry[Detector] = Registry(
    "detector",
    Detector,  # type: ignore[type-abstract]  # the registry never instantiates it
    {
        "contrastive": "elliot_advrec.detectors.contrastive:Contrastive",
        "squeezing": "elliot_advrec.detectors.squeezing:Squeezing",
    },
)

__all__ = ["DETECTORS", "Detector", "DetectorConfig", "Parts"]
