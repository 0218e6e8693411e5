"""Filters and detectors: the worst case first, whoever reached it, and never an oblivious number alone."""

from __future__ import annotations

import io

import fakes
import guarded_fakes
import pytest
from rich.console import Console

from elliot_advrec import report
from elliot_advrec.report.budgets import strongest_common
from elliot_advrec.report.caveats import caveats
from elliot_advrec.report.detection import confusion_tables, detection_tables
from elliot_advrec.report.document import Row, parse
from elliot_advrec.report.effects import effect_tables
from elliot_advrec.report.glance import glance_table
from elliot_advrec.report.guard_tables import guard_tables
from elliot_advrec.report.guarded import guards
from elliot_advrec.report.labels import attack_at, attack_name, bare, budget
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.ranking import ranking_tables
from elliot_advrec.report.sections import table_sections
from elliot_advrec.report.table import Table
from elliot_advrec.report.tsv import COLUMNS, model_name

E16 = 16 / 255
EXACT = {"success_rate", "hit_rate", "sampled_HR"}
"""Measures that a run writes of pictures in 8 bits too."""


def run(*seeds: int):
    document = parse(guarded_fakes.experiment(*seeds)[0])
    return document, Pool(document.rows)


def of(rows: list[dict], **adversarial):
    recipe = guarded_fakes.recipe()
    recipe["experiment"]["adversarial"] |= adversarial
    rounded = [{**row, "metric": f"{row['metric']}_8bit"} for row in rows if row["metric"] in EXACT]
    document = parse({"recipe": recipe, "rows": [*rows, *rounded], "seeds": [1]})
    return document, Pool(document.rows)


def rate(value: float, knowledge: str | None = None, attack: str = "pgd", **rest) -> dict:
    cell = {"threat": "item_to_item", "recommender": "VBPR", "defense": "none", "steps": 16, "eps": E16}
    cell |= {"norm": "linf", "rank_min": 3, "n": 100, "seed": 1, "metric": "success_rate", **rest}
    named = attack if knowledge is None else f"{attack} ({knowledge})"
    return fakes.row(cell.pop("metric"), value, **cell, attack=named, knowledge=knowledge)


def texts(found: Table) -> list[list[str]]:
    return [[entry.text for entry in row] for block in found.blocks for row in block.rows]


def heads(found: Table) -> list[str]:
    return [column.head for column in found.columns]


SMALL = [
    rate(0.9),
    rate(0.4, attack="fgsm", steps=1),
    rate(0.1, "oblivious", defense="squeeze"),
    rate(0.3, "adaptive", defense="squeeze"),
    rate(0.2, "evading", defense="squeeze"),
    rate(0.15, "oblivious", defense="squeeze", metric="success_rate_resubmitted"),
    rate(0.5, "evading", defense="squeeze", metric="success_rate_resubmitted"),
    rate(0.05, "oblivious", "fgsm", steps=1, defense="squeeze"),
    rate(0.7, "oblivious", defense="reconstruct"),
    rate(0.2, "adaptive", defense="reconstruct"),
    rate(0.02, defense="squeeze", metric="success_rate_clean", attack="pgd (adaptive)"),
]


def test_a_row_holds_every_attacker_and_the_worst_of_them_first():
    document, pool = of(SMALL)
    (full,) = guard_tables(document, pool).full
    assert heads(full) == ["Attack", "ε", "Worst case", "Without it", "Oblivious", "Adaptive", "Evading",
                           "Best of 10 tries", "Pairs"]  # fmt: skip
    assert texts(full) == [
        ["PGD-16", "16/255", "50.0", "–", "10.0", "30.0", "20.0", "50.0", "100"],
        ["FGSM", "16/255", "5.0", "–", "5.0", "–", "–", "–", "100"],
        ["PGD-16", "16/255", "70.0", "90.0", "70.0", "20.0", "–", "–", "100"],
    ]
    assert [block.label for block in full.blocks] == [
        "squeeze, in front of AT (untouched image: 2.0 %)",
        "reconstruct",
    ]
    worst = full.blocks[0].rows[0][2]
    assert worst.strong
    assert worst.sub == "40.4–59.6"


def test_without_it_means_the_defense_that_it_stands_in_front_of():
    document, pool = of([*SMALL, rate(0.6, defense="at")])
    (full,) = guard_tables(document, pool).full
    assert [row[3] for row in texts(full)] == ["60.0", "–", "90.0"]


def test_the_summary_says_who_reached_the_worst_case():
    document, pool = of(SMALL)
    (found,) = guard_tables(document, pool).summary
    assert found.title == "Worst case of each defense, ε 16/255: success rate, rank ≤ 3"
    assert [row[:3] for row in texts(found)] == [
        ["squeeze", "50.0", "PGD-16 (evading), best try"],
        ["reconstruct", "70.0", "PGD-16 (oblivious)"],
    ]
    assert found.blocks[0].rows[0][0].sub == "in front of AT"


