"""Training defenses: what an extractor is trained on instead of the clean batch."""

from elliot_advrec.defenses.base import DefenseConfig, TrainingDefense, TrainingOverrides
from elliot_advrec.registry import Registry

DEFENSES: Registry[TrainingDefense] = Registry(
    "defense",
    TrainingDefense,  # type: ignore[type-abstract]
    {
        "adversarial_training": "elliot_advrec.defenses.adversarial_training:AdversarialTraining",
        "curriculum": "elliot_advrec.defenses.curriculum:Curriculum",
        "fast_adversarial_training": "elliot_advrec.defenses.fast:FastAdversarialTraining",
        "free_adversarial_training": "elliot_advrec.defenses.free:FreeAdversarialTraining",
    },
)

__all__ = ["DEFENSES", "DefenseConfig", "TrainingDefense", "TrainingOverrides"]
