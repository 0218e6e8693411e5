"""Epochs, which of them is kept, when training stops, goes on, or gives up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elliot_advrec.component import validate
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.progress import SILENT, Silent
from elliot_advrec.recommenders import Recommender
from elliot_advrec.recommenders.bpr.config import BPRConfig, EarlyStopping
from elliot_advrec.recommenders.bpr.history import Epoch, History
from elliot_advrec.recommenders.bpr.stopping import stops
from elliot_advrec.recommenders.context import FitContext, Selection

Data = tuple[Interactions, np.ndarray]
Make = Callable[..., Recommender]
LEARNED = ("BPRMF", "VBPR", "AMR", "DeepStyle", "ACF", "VNPR", "DVBPR")


class Heard(Silent):
    """Remembers what it was told, and raises once so many units are done."""

    def __init__(self, until: int | None = None) -> None:
        self.units: list[int] = []
        self.said: list[str] = []
        self.total, self.until = 0, until

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Any]:
        self.total = total

        def advance(units: int) -> None:
            self.units.append(units)
            if self.until is not None and sum(self.units) > self.until:
                raise KeyboardInterrupt

        yield advance

    def say(self, message: str) -> None:
        self.said.append(message)

    def detail(self, message: str) -> None:
        return None


@pytest.fixture
def held_out(random_data: Data) -> Data:
    data, embeddings = random_data
    validation = data.train[::-1].tocsr()
    return Interactions(data.users, data.train, validation, data.train, True, []), embeddings


def elliot_stops(rule: dict[str, Any], observed: Sequence[float]) -> bool:
    """Elliot 0.3.1's own words (its documentation and conditions), one pair after the other."""
    patience = rule.get("patience", 0)
    if len(observed) <= patience:
        return False
    newest_first = list(observed)[::-1][: patience + 1]
    downwards = rule["mode"] == "min"
    ordered = newest_first[::-1] if downwards else newest_first
    checks = []
    for first, second in pairwise(ordered):
        conditions = [second > first]
        if "min_delta" in rule:
            conditions.append(first - second <= rule["min_delta"])
        if "rel_delta" in rule:
            conditions.append(first - second <= first * rule["rel_delta"])
        if "baseline" in rule:
            conditions.append(first >= rule["baseline"] if downwards else first <= rule["baseline"])
        checks.append(any(conditions))
    return bool(checks) and all(checks)


@settings(max_examples=300)
@given(
    observed=st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.5, 1.0]), max_size=8),
    mode=st.sampled_from(["min", "max"]),
    patience=st.integers(0, 4),
    limits=st.dictionaries(
        st.sampled_from(["min_delta", "rel_delta", "baseline"]), st.sampled_from([0.0, 0.1, 0.3])
    ),
)
def test_early_stopping_is_elliots(
    observed: list[float], mode: Any, patience: int, limits: dict[str, float]
) -> None:
    rule = {"mode": mode, "patience": patience, **limits}
    assert stops(EarlyStopping(**rule), observed, SILENT) == elliot_stops(rule, observed)


def test_mode_auto_goes_by_what_is_monitored() -> None:
    falling, rising = [3.0, 2.0, 1.0], [1.0, 2.0, 3.0]
    loss, metric = EarlyStopping(monitor="loss", patience=2), EarlyStopping(monitor="nDCG", patience=2)
    assert [stops(loss, falling, SILENT), stops(loss, rising, SILENT)] == [False, True]
    assert [stops(metric, falling, SILENT), stops(metric, rising, SILENT)] == [True, False]
    heard = Heard()
    stops(EarlyStopping(patience=1, verbose=True), [0.5, 0.25], heard)
    assert heard.said == ["  early stopping looked at 0.50000 -> 0.25000 no better"]


def test_the_first_of_the_best_validated_epochs_is_kept() -> None:
    history, chosen = History(), Selection(metrics=("HR", "nDCG"), cutoffs=(5,), validation_metric="nDCG")
    values = [(0.2, True), (0.9, False), (0.5, True), (0.5, True), (0.4, True)]
    kept = [
        history.add(Epoch(n + 1, 1.0, 0.0, {"nDCG@5": v} if ok else {}, ok), chosen, held_out=True)
        for n, (v, ok) in enumerate(values)
    ]
    assert kept == [True, False, True, False, False]
    assert history.best == 3
    assert history.observed("nDCG@5") == [0.2, 0.5, 0.5, 0.4]
    assert History.from_json(history.to_json()) == history


