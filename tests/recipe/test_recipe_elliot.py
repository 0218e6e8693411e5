"""Elliot's own keys: read, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from elliot_advrec.errors import UserError
from elliot_advrec.recipe import load

Write = Callable[..., Path]
TOP = "  top_k: 10\n"


def with_keys(write: Write, text: str) -> Path:
    return write((TOP, TOP + text + "\n"))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("  config_test: true", "config_test"),
        ("  align_side_with_train: false", "align_side_with_train"),
        ("  evaluation: {complex_metrics: [{metric: DSC}]}", "complex_metrics"),
    ],
)
def test_keys_that_are_not_acted_on_are_refused_by_name(write: Write, text: str, key: str) -> None:
    with pytest.raises(
        UserError, match=rf":4: experiment.*{key}: Elliot key '{key}' is not supported by the embedded host"
    ):
        load(with_keys(write, text))


@pytest.mark.parametrize(
    "text",
    [
        "  negative_sampling:",
        "  negative_sampling: false",
        "  prefiltering: false",
        "  prefiltering: []",
        "  binarize: false",
        "  config_test: false",
        "  align_side_with_train: true",
        "  evaluation: {wilcoxon_test: false}",
    ],
)
def test_keys_that_ask_for_nothing_do_no_harm(write: Write, text: str) -> None:
    assert load(with_keys(write, text)).resolved() == load(write()).resolved()


def test_zero_is_not_false(write: Write) -> None:
    with pytest.raises(UserError, match="Elliot key 'config_test' is not supported"):
        load(with_keys(write, "  config_test: 0"))


def test_meta_is_read(write: Write) -> None:
    old = "{neighbors: 5}"
    meta = "{save_recs: true, verbose: true, validation_metric: hr@10, validation_rate: 2}"
    model = load(write((old, f"{{neighbors: 5, meta: {meta}}}"))).models[0]
    assert (model.meta.save_recs, model.meta.validation_rate) == (True, 2)
    with pytest.raises(UserError, match=r"unknown key 'save_rec'; did you mean 'save_recs'\?"):
        load(write((old, "{meta: {save_rec: true}}")))


def test_plain_and_external_names_are_both_ours_when_registered(write: Write) -> None:
    recipe = load(
        write(
            (
                "external.ContentKNN: {neighbors: 5}",
                "external.ContentKNN: {}\n    MostPop:\n    external.Random: {}",
            )
        )
    )
    assert [(m.key, m.name) for m in recipe.models] == [
        ("external.ContentKNN", "ContentKNN"),
        ("MostPop", "MostPop"),
        ("external.Random", "Random"),
    ]
    with pytest.raises(UserError, match="unknown recommender 'UserKNN'"):
        load(write(("external.ContentKNN:", "UserKNN:")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  evaluation: {cutoffs: [5, 20]}", "the cutoff 20 is longer than top_k 10; raise top_k to 20"),
        ("  evaluation: {cutoffs: [0]}", "must be at least 1, got 0"),
        ("  evaluation: {cutoffs: []}", "'cutoffs' must hold at least 1"),
        (
            "  evaluation: {simple_metrics: [nDGC]}",
            r"metric 'nDGC' is not known to the embedded host; did you mean 'nDCG'\?",
        ),
        ("  evaluation: {simple_metrics: []}", "must hold at least 1"),
        (
            "  splitting: {test_splitting: {strategy: random_subsample, test_ratio: 0.2}}",
            "did you mean 'random_subsampling'",
        ),
        (
            "  splitting: {test_splitting: {strategy: random_subsampling}}",
            "exactly one of test_ratio and leave_n_out",
        ),
        (
            "  splitting: {test_splitting: {strategy: random_subsampling, test_ratio: 1.5}}",
            "must be below 1, got 1.5",
        ),
        ("  splitting: {save_on_disk: true}", "'test_splitting' is missing"),
        ("  data_config: {strategy: hierarchy}", "'hierarchy' is not supported by the embedded host"),
        ("  data_config: {strategy: datasets}", r"unknown strategy 'datasets'; did you mean 'dataset'\?"),
        ("  data_config: {strategy: dataset}", "strategy 'dataset' needs 'dataset_path'"),
        ("  data_config: {strategy: fixed, train_path: x}", "strategy 'fixed' needs 'test_path'"),
        (
            "  data_config: {strategy: dataset, dataset_path: x, test_path: y}",
            "'test_path' is not read with strategy 'dataset'",
        ),
        (
            "  prefiltering: {strategy: k_core}",
            r"prefiltering\S*: unknown prefiltering strategy 'k_core'; did you mean 'user_k_core'",
        ),
        (
            "  prefiltering: [{strategy: user_average, core: 5}]",
            r"prefiltering\[0\]: 'core' is not read with strategy 'user_average'",
        ),
        (
            "  data_config: {strategy: dataset, dataset_path: x, side_information: [{dataloader: KGTSV}]}",
            r"side_information\[0\].dataloader: unknown value 'KGTSV'; known: VisualAttribute",
        ),
        ("  negative_sampling: {strategy: random}", "negative_sampling: 'random' needs num_items"),
        (
            "  negative_sampling: {strategy: fixed, files: nothing.tsv}",
            "negative_sampling.files.*: there is no file /.*nothing.tsv",
        ),
        (
            "  splitting: {test_splitting: {strategy: fixed_timestamp}}",
            "'fixed_timestamp' needs timestamp: a number, or best",
        ),
    ],
)
def test_wrong_values_of_elliots_keys(write: Write, text: str, message: str) -> None:
    with pytest.raises(UserError, match=rf":4: experiment.*{message}"):
        load(with_keys(write, text))


def test_elliots_keys_are_read(write: Write, tmp_path: Path) -> None:
    text = """\
  random_seed: 7
  evaluation: {cutoffs: 5, simple_metrics: [ndcg, hr], relevance_threshold: 3, paired_ttest: true}
  splitting:
    save_on_disk: true
    save_folder: ./splits/{0}
    test_splitting: {strategy: temporal_hold_out, test_ratio: 0.2}
    validation_splitting: {strategy: random_subsampling, leave_n_out: 1}
  path_output_rec_result: ./recs
  verbose: false"""
    experiment = load(with_keys(write, text)).experiment
    assert (experiment.random_seed, experiment.verbose) == (7, False)
    assert experiment.evaluation.model_dump() == {
        "cutoffs": (5,),
        "simple_metrics": ("nDCG", "HR"),
        "relevance_threshold": 3,
        "paired_ttest": True,
        "wilcoxon_test": False,
    }
    assert experiment.splitting.save_folder == tmp_path / "splits" / "tiny"
    assert experiment.splitting.validation_splitting is not None
    assert experiment.path_output_rec_result == tmp_path / "recs"


def test_prefilters_negatives_and_folds_are_read_and_written_out_again(write: Write, tmp_path: Path) -> None:
    (tmp_path / "negative.tsv").write_text("('u',)\ti\n", "utf-8")
    text = """\
  prefiltering: [{strategy: global_threshold, threshold: average}, {strategy: user_k_core, core: 2}]
  binarize: true
  negative_sampling: {strategy: fixed, files: negative.tsv}
  print_results_as_triplets: true
  splitting:
    test_splitting: {strategy: random_cross_validation, folds: 3}
    validation_splitting: {strategy: random_subsampling, leave_n_out: 1, folds: 2}"""
    recipe = load(with_keys(write, text))
    experiment = recipe.experiment
    assert [one.strategy for one in experiment.prefiltering] == ["global_threshold", "user_k_core"]
    assert experiment.treatment.binary
    assert experiment.negative_sampling is not None
    assert experiment.negative_sampling.files == (tmp_path / "negative.tsv",)
    assert experiment.folds == [(test, validation) for test in range(3) for validation in range(2)]
    assert experiment.validated
    again = tmp_path / "again.yml"
    again.write_text(yaml.safe_dump(recipe.resolved()), "utf-8")
    assert load(again).resolved() == recipe.resolved()


def test_a_split_that_is_made_is_not_filtered(write: Write, tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("u\ti\t1\n", "utf-8")
    text = """\
  data_config: {strategy: fixed, train_path: rows.tsv, test_path: rows.tsv}
  prefiltering: {strategy: user_k_core, core: 2}"""
    with pytest.raises(
        UserError, match=r":5: experiment.prefiltering: strategy 'fixed' brings its own split"
    ):
        load(with_keys(write, text))
    fixed = load(with_keys(write, text.partition("\n")[0])).experiment
    assert (fixed.folds, fixed.validated) == ([(0, 0)], False)
