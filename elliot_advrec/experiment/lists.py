"""Recommendation lists as Elliot writes them: user, item and score, best first."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.experiment.plan import RANKED
from elliot_advrec.experiment.stages import Finished
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import atomic
from elliot_advrec.metrics.listing import recommend_scored
from elliot_advrec.recommenders import Recommender

BLOCK = 256
NAME = "recs.tsv"


def write_lists(
    recommender: Recommender,
    interactions: Interactions,
    ids: list[str],
    k: int,
    folder: Path,
    *,
    known_only: bool = False,
) -> None:
    """Write the ``k`` best items of every user that were not in its training rows.

    Args:
        recommender: fitted.
        interactions: of the fold.
        ids: of the catalog.
        k: length of the lists.
        folder: gets ``recs.tsv``.
        known_only: whether only items with a training row are listed.
    """
    seen, items = [interactions.train], interactions.trained() if known_only else None
    with atomic(folder / NAME) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        for start in range(0, len(interactions.users), BLOCK):
            users = np.arange(start, min(start + BLOCK, len(interactions.users)))
            lists, scores = recommend_scored(
                recommender, users, seen, k, items=items, candidates=interactions.test_candidates
            )
            for place, user in enumerate(users):
                kept = lists[place] >= 0
                for item, score in zip(lists[place][kept], scores[place][kept].tolist(), strict=True):
                    stream.write(f"{interactions.users[user]}\t{ids[item]}\t{score!r}\n")


def collect_lists(finished: list[Finished], workspace: Workspace, folder: Path) -> None:
    """Copy the lists that models asked for (``meta.save_recs``) to ``folder``, one file a cell."""
    several = len({done.stage.tags["threat"] for done in finished if "threat" in done.stage.tags}) > 1
    for done in finished:
        source = workspace.folder(done.stage) / NAME
        if done.stage.kind in RANKED and source.exists():
            tags = done.stage.tags
            named = [
                tags["recommender"],
                None if tags["defense"] == "none" else tags["defense"],
                f"seed={tags['seed']}",
                done.stage.parts.get("suffix", "").removeprefix(", ").replace(" ", "=") or None,
            ]
            if "attack" in tags:
                named.insert(2, f"{tags['attack']}-{tags['steps']}_eps={tags['eps']:g}")
                if several:
                    named.insert(2, tags["threat"])
            # Labels are free text of the recipe: none of them may lead out of the folder.
            name = "_".join(filter(None, named)).replace("/", "%2f").replace("\0", "%00")
            with atomic(folder / f"{name}.tsv") as temporary:
                shutil.copyfile(source, temporary)