def test_every_worst_case_is_the_largest_number_of_its_defense():
    document, pool = run()
    tables = guard_tables(document, pool)
    assert [t.title for t in tables.full] == [
        "Success rate, rank ≤ 3 · item to item",  # the same for both recommenders, so it is shown once
        "Success rate, in the top 20 · promotion",
    ]
    assert [t.title for t in tables.folded] == ["Success rate, in the top 10 · promotion"]
    for table, rule in zip(tables.full, ({"rank_min": 3}, {"k": 20}), strict=True):
        order = []
        for block in table.blocks:
            name = block.label.partition(" (")[0].partition(",")[0]
            mine = [
                row
                for row in document.rows
                if row.defense == name
                and row.recommender == "VBPR"
                and row.metric in ("success_rate_8bit", "success_rate_resubmitted")
                and all(getattr(row, field) == value for field, value in rule.items())
            ]
            values = [float(row[2].text) for row in block.rows]
            assert values == sorted(values, reverse=True)
            assert values[0] == pytest.approx(100 * max(row.value for row in mine))
            order.append(max(row.value for row in mine if row.eps == E16))
            for attack, eps, worst, *numbers, pairs in block.rows:
                known = [float(one.text) for one in numbers[1:] if one.text != "–"]
                assert float(worst.text) == max(known), (attack, eps)
                assert pairs.text == "50"
        assert order == sorted(order)


def test_a_weak_attack_with_a_larger_budget_does_not_speak_for_all():
    both = ["squeeze", "reconstruct"]
    for value, shown in ((0.02, E16), (0.85, 32 / 255)):
        larger = [rate(value, "adaptive", "fgsm", steps=1, defense=d, eps=32 / 255) for d in both]
        document, pool = of([*SMALL, *larger])
        for metric in ("success_rate", "success_rate_8bit"):
            assert strongest_common(pool, both, {"metric": metric})[0] == shown
        [summary] = guard_tables(document, pool).summary
        assert f"ε {budget(shown)}:" in summary.title


def test_defenses_are_ordered_where_all_of_them_were_attacked():
    document, pool = of([*SMALL, rate(0.95, "adaptive", defense="squeeze", eps=64 / 255)])
    tables = guard_tables(document, pool)
    assert [row[0] for row in texts(tables.summary[0])] == ["squeeze", "reconstruct"]
    assert texts(tables.full[0])[0][1:3] == ["64/255", "95.0"]


def test_a_defense_without_a_common_budget_has_its_rows_alone():
    document, pool = of([*SMALL, rate(0.3, "adaptive", defense="resize_pad", eps=0.0)])
    tables = guard_tables(document, pool)
    assert [row[0] for row in texts(tables.summary[0])] == ["squeeze", "reconstruct"]
    assert [block.label for block in tables.full[0].blocks][-1] == "resize_pad"


def test_a_defense_that_nobody_attacked_knowingly_has_no_worst_case():
    rows = [*SMALL, rate(0.01, "oblivious", defense="resize_pad")]
    document, pool = of(rows)
    (found,) = guard_tables(document, pool).summary
    last = found.blocks[0].rows[-1]
    assert (last[0].text, last[1].text, last[1].mark) == ("resize_pad", "1.0", "†")
    assert "Nobody who knows" in found.notes[-1]
    glance = glance_table(pool)
    assert glance is not None
    assert [row[:3] for row in texts(glance)][-1] == ["resize_pad", "–", "oblivious ones only"]
    assert any(said.startswith("resize_pad: attacked only") for said in caveats(document, pool))
    informed, others = of(SMALL)
    assert "Nobody" not in " ".join(guard_tables(informed, others).summary[0].notes)
    assert not any("attacked only" in said for said in caveats(informed, others))


def test_at_a_glance_takes_the_worst_case():
    _, pool = of(SMALL)
    found = glance_table(pool)
    assert found is not None
    assert [row[:3] for row in texts(found)] == [
        ["Undefended", "90.0", "PGD-16"],
        ["squeeze", "50.0", "PGD-16 (evading), best try"],
        ["reconstruct", "70.0", "PGD-16 (oblivious)"],
    ]


