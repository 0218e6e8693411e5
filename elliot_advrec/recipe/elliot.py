"""Elliot's own sections of a recipe, as far as the embedded host acts on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from elliot_advrec.component import Config
from elliot_advrec.data.splits import FixedFiles, Splitting, Strategy
from elliot_advrec.errors import nearest
from elliot_advrec.metrics import METRICS


class Meta(Config):
    """Elliot's ``meta`` section of one model."""

    save_recs: bool = False
    """Write the model's recommendation lists."""


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

    def fixed(self) -> FixedFiles | None:
        """The split that is already made; None where it is made here."""
        if self.train_path is None or self.test_path is None:
            return None
        return FixedFiles(
            train_path=self.train_path, validation_path=self.validation_path, test_path=self.test_path
        )


class Evaluation(Config):
    """Elliot's ``evaluation`` section."""

    cutoffs: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(10,), min_length=1)
    """List lengths k that metrics are taken at; absent: ``top_k``."""
    simple_metrics: tuple[str, ...] = Field(default=("nDCG", "HR"), min_length=1)
    """Ranking metrics, by Elliot's names."""
    relevance_threshold: float = 0
    """Test ratings below it do not count as relevant."""

    @field_validator("cutoffs", "simple_metrics", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, int | str) else value

    @field_validator("simple_metrics")
    @classmethod
    def _supported(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        by_lower = {name.lower(): name for name in METRICS}  # Elliot does not mind the case
        for name in value:
            if name.lower() not in by_lower:
                raise ValueError(
                    f"metric '{name}' is not known to the embedded host; {nearest(name, METRICS)}"
                )
        return tuple(by_lower[name.lower()] for name in value)


LEAVE_ONE_OUT = Splitting(test_splitting=Strategy(strategy="random_subsampling", leave_n_out=1))


class Experiment(Config):
    """Elliot's own keys of ``experiment``, less ``models``; what is ours is under ``adversarial``."""

    dataset: Annotated[str, Field(min_length=1)]
    """Name of the data, in file names and reports; fills ``{0}`` in paths, as in Elliot."""
    data_config: DataConfig | None = None
    """The interactions; absent: the catalog source's own, else simulated from visual taste, and said so."""
    splitting: Splitting = LEAVE_ONE_OUT
    """How test and validation rows are held out; absent: one random row of each user is the test."""
    evaluation: Evaluation = Evaluation()
    """What is measured."""
    top_k: Annotated[int, Field(ge=1)] = 10
    """Length of the recommendation lists."""
    random_seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Seed of the split and of simulated interactions."""
    gpu: Annotated[int, Field(ge=-1)] | None = None
    """Elliot's device: -1 the CPU, n the n-th GPU; read where ``adversarial.device`` is absent."""
    verbose: bool = True
    """Whether progress is shown."""
    path_output_rec_result: Path | None = None
    """Folder of the recommendation lists that a model's ``meta.save_recs`` asks for."""
    path_output_rec_weight: Path | None = None
    """Folder of weights: the store of finished stages, where ``--store`` names no other."""
    path_output_rec_performance: Path | None = None
    """Folder of the performance tables."""
    external_models_path: Path | None = None
    """Where Elliot finds ``external.*``; the embedded host has them registered."""
    version: str | None = None
    """Elliot's version that the recipe was written for."""

    @model_validator(mode="before")
    @classmethod
    def _cutoffs_default_to_top_k(cls, value: Any) -> Any:
        evaluation, top_k = value.get("evaluation") or {}, value.get("top_k", 10)
        # A top_k that is no number is complained about under its own name.
        if isinstance(evaluation, dict) and "cutoffs" not in evaluation and isinstance(top_k, int):
            value = {**value, "evaluation": {**evaluation, "cutoffs": [top_k]}}
        return value
