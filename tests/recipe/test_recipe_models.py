"""Models of a recipe: searched settings, lists made elsewhere, and recipes without pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from elliot_advrec.errors import UserError
from elliot_advrec.recipe import Recipe, load, schema
from elliot_advrec.recommenders.recommendation_folder import ProxyRecommender

Tree = dict[str, Any]


def plain(models: Tree, **keys: Any) -> Tree:
    """A recipe of Elliot's own."""
    data = {"strategy": "dataset", "dataset_path": "rows.tsv"}
    return {"experiment": {"dataset": "d", "data_config": data, **keys, "models": models}}


def loaded(folder: Path, recipe: Tree, *overrides: str, overlay: str | None = None) -> Recipe:
    (folder / "rows.tsv").write_text("u\ti\t1\n", "utf-8")
    path = folder / "recipe.yml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), "utf-8")
    return load(path, overrides, overlay)


def refusal(folder: Path, recipe: Tree) -> str:
    with pytest.raises(UserError) as caught:
        loaded(folder, recipe)
    return str(caught.value)


def test_a_recipe_without_our_section_has_no_pictures_and_no_attacks(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, plain({"ItemKNN": {"neighbors": 5}, "MostPop": None}))
    ours = recipe.adversarial
    assert recipe.plain
    assert (ours.catalog, ours.threats, ours.attacks, ours.size) == (None, (), (), 0)
    assert [(d.name, d.kind) for d in ours.defenses] == [("none", "none")]
    jsonschema.Draft202012Validator(schema()).validate(recipe.resolved())
    assert loaded(tmp_path, recipe.resolved()).resolved() == recipe.resolved()


def test_how_it_is_run_may_be_said_without_a_catalog(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, plain({"MostPop": None}), "seeds=[3]", "device=cpu", overlay="small")
    assert recipe.plain
    assert (recipe.adversarial.device, recipe.adversarial.seeds) == ("cpu", (3,))


@pytest.mark.parametrize("part", ["extractor", "defenses", "threats", "attacks"])
def test_any_part_of_an_attack_needs_the_catalog(tmp_path: Path, part: str) -> None:
    value = {"extractor": {}, "defenses": ["at"], "threats": ["item_to_item"], "attacks": ["fgsm"]}[part]
    said = refusal(tmp_path, plain({"MostPop": None}, adversarial={part: value}))
    assert "is missing" in said


def test_a_catalog_without_attacks_is_enough_for_recommenders_that_see(tmp_path: Path) -> None:
    section = {"catalog": {"source": "synthetic", "items": 40}}
    recipe = loaded(tmp_path, plain({"VBPR": None}, adversarial=section))
    assert (recipe.plain, recipe.adversarial.attacks) == (False, ())
    assert loaded(tmp_path, recipe.resolved()).resolved() == recipe.resolved()


@pytest.mark.parametrize("name", ["VBPR", "external.ContentKNN", "DeepStyle", "DVBPR"])
def test_a_recommender_that_sees_is_told_what_it_lacks(tmp_path: Path, name: str) -> None:
    said = refusal(tmp_path, plain({name: None}))
    what = "categories" if name == "DeepStyle" else "pictures"
    assert f"experiment.models.{name}: {name.removeprefix('external.')} learns from {what}" in said
    other = "" if name in ("DeepStyle", "DVBPR") else ", or data_config.side_information"
    assert said.endswith(f"add adversarial.catalog and adversarial.extractor{other}")


def test_features_take_the_place_of_pictures(tmp_path: Path) -> None:
    side = {"dataloader": "VisualAttribute", "visual_features": "features"}
    recipe = plain({"VBPR": None})
    recipe["experiment"]["data_config"]["side_information"] = side
    assert "there is neither a file nor a folder" in refusal(tmp_path, recipe)
    (tmp_path / "features").mkdir()
    found = loaded(tmp_path, recipe)
    assert found.experiment.data_config is not None
    assert found.experiment.data_config.features == tmp_path / "features"
    jsonschema.Draft202012Validator(schema()).validate(found.resolved())
    recipe["experiment"]["adversarial"] = {"catalog": {"source": "synthetic", "items": 40}}
    assert "features come from the extractor where there is a catalog" in refusal(tmp_path, recipe)
    recipe["experiment"]["data_config"]["side_information"] = [side, side]
    assert "'side_information' must hold at most 1" in refusal(tmp_path, recipe)


def test_there_must_be_data(tmp_path: Path) -> None:
    recipe = plain({"MostPop": None})
    del recipe["experiment"]["data_config"]
    assert "experiment.data_config: there are neither interactions nor a catalog" in refusal(tmp_path, recipe)


