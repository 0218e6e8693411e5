"""Threats: goal, knowledge and who is attacked."""

from elliot_advrec.registry import Registry
from elliot_advrec.threats.base import Moment, Success, Targets, Threat
from elliot_advrec.threats.scene import Network, Scene

THREATS: Registry[Threat] = Registry(
    "threat",
    Threat,  # type: ignore[type-abstract]  # the registry never instantiates it
    {
        "category": "elliot_advrec.threats.category:Category",
        "cold_start": "elliot_advrec.threats.cold_start:ColdStart",
        "demotion": "elliot_advrec.threats.promotion:Demotion",
        "item_to_item": "elliot_advrec.threats.item_to_item:ItemToItem",
        "promotion": "elliot_advrec.threats.promotion:Promotion",
        "untargeted": "elliot_advrec.threats.untargeted:Untargeted",
    },
)

__all__ = ["THREATS", "Moment", "Network", "Scene", "Success", "Targets", "Threat"]
