"""What stands in which cell of which table."""

from __future__ import annotations

import fakes
import pytest

from elliot_advrec.report.accuracy import accuracy_table
from elliot_advrec.report.cost import effect_table, stage_table, visibility_table
from elliot_advrec.report.document import Row, parse
from elliot_advrec.report.glance import glance_table
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.ranking import ranking_tables
from elliot_advrec.report.success import rounding_tables, success_tables
from elliot_advrec.report.table import Block, Column, Entry, Table, table


def pool(*rows: dict) -> Pool:
    return Pool([Row(**row) for row in rows])


def texts(found: Table | None) -> list[list[str]]:
    assert found is not None
    return [[entry.text for entry in row] for block in found.blocks for row in block.rows]


def heads(found: Table | None) -> list[str]:
    assert found is not None
    return [column.head for column in found.columns]


def success(value: float, eps: float, **rest) -> dict:
    cell = {
        "attack": "pgd",
        "steps": 64,
        "norm": "linf",
        "rank_min": 3,
        "n": 1000,
        "defense": "none",
        "seed": 1,
    }
    return fakes.row("success_rate", value, eps=eps, **{**cell, **rest})


def test_success_is_percent_by_attack_and_eps():
    rows = [
        success(0.021, 0.05, attack="fgsm", steps=1),
        success(0.955, 0.05),
        success(0.4, 0.01),
        success(0.001, 0.05, defense="at"),
        fakes.row(
            "p_value_vs_none", 0.01, attack="pgd", steps=64, norm="linf", eps=0.05, rank_min=3, defense="at"
        ),
        fakes.row("success_rate_clean", 0.003, attack="pgd", steps=64, n=1000, rank_min=3, defense="none"),
    ]
    (found,) = success_tables(pool(*rows))
    assert heads(found) == ["Attack", "Pairs", "0.01", "0.05"]
    assert texts(found) == [
        ["FGSM", "1\u202f000", "–", "2.1"],
        ["PGD-64", "1\u202f000", "40.0", "95.5"],
        ["PGD-64", "1\u202f000", "–", "0.1"],
    ]
    assert [block.label for block in found.blocks] == ["Undefended (untouched image: 0.3 %)", "AT"]
    strongest, defended = found.blocks[0].rows[1][3], found.blocks[1].rows[0][3]
    assert strongest.strong
    assert strongest.sub == "94.0–96.6"
    assert not defended.strong  # nothing to be stronger than
    assert (strongest.mark, defended.mark) == ("", "*")


def test_each_rank_has_a_table_and_three_comes_first():
    titles = [t.title for t in success_tables(Pool(parse(fakes.experiment()[0]).rows))]
    assert titles == ["Success rate, rank ≤ 3", "Success rate, rank ≤ 1", "Success rate, rank ≤ 10"]


def test_threats_share_a_table_that_recommenders_and_norms_do_not():
    rows = [success(0.1, 0.05), success(0.2, 0.5, norm="l2"), success(0.3, 0.03, threat="other")]
    first, second = success_tables(pool(*rows))
    assert [t.title.partition(" · ")[2] for t in (first, second)] == ["L∞", "L2"]
    assert [column.head for column in first.columns[2:]] == ["0.03", "0.05"]
    one, other = first.blocks
    assert other.label.startswith("other · ")
    assert not one.label.startswith("other")
    assert [[entry.text for entry in row[2:]] for row in one.rows] == [["–", "10.0"]]
    assert [[entry.text for entry in row[2:]] for row in other.rows] == [["30.0", "–"]]
    apart = success_tables(pool(success(0.1, 0.05), success(0.3, 0.05, recommender="VBPR")))
    assert len(apart) == 2


def test_success_with_many_users_says_what_it_is():
    rows = [
        success(0.9, 0.05, rank_min=None, k=20),
        {**success(0.04, 0.05, rank_min=None, k=20), "metric": "hit_rate"},
    ]
    [grown] = success_tables(pool(*rows))
    assert "more of them" in grown.notes[-1]
    rows[1]["value"] = 0.9
    [same] = success_tables(pool(*rows))
    assert "more of them" not in " ".join(same.notes)


