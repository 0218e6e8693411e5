"""``run_experiment``: reads a recipe, splits, asks the door for each model, writes a table a cut-off."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import yaml

LOGGERS: dict[str, logging.Logger] = {}
NAMES = ["userId", "itemId", "rating", "timestamp"]


class DataSet:
    """The attributes of Elliot's that models use."""

    def __init__(self, train: Any, validation: Any, test: Any) -> None:
        self.train_dict = _dictionary(train)
        self.users = list(self.train_dict)
        self.items = list({item for rated in self.train_dict.values() for item in rated})
        self.num_users, self.num_items = len(self.users), len(self.items)
        self.private_users, self.private_items = dict(enumerate(self.users)), dict(enumerate(self.items))
        self.public_users = {user: number for number, user in self.private_users.items()}
        self.public_items = {item: number for number, item in self.private_items.items()}
        dense = np.zeros((self.num_users, self.num_items), dtype=np.float32)
        for user, rated in self.train_dict.items():
            dense[self.public_users[user], [self.public_items[i] for i in rated]] = 1
        from scipy.sparse import csr_matrix

        self.sp_i_train = self.sp_i_train_ratings = csr_matrix(dense)
        self.allunrated_mask = dense == 0
        self._test, self._validation = _dictionary(test, self.users), None
        if validation is not None:
            self._validation = _dictionary(validation, self.users)

    def get_test(self) -> Any:
        return self._test

    def get_validation(self) -> Any:
        return self._validation


def run_experiment(config_path: str = "") -> None:
    print("stand-in for Elliot")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    logging.root.handlers[:] = [logging.StreamHandler(sys.stdout)]
    np.random.seed(0)
    tree = yaml.safe_load(Path(config_path).read_text("utf-8"))["experiment"]
    evaluation = SimpleNamespace(**tree["evaluation"])
    if max(evaluation.cutoffs) > tree["top_k"]:
        raise Exception("Cutoff values must be smaller than recommendation list length (top_k)")
    config = SimpleNamespace(**{**tree, "evaluation": evaluation})
    for key in ("path_output_rec_result", "path_output_rec_weight", "path_output_rec_performance"):
        setattr(config, key, tree[key].format(tree["dataset"]))
    folds = _data(tree)
    for side in tree["data_config"].get("side_information", []):
        named = SimpleNamespace(visual_feature_folder_path=side["visual_features"])
        for data in (data for fold in folds for data in fold):
            data.side_information = SimpleNamespace(VisualAttributes=named)
    results = {}
    for key, settings in tree["models"].items():
        LOGGERS[key] = logging.getLogger(key)
        if key.startswith("external."):
            place = tree["external_models_path"].format("")
            spec = importlib.util.spec_from_file_location("external", os.path.relpath(place))
            assert spec is not None
            assert spec.loader is not None
            sys.modules["external"] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            kind = getattr(importlib.import_module("external"), key.split(".", 1)[1])
        else:
            kind = getattr(importlib.import_module("elliot.recommender"), key)
        given = dict(settings or {})
        meta = SimpleNamespace(**given.pop("meta", {}))
        best = -1.0
        for fold in folds:
            found = []
            for data in fold:
                model = kind(data=data, config=config, params=SimpleNamespace(**given, meta=meta))
                model.train()
                found.append(model.results)
            average = _average(found)
            first = evaluation.cutoffs[0], evaluation.simple_metrics[0]
            if (value := average[first[0]]["val_results"][first[1]]) > best:
                best, results[model.name] = value, average
    for k in evaluation.cutoffs:
        table = pd.DataFrame.from_dict(
            {name: each[k]["test_results"] for name, each in results.items()}, "index"
        )
        table.insert(0, "model", table.index)
        stamp = datetime.now().strftime("%Y_%m_%d_%H_%M_%S")
        name = f"rec_cutoff_{k}_relthreshold_{evaluation.relevance_threshold}_{stamp}.tsv"
        table.to_csv(Path(config.path_output_rec_performance) / name, sep="\t", index=False)


def _average(results: Any) -> Any:
    """Validation folds as one, of which Elliot reports the means; of test folds it keeps the best."""
    return {
        k: {
            part: {name: float(np.mean([each[k][part][name] for each in results])) for name in values}
            for part, values in results[0][k].items()
        }
        for k in results[0]
    }


def _data(tree: Any) -> list[list[DataSet]]:
    """Split by this package's own rules: that they are Elliot's is tested elsewhere."""
    from elliot_advrec.data.prefilters import Prefilter, prefilter
    from elliot_advrec.data.splits import split_folds
    from elliot_advrec.data.splitting.settings import Splitting

    given = {k: v.format(tree["dataset"]) for k, v in tree["data_config"].items() if isinstance(v, str)}
    if given["strategy"] == "fixed":
        parts = [_read(given[f"{name}_path"]) if f"{name}_path" in given else None for name in PARTS]
        return [[DataSet(*parts)]]
    rows = pd.read_csv(given["dataset_path"], sep="\t", header=None, names=NAMES)
    named = rows.rename(columns={"userId": "user", "itemId": "item"}).astype({"user": str})
    filters = [Prefilter.model_validate(one) for one in tree.get("prefiltering", [])]
    kept = prefilter(named, filters, [])
    whole = split_folds(kept, Splitting.model_validate(tree["splitting"]), seed=tree.get("random_seed", 42))
    kind, back = rows["userId"].dtype, {"user": "userId", "item": "itemId"}

    def named_back(table: Any) -> Any:
        return None if table is None else table.astype({"user": kind}).rename(columns=back)

    return [
        [DataSet(*(named_back(table) for table in (one.train, one.validation, one.test))) for one in fold]
        for fold in whole
    ]


PARTS = ("train", "validation", "test")


def _read(path: str) -> Any:
    return pd.read_csv(path, sep="\t", header=None, names=NAMES)


def _dictionary(rows: Any, users: Any = None) -> dict[Any, dict[Any, float]]:
    found: dict[Any, dict[Any, float]] = {user: {} for user in (users or rows["userId"].unique().tolist())}
    for user, item, rating in zip(
        rows["userId"].tolist(), rows["itemId"].tolist(), rows["rating"].tolist(), strict=True
    ):
        if user in found:
            found[user][item] = rating
    return found
