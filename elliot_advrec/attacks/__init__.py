"""Attacks: optimisers over pixels that lower a threat's per-sample loss within a budget."""

from elliot_advrec.attacks.base import Attack
from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.problem import AttackResult, Loss, Problem
from elliot_advrec.registry import Registry

ATTACKS: Registry[Attack] = Registry(
    "attack",
    Attack,  # type: ignore[type-abstract]  # the registry never instantiates it
    {
        "fgsm": "elliot_advrec.attacks.fgsm:FGSM",
        "pgd": "elliot_advrec.attacks.pgd:PGD",
        "cw": "elliot_advrec.attacks.cw:CW",
        "cw_l2": "elliot_advrec.attacks.cw_l2:CWL2",
    },
)

__all__ = ["ATTACKS", "Attack", "AttackResult", "Budget", "Loss", "Problem"]
