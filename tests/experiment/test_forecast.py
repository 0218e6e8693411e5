"""How long the rest of a run takes, by what its stages took so far."""

from __future__ import annotations

import pytest

from elliot_advrec.experiment.forecast import Forecast


def test_attacks_take_as_long_as_their_gradients_at_the_pace_so_far() -> None:
    found = Forecast([("attack", 100), ("attack", 400), ("rerank", 0), ("rerank", 0)])
    found.done("attack", 100, 60.0)
    assert found.left() == (pytest.approx(240.0), False)  # nobody knows what a re-ranking takes
    assert found.said() == " (more than 4 min left)"
    found.done("rerank", 0, 30.0)
    assert found.left() == (pytest.approx(270.0), True)
    assert found.said() == " (about 4 min left)"


def test_kinds_without_gradients_take_what_they_took_on_average() -> None:
    found = Forecast([("rerank", 0)] * 4)
    found.done("rerank", 0, 2000.0)
    found.done("rerank", 0, 4000.0)
    assert found.left() == (6000.0, True)
    assert found.said() == " (about 1 h 40 min left)"


def test_nothing_is_said_of_what_nobody_knows_or_waits_for() -> None:
    found = Forecast([("extractor", 0), ("rerank", 0), ("rerank", 0)])
    assert found.said() == ""
    found.done("rerank", 0, 1.0)
    assert found.said() == ""


def test_a_stage_that_nobody_foresaw_is_one_more_of_its_kind() -> None:
    found = Forecast([("rerank", 0)])
    found.done("attack", 3, 1.0)  # its result was there when the run began, and is damaged since
    found.done("rerank", 0, 1.0)
    assert found.left() == (0.0, True)
