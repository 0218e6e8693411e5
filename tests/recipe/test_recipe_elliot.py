"""Elliot's own keys: read, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from elliot_advrec.errors import UserError
from elliot_advrec.recipe import load

Write = Callable[..., Path]
TOP = "  top_k: 10\n"


def with_keys(write: Write, text: str) -> Path:
    return write((TOP, TOP + text + "\n"))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("  negative_sampling: {strategy: random, num_items: 10}", "negative_sampling"),
        ("  prefiltering: {strategy: iterative_k_core, core: 5}", "prefiltering"),
        ("  binarize: true", "binarize"),
        ("  config_test: true", "config_test"),
        ("  align_side_with_train: false", "align_side_with_train"),
        ("  print_results_as_triplets: true", "print_results_as_triplets"),
        ("  evaluation: {paired_ttest: true}", "paired_ttest"),
        ("  evaluation: {complex_metrics: [{metric: DSC}]}", "complex_metrics"),
        (
            "  data_config: {strategy: dataset, dataset_path: x, side_information: [{a: b}]}",
            "side_information",
        ),
        ("  splitting: {test_splitting: {strategy: fixed_timestamp, timestamp: best}}", "timestamp"),
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
        "  binarize: false",
        "  align_side_with_train: true",
        "  evaluation: {wilcoxon_test: false}",
    ],
)
def test_keys_that_ask_for_nothing_do_no_harm(write: Write, text: str) -> None:
    assert load(with_keys(write, text)).resolved() == load(write()).resolved()


def test_zero_is_not_false(write: Write) -> None:
    with pytest.raises(UserError, match="Elliot key 'binarize' is not supported"):
        load(with_keys(write, "  binarize: 0"))


def test_meta_is_read_and_its_searches_refused(write: Write) -> None:
    old = "{neighbors: 5}"
    assert (
        load(write((old, "{neighbors: 5, meta: {save_recs: true, verbose: true}}"))).models[0].meta.save_recs
    )
    with pytest.raises(
        UserError, match=r":5: .*meta.hyper_max_evals: Elliot key 'hyper_max_evals' is not supported"
    ):
        load(write((old, "{meta: {hyper_max_evals: 20}}")))
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
    with pytest.raises(UserError, match="unknown recommender 'ItemKNN'"):
        load(write(("external.ContentKNN:", "ItemKNN:")))


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
    ],
)
def test_wrong_values_of_elliots_keys(write: Write, text: str, message: str) -> None:
    with pytest.raises(UserError, match=rf":4: experiment.*{message}"):
        load(with_keys(write, text))


def test_elliots_keys_are_read(write: Write, tmp_path: Path) -> None:
    text = """\
  random_seed: 7
  evaluation: {cutoffs: 5, simple_metrics: [ndcg, hr], relevance_threshold: 3}
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
    }
    assert experiment.splitting.save_folder == tmp_path / "splits" / "tiny"
    assert experiment.splitting.validation_splitting is not None
    assert experiment.path_output_rec_result == tmp_path / "recs"