def test_hit_rates_are_shown_where_success_does_not_say_the_same():
    at = {"threat": "promotion", "rank_min": None, "k": 20, "defense": "squeeze"}
    rows = [
        rate(0.6, "adaptive", **at),
        rate(0.6, "adaptive", metric="hit_rate", **at),
        rate(0.8, "adaptive", metric="hit_rate_resubmitted", **at),
        rate(0.1, "adaptive", metric="hit_rate_clean", **at),
    ]
    assert guard_tables(*of(rows)).folded == []
    rows[1]["value"] = 0.2
    (risen,) = guard_tables(*of(rows)).folded
    assert risen.title == "Hit rate@20"
    assert texts(risen)[0][2:] == ["0.800", "0.200", "0.800", "100"]
    assert risen.blocks[0].label.endswith("(untouched image: 0.100)")
    (fallen,) = guard_tables(*of(rows, threats=[{"type": "demotion", "name": "promotion"}])).folded
    assert texts(fallen)[0][2] == "0.200"
    assert "lower is worse" in fallen.notes[0]


def test_of_sampled_hit_ratios_the_lowest_is_the_worst():
    at = {"threat": "untargeted", "rank_min": None, "k": 5, "defense": "squeeze"}
    rows = [rate(0.6, "adaptive", **at), rate(0.7, "oblivious", **at)]
    rows += [rate(1 - row["value"], row["knowledge"], metric="sampled_HR", **at) for row in rows]
    (found,) = guard_tables(*of(rows)).folded
    assert found.title == "Sampled HR@5"
    assert texts(found)[0][2:5] == ["0.300", "0.300", "0.400"]


def test_what_is_only_counted_and_how_often_is_said():
    entry = {"name": "squeeze", "filter": {}, "over": "none", "tries": 1, "refuse": False}
    (full,) = guard_tables(*of(SMALL[2:7], defenses=[entry])).full
    assert "flagged pictures are counted, not refused" in full.blocks[0].label
    assert "Best of 1 try" in heads(full)
    (full,) = guard_tables(*of(SMALL, defenses="none")).full  # a recipe that tells nothing
    assert "Best of several tries" in heads(full)
    assert "Without it" not in heads(full)
    document, _ = of(SMALL, defenses="none")
    assert set(guards(document)) == {"squeeze", "reconstruct"}


def test_seeds_add_up():
    document, pool = run(1, 2)
    (found, _) = guard_tables(document, pool).summary
    assert {row[-1] for row in texts(found)} == {"100"}
    assert all("–" in row[1].sub for row in found.blocks[0].rows)  # an interval, not a spread


def test_detection_has_the_numbers_and_the_counts():
    _, pool = run()
    by_threat = detection_tables(pool)
    assert [t.title for t in by_threat] == ["Detection · item to item", "Detection · promotion"]
    found, counted = by_threat[0], confusion_tables(pool)[0]
    assert heads(found) == [
        "Attack",
        "ε",
        "Flagged",
        "Accuracy",
        "TPR",
        "FPR",
        "AUROC",
        "TPR at 1 % FPR",
        "attacked",
        "clean",
    ]
    assert [block.label for block in found.blocks] == [
        "squeeze (threshold 0.250)",
        "reconstruct (threshold 0.250)",
    ]
    rows = texts(found)
    assert [row[0] for row in rows[:6:2]] == ["FGSM (oblivious)", "FGSM (evading)", "FGSM (adaptive)"]
    for row, verdicts in zip(rows, texts(counted), strict=True):
        flagged = round(float(row[4]) / 100 * 50)
        assert verdicts[2:] == [str(flagged), str(50 - flagged), "5", "45", "4", "36"]
        assert float(row[3]) == pytest.approx(flagged + 45)
        assert row[5] == "10.0"
        assert row[8:] == ["50", "40"]


def test_detection_without_clean_test_pictures_leaves_their_numbers_out():
    rows = [
        rate(0.5, "adaptive", metric=metric, rank_min=None, **more)
        for more in ({}, {"n": None, "eps": 0.01})
        for metric in ("flagged", "detection_tpr")
    ]
    (found,) = detection_tables(Pool([Row(**row) for row in rows]))
    assert heads(found) == ["Attack", "ε", "Flagged", "TPR", "attacked"]
    (counted,) = confusion_tables(Pool([Row(**row) for row in rows]))
    assert texts(counted) == [
        ["PGD-16 (adaptive)", "16/255", "50", "50"],
        ["PGD-16 (adaptive)", "0.01", "–", "–"],
    ]


def test_recommenders_that_are_attacked_apart_are_told_apart():
    rows = [
        *SMALL,
        rate(0.8, "adaptive", defense="squeeze", recommender="AMR"),
        rate(0.5, "adaptive", metric="flagged", rank_min=None, defense="squeeze"),
        rate(0.6, "adaptive", metric="flagged", rank_min=None, defense="squeeze", recommender="AMR"),
        rate(0.3, "adaptive", defense="squeeze", norm="l2"),
        rate(0.3, "adaptive", metric="flagged", rank_min=None, defense="squeeze", norm="l2"),
    ]
    document, pool = of(rows)
    assert [t.title for t in guard_tables(document, pool).full] == [
        "Success rate, rank ≤ 3 · VBPR · L∞",
        "Success rate, rank ≤ 3 · AMR · L∞",
        "Success rate, rank ≤ 3 · VBPR · L2",
    ]
    assert [t.title for t in detection_tables(pool)] == [
        "Detection · item to item · VBPR",
        "Detection · item to item · AMR",
        "Detection · item to item · VBPR · L2",
    ]


