"""Attacks: optimisers over pixels that lower a threat's per-sample loss within a budget."""

from elliot_advrec.attacks.base import Attack
from elliot_advrec.attacks.best import AttackResult
from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.objective import EmbeddingLoss
from elliot_advrec.attacks.oracle import Loss
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.registry import Registry

ATTACKS: Registry[Attack] = Registry(
    "attack",
    Attack,  # type: ignore[type-abstract]  # the registry never instantiates it
    {
        "fgsm": "elliot_advrec.attacks.fgsm:FGSM",
        "pgd": "elliot_advrec.attacks.pgd:PGD",
        "cw": "elliot_advrec.attacks.cw:CW",
        "cw_l2": "elliot_advrec.attacks.cw_l2:CWL2",
        "apgd": "elliot_advrec.attacks.apgd:APGD",
        "rank_auto": "elliot_advrec.attacks.rank_auto:RankAuto",
        "bb": "elliot_advrec.attacks.feature_slope:BlackBoxGradient",
        "square": "elliot_advrec.attacks.square:Square",
        "nes": "elliot_advrec.attacks.nes:NES",
        "replace": "elliot_advrec.attacks.imitation:Replace",
        "blend": "elliot_advrec.attacks.imitation:Blend",
        "paste": "elliot_advrec.attacks.imitation:Paste",
    },
)

__all__ = ["ATTACKS", "Attack", "AttackResult", "Budget", "EmbeddingLoss", "Loss", "Problem"]
