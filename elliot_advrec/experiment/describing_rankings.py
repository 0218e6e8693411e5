"""The stages that rank: searches, recommenders and re-rankings, each fold by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.sums import NAMED
from elliot_advrec.recipe import ModelSpec, Recipe, ThreatSpec
from elliot_advrec.threats import Threat


def recommender_stages(
    recipe: Recipe,
    device: str,
    seed: int,
    tags: dict[str, Any],
    folds: Sequence[Sequence[Stage]],
    embeddings: Mapping[str, Stage],
) -> Iterator[Stage]:
    """Each model of the recipe over one extractor's embeddings, a stage a fold; searches come before.

    Args:
        device: device type, which decides the last digits of what is trained.
        tags: columns of the rows.
        folds: interactions, for each test fold its validation folds.
        embeddings: key of a fold's interactions -> embeddings of its items; empty where there are none.
    """
    for model in recipe.models:
        settings, parts = _settings(recipe, model, device, seed), _parts(recipe, model, seed)
        over = "" if recipe.plain else f" over {tags['defense']}"
        seen = embeddings if model.uses_images else {}
        for fold in folds:
            searched = {}
            if model.space is not None:
                suffix = fold[0].parts["suffix"].partition(".")[0]
                searched["search"] = _search(
                    recipe, model, f"{model.name}{over}, seed {seed}{suffix}", settings, parts, fold, seen
                )
            for interactions in fold:
                suffix = interactions.parts["suffix"]
                pictures = {"embeddings": seen[interactions.key]} if interactions.key in seen else {}
                yield Stage(
                    "recommender",
                    f"recommender {model.name}{over}, seed {seed}{suffix}",
                    {**settings, "save_recs": model.meta.save_recs, "top_k": recipe.experiment.top_k},
                    {"interactions": interactions, **pictures, **searched},
                    {**tags, "recommender": model.name},
                    {**parts, "suffix": suffix, "fold": interactions.parts["fold"]},
                )


def judged_stages(
    recipe: Recipe, threat: ThreatSpec, attacked: Stage, recommenders: list[Stage]
) -> Iterator[Stage]:
    """Each recommender over the catalog with the attacked pictures in it, in each of the threat's regimes.

    A threat whose pictures cannot stand in one catalog has none.
    """
    if not threat.built.one_catalog:
        return
    for recommender in recommenders:
        name = recommender.tags["recommender"]
        for regime in threat.regimes:
            poisoned = regime == "poisoned"
            yield Stage(
                "retrain" if poisoned else "rerank",
                f"{'re-training' if poisoned else 're-ranking'} {name} under {attacked.label}"
                f"{recommender.parts['suffix']}",
                _exposure(threat),
                {"recommender": recommender, "attack": attacked},
                {
                    **attacked.tags,
                    "recommender": name,
                    **({"threat": threat.poisoned} if poisoned else {}),
                },
                {**recommender.parts, "threat": threat.built},
            )


def _exposure(threat: ThreatSpec) -> dict[str, Any]:
    """What decides whose share of the lists is measured; nothing for threats that name no such items."""
    if type(threat.built).exposed is Threat.exposed:
        return {}
    return {"exposed": threat.config.model_dump(mode="json", exclude={"pairs"})}


def _search(
    recipe: Recipe,
    model: ModelSpec,
    label: str,
    settings: dict[str, Any],
    parts: dict[str, Any],
    fold: Sequence[Stage],
    embeddings: Mapping[str, Stage],
) -> Stage:
    """The search of one test fold: a candidate is judged on all its validation folds, as in Elliot."""
    meta = model.meta
    wanted = _selection(model, recipe)
    how = {"algorithm": meta.hyper_opt_alg, "max_evals": meta.hyper_max_evals, "selection": wanted}
    needs: dict[str, Stage] = {}
    for number, interactions in enumerate(fold):
        needs[f"interactions{number:03d}"] = interactions
        if interactions.key in embeddings:
            needs[f"embeddings{number:03d}"] = embeddings[interactions.key]
    return Stage(
        "search",
        f"search of {label}",
        {**settings, **how, "validated": recipe.experiment.validated},
        needs,
        {"recommender": model.name},
        {**parts, "meta": meta, "validated": recipe.experiment.validated},
    )


def _settings(recipe: Recipe, model: ModelSpec, device: str, seed: int) -> dict[str, Any]:
    evaluation, config = recipe.experiment.evaluation, model.config
    found: dict[str, Any] = {
        "model": model.kind,
        "config": config.model_dump(mode="json"),
        "seed": seed,
        "cutoffs": list(evaluation.cutoffs),
        "metrics": list(evaluation.simple_metrics),
        "relevance_threshold": float(evaluation.relevance_threshold),
        "known_only": recipe.plain,
    }
    if model.space is not None:
        found["searched"] = {key: repr(each) for key, each in model.space.searched.items()}
    if model.component.trained:
        found |= {"selection": _selection(model, recipe), "device": device}
    # By content: a file of the same name may be replaced.
    read = [getattr(config, key, None) for key in ("path", "weights")]
    found["files"] = [NAMED.of(Path(path)) for path in read if path is not None and Path(path).is_file()]
    return found


def _selection(model: ModelSpec, recipe: Recipe) -> dict[str, Any]:
    """By what candidates and epochs are chosen; 0 and 0.0 are one number, and one text."""
    found = asdict(model.selection(recipe.experiment.evaluation))
    bound = float(found["relevance_threshold"])
    return {**found, "relevance_threshold": int(bound) if bound.is_integer() else bound}


def _parts(recipe: Recipe, model: ModelSpec, seed: int) -> dict[str, Any]:
    evaluation = recipe.experiment.evaluation
    return {
        "model": model.component,
        "config": model.config,
        "space": model.space,
        "seed": seed,
        "evaluation": evaluation,
        "selection": model.selection(evaluation),
        "top_k": recipe.experiment.top_k,
        "known_only": recipe.plain,
        "path": recipe.path,
        "where": model.where,
        "attacked": model.attacked,
    }