def test_the_loss_may_choose_and_without_validation_the_last_epoch_is_kept() -> None:
    losses = [3.0, 1.0, 2.0]
    by_loss, last = History(), History()
    for number, loss in enumerate(losses, 1):
        by_loss.add(Epoch(number, loss, 0.0), Selection(optimize_internal_loss=True), held_out=True)
        last.add(
            Epoch(number, loss, 0.0, validated=number == 1), Selection(validation_rate=9), held_out=False
        )
    assert (by_loss.best, last.best) == (2, 3)


def test_best_weights_come_back(make: Make, held_out: Data) -> None:
    long = make("VBPR", epochs=12, batch_size=16, lr=0.05)
    long.context = FitContext(selection=Selection(metrics=("nDCG",), cutoffs=(5,)))
    long.fit(*held_out, seed=1)
    history = long.history  # type: ignore[attr-defined]
    measured = history.observed("nDCG@5")
    assert len(measured) == 12
    assert history.best == int(np.argmax(measured)) + 1 < 12
    # Nothing is held out here, so the last epoch is kept: the one that was best above.
    short = make("VBPR", epochs=history.best, batch_size=16, lr=0.05)
    short.fit(replace(held_out[0], validation=None), held_out[1], seed=1)
    users = np.arange(30)
    assert torch.equal(long.scores(users), short.scores(users))


def test_training_stops_early_and_says_so(make: Make, random_data: Data) -> None:
    heard = Heard()
    stopping = {"monitor": "loss", "patience": 2, "min_delta": 1e6}
    recommender = make("VBPR", epochs=50, early_stopping=stopping)
    recommender.context = FitContext(progress=heard)
    recommender.fit(*random_data)
    assert len(recommender.history.epochs) == 3  # type: ignore[attr-defined]
    assert heard.said == ["VBPR stopped early after epoch 3; epoch 3 is kept"]
    assert sum(heard.units) == heard.total == 50 * random_data[0].train.nnz


def test_validation_rate_decides_which_epochs_count(make: Make, held_out: Data) -> None:
    recommender = make("VBPR", epochs=7, early_stopping={"patience": 2, "min_delta": 1e6})
    recommender.context = FitContext(selection=Selection(cutoffs=(5,), validation_rate=2))
    recommender.fit(*held_out)
    epochs = recommender.history.epochs  # type: ignore[attr-defined]
    assert [bool(epoch.measured) for epoch in epochs] == [False, True, False, True, False, True]
    assert recommender.history.best % 2 == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settings_", "selection", "said"),
    [
        ({"epochs": 2}, {"validation_rate": 3}, r"VBPR: meta.validation_rate: the first validation, after"),
        (
            {},
            {"validation_metric": "nDCG@7"},
            r"validation_metric: 'nDCG@7' is not measured; measured cutoff",
        ),
        (
            {},
            {"validation_metric": "nDGC"},
            r"'nDGC' is not among the measured metrics; did you mean 'nDCG'\?",
        ),
        (
            {"early_stopping": {"monitor": "HR"}},
            {},
            r"early_stopping.monitor: 'HR' is not among the measured",
        ),
        ({"early_stopping": {"patience": 1}}, {}, r"looks at nDCG@10, and there is no validation part"),
    ],
)
def test_what_cannot_be_chosen_or_stopped_by_is_refused(
    make: Make, random_data: Data, settings_: dict[str, Any], selection: dict[str, Any], said: str
) -> None:
    recommender = make("VBPR", **settings_)
    recommender.context = FitContext(selection=Selection(**selection))
    with pytest.raises(UserError, match=said):
        recommender.fit(*random_data)


