"""Drawings of filters and detectors."""

from __future__ import annotations

import re

import guarded_fakes
import numpy as np
import pytest

from elliot_advrec import report
from elliot_advrec.report import guard_plots
from elliot_advrec.report.document import parse
from elliot_advrec.report.guard_curves import knowledge_plots
from elliot_advrec.report.guard_plots import shift_plot, suspicion_plot
from elliot_advrec.report.pooling import Pool


@pytest.fixture
def run():
    results, arrays = guarded_fakes.experiment()
    return parse(results), arrays


def changed(name: str, value: np.ndarray):
    results, arrays = guarded_fakes.experiment()
    return parse(results), {**arrays, name: value}


def test_success_over_eps_has_a_panel_a_defense_and_a_curve_a_kind_of_attacker(run):
    document, _ = run
    plots = knowledge_plots(document, Pool(document.rows))
    assert [[panel.title for panel in plot.panels] for plot in plots] == [list(guarded_fakes.OVER)] * 2
    assert [key.label for key in plots[0].keys] == [
        "without it",
        "oblivious",
        "adaptive",
        "evading",
        "best of several tries",
    ]
    assert "rank ≤ 3, item to item, ContentKNN and VBPR" in plots[0].caption
    curves = [len(re.findall(r"stroke: var\(--s\d\); stroke-width: 1\.5", p.svg)) for p in plots[0].panels]
    assert curves[0] == curves[2] == curves[1] + 1 == 5  # nobody evades a filter without a detector


def test_one_eps_makes_no_curve(run):
    document, _ = run
    rows = [row for row in document.rows if row.eps is None or row.eps > 0.05]
    assert knowledge_plots(document, Pool(rows)) == []


def test_scores_of_a_detector_have_a_panel_an_attack(run):
    plot, missing = suspicion_plot(*run)
    assert plot is not None
    assert missing == []
    assert [panel.title for panel in plot.panels] == [
        "squeeze · item to item · PGD-16, ε 16/255",
        "reconstruct · item to item · PGD-16, ε 16/255",
    ]
    assert plot.panels[0].note == "n: clean 40, oblivious 50, adaptive 50, evading 50"
    assert [key.label for key in plot.keys] == ["clean", "oblivious", "adaptive", "evading"]


def test_the_threshold_is_an_edge_between_bars():
    for values, threshold in (
        (np.array([0.1, 0.2, 0.9]), 0.37),
        (np.array([0.1, 0.1]), 0.1),
        (np.array([0.5, 0.6]), 0.1),
        (np.array([1e-4, 2e-4, 1e-4, 0.9]), 3e-4),
        (np.array([0.1, 0.2]), 0.9),
    ):
        edges, logarithmic = guard_plots._edges(values, threshold, 8)
        assert np.abs(edges - threshold).min() == pytest.approx(0, abs=1e-12)
        assert (np.diff(edges) > 0).all()
        assert np.histogram(values, edges)[0].sum() == len(values)
        assert logarithmic == (values.max() > 20 * np.median(values))


def test_no_clean_test_pictures_leave_the_attacked_ones():
    plot, missing = suspicion_plot(*changed("clean", np.empty(0, np.float32)))
    assert plot is not None
    assert missing == []
    assert plot.panels[0].note == "n: oblivious 50, adaptive 50, evading 50"


def test_scores_that_are_none_are_named():
    _, missing = suspicion_plot(*changed("squeeze_evading", np.array([np.nan])))
    assert missing == ["The scores of squeeze under PGD-16, ε 16/255 are no list of numbers."]
    document, arrays = changed("clean", np.zeros((2, 2)))
    del arrays["squeeze_adaptive"]
    plot, missing = suspicion_plot(document, arrays)
    assert plot is None
    assert "The array 'squeeze_adaptive' is not in exhibits.npz." in missing


def test_one_map_shows_clean_filtered_and_attacked_pictures(run):
    plot, missing = shift_plot(*run)
    assert plot is not None
    assert missing == []
    assert len(plot.panels) == 3
    assert plot.panels[0].note == (
        "clean 20, filtered 20, oblivious 20, adaptive 20, evading 20; refused, and so not shown: "
        "oblivious 3, adaptive 3, evading 3"
    )
    assert [key.label for key in plot.keys] == ["clean", "filtered", "oblivious", "adaptive", "evading"]
    colours = set(re.findall(r"fill: var\(--s(\d)\)", plot.panels[0].svg))
    assert colours == {"0", "1", "2", "3", "4"}


@pytest.mark.parametrize(
    "labels",
    [np.full(100, 7), np.full(100, -1), np.zeros(3, int), np.zeros((100, 2), int), np.full(100, 0.5)],
)
def test_maps_whose_arrays_do_not_fit_are_named(labels):
    plot, missing = shift_plot(*changed("squeeze_labels", labels))
    assert plot is not None
    assert len(plot.panels) == 2
    assert missing == ["The t-SNE arrays of squeeze do not fit together."]


def test_nothing_guarded_draws_nothing():
    document = parse({"recipe": {}, "rows": []})
    assert suspicion_plot(document, {}) == (None, [])
    assert shift_plot(document, {}) == (None, [])


def test_seeds_and_recommenders_tell_panels_apart():
    results, arrays = guarded_fakes.experiment(1, 2)
    results["exhibits"]["shifts"] = [{**results["exhibits"]["shifts"][0], "recommender": "VBPR"}]
    plot, _ = shift_plot(parse(results), arrays)
    assert plot is not None
    assert plot.panels[0].title == "squeeze · item to item · VBPR · PGD-16, ε 16/255 · seed 1"


def test_the_page_has_them_all(tmp_path):
    html = report.write(tmp_path, *guarded_fakes.experiment())[0].read_text("utf-8")
    assert "A defense is as good as its worst case." in html
    assert 'id="guards"' in html
    assert html.count('aria-label="squeeze') == 2 * 1 + 2  # over eps by threat and undefended, scores, a map
    assert html.index('id="guards"') < html.index('id="detection"') < html.index('id="success"')
    lines = (tmp_path / "performance" / "attack_success.tsv").read_text("utf-8").splitlines()
    assert lines[0].split("\t")[3:5] == ["attack", "knowledge"]
    assert sum("\tevading\t" in line for line in lines) == sum(
        row["knowledge"] == "evading" for row in guarded_fakes.rows()
    )


def test_hostile_names_do_no_harm(tmp_path):
    results, arrays = guarded_fakes.experiment()
    evil = "<script>\x1b[1m$\\frac{"
    for row in results["rows"]:
        row["defense"] = evil if row["defense"] == "squeeze" else row["defense"]
    for entry in [*results["exhibits"]["suspicion"], *results["exhibits"]["shifts"]]:
        entry["defense"] = evil
    results["exhibits"]["shifts"][0]["groups"] = [evil] * 5
    results["exhibits"]["suspicion"][0]["knowledge"] = evil
    html = report.write(tmp_path, results, arrays)[0].read_text("utf-8")
    assert "<script" not in html
    assert "\x1b" not in html
