"""Elliot's result files, byte for byte where Elliot's own are at hand."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.measured import PerUser, Ranking
from elliot_advrec.report.elliot_files import BestModel, ElliotFiles
from elliot_advrec.report.elliot_names import PARAMETERS, elliot_name

GOLDEN = Path(__file__).parents[1] / "golden" / "elliot"
THRESHOLDS = {"ratio": 4, "leave1": 0, "kcore": 3}
TIME = datetime(2026, 11, 21, 9, 8, 7)


@pytest.mark.parametrize("cutoff", [5, 10, 20])
@pytest.mark.parametrize("name", THRESHOLDS)
def test_a_table_of_metrics_is_elliots_to_the_byte(tmp_path: Path, name: str, cutoff: int) -> None:
    elliots = GOLDEN / name / f"rec_cutoff_{cutoff}_relthreshold_{THRESHOLDS[name]}.tsv"
    table = pd.read_csv(elliots, sep="\t", float_precision="round_trip").set_index("model")
    models = {
        str(model): {(str(metric), cutoff): float(value) for metric, value in row.items()}
        for model, row in table.iterrows()
    }
    (path,) = ElliotFiles(tmp_path, float(THRESHOLDS[name])).metrics(models)
    assert path.name == elliots.name
    assert path.read_bytes() == elliots.read_bytes()


@pytest.mark.parametrize("name", THRESHOLDS)
def test_the_best_models_are_elliots_to_the_byte(tmp_path: Path, name: str) -> None:
    knn = {"neighbors": 20, "similarity": "cosine"}
    meta = {"save_recs": True}
    models = [
        BestModel(elliot_name("MostPop", {}), meta, {}),
        BestModel(elliot_name("Random", {"random_seed": 42}), meta, {"random_seed": 42}),
        BestModel(elliot_name("ItemKNN", knn), meta, knn),
    ]
    (path,) = ElliotFiles(tmp_path, THRESHOLDS[name]).best(models, "nDCG", 5)
    elliots = GOLDEN / name / f"bestmodelparams_cutoff_5_relthreshold_{THRESHOLDS[name]}.json"
    assert path.name == elliots.name
    assert path.read_bytes() == elliots.read_bytes()


def test_the_best_epoch_stands_after_the_name_as_elliot_puts_it(tmp_path: Path) -> None:
    model = BestModel("VBPR_e=2", {"hyper_opt_alg": "grid"}, {"epochs": 2}, best_iteration=1)
    (path,) = ElliotFiles(tmp_path, 0).best([model], "nDCG", 10)
    entry = json.loads(path.read_text("utf-8"))[1]
    assert list(entry["configuration"].items()) == [
        ("epochs", 2),
        ("name", "VBPR_e=2"),
        ("best_iteration", 1),
    ]


def rankings() -> dict[str, Ranking]:
    users = np.arange(3)
    lists = np.zeros((3, 1), dtype=np.int64)
    one = {("Recall", k): PerUser(users, np.array([0.1, 0.5, k / 10])) for k in (5, 10)}
    other = {("Recall", k): PerUser(users, np.array([0.1, 0.4, 0.5])) for k in (5, 10)}
    same = {("Recall", k): PerUser(users, np.array([0.1, 0.4, 0.5])) for k in (5, 10)}
    return {name: Ranking(users, lists, values) for name, values in [("a", one), ("b", other), ("c", same)]}


def test_tests_have_no_heading_and_say_nan_as_elliot_does(tmp_path: Path) -> None:
    files = ElliotFiles(tmp_path, 2.5, TIME)
    paths = files.tests(rankings(), (5, 10), "ttest") + files.tests(rankings(), (5,), "wilcoxon")
    assert [path.name for path in paths] == [
        "stat_paired_ttest_cutoff_5_relthreshold_2.5_2026_11_21_09_08_07.tsv",
        "stat_paired_ttest_cutoff_10_relthreshold_2.5_2026_11_21_09_08_07.tsv",
        "stat_wilcoxon_test_cutoff_5_relthreshold_2.5_2026_11_21_09_08_07.tsv",
    ]
    lines = [line.split("\t") for line in paths[0].read_text("utf-8").splitlines()]
    assert [line[:3] for line in lines[:2]] == [["a", "b", "Recall"], ["b", "a", "Recall"]]
    assert lines[4] == ["b", "c", "Recall", "nan"]
    assert float(lines[0][3]) == pytest.approx(0.42264973081037427)


def test_trials_and_triplets(tmp_path: Path) -> None:
    files = ElliotFiles(tmp_path, 0)
    trials = {
        "K_nn=1": {("nDCG", 5): 0.5, ("Gini", 5): float("nan"), ("nDCG", 10): 0.25},
        "K_nn=2": {("nDCG", 5): 1.0, ("HR", 5): 0.0},
    }
    paths = files.metrics(trials, search="K") + files.triplets(trials, search="../K") + files.triplets(trials)
    assert [path.name for path in paths] == [
        "rec_K_cutoff_5_relthreshold_0.tsv",
        "rec_K_cutoff_10_relthreshold_0.tsv",
        "triplets_rec_..%2fK_cutoff_5_relthreshold_0.tsv",
        "triplets_rec_..%2fK_cutoff_10_relthreshold_0.tsv",
        "triplets_rec_cutoff_5_relthreshold_0.tsv",
        "triplets_rec_cutoff_10_relthreshold_0.tsv",
    ]
    assert all(path.parent == tmp_path for path in paths)
    texts = [path.read_text("utf-8") for path in paths]
    assert texts[0] == "model\tnDCG\tGini\tHR\nK_nn=1\t0.5\t\t\nK_nn=2\t1.0\t\t0.0\n"
    assert texts[1] == "model\tnDCG\nK_nn=1\t0.25\nK_nn=2\t\n"
    lines = "K_nn=1\tnDCG\t0.5\nK_nn=2\tnDCG\t1.0\nK_nn=2\tHR\t0.0\n"
    assert texts[2] == texts[4] == f"model\tmetric\tvalue\n{lines}"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        ElliotFiles(tmp_path / "file", 0).best([], "nDCG", 5)


@pytest.mark.parametrize(
    ("model", "configuration", "name"),
    [
        (
            "BPRMF",
            {"epochs": 1, "batch_size": 1, "factors": 8, "lr": 0.001, "bias_regularization": 0},
            "BPRMF_seed=42_e=1_bs=1_f=8_lr=0$001_bias_reg=0_u_reg=0$0025_pos_i_reg=0$0025"
            "_neg_i_reg=0$00025_up_neg_i_f=True_up_u=True_up_i=True_up_b=True",
        ),
        (
            "VBPR",
            {"epochs": 5, "batch_size": 512, "seed": 1, "meta": {}, "name": "x"},
            "VBPR_seed=1_e=5_bs=512_be=512_factors=100_factors_d=20_lr=0$0005_l_w=2$5e-05_l_b=0_l_e=0$002"
            "_load=VisualAttributes",
        ),
        (
            "AMR",
            {"epochs": 9, "batch_size": 512},
            "AMR_seed=42_e=9_bs=512_be=512_factors=200_factors_d=20_lr=0$001_l_w=0$1_l_b=0$001_l_e=0$1"
            "_eps=0$1_l_adv=0$001_eps_iter=None_nb_iter=1_adv_epochs=4_load=VisualAttributes",
        ),
        (
            "VNPR",
            {"mlp_hidden_size": [64, 32, 1], "epochs": 1, "batch_size": 512},
            "VNPR_seed=42_e=1_bs=512_be=512_lr=0$001_l_w=0$001_l_v=0$001_mffactors=10_mlpunits=64-32-1"
            "_drop=0$2_load=VisualAttributes",
        ),
        ("ContentKNN", {"neighbors": 50}, "ContentKNN_neighbors=50"),
    ],
)
def test_models_are_named_as_elliot_names_them(model: str, configuration: dict, name: str) -> None:
    assert elliot_name(model, configuration) == name


def test_every_model_of_the_table_has_a_name_from_its_defaults() -> None:
    for model in PARAMETERS:
        name = elliot_name(model, {})
        assert name.startswith(model)
        assert name.count("=") == len(PARAMETERS[model])
        json.dumps(name)
