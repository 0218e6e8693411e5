"""What each threat measures beside success: hit rates, shifts, shares of the lists, before and after."""

from __future__ import annotations

from elliot_advrec.report.cost import MEASURED_ELSEWHERE
from elliot_advrec.report.detection import METRICS as DETECTION
from elliot_advrec.report.entries import mean
from elliot_advrec.report.guarded import SUCCESS
from elliot_advrec.report.labels import EPS, attack_name, name_of, sized, undefended_first
from elliot_advrec.report.pooling import P_VALUE, Pool
from elliot_advrec.report.ranking import list_metrics
from elliot_advrec.report.success_rules import CLEAN, RATE
from elliot_advrec.report.table import Block, Column, Entry, Table, table

_SHOWN_ELSEWHERE = {*SUCCESS.all, RATE, CLEAN, P_VALUE, *DETECTION, *MEASURED_ELSEWHERE}


def effect_tables(pool: Pool) -> list[Table]:
    """One table a threat and recommender; a column a measure, with its list length where it has one."""
    elsewhere = {*_SHOWN_ELSEWHERE, *list_metrics(pool)}
    cells = [
        cell
        for cell in pool.select()
        if cell.key.threat is not None and cell.key.attack is not None and cell.key.metric not in elsewhere
    ]
    scopes = dict.fromkeys((cell.key.threat, cell.key.recommender) for cell in cells)
    made = []
    for threat, recommender in scopes:
        here = [cell for cell in cells if (cell.key.threat, cell.key.recommender) == (threat, recommender)]
        measures = list(dict.fromkeys((cell.key.metric, cell.key.k) for cell in here))
        blocks = []
        for defense in undefended_first(cell.key.defense for cell in here):
            of = [cell for cell in here if cell.key.defense == defense]
            rows = []
            for condition in dict.fromkeys((c.key.attack, c.key.steps, c.key.eps, c.key.norm) for c in of):
                attack, steps, eps, norm = condition
                found = {
                    (c.key.metric, c.key.k): c
                    for c in of
                    if (c.key.attack, c.key.steps, c.key.eps, c.key.norm) == condition
                }
                rows.append(
                    (
                        Entry(attack_name(attack, steps)),
                        Entry(sized(eps, norm)),
                        *(mean(found.get(measure)) for measure in measures),
                    )
                )
            blocks.append(Block(name_of(defense), tuple(rows)))
        columns = [Column("Attack", numeric=False), Column(EPS), *(Column(_head(*each)) for each in measures)]
        title = f"{name_of(threat)} · {name_of(recommender)}" if recommender else name_of(threat)
        note = "Means over pairs, or over users; small print: 95 % interval, or spread over seeds."
        one = table(title, columns, blocks, (note,))
        made += [] if one is None else [one]
    return made


def _head(metric: str, k: int | None) -> str:
    return name_of(metric) if k is None else f"{name_of(metric)}@{k}"
