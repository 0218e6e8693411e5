"""Searches as Elliot's recipes write them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from elliot_advrec.component import Config, validate
from elliot_advrec.errors import UserError
from elliot_advrec.recommenders.item_knn import ItemKNNConfig
from elliot_advrec.recommenders.tuning import space as space_module
from elliot_advrec.recommenders.tuning.candidates import Choice, Drawn, parse
from elliot_advrec.recommenders.tuning.search import Found, evaluations, search
from elliot_advrec.recommenders.tuning.space import Space, read_space


class Model(Config):
    """Settings to search."""

    factors: int = Field(default=10, ge=1)
    lr: float = Field(default=0.1, gt=0, le=1)
    kind: Literal["a", "b"] = "a"
    deep: bool = False
    layers: tuple[int, ...] = (8,)
    limit: int | None = None
    path: Path | None = None


def read(**settings: Any) -> Space:
    return read_space(settings, Model, "models.M")


def bowl(config: Config) -> float:
    """Lowest, 0, at lr 0.3 with 32 factors."""
    return (math.log(config.lr) - math.log(0.3)) ** 2 + (config.factors - 32) ** 2 / 1000  # type: ignore[attr-defined]


def tried(found: Found) -> list[dict[str, Any]]:
    return [trial.settings for trial in found.trials]


def test_lists_are_searched_and_all_else_is_fixed() -> None:
    space = read(factors=[8, 16], lr=0.5, kind=["a", "b"], deep=True, limit=[None, 3])
    assert space.fixed == {"lr": 0.5, "deep": True}
    assert space.searched == {
        "factors": Choice((8, 16)), "kind": Choice(("a", "b")), "limit": Choice((None, 3)),
    }  # fmt: skip
    assert space.size == 8
    assert read(lr=0.5).searched == {}


def test_where_the_setting_itself_is_a_list_only_lists_of_lists_are_searched() -> None:
    assert read(layers=[8, 4]).fixed == {"layers": [8, 4]}
    space = read(layers=[[8, 4], [16]])
    assert [trial.config.layers for trial in search(space, lambda config: 0.0).trials] == [(8, 4), (16,)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([8, 16], (8, 16)),
        ([8], (8,)),
        (["choice", [8, 16]], (8, 16)),
        (["choice", 8, 16], (8, 16)),
        (["choice", ["uniform", "normal"]], ("uniform", "normal")),
        (["a", "b"], ("a", "b")),
        ([0.5, "1e-4", True, None], (0.5, 1e-4, True, None)),
        (["(64,32)", 5], ((64, 32), 5)),
        (["x y", 5], ("x y", 5)),
        (["1e-4", "1e-5"], ("1e-4", "1e-5")),
    ],
)
def test_lists_of_values_are_read_as_elliot_reads_them(written: list[Any], expected: tuple[Any, ...]) -> None:
    assert parse(written, whole=False, where="") == Choice(expected)


def test_whole_settings_are_cut_to_whole_numbers_as_elliot_does() -> None:
    assert parse([8.7, 16], whole=True, where="") == Choice((8, 16))
    assert parse(["uniform", 5, 1000], whole=True, where="") == Drawn("uniform", (5, 1000), whole=True)
    assert Drawn("uniform", (5, 1000), whole=True).at(0.5) == 502
    assert isinstance(read(factors=["quniform", 8, 64, 8]).at({"factors": 0.3})["factors"], int)


EXPECTED = {
    ("uniform", 2, 4): 2.5,
    ("quniform", 0, 10, 4): 4.0,
    ("loguniform", -2, 2): math.exp(-1),
    ("qloguniform", 0, 4, 2): 2.0,
    ("normal", 1, 2): 1 - 2 * 0.6744897501960817,
    ("qnormal", 10, 2, 0.5): 8.5,
    ("lognormal", 0, 1): math.exp(-0.6744897501960817),
    ("qlognormal", 2, 1, 1): 4.0,
    ("randint", 8): 2,
    ("randint", 3, 11): 5,
}


@pytest.mark.parametrize("written", EXPECTED, ids=lambda written: "-".join(map(str, written)))
def test_the_quarter_of_each_distribution(written: tuple[Any, ...]) -> None:
    drawn = parse(list(written), whole=False, where="")
    assert isinstance(drawn, Drawn)
    assert drawn.at(0.25) == pytest.approx(EXPECTED[written], rel=1e-12)
    values = [drawn.at(u) for u in np.linspace(0, 1, 101)]
    assert values == sorted(values)
    assert all(math.isfinite(value) for value in values)


@given(low=st.integers(-50, 50), width=st.integers(1, 60), u=st.floats(0, 1))
def test_randint_leaves_its_high_end_out(low: int, width: int, u: float) -> None:
    drawn = Drawn("randint", (low, low + width))
    assert low <= drawn.at(u) < low + width
    assert drawn.probes() == (low, low + width - 1)


def test_drawn_values_have_the_distribution() -> None:
    space = read(lr=["loguniform", -6, 0], factors=["randint", 1, 5])
    found = search(space, lambda config: 0.0, algorithm="rand", max_evals=400, seed=3)
    logs = np.log([trial.config.lr for trial in found.trials])  # type: ignore[attr-defined]
    # Uniform on [-6, 0]: mean -3, standard deviation of the mean 0.087.
    assert abs(logs.mean() + 3) < 0.4
    assert np.histogram(logs, bins=6, range=(-6, 0))[0].min() > 35
    counts = np.bincount([trial.config.factors for trial in found.trials])  # type: ignore[attr-defined]
    assert counts[1:].min() > 60
    assert len(counts) == 5


def test_the_grid_is_every_combination_the_last_setting_fastest() -> None:
    found = search(read(factors=[8, 16, 32], kind=["a", "b"]), bowl)
    assert tried(found) == [{"factors": f, "kind": k} for f in (8, 16, 32) for k in "ab"]
    assert found.best is found.trials[4]  # the first of two equal ones
    assert found.best.config == Model(factors=32, kind="a")
    assert found.best.loss == bowl(found.best.config)


def test_part_of_a_grid_is_drawn_without_repetition_by_seed() -> None:
    space = read(factors=list(range(1, 31)), kind=["a", "b"])
    one, again, other = (tried(search(space, bowl, max_evals=12, seed=seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert len({repr(settings) for settings in one}) == 12
    assert len(search(space, bowl, max_evals=1000).trials) == 60


def test_a_grid_of_distributions_is_drawn_and_ends_when_nothing_new_comes() -> None:
    found = search(read(factors=["randint", 1, 6]), bowl, algorithm="grid", max_evals=50, seed=4)
    assert sorted(trial.config.factors for trial in found.trials) == [1, 2, 3, 4, 5]  # type: ignore[attr-defined]


@pytest.mark.parametrize("algorithm", ["rand", "tpe"])
def test_draws_are_decided_by_the_seed(algorithm: str) -> None:
    space = read(lr=["loguniform", -9, 0], factors=[8, 16, 32])
    one, again, other = (
        tried(search(space, bowl, algorithm=algorithm, max_evals=30, seed=seed)) for seed in (1, 1, 2)
    )
    assert one == again != other


def test_tpe_learns_from_what_it_tried() -> None:
    space = read(lr=["loguniform", -9, 0], factors=["quniform", 4, 64, 4])
    gains = []
    for seed in range(5):
        losses = [
            [trial.loss for trial in search(space, bowl, algorithm=a, max_evals=60, seed=seed).trials]
            for a in ("tpe", "rand")
        ]
        assert losses[0][:20] != sorted(losses[0][:20])
        gains.append(np.median(losses[1][20:]) / np.median(losses[0][20:]))
    assert min(gains) > 2


def test_a_candidate_that_comes_again_is_not_evaluated_again() -> None:
    asked: list[Config] = []

    def objective(config: Config) -> float:
        asked.append(config)
        return bowl(config)

    found = search(read(kind=["a", "b"]), objective, algorithm="rand", max_evals=20)
    assert len(found.trials) == 20
    assert len(asked) == 2


def test_losses_that_are_no_numbers_never_win() -> None:
    losses = {8: math.nan, 16: 5.0, 32: math.inf}
    space = read(factors=[8, 16, 32])
    found = search(space, lambda config: losses[config.factors])  # type: ignore[attr-defined]
    assert found.best.settings == {"factors": 16}
    with pytest.raises(UserError, match="none of 3 candidates has a validation result that is a number"):
        _ = search(space, lambda config: math.nan).best
    assert len(search(space, lambda config: math.nan, algorithm="tpe", max_evals=25).trials) == 25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factors": []}, r"models.M.factors: the list is empty"),
        ({"factors": ["choice"]}, r"models.M.factors: the list is empty"),
        ({"lr": ["uniform", 0.1]}, r"lr: 'uniform' takes low and high; write \[uniform, low, high\]"),
        ({"lr": ["normal", 0.1, 0]}, r"sigma of 'normal' must be above 0, got 0"),
        ({"lr": ["quniform", 0.1, 0.5, -1]}, r"q of 'quniform' must be above 0"),
        ({"lr": ["uniform", 0.5, 0.1]}, r"low of 'uniform' must be below high, got 0.5 and 0.1"),
        ({"lr": ["uniform", "x", 1]}, r"low of 'uniform' must be a number, got 'x'"),
        ({"lr": ["uniform", True, 2]}, r"low of 'uniform' must be a number, got True"),
        ({"factors": ["randint", 1.5]}, r"high of 'randint' must be a whole number, got 1.5"),
        ({"lr": ["uniform(0.1", "1)"]}, r"'uniform\(...\)' is no distribution here; write \[uniform, low"),
        ({"factors": [8, 0]}, r"M.factors: 'factors' must be at least 1, got 0 \(the candidate factors: 0\)"),
        ({"lr": ["uniform", 0.5, 1.5]}, r"'lr' must be at most 1, got 1.5 \(the candidate lr: 1.5\)"),
        ({"lr": ["normal", 0.3, 0.1]}, r"'lr' must be above 0, got -0.00"),
        ({"kind": ["a", "c"]}, r"M.kind: unknown value 'c' \(the candidate kind: c\); known: a, b"),
        ({"kinds": ["a", "b"]}, r"unknown key 'kinds' \(the candidate kinds: a\); did you mean 'kind'"),
    ],
)  # fmt: skip
def test_searches_that_cannot_be_are_refused_before_anything_runs(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read(**settings)


def test_every_combination_must_be_one_that_the_model_takes() -> None:
    searched = {"similarity": ["cosine", "tversky"], "implementation": ["aiolli", "standard"]}
    with pytest.raises(
        UserError, match=r"'tversky'.*\(the candidate similarity: tversky, implementation: standard\)"
    ):
        read_space(searched, ItemKNNConfig, "models.ItemKNN")
    space = read_space({**searched, "implementation": "aiolli"}, ItemKNNConfig, "")
    assert [trial.config.similarity for trial in search(space, lambda config: 0.0).trials] == [
        "cosine",
        "tversky",
    ]  # type: ignore[attr-defined]


def test_of_very_many_combinations_each_setting_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space_module, "CHECKED", 5)
    with pytest.raises(UserError, match="the candidate factors: 1, lr: 2"):
        read(factors=[1, 2, 3], lr=[0.1, 2])
    assert read(factors=[1, 2, 3], lr=[0.1, 0.2]).size == 6


def test_what_is_drawn_is_looked_at_too() -> None:
    space = Space({}, {"lr": Drawn("normal", (0, 1))}, lambda given: validate(Model, given, "models.M"))
    with pytest.raises(UserError, match=r"models.M.lr: 'lr' must .* \(the candidate lr: "):
        search(space, bowl, algorithm="rand", max_evals=50)


def test_how_many_are_tried_is_known_before() -> None:
    lists, drawn = (
        read(factors=[8, 16, 32], deep=[True, False]),
        read(lr=["uniform", 0.1, 0.2], deep=[True, False]),
    )
    assert [evaluations(lists, algorithm) for algorithm in ("grid", "tpe", "rand")] == [6, 6, 6]
    assert [evaluations(lists, algorithm, 10) for algorithm in ("grid", "tpe", "rand")] == [6, 10, 10]
    assert evaluations(drawn, "tpe", 10) == 10
    with pytest.raises(UserError, match=r"models.M.meta: .*'hyper_max_evals' is missing"):
        evaluations(drawn, "tpe", None, "models.M.meta")
    with pytest.raises(UserError, match="must be at least 1, got 0"):
        evaluations(lists, "grid", 0)
    with pytest.raises(UserError, match="unknown search 'tpee'; did you mean 'tpe'"):
        evaluations(lists, "tpee")
    with pytest.raises(UserError, match="Elliot's search 'atpe' is not supported; use grid, tpe, rand"):
        search(lists, bowl, algorithm="atpe")
