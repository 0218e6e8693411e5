"""The small parts of the Elliot host: names, ids, lists, tables, the room."""

from __future__ import annotations

import logging
import os
import random
import re
import sys
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.hosts import external
from elliot_advrec.hosts.cells import LONGEST, cell_name
from elliot_advrec.hosts.inside.agreement import over_catalog, split_apart
from elliot_advrec.hosts.inside.fitted import Fitted
from elliot_advrec.hosts.inside.ids import Ids, survives, typed
from elliot_advrec.hosts.inside.lists import best_lists, stored_lists
from elliot_advrec.hosts.inside.running import read, running
from elliot_advrec.hosts.quiet import room
from elliot_advrec.hosts.readback import averaged, of_own, own_rows, read_results, replaced, result_files
from elliot_advrec.hosts.suited import ElliotError
from elliot_advrec.recommenders import RECOMMENDERS

CLEAN = {"recommender": "R", "defense": "none", "threat": None, "attack": None, "seed": 1}
ATTACKED = {**CLEAN, "threat": "t", "attack": "pgd", "steps": 8, "norm": "linf", "eps": 8 / 255}

label = st.text(min_size=1, max_size=12)


@given(label, label, label, label)
def test_names_of_different_cells_differ_and_are_file_names(a: str, b: str, c: str, d: str) -> None:
    first = cell_name({**CLEAN, "recommender": a, "defense": b})
    second = cell_name({**CLEAN, "recommender": c, "defense": d})
    plain = not any(sign in text for text in (a, b, c, d) for sign in "_=")
    if plain:
        assert (first == second) == ((a, b) == (c, d))
    assert not set(first) & set('/\\\0\n\t:*?"<>|')
    assert len(first.encode()) <= LONGEST


def test_a_name_says_all_that_tells_cells_apart() -> None:
    wanted = "R_defense=none_threat=t_attack=pgd_steps=8_norm=linf_eps=0.03137254901960784_seed=1"
    assert cell_name(ATTACKED) == wanted
    assert cell_name(CLEAN) == "R_defense=none_seed=1"
    long = [cell_name({**CLEAN, "defense": "x" * 300 + end}) for end in "ab"]
    assert len(set(long)) == 2
    assert max(map(len, long)) == LONGEST


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        (["1", "20", "-3"], True),
        (["a1", "b"], True),
        (["007", "1"], False),
        (["1", "a"], False),  # in a long file some would be numbers and others text
        (["NA", "a"], False),
        (["1e5", "2e5"], False),
        (["a\tb", "c"], True),  # quoted, as pandas writes it
        (['a"b', "c"], True),
        (["99999999999999999999", "1"], False),
        (["1.5", "2"], False),
        (["true", "false"], False),
    ],
)
def test_ids_that_elliot_would_misread_are_numbered(ids: list[str], kept: bool) -> None:
    assert survives(ids) is kept
    found = Ids.of(ids, ids)
    assert (found.users is None, found.items is None) == (kept, kept)


def test_users_are_numbered_in_the_order_a_split_walks_them(tmp_path: Path) -> None:
    found = Ids.of(["010", "9", "08"], ["b", "NA"])
    assert found.users == {"08": 0, "9": 1, "010": 2}  # whole numbers, so by number
    assert found.items == {"b": 0, "NA": 1}
    assert (found.user("9"), found.item("NA"), Ids().user("9")) == ("1", "1", "9")
    found.save(tmp_path / "ids.json")
    assert Ids.load(tmp_path / "ids.json") == found
    (tmp_path / "ids.json").write_text("{}", "utf-8")
    with pytest.raises(UserError, match="the ids cannot be read"):
        Ids.load(tmp_path / "ids.json")
    assert typed([1, 2], "3") == 3
    assert typed(["a"], "3") == "3"


def test_stored_lists_keep_their_order_and_every_user(tmp_path: Path) -> None:
    path = tmp_path / "recs.tsv"
    path.write_text("NA\tx\t0.5\nNA\t7\t0.25\nu\tx\t1.0\n", "utf-8")
    found = stored_lists(path, {"u": 3, "NA": 1, "v": 2}, {"x": 10, "7": 11})
    assert found == {3: [(10, 1.0)], 1: [(10, 0.5), (11, 0.25)], 2: []}


def test_best_lists_are_allowed_items_best_first_ties_by_column() -> None:
    scores = torch.tensor([[1.0, 3.0, 3.0, 0.0], [5.0, 4.0, 3.0, 2.0]])
    allowed = np.array([[True, True, True, True], [False, False, True, False]])
    items = np.array(["a", "b", "c", "d"], dtype=object)
    assert best_lists(scores, allowed, ["u", "v"], items, 3) == {
        "u": [("b", 3.0), ("c", 3.0), ("a", 1.0)],
        "v": [("c", 3.0)],
    }


