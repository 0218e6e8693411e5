"""Elliot's own sections of a recipe, as far as the embedded host acts on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from elliot_advrec.component import Config
from elliot_advrec.data.folds import Treatment
from elliot_advrec.data.negatives import NegativeSampling
from elliot_advrec.data.prefilters import Prefilters
from elliot_advrec.data.splitting.settings import Splitting, Strategy
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.formulas import metric_named
from elliot_advrec.recipe.data_config import DataConfig


class Meta(Config):
    """Elliot's ``meta`` section of one model."""

    save_recs: bool = False
    """Write the model's recommendation lists."""
    hyper_opt_alg: str = "grid"
    """How settings that are given as lists are searched: ``grid``, ``tpe`` or ``rand``."""
    hyper_max_evals: int | None = None
    """How many candidates are tried; absent: every combination, where there are only lists of values."""
    validation_metric: str | None = None
    """What chooses among candidates and epochs, e.g. ``nDCG@10``; absent: the first metric and cut-off."""
    validation_rate: Annotated[int, Field(ge=1)] = 1
    """Epochs between two looks at the validation part."""
    optimize_internal_loss: bool = False
    """The lowest training loss chooses, instead of the validation metric."""


class Evaluation(Config):
    """Elliot's ``evaluation`` section."""

    cutoffs: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(10,), min_length=1)
    """List lengths k that metrics are taken at; absent: ``top_k``."""
    simple_metrics: tuple[str, ...] = Field(default=("nDCG", "HR"), min_length=1)
    """Ranking metrics, by Elliot's names."""
    relevance_threshold: float = 0
    """Test ratings below it do not count as relevant."""
    paired_ttest: bool = False
    """Write Student's paired t-tests of every two models."""
    wilcoxon_test: bool = False
    """Write Wilcoxon's signed-rank tests of every two models."""

    @field_validator("cutoffs", "simple_metrics", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, int | str) else value

    @field_validator("simple_metrics")
    @classmethod
    def _supported(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(metric_named(name).name for name in value)
        except UserError as error:
            raise ValueError(f"{error.what}; {error.remedy}") from None


def _false_is_none(value: Any) -> Any:
    return None if value is False else value


LEAVE_ONE_OUT = Splitting(test_splitting=Strategy(strategy="random_subsampling", leave_n_out=1))


class Experiment(Config):
    """Elliot's own keys of ``experiment``, less ``models``; what is ours is under ``adversarial``."""

    dataset: Annotated[str, Field(min_length=1)]
    """Name of the data, in file names and reports; fills ``{0}`` in paths, as in Elliot."""
    data_config: DataConfig | None = None
    """The interactions; absent: the catalog source's own, else simulated from visual taste, and said so."""
    prefiltering: Prefilters = ()
    """Filters of the interactions before they are split: one, or a list that is applied in turn."""
    binarize: bool = False
    """Take every rating as 1, after the filters."""
    splitting: Splitting = LEAVE_ONE_OUT
    """How test and validation rows are held out; absent: one random row of each user is the test."""
    negative_sampling: Annotated[NegativeSampling | None, BeforeValidator(_false_is_none)] = None
    """Rank only the held-out items and some negative ones; absent: all items that a user did not train on."""
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
    print_results_as_triplets: bool = False
    """Write the metrics as triplets of model, metric and value as well."""
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

    @property
    def treatment(self) -> Treatment:
        """What is done to rows beside splitting them."""
        return Treatment(self.prefiltering, self.binarize, self.negative_sampling)

    @property
    def folds(self) -> list[tuple[int, int]]:
        """(test fold, validation fold) of every split, in Elliot's order."""
        if self.data_config is not None and self.data_config.fixed() is not None:
            return [(0, 0)]
        inner = self.splitting.validation_splitting
        return [
            (test, validation)
            for test in range(self.splitting.test_splitting.folds)
            for validation in range(1 if inner is None else inner.folds)
        ]

    @property
    def validated(self) -> bool:
        """Whether there is a validation part."""
        fixed = None if self.data_config is None else self.data_config.fixed()
        return (self.splitting.validation_splitting if fixed is None else fixed.validation_path) is not None