def test_lists_of_values_are_a_search(tmp_path: Path) -> None:
    settings = {"neighbors": [5, 10], "similarity": ["cosine", "jaccard"], "implementation": "aiolli"}
    recipe = loaded(
        tmp_path, plain({"ItemKNN": {**settings, "meta": {"hyper_opt_alg": "rand", "hyper_max_evals": 3}}})
    )
    [model] = recipe.models
    assert model.space is not None
    assert (model.space.size, list(model.space.searched)) == (4, ["neighbors", "similarity"])
    assert (model.config.neighbors, model.config.implementation) == (5, "aiolli")
    assert model.resolved()["neighbors"] == [5, 10]
    jsonschema.Draft202012Validator(schema()).validate(recipe.resolved())
    again = loaded(tmp_path, recipe.resolved()).models[0]
    assert again.space is not None
    assert again.space.searched == model.space.searched


BAD_SEARCHES = [
    ({"neighbors": [5, 0]}, {}, "'neighbors' must be at least 1, got 0 (the candidate neighbors: 0)"),
    ({"neighbors": []}, {}, "the list is empty"),
    (
        {"neighbours": [5, 10]},
        {},
        "unknown key 'neighbours' (the candidate neighbours: 5); did you mean 'neighbors'",
    ),
    ({"shrink": ["uniform", 0, 1]}, {}, "a distribution is searched and 'hyper_max_evals' is missing"),
    ({"shrink": ["uniform", 1, 0]}, {"hyper_max_evals": 2}, "low of 'uniform' must be below high"),
    ({"neighbors": [5, 10]}, {"hyper_opt_alg": "grd"}, "unknown search 'grd'; did you mean 'grid'"),
    ({"neighbors": 5}, {"hyper_opt_alg": "anneal"}, "Elliot's search 'anneal' is not supported"),
    ({"neighbors": [5, 10]}, {"optimize_internal_loss": True}, "ItemKNN has no training loss to choose by"),
    ({"neighbors": 5}, {"validation_metric": "nDCG@7"}, "'nDCG@7' is not measured"),
    ({"neighbors": 5}, {"validation_metric": "Recall"}, "'Recall' is not among the measured metrics"),
]


@pytest.mark.parametrize(("settings", "meta", "words"), BAD_SEARCHES)
def test_a_bad_search_is_one_sentence(tmp_path: Path, settings: Tree, meta: Tree, words: str) -> None:
    said = refusal(tmp_path, plain({"ItemKNN": {**settings, "meta": meta}}))
    assert said.startswith(f"{tmp_path / 'recipe.yml'}:")
    assert "experiment.models.ItemKNN" in said
    assert words in said


def test_each_file_of_a_folder_is_a_recommender(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    for name in ("a.tsv", "b=1.tsv"):
        (tmp_path / "lists" / name).write_text("u\ti\t1\n", "utf-8")
    models = {
        "RecommendationFolder": {"folder": "lists", "meta": {"save_recs": True}},
        "ProxyRecommender": {"path": "lists/a.tsv", "name": "again"},
    }
    recipe = loaded(tmp_path, plain(models))
    assert [(m.name, m.kind, m.meta.save_recs) for m in recipe.models] == [
        ("a", "ProxyRecommender", True),
        ("b=1", "ProxyRecommender", True),
        ("again", "ProxyRecommender", False),
    ]
    assert {m.component for m in recipe.models} == {ProxyRecommender}
    assert not any(m.attacked for m in recipe.models)
    jsonschema.Draft202012Validator(schema()).validate(recipe.resolved())
    assert loaded(tmp_path, recipe.resolved()).models == recipe.models


BAD_LISTS = [
    ({"RecommendationFolder": {"folder": "list"}}, "the folder cannot be read"),
    ({"RecommendationFolder": {}}, "'folder' is missing"),
    (
        {"RecommendationFolder": {"folder": "lists"}, "ProxyRecommender": {"path": "lists/a.tsv"}},
        "'a' is here twice",
    ),
    ({"ProxyRecommender": {"path": "lists/b.tsv"}}, "there is no file"),
]


@pytest.mark.parametrize(("models", "words"), BAD_LISTS)
def test_lists_that_are_not_there(tmp_path: Path, models: Tree, words: str) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "a.tsv").write_text("u\ti\t1\n", "utf-8")
    said = refusal(tmp_path, plain(models))
    assert f"experiment.models.{list(models)[-1]}" in said
    assert words in said
