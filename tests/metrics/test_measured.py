"""Values with their intervals, values without, and both kept in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.measured import Overall, PerUser, Ranking
from elliot_advrec.metrics.rates import wilson

USERS = np.arange(4)
FEW = np.array([0.0, 0.0, 0.0, 1.0])


def ranking() -> Ranking:
    return Ranking(
        USERS,
        np.zeros((4, 2), dtype=np.int64),
        {
            ("HR", 1): PerUser(USERS, FEW),
            ("nDCG", 1): PerUser(USERS, FEW * 0.9),
            ("ACLT", 1): PerUser(USERS[1:], FEW[1:] * 5, np.inf),
            ("Gini", 1): Overall(0.25, 4),
            ("PopREO", 1): Overall(float("nan"), 4),
        },
    )


def test_intervals_stay_where_values_can_be() -> None:
    found = ranking()
    hits, gain, count = found.rate("HR", 1), found.rate("nDCG", 1), found.rate("ACLT", 1)
    assert (hits.low, hits.high) == wilson(1, 4)
    assert gain.low == 0.0
    assert gain.value == found.value("nDCG", 1) == pytest.approx(0.225)
    assert gain.high is not None
    assert gain.value < gain.high <= 1.0
    assert count.high is not None
    assert count.high > 5, "a count is not held below 1"
    assert (hits.n, gain.n, count.n) == (4, 4, 3)
    counts = PerUser(USERS, FEW, np.inf).rate()
    assert (counts.low, counts.high) != wilson(1, 4), "a count that happens to be 0 or 1 is no share"


def test_a_number_of_all_lists_has_no_interval() -> None:
    rate = ranking().rate("Gini", 1)
    assert (rate.value, rate.low, rate.high, rate.n) == (0.25, None, None, 4)
    assert not hasattr(rate, "values")


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "measured.npz"
    ranking().save(path)
    found = Ranking.load(path)
    assert list(found) == list(ranking())
    for key, was in ranking().items():
        now = found[key]
        assert type(now) is type(was)
        assert now.value == pytest.approx(was.value, nan_ok=True)
        if isinstance(was, PerUser) and isinstance(now, PerUser):
            assert np.array_equal(now.users, was.users)
            assert np.array_equal(now.values, was.values)
            assert now.highest == was.highest
        else:
            assert now.n == was.n == 4
    assert found.lists.shape == (4, 0)
    assert len(found) == 5


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        Ranking.load(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(UserError, match=r"bad\.npz: the stored measurements cannot be read"):
        Ranking.load(tmp_path / "bad.npz")
    np.savez(tmp_path / "other.npz", users=USERS)
    with pytest.raises(UserError, match="delete the file and run again"):
        Ranking.load(tmp_path / "other.npz")
