"""Training of filters that are networks, alone or jointly with a detector."""

from elliot_advrec.filters.training.companion import Companion
from elliot_advrec.filters.training.config import FilterTrainingConfig, StageConfig
from elliot_advrec.filters.training.losses import Ranking
from elliot_advrec.filters.training.run import train

__all__ = ["Companion", "FilterTrainingConfig", "Ranking", "StageConfig", "train"]