def test_other_tables_leave_what_is_shown_here():
    document, pool = run()
    sections = {section.anchor: section for section in table_sections(document, pool)}
    assert list(sections)[:4] == ["glance", "guards", "detection", "success"]
    labels = [block.label for table in sections["success"].tables for block in table.blocks]
    assert not any(name in label for label in labels for name in guarded_fakes.OVER)
    assert sections["guards"].brief == sections["guards"].tables[:2]
    shown = {column.head for table in effect_tables(pool) for column in table.columns}
    hits = {f"hit_rate{moment}@{k}" for moment in ("", "_8bit", "_resubmitted") for k in (10, 20)}
    assert shown == {"Attack", "ε", *hits}
    assert all("through filters" in table.title for table in sections["effects"].folded)


def test_a_run_of_guards_alone_does_not_claim_that_nothing_was_attacked():
    document, pool = of([row for row in SMALL if row["defense"] == "squeeze"])
    assert "No attack was run" not in str(table_sections(document, pool))


def test_long_tables_are_folded_where_there_is_a_summary():
    rows = [rate(0.1 + i / 100, "adaptive", defense="squeeze", eps=i / 255) for i in range(1, 50)]
    document, pool = of(rows)
    section = next(s for s in table_sections(document, pool) if s.anchor == "guards")
    assert [t.title.partition(",")[0] for t in section.tables] == ["Worst case of each defense"]
    assert [t.title for t in section.folded] == ["Success rate, rank ≤ 3"]


def test_ranking_is_compared_with_the_same_attack_without_the_defense():
    at = {"k": 10, "n": 5, "rank_min": None, "metric": "HR", "recommender": "VBPR"}
    rows = [
        fakes.row("HR", 0.30, defense="none", recommender="VBPR", k=10, n=5),
        fakes.row("HR", 0.28, defense="squeeze", recommender="VBPR", k=10, n=5),
        rate(0.10, **at),
        rate(0.25, "adaptive", **{**at, "defense": "squeeze"}),
    ]
    (found,) = ranking_tables(Pool([Row(**row) for row in rows]))
    assert texts(found)[-1] == ["PGD-16 (adaptive), ε 16/255", "0.250", "−0.030", "+0.150"]


def test_attacks_are_named_with_what_their_attackers_know():
    assert attack_name("pgd (adaptive)", 16) == "PGD-16 (adaptive)"
    assert attack_name("fgsm (evading)", 1) == "FGSM (evading)"
    assert attack_at("pgd (oblivious)", 4, 0.05) == "PGD-4 (oblivious), ε 0.05"
    assert attack_name("pgd (my own)", 4) == "pgd (my own)-4"
    assert bare("pgd (my own)") == "pgd (my own)"


def test_files_tell_what_attackers_know():
    _, pool = of(SMALL)
    assert COLUMNS[3:5] == ("attack", "knowledge")
    (cell,) = pool.select(metric="success_rate", defense="squeeze", knowledge="adaptive")
    assert model_name(cell.key) == "VBPR+squeeze+pgd-16 (adaptive) eps=16/255"


def test_only_those_who_know_of_a_filter_can_have_masked_gradients():
    def said(knowledge: str, *more: dict) -> list[str]:
        rows = [
            rate(0.9, knowledge, "fgsm", steps=1, defense="squeeze"),
            rate(0.1, knowledge, defense="squeeze"),
            rate(0.2, "adaptive" if knowledge == "oblivious" else "oblivious", defense="squeeze"),
            *more,
        ]
        return [one for one in caveats(*of(rows)) if "masked" in one]

    assert [one.partition(":")[0] for one in said("adaptive")] == [
        "FGSM (adaptive) beats PGD-16 (adaptive) on squeeze at ε 16/255"
    ]
    assert said("oblivious") == []
    # A detector may refuse the stronger attack.
    assert said("adaptive", rate(0.9, "adaptive", metric="flagged", defense="squeeze")) == []


def test_the_terminal_is_short_and_says_how_to_read_it():
    console = Console(file=io.StringIO(), width=160)
    console.print(report.terminal(guarded_fakes.experiment()[0]))
    text = console.file.getvalue()
    assert text.count("Worst case of each defense, ε 16/255") == 2
    assert "A defense is as good as its worst case." in " ".join(text.split())
    assert "through filters and detectors" not in text
    assert "PGD-16 (evading)" in text