def data(train: Any, test: Any, validation: Any = None) -> Any:
    items = sorted({item for rated in train.values() for item in rated})
    matrix = csr_matrix(np.ones((len(train), len(items)), np.float32))
    return SimpleNamespace(
        train_dict=train, users=list(train), items=items, num_users=len(train), num_items=len(items),
        private_items=dict(enumerate(items)), public_items={item: n for n, item in enumerate(items)},
        sp_i_train=matrix, sp_i_train_ratings=matrix,
        get_test=lambda: test, get_validation=lambda: validation,
    )  # fmt: skip


ROWS = Interactions(
    ["1", "2"],
    csr_matrix(np.array([[5, 0, 2], [0, 3, 0]], np.float32)),
    None,
    csr_matrix(np.array([[0, 1, 0], [4, 0, 0]], np.float32)),
    False,
    [],
)
TRAIN, TEST = {2: {11: 3.0}, 1: {12: 2.0, 10: 5.0}}, {1: {11: 1.0}, 2: {10: 4.0}}


@pytest.mark.parametrize(
    ("train", "test", "validation", "message"),
    [
        (TRAIN, TEST, None, None),
        ({1: {12: 2.0}, 2: {11: 3.0}}, TEST, None, r"Elliot's train part \(2 rows\).*\(3 rows\)"),
        (TRAIN, {1: {11: 2.0}, 2: {10: 4.0}}, None, "Elliot's test part"),
        (TRAIN, {1: {11: 1.0}, 2: {12: 4.0}}, None, "Elliot's test part"),
        (TRAIN, {1: {99: 1.0}, 2: {10: 4.0}}, None, "Elliot's test part"),
        ({**TRAIN, 3: {10: 1.0}}, TEST, None, "Elliot's train part"),
        (TRAIN, TEST, {1: {10: 1.0}}, "only one of Elliot and this package has a validation part"),
    ],
)
def test_a_split_is_compared_row_by_row(train: Any, test: Any, validation: Any, message: str | None) -> None:
    items = {"a": 10, "b": 11, "c": 12}
    apart = split_apart(data(train, test, validation), ROWS, {"1": 1, "2": 2}, items)
    assert apart == "" if message is None else re.match(message, apart)


def test_elliots_data_over_the_catalog_has_the_other_items_at_its_end() -> None:
    seen = data(TRAIN, TEST)
    whole = over_catalog(seen, [9, 10, 11, 12, 13])
    assert (seen.num_items, whole.num_items) == (3, 5)
    assert whole.private_items == {0: 10, 1: 11, 2: 12, 3: 9, 4: 13}
    assert whole.public_items[13] == 4
    assert whole.sp_i_train.sum(axis=0).tolist() == [[2, 2, 2, 0, 0]]
    assert seen.sp_i_train.shape == (2, 3)


@pytest.mark.parametrize("validated", [True, False])
def test_sampled_candidates_are_all_that_is_ranked(validated: bool, tmp_path: Path) -> None:
    seen = data(TRAIN, TEST, {1: {}, 2: {}} if validated else None)
    seen.private_users, seen.public_users = {0: 2, 1: 1}, {2: 0, 1: 1}
    seen.test_mask = np.array([[True, False, True], [False, True, False]])
    if validated:
        seen.val_mask = ~seen.test_mask
    evaluation = SimpleNamespace(simple_metrics=["HR"], cutoffs=2, relevance_threshold=0)
    config = SimpleNamespace(evaluation=evaluation, top_k=2, negative_sampling=SimpleNamespace())
    params = SimpleNamespace(meta=SimpleNamespace(), seed=3)
    fitted = Fitted("MostPop", RECOMMENDERS.get("MostPop"), seen, config, params, tmp_path, "here")
    fitted.train()
    chosen, tested = fitted.lists(2)
    assert tested == {2: [(10, 1.0), (12, 1.0)], 1: [(11, 1.0)]}
    assert chosen == ({2: [(11, 1.0)], 1: [(10, 1.0), (12, 1.0)]} if validated else {})


def row(**columns: Any) -> dict[str, Any]:
    return {**CLEAN, "metric": "HR", "k": 5, "value": 0.25, "ci_low": 0.1, "ci_high": 0.4, **columns}


def test_result_tables_are_read_exactly(tmp_path: Path) -> None:
    value = 0.1 + 0.2
    name = "rec_cutoff_5_relthreshold_0_2026_01_01_00_00_00.tsv"
    pd.DataFrame({"model": ["R"], "HR": [value], "AUC": [np.nan]}).to_csv(
        tmp_path / name, sep="\t", index=False
    )
    (tmp_path / "rec_cutoff_x.tsv").write_text("", "utf-8")
    files = result_files(tmp_path)
    assert [path.name for path in files] == [name]
    assert read_results(files) == {("R", "HR", 5): value, ("R", "AUC", 5): None}
    (tmp_path / name).write_text("no table", "utf-8")
    with pytest.raises(UserError, match="Elliot's results cannot be read"):
        read_results(files)


