"""What each extractor can still do: its own accuracy, clean and under attack."""

from __future__ import annotations

from elliot_advrec.report.entries import EMPTY, mean, percent
from elliot_advrec.report.labels import DASH, attack_at, count, name_of, undefended_first
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.table import Block, Column, Entry, Table, table

_SHARES = {
    "accuracy": "Accuracy",
    "top5_accuracy": "Top-5",
    "texture_top1_precision": "Texture top-1 precision",
}
_LOSSES = {"category_loss": "category", "texture_loss": "texture"}
ADVERSARIAL = "adversarial_accuracy"


def accuracy_table(pool: Pool) -> Table | None:
    """One row a defense: clean accuracy and losses, and accuracy under the classification attack."""
    metrics = [*_SHARES, *_LOSSES, ADVERSARIAL]
    attacks = list(
        dict.fromkeys(
            (c.key.attack, c.key.steps, c.key.eps, c.key.norm) for c in pool.select(metric=ADVERSARIAL)
        )
    )
    columns = [
        Column("Defense", numeric=False),
        Column("Images"),
        *(Column(head, "Untouched images (%)") for head in _SHARES.values()),
        *(Column(attack_at(*attack), "Accuracy under attack (%)") for attack in attacks),
        *(Column(head, "Loss") for head in _LOSSES.values()),
    ]
    rows, fewer = [], set[int]()
    for defense in undefended_first(pool.distinct("defense", metric=metrics)):
        clean = {m: pool.one(metric=m, defense=defense, attack=None) for m in [*_SHARES, *_LOSSES]}
        accuracy = clean["accuracy"]
        images = Entry(count(accuracy.n)) if accuracy is not None and accuracy.n is not None else EMPTY
        attacked = [
            pool.one(metric=ADVERSARIAL, defense=defense, attack=a, steps=s, eps=eps, norm=norm)
            for a, s, eps, norm in attacks
        ]
        fewer |= {
            c.n for c in attacked if c is not None and c.n is not None and accuracy and c.n != accuracy.n
        }
        rows.append(
            (
                Entry(name_of(defense) if defense is not None else DASH),
                images,
                *(percent(clean[metric]) for metric in _SHARES),
                *(percent(cell) for cell in attacked),
                *(mean(clean[metric]) for metric in _LOSSES),
            )
        )
    note = "The adversary of the last accuracy columns raises the classification loss; 95 % intervals below."
    if fewer:
        note += f" Of the images {' or '.join(count(n) for n in sorted(fewer))} were attacked."
    return table("Category accuracy", columns, [Block("", tuple(rows))], (note if attacks else "",))
