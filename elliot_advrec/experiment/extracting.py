"""Features of a recipe's items as files: a matrix with a manifest, or the one ``.npy`` an item of Elliot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import timm
import torch

from elliot_advrec import __version__
from elliot_advrec.data.features.elliot_folder import MANIFEST
from elliot_advrec.data.features.manifest import Manifest
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.experiment.elliot_tables import numbers, write_tables
from elliot_advrec.experiment.feature_files import FolderTarget, MatrixTarget, Target
from elliot_advrec.experiment.learning import EMBED_BATCH
from elliot_advrec.experiment.plan import Plan, ancestors, make_plan
from elliot_advrec.experiment.runner import run_plan
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.progress import SILENT, Progress
from elliot_advrec.recipe import GuardSpec, Recipe

FORMS = ("npy", "elliot")


def extract(
    recipe: Recipe,
    workspace: Workspace,
    output: Path,
    *,
    defense: str | None = None,
    form: str = "npy",
    progress: Progress = SILENT,
) -> Path:
    """Write the features of every item of ``recipe``; train first what is not in the store yet.

    The first seed of the recipe is used. Embeddings that a run left in the store are copied, others are made
    a batch at a time, to the same numbers. A killed extraction goes on from its last batch. Beside the
    features lies ``features.json``, written last: where it is, they are complete.

    Args:
        output: folder of the result.
        defense: a training defense of the recipe, or ``none``; None takes its first. What filters and
            detectors stand in front of has the features that it has without them.
        form: ``npy``: ``features.npy`` (N, D) float32. ``elliot``: ``features/<number>.npy`` with
            ``items.tsv``, ``train.tsv``, ``test.tsv`` and maybe ``validation.tsv`` in the same numbers.

    Returns:
        The matrix or folder.

    Raises:
        UserError: a recipe without pictures, a training defense that it lacks, features in the other form or
            another extraction at work in ``output``, a full disk, or what a run may raise.
    """
    if recipe.plain:
        raise UserError(
            "the recipe has no pictures to extract features from",
            where=str(recipe.path),
            remedy="add adversarial.catalog, which names them",
        )
    name = _chosen(recipe, defense)
    plan = make_plan(recipe, workspace.device.type)
    embeddings = _embeddings(recipe, plan, name)
    interactions = next(stage for stage in plan.stages if stage.kind == "interactions")
    described: dict[str, object] = {
        "recipe": recipe.name,
        "defense": name,
        "seed": recipe.adversarial.seeds[0],
        "backbone": recipe.adversarial.extractor.backbone,
        "form": form,
        # Another split numbers items otherwise: its files are not these.
        "key": embeddings.key[:16] + (interactions.key[:16] if form == "elliot" else ""),
        "versions": {"elliot_advrec": __version__, "timm": timm.__version__, "torch": torch.__version__},
    }
    final = output / (FolderTarget.name if form == "elliot" else MatrixTarget.name)
    if final.exists() and _described(output / MANIFEST) == described:
        progress.say("these features are there already")
        return final
    other = output / (MatrixTarget.name if form == "elliot" else FolderTarget.name)
    if other.exists():
        raise UserError(
            f"there are features in the other form already, and one {MANIFEST} cannot describe both",
            where=str(other),
            remedy="name another --output, or take these away",
        )
    if form == "elliot" and len(recipe.experiment.folds) > 1:
        progress.say(
            f"of {len(recipe.experiment.folds)} folds, the first is written as train and test tables"
        )
    needed = [*ancestors(embeddings), *([interactions] if form == "elliot" else [])]
    run_plan(Plan(tuple({stage.key: stage for stage in needed}.values()), 0), workspace, progress)
    ids = workspace.catalog(embeddings.needs["catalog"]).ids
    extractor = workspace.extractor(embeddings.needs["extractor"])
    shape = (output, str(described["key"]), len(ids), extractor.embedding_dim, EMBED_BATCH)
    order = np.arange(len(ids))
    target: Target = MatrixTarget(*shape)
    if form == "elliot":
        held = workspace.interactions(interactions)
        number = numbers(held)
        order = np.argsort(number)
        target = FolderTarget(*shape, number=number)
    with target.held():
        with progress.track("extracting", len(ids)) as advance:
            start = target.begun()
            advance(start)
            for block in _blocks(workspace, embeddings, start):
                target.add(start, block)
                start += len(block)
                advance(len(block))
        (output / MANIFEST).unlink(missing_ok=True)  # it must not describe what it does not belong to
        if form == "elliot":
            write_tables(output, ids, held, number)
        target.finish()
        manifest = Manifest(
            ids=[ids[row] for row in order.tolist()],
            dim=extractor.embedding_dim,
            extractor=extractor.digest(),
            image_size=extractor.image_size,
            source=described,
        )
        manifest.save(output / MANIFEST)
    return final


def _chosen(recipe: Recipe, defense: str | None) -> str:
    """The name of a defense that has an extractor of its own."""
    names = [spec.name for spec in recipe.adversarial.defenses if not isinstance(spec, GuardSpec)]
    if not names:
        raise UserError(
            "every defense of the recipe is a filter or a detector, which change no features",
            where=str(recipe.path),
            remedy="add none to its defenses",
        )
    if defense is not None and defense not in names:
        raise UserError(
            f"the recipe has no training defense '{defense}'",
            where=str(recipe.path),
            remedy=nearest(defense, names),
        )
    return defense or names[0]


def _embeddings(recipe: Recipe, plan: Plan, defense: str) -> Stage:
    """The stage that embeds the catalog with the extractor of ``defense`` and the first seed."""
    tags = {"defense": defense, "seed": recipe.adversarial.seeds[0]}
    extractor = next(s for s in plan.stages if s.kind == "accuracy" and s.tags == tags).needs["extractor"]
    return next(
        stage
        for stage in plan.stages
        if stage.kind == "embeddings"
        and stage.needs["extractor"].key == extractor.key
        and "guard" not in stage.needs  # those are of filtered pictures
    )


def _described(path: Path) -> dict[str, object] | None:
    """What the manifest of an earlier extraction says of it; None where there is none, or a damaged one."""
    try:
        return Manifest.load(path).source
    except UserError:
        return None


def _blocks(workspace: Workspace, stage: Stage, start: int) -> Iterator[np.ndarray]:
    """(n, D) float32 batches of the catalog's rows from ``start`` on; from the store where it has them."""
    pixels = workspace.pixels(stage.needs["catalog"])
    if workspace.store.entry(stage.kind, stage.key).record() is not None:
        stored = np.load(workspace.folder(stage) / "embeddings.npy", mmap_mode="r", allow_pickle=False)
        for first in range(start, len(pixels), EMBED_BATCH):
            yield np.asarray(stored[first : first + EMBED_BATCH])
        return
    frozen = workspace.frozen(stage.needs["extractor"])
    for first in range(start, len(pixels), EMBED_BATCH):
        rows = np.arange(first, min(first + EMBED_BATCH, len(pixels)))
        with torch.no_grad():
            yield frozen.embed(pixels.floats(rows).to(workspace.device)).float().cpu().numpy()