def test_rounding_shows_the_change():
    rows = [success(0.5, 0.05), {**success(0.46, 0.05), "metric": "success_rate_8bit"}]
    (found,) = rounding_tables(pool(*rows))
    assert texts(found) == [["PGD-64", "46.0"]]
    assert found.blocks[0].rows[0][1].sub == "−4.0"


def test_accuracy_stands_beside_accuracy_under_attack():
    under = {"attack": "pgd", "steps": 8, "eps": 0.03, "norm": "linf", "n": 200}
    rows = [
        fakes.row("accuracy", 0.56, defense="at", n=200),
        fakes.row("adversarial_accuracy", 0.49, defense="at", **under),
        fakes.row("accuracy", 0.68, defense="none", n=200),
        fakes.row("adversarial_accuracy", 0.0, defense="none", **under),
    ]
    found = accuracy_table(pool(*rows))
    assert heads(found) == ["Defense", "Images", "Accuracy", "PGD-8, ε 0.03"]
    assert texts(found) == [["Undefended", "200", "68.0", "0.0"], ["AT", "200", "56.0", "49.0"]]


def test_ranking_shows_both_differences():
    at = {"recommender": "ContentKNN", "k": 10, "n": 5}
    hit = {"attack": "pgd", "steps": 64, "eps": 0.05, "norm": "linf"}
    rows = [
        fakes.row("HR", 0.30, defense="none", **at),
        fakes.row("HR", 0.10, defense="none", **at, **hit),
        fakes.row("HR", 0.25, defense="at", **at),
        fakes.row("HR", 0.24, defense="at", **at, **hit),
        fakes.row("HR", 0.05, **{**at, "recommender": "MostPop"}),
    ]
    (found,) = ranking_tables(pool(*rows))
    assert [block.label for block in found.blocks] == [
        "ContentKNN · Undefended",
        "ContentKNN · AT",
        "MostPop",
    ]
    assert texts(found) == [
        ["clean", "0.300", "–", "–"],
        ["PGD-64, ε 0.05", "0.100", "−0.200", "–"],
        ["clean", "0.250", "–", "−0.050"],
        ["PGD-64, ε 0.05", "0.240", "−0.010", "+0.140"],
        ["clean", "0.050", "–", "–"],
    ]


def test_worst_case_is_taken_at_the_largest_eps_that_all_defenses_share():
    rows = [
        success(0.97, 0.05),
        success(0.99, 0.05, attack="cw", steps=1000),
        success(0.02, 0.05, defense="at"),
        success(0.80, 0.3, defense="at"),
    ]
    found = glance_table(pool(*rows))
    assert found is not None
    assert found.columns[1].span == "Strongest attack, ε 0.05"
    assert texts(found) == [["Undefended", "99.0", "CW-1000"], ["AT", "2.0", "PGD-64"]]


def test_only_the_largest_eps_is_shown_when_asked():
    rows = Pool(parse(fakes.experiment()[0]).rows)
    assert {row[1] for row in texts(visibility_table(rows, largest=True))} == {"0.05"}
    assert {row[1] for row in texts(effect_table(rows))} == {"0.01", "0.03", "0.05"}


def test_work_adds_up_what_this_run_computed():
    found = stage_table(parse(fakes.experiment()[0]))
    assert texts(found)[-1] == ["Computed in this run", "13 min 16 s", "123\u202f200", "1834", "2 of 3"]
    assert texts(found)[3:5] == [
        ["All of kind extractor", "12 min 14 s", "91\u202f200", "1834", "1 of 1"],
        ["All of kind attack", "1 min 02 s", "32\u202f000", "–", "1 of 1"],
    ]


def test_empty_columns_and_tables_vanish():
    columns = [Column("a", numeric=False), Column("b"), Column("c")]
    found = table("t", columns, [Block("", ((Entry("x"), Entry("–"), Entry("1")),)), Block("gone", ())])
    assert heads(found) == ["a", "c"]
    assert table("t", columns, [Block("", ())]) is None
    with pytest.raises(ValueError, match="a row of 1 in a table of 3 columns"):
        Table("t", tuple(columns), (Block("", ((Entry("x"),),)),))
