"""Threats: goal, knowledge and who is attacked."""

from elliot_advrec.registry import Registry
from elliot_advrec.threats.base import Embedder, Targets, Threat

THREATS: Registry[Threat] = Registry(
    "threat",
    Threat,  # type: ignore[type-abstract]  # the registry never instantiates it
    {"item_to_item": "elliot_advrec.threats.item_to_item:ItemToItem"},
)

__all__ = ["THREATS", "Embedder", "Targets", "Threat"]