def test_rows_take_elliots_value_and_another_number_is_refused() -> None:
    name, other = cell_name(CLEAN), row(metric="success_rate", k=None)
    rows, largest = replaced([row(), other], {(name, "HR", 5): 0.25 + 5e-10}, ["HR"])
    assert rows == [row(value=0.25 + 5e-10), other]
    assert 4e-10 < largest < 6e-10
    with pytest.raises(UserError, match=r"Elliot's HR@5 of R_defense=none_seed=1 is 0.26, ours 0.25"):
        replaced([row()], {(name, "HR", 5): 0.26}, ["HR"])
    with pytest.raises(UserError, match=r"lack HR@5 of R_defense=none_seed=1"):
        replaced([row()], {}, ["HR"])
    with pytest.raises(UserError, match=r"is None, ours 0\.25"):
        replaced([row()], {(name, "HR", 5): None}, ["HR"])
    assert replaced([row(value=None)], {(name, "HR", 5): None}, ["HR"])[1] == 0


def test_elliots_own_models_have_rows_beside_every_defense() -> None:
    ours = [row(defense=d, recommender=r) for d in ("none", "at") for r in ("R", "S")]
    found = of_own(["KNN"], {("KNN_neighbors=3", "HR", 5): 0.5, ("KNNX", "HR", 5): 0.1})
    assert found == {("KNN", "HR", 5): 0.5}
    assert own_rows(["KNN"], found, [*ours, row(metric="exposure")], ["HR"]) == [
        row(defense=d, recommender="KNN", value=0.5, ci_low=None, ci_high=None) for d in ("none", "at")
    ]
    exact = {("KNN", "HR", 5): 0.7, ("KNN_2", "HR", 5): 0.5}
    assert of_own(["KNN"], exact) == {("KNN", "HR", 5): 0.7}
    with pytest.raises(ElliotError, match=r"lack its own KNN"):
        of_own(["KNN"], {("KNNX", "HR", 5): 0.1})
    with pytest.raises(ElliotError, match=r"lack HR@5 of its own KNN"):
        own_rows(["KNN"], {}, ours, ["HR"])


def test_folds_are_averaged_and_a_missing_value_stays_missing() -> None:
    key, other, third = ("R", "HR", 5), ("R", "AUC", 5), ("S", "HR", 5)
    found = averaged([{key: 0.5, other: None, third: 0.1}, {key: 0.25, other: 0.5}])
    assert found == {key: 0.375, other: None, third: None}
    assert averaged([{key: 0.1 + 0.2}]) == {key: 0.1 + 0.2}


def listening(handler: logging.Handler) -> Any:
    """A handler with a thread, as Elliot's."""
    made: Any = QueueHandler(Queue(-1))
    made._listener = QueueListener(made.queue, handler)
    made._listener.start()
    made.stop = made._listener.stop
    return made


def test_the_room_is_left_as_it_was_entered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger, handler = logging.getLogger("stays"), logging.NullHandler()
    logger.addHandler(handler)
    before = (list(sys.path), random.getstate(), np.random.get_state()[1].tolist(), logging.root.handlers[:])
    module = sys.modules.get("external")
    added, thread = logging.StreamHandler(), listening(logging.StreamHandler())
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")

    def disturb() -> None:
        assert sys.path[0] == str(tmp_path)
        print("elliot says")
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        random.seed(1)
        np.random.seed(1)
        logging.root.handlers[:] = [added, thread]
        logging.getLogger("came with elliot").addHandler(added)
        logger.handlers.clear()
        logger.disabled = True
        sys.modules["external"] = sys
        raise RuntimeError

    with pytest.raises(RuntimeError), room(tmp_path, tmp_path / "log" / "said.log"):
        disturb()
    after = (list(sys.path), random.getstate(), np.random.get_state()[1].tolist(), logging.root.handlers[:])
    assert after == before
    assert sys.modules.get("external") is module
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"
    assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    assert thread._listener._thread is None
    assert logger.handlers == [handler]
    assert not logger.disabled
    assert capsys.readouterr().out == ""
    assert (tmp_path / "log" / "said.log").read_text("utf-8") == "elliot says\n"


def test_the_door_is_shut_where_elliot_is_not_running(tmp_path: Path) -> None:
    assert running() is None
    with pytest.raises(AttributeError, match="has no attribute 'ContentKNN'"):
        external.ContentKNN  # noqa: B018
    (tmp_path / "recipe.yml").write_text("[", "utf-8")
    with pytest.raises(UserError, match="is no recipe that can be read"):
        read(tmp_path / "recipe.yml")
    (tmp_path / "recipe.yml").write_text("experiment: {models: {external.A: {}, B: {}}}", "utf-8")
    found = read(tmp_path / "recipe.yml")
    assert found.externals() == ["A"]
    assert found.adversarial is None
