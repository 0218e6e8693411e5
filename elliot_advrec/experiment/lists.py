"""Recommendation lists as Elliot writes them: user, item and score, best first."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.experiment.stages import Finished
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import atomic
from elliot_advrec.metrics.ranking import recommend
from elliot_advrec.recommenders import Recommender

BLOCK = 256
NAME = "recs.tsv"


def write_lists(
    recommender: Recommender, interactions: Interactions, ids: list[str], k: int, folder: Path
) -> None:
    """Write the ``k`` best items of every user that were not in its training rows."""
    seen = [interactions.train]
    with atomic(folder / NAME) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        for start in range(0, len(interactions.users), BLOCK):
            users = np.arange(start, min(start + BLOCK, len(interactions.users)))
            lists, scores = recommend(recommender, users, seen, k), recommender.scores(users).numpy()
            for place, user in enumerate(users):
                for item in lists[place][lists[place] >= 0]:
                    stream.write(f"{interactions.users[user]}\t{ids[item]}\t{scores[place, item]!r}\n")


def collect_lists(finished: list[Finished], workspace: Workspace, folder: Path) -> None:
    """Copy the lists that models asked for (``meta.save_recs``) to ``folder``, one file a cell."""
    for done in finished:
        source = workspace.folder(done.stage) / NAME
        if done.stage.kind in ("recommender", "rerank") and source.exists():
            tags = done.stage.tags
            named = [
                tags["recommender"],
                None if tags["defense"] == "none" else tags["defense"],
                f"seed={tags['seed']}",
            ]
            if "attack" in tags:
                named.insert(2, f"{tags['attack']}-{tags['steps']}_eps={tags['eps']:g}")
            with atomic(folder / ("_".join(filter(None, named)) + ".tsv")) as temporary:
                shutil.copyfile(source, temporary)
