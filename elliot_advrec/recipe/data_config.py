"""Elliot's ``data_config``: the interactions as files, and the features of their items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from elliot_advrec.component import Config
from elliot_advrec.data.splitting.settings import FixedFiles
from elliot_advrec.errors import nearest


class VisualFeatures(Config):
    """An entry of Elliot's ``side_information``: features of the items' pictures."""

    dataloader: Literal["VisualAttribute"]
    """Elliot's name of what reads them; no other is known here."""
    visual_features: Path
    """A folder of one ``.npy`` an item, called by the item's id, as in Elliot; or a matrix that ``elliot data
    extract`` wrote. Items without features are left out."""


class DataConfig(Config):
    """Elliot's ``data_config`` section: the interactions as files."""

    strategy: Annotated[str, Field(json_schema_extra={"enum": ["dataset", "fixed"]})]
    """``dataset``: one file, split here. ``fixed``: the split is already made."""
    dataset_path: Path | None = None
    """TSV of user, item, rating and timestamp; with ``dataset``."""
    train_path: Path | None = None
    """Training rows, TSV; with ``fixed``."""
    validation_path: Path | None = None
    """Validation rows, TSV; with ``fixed``; absent: none."""
    test_path: Path | None = None
    """Test rows, TSV; with ``fixed``."""
    side_information: tuple[VisualFeatures, ...] = Field(default=(), max_length=1)
    """Features for recommenders that see, where the recipe has no catalog with pictures."""

    @field_validator("side_information", mode="before")
    @classmethod
    def _one_or_none(cls, value: Any) -> Any:
        if value is None or value is False:
            return ()
        return [value] if isinstance(value, dict) else value

    @field_validator("strategy")
    @classmethod
    def _known(cls, value: str) -> str:
        if value == "hierarchy":
            raise ValueError("Elliot's strategy 'hierarchy' is not supported by the embedded host; use fixed")
        if value not in ("dataset", "fixed"):
            raise ValueError(f"unknown strategy '{value}'; {nearest(value, ['dataset', 'fixed'])}")
        return value

    @model_validator(mode="after")
    def _paths_of_the_strategy(self) -> DataConfig:
        needed = ["dataset_path"] if self.strategy == "dataset" else ["train_path", "test_path"]
        allowed = [*needed, *([] if self.strategy == "dataset" else ["validation_path"])]
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"strategy '{self.strategy}' needs '{name}'")
        for name in ("dataset_path", "train_path", "validation_path", "test_path"):
            if getattr(self, name) is not None and name not in allowed:
                raise ValueError(f"'{name}' is not read with strategy '{self.strategy}'; take it out")
        return self

    def files(self) -> list[Path]:
        """All files that are read."""
        named = (self.dataset_path, self.train_path, self.validation_path, self.test_path)
        return [path for path in named if path is not None]

    @property
    def features(self) -> Path | None:
        """Where the items' features are; None: nowhere."""
        return self.side_information[0].visual_features if self.side_information else None

    def fixed(self) -> FixedFiles | None:
        """The split that is already made; None where it is made here."""
        if self.train_path is None or self.test_path is None:
            return None
        return FixedFiles(
            train_path=self.train_path, validation_path=self.validation_path, test_path=self.test_path
        )
