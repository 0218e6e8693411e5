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
                    score = float(scores[place, item])  # numpy 2 writes its own as np.float32(0.5)
                    stream.write(f"{interactions.users[user]}\t{ids[item]}\t{score!r}\n")


def collect_lists(finished: list[Finished], workspace: Workspace, folder: Path) -> None:
    """Copy the lists that models asked for (``meta.save_recs``) to ``folder``, one file a cell."""
    several = len({done.stage.tags["threat"] for done in finished if "threat" in done.stage.tags}) > 1
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
                if several:
                    named.insert(2, tags["threat"])
            # Labels are free text of the recipe: none of them may lead out of the folder.
            name = "_".join(filter(None, named)).replace("/", "%2f").replace("\0", "%00")
            with atomic(folder / f"{name}.tsv") as temporary:
                shutil.copyfile(source, temporary)