def test_a_metric_is_named_as_in_elliot() -> None:
    selection = Selection(metrics=("nDCG", "HR"), cutoffs=(10, 20), validation_metric="hr@20")
    assert selection.key() == ("HR", 20)
    assert selection.key("ndcg") == ("nDCG", 20)  # Elliot: a bare monitor has the validation cutoff
    assert Selection(metrics=("nDCG", "HR"), cutoffs=(10, 20)).key() == ("nDCG", 10)


@pytest.mark.parametrize("name", LEARNED)
def test_a_killed_training_goes_on_to_the_same_weights(
    name: str, make: Make, context: FitContext, random_data: Data, tmp_path: Path
) -> None:
    blind = (replace(random_data[0], validation=None), random_data[1])
    whole = make(name, epochs=4, batch_size=50)
    whole.fit(*blind, seed=3)
    killed = make(name, epochs=4, batch_size=50)
    killed.context = replace(context, folder=tmp_path, progress=Heard(until=int(2.5 * blind[0].train.nnz)))
    with pytest.raises(KeyboardInterrupt):
        killed.fit(*blind, seed=3)
    again, heard = make(name, epochs=4, batch_size=50), Heard()
    again.context = replace(context, folder=tmp_path, progress=heard)
    again.fit(*blind, seed=3)
    assert heard.units[0] == 2 * blind[0].train.nnz
    users = np.arange(30)
    assert torch.equal(again.scores(users), whole.scores(users))
    assert [e.loss for e in again.history.epochs] == [e.loss for e in whole.history.epochs]  # type: ignore[attr-defined]
    # A finished training is not trained again.
    done, heard = make(name, epochs=4, batch_size=50), Heard()
    done.context = replace(context, folder=tmp_path, progress=heard)
    done.fit(*blind, seed=3)
    assert heard.units == [4 * blind[0].train.nnz, 0]
    assert torch.equal(done.scores(users), whole.scores(users))


def test_the_folder_of_another_training_is_refused(make: Make, random_data: Data, tmp_path: Path) -> None:
    data, embeddings = random_data

    def fit(seed: int = 1, features: np.ndarray = embeddings, **settings_: Any) -> None:
        recommender = make("VBPR", **settings_)
        recommender.context = FitContext(folder=tmp_path)
        recommender.fit(data, features, seed=seed)

    fit()
    fit()
    with pytest.raises(UserError, match="holds a training that differs in seed; name another folder"):
        fit(seed=2)
    with pytest.raises(UserError, match="differs in config"):
        fit(lr=0.1)
    with pytest.raises(UserError, match="differs in embeddings"):
        fit(features=embeddings + 1)
    (tmp_path / "recommender_training.safetensors").write_bytes(b"\x01" * 40)
    fit(seed=2)  # a broken file holds no training
    fit(seed=2)


@pytest.mark.parametrize("name", ["BPRMF", "VBPR", "AMR", "DeepStyle"])
def test_divergence_names_the_epoch_and_the_setting(
    name: str, make: Make, random_data: Data, tmp_path: Path
) -> None:
    recommender = make(name, epochs=30, batch_size=16, lr=1e18)
    recommender.context = replace(recommender.context, folder=tmp_path)
    said = (
        rf"{name}: lr: the training of {name} is no longer finite in epoch (\d+); lower `lr` \(now 1e\+18\)"
    )
    with pytest.raises(UserError, match=said):
        recommender.fit(*random_data)


def test_a_seed_of_its_own_goes_before_the_experiments(make: Make, random_data: Data) -> None:
    one, other, third = make("VBPR", seed=4), make("VBPR"), make("VBPR")
    one.fit(*random_data, seed=1)
    other.fit(*random_data, seed=4)
    third.fit(*random_data, seed=1)
    users = np.arange(30)
    assert torch.equal(one.scores(users), other.scores(users))
    assert not torch.equal(one.scores(users), third.scores(users))


def test_training_leaves_torchs_own_randomness_alone(make: Make, random_data: Data) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    make("VNPR").fit(*random_data)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"batch_size": 0}, {"batch_size": -2}, {"epochs": 0}, {"early_stopping": {"patience": -1}}):
        with pytest.raises(UserError):
            validate(BPRConfig, wrong, "")
    assert validate(BPRConfig, {"batch_size": -1}, "").batch_size == -1
