"""Features as files: the numbers of the embeddings, in both forms, also after kill -9."""

from __future__ import annotations

import csv
import fcntl
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from commands import Advance
from scipy.sparse import csr_matrix
from tiny_recipes import save, small

from elliot_advrec.data.features import open_features, read_matrix
from elliot_advrec.data.features.manifest import Manifest
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.experiment import Plan, Store, Workspace, make_plan, run_plan
from elliot_advrec.experiment.elliot_tables import numbers, write_tables
from elliot_advrec.experiment.extracting import extract
from elliot_advrec.experiment.feature_files import FolderTarget
from elliot_advrec.experiment.plan import ancestors
from elliot_advrec.progress import SILENT
from elliot_advrec.recipe import Recipe, load

TESTS = Path(__file__).resolve().parents[1]
ITEMS = 150  # three batches of 64 and less


class Told:
    """Remembers what is said and reported; ends the process by SIGKILL at report number ``fuse``."""

    def __init__(self, fuse: int = 0) -> None:
        self.fuse, self.said, self.reports = fuse, list[str](), list[int]()

    def say(self, message: str) -> None:
        self.said.append(message)

    def detail(self, message: str) -> None:
        return None

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        def advance(units: int) -> None:
            self.reports.append(units)
            if len(self.reports) == self.fuse:
                os.kill(os.getpid(), signal.SIGKILL)

        yield advance


def workspace(store: Path) -> Workspace:
    return Workspace(Store(store), torch.device("cpu"), 0)


def extract_and_die(recipe: Path, store: Path, output: Path, form: str) -> None:
    extract(load(recipe), workspace(store), output, form=form, progress=Told(fuse=3))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extracting")
    catalog = {"source": "synthetic", "items": ITEMS, "users": 12, "size": 32}
    extractor = {"backbone": "test_efficientnet", "training": {"epochs": 1, "batch_size": 32}}
    defenses = ["none", {"preset": "at", "steps": 1, "training": {"epochs": 1}}]
    tiny = small(catalog=catalog, extractor=extractor, defenses=defenses)
    # Few users and items each: some items are in no training row.
    tiny["experiment"]["splitting"] = {
        "test_splitting": {"strategy": "random_subsampling", "leave_n_out": 1},
        "validation_splitting": {"strategy": "random_subsampling", "leave_n_out": 1},
    }
    save(tiny, folder / "recipe.yml")
    return folder


@pytest.fixture(scope="module")
def recipe(place: Path) -> Recipe:
    return load(place / "recipe.yml")


@pytest.fixture(scope="module")
def whole(place: Path, recipe: Recipe) -> Path:
    """An undisturbed extraction in both forms; the store holds what they need."""
    for form in ("npy", "elliot"):
        extract(recipe, workspace(place / "store"), place / form, form=form)
    return place


def stage(recipe: Recipe, kind: str) -> Any:
    return next(s for s in make_plan(recipe, "cpu").stages if s.kind == kind)


def listing(folder: Path) -> dict[str, bytes]:
    """Every file but locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def test_the_matrix_holds_the_embeddings_of_the_catalog(whole: Path, recipe: Recipe, tmp_path: Path) -> None:
    assert set(listing(whole / "npy")) == {"features.npy", "features.json"}
    values = np.load(whole / "npy" / "features.npy", allow_pickle=False)
    space = workspace(whole / "store")
    catalog, frozen = stage(recipe, "catalog"), space.frozen(stage(recipe, "extractor"))
    ids = space.catalog(catalog).ids
    with torch.no_grad():
        expected = frozen.embed(space.pixels(catalog).floats(np.arange(ITEMS))).numpy()
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    manifest = Manifest.load(whole / "npy" / "features.json")
    extractor = space.extractor(stage(recipe, "extractor"))
    assert (manifest.ids, manifest.dim) == (ids, extractor.embedding_dim)
    assert (manifest.image_size, manifest.normalised) == (32, False)
    assert manifest.extractor == extractor.digest()
    found = read_matrix(
        open_features(whole / "npy" / "features.npy"), ids, extractor=manifest.extractor, strict=True
    )
    assert (found.values == values).all()


def test_stored_embeddings_are_copied_to_the_same_bytes(whole: Path, recipe: Recipe, tmp_path: Path) -> None:
    space = workspace(whole / "store")
    embeddings = stage(recipe, "embeddings")
    run_plan(Plan((embeddings,), 0), space, SILENT)
    extract(recipe, space, tmp_path / "copy")
    assert listing(tmp_path / "copy") == listing(whole / "npy")


def guarded(place: Path, to: Path, *defenses: Any) -> Recipe:
    """The same recipe with other defenses: what the store holds of the extractor serves it too."""
    tree = yaml.safe_load((place / "recipe.yml").read_text("utf-8"))
    tree["experiment"]["adversarial"]["defenses"] = list(defenses)
    save(tree, to)
    return load(to)


JPEG = {"name": "shrunk", "filter": {"type": "jpeg", "quality": 10}}


def test_features_are_never_those_of_filtered_pictures(whole: Path, tmp_path: Path) -> None:
    recipe, space = guarded(whole, tmp_path / "r.yml", JPEG, "none"), workspace(whole / "store")
    stages = make_plan(recipe, "cpu").stages
    filtered = next(s for s in stages if s.kind == "embeddings" and "guard" in s.needs)
    run_plan(Plan((*ancestors(filtered), filtered), 0), space, SILENT)
    extract(recipe, space, tmp_path / "out")
    expected = np.load(whole / "npy" / "features.npy")
    assert (np.load(tmp_path / "out" / "features.npy") == expected).all()
    assert not (space.embeddings(filtered) == expected).all()


def test_a_filter_has_no_features_of_its_own(whole: Path, tmp_path: Path) -> None:
    space = workspace(whole / "store")
    with pytest.raises(UserError, match="no training defense 'shrunk'; known: none"):
        extract(guarded(whole, tmp_path / "r.yml", JPEG, "none"), space, tmp_path / "out", defense="shrunk")
    with pytest.raises(UserError, match=r"a filter or a detector, .*; add none to its defenses"):
        extract(guarded(whole, tmp_path / "r.yml", JPEG), space, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_elliot_finds_the_features_of_its_own_items(whole: Path, recipe: Recipe) -> None:
    out = whole / "elliot"
    ids = workspace(whole / "store").catalog(stage(recipe, "catalog")).ids
    values = np.load(whole / "npy" / "features.npy")
    rows = {name: list(csv.reader((out / f"{name}.tsv").open(), delimiter="\t")) for name in
            ("train", "validation", "test", "items")}  # fmt: skip
    item_of = {int(number): item for item, number in rows["items"]}
    # As Elliot 0.3.1 does: the set of the folder's numbers, private indices by the set of training items,
    # and the file called by the private index.
    listed = os.listdir(out / "features")
    assert {int(name.split(".")[0]) for name in listed} == set(range(ITEMS))
    private = list({int(item) for _, item, _ in rows["train"]})
    assert 0 < len(private) < ITEMS
    for index, item in enumerate(private):
        assert index == item
        feature = np.load(out / "features" / f"{index}.npy")
        assert feature.shape == (values.shape[1],)
        assert (feature == values[ids.index(item_of[item])]).all()
    held = workspace(whole / "store").interactions(stage(recipe, "interactions"))
    for name in ("train", "validation", "test"):
        matrix = getattr(held, name).tocoo()
        theirs = {(int(u), ids.index(item_of[int(i)]), float(r)) for u, i, r in rows[name]}
        assert theirs == set(zip(matrix.row.tolist(), matrix.col.tolist(), matrix.data.tolist(), strict=True))
    file = open_features(out / "features")
    assert file.extractor == Manifest.load(whole / "npy" / "features.json").extractor
    assert (read_matrix(file, ids, strict=True).values == values).all()


def test_an_earlier_validation_part_does_not_stay(whole: Path, recipe: Recipe, tmp_path: Path) -> None:
    held = workspace(whole / "store").interactions(stage(recipe, "interactions"))
    ids = [f"i{row}" for row in range(held.train.shape[1])]
    write_tables(tmp_path, ids, held, numbers(held))
    write_tables(tmp_path, ids, replace(held, validation=None), numbers(held))
    assert {path.name for path in tmp_path.iterdir()} == {"items.tsv", "train.tsv", "test.tsv"}


@pytest.mark.parametrize("form", ["npy", "elliot"])
def test_a_killed_extraction_goes_on_to_the_same_bytes(
    whole: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["imported"])  # as commands.start does: one server serves all tests
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    out = tmp_path / "out"
    given = (whole / "recipe.yml", whole / "store", out, form)
    process = context.Process(target=extract_and_die, args=given)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert not list(out.glob("features*"))
    [partial] = out.glob(".features.*.partial")
    if form == "npy":  # as if the kill had come in the middle of a write
        partial.write_bytes(partial.read_bytes()[:-100])
    else:
        newest = max(partial.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        newest.write_bytes(newest.read_bytes()[:-100])
    told = Told()
    extract(recipe, workspace(whole / "store"), out, form=form, progress=told)
    assert told.reports[0] == 64, "the first batch is kept, the cut one is made again"
    assert sum(told.reports) == ITEMS
    assert listing(out) == listing(whole / form)


def test_what_is_there_is_left_alone_and_what_is_damaged_is_made_again(
    whole: Path, recipe: Recipe, tmp_path: Path
) -> None:
    extract(recipe, workspace(whole / "store"), tmp_path)
    before = (tmp_path / "features.npy").stat().st_mtime_ns
    told = Told()
    extract(recipe, workspace(tmp_path / "empty"), tmp_path, progress=told)
    assert told.said == ["these features are there already"]
    assert (tmp_path / "features.npy").stat().st_mtime_ns == before
    assert not (tmp_path / "empty").exists()
    (tmp_path / "features.json").write_text("{")
    (tmp_path / ".features.npy.other.partial").write_bytes(b"of another extraction")
    extract(recipe, workspace(whole / "store"), tmp_path)
    assert listing(tmp_path) == listing(whole / "npy")


def test_a_partial_file_with_another_header_is_begun_again(
    whole: Path, recipe: Recipe, tmp_path: Path
) -> None:
    extract(recipe, workspace(whole / "store"), tmp_path)
    key = Manifest.load(tmp_path / "features.json").source["key"]
    (tmp_path / "features.json").unlink()
    (tmp_path / f".features.npy.{key}.partial").write_bytes(b"\0" * 100_000)
    extract(recipe, workspace(whole / "store"), tmp_path)
    assert listing(tmp_path) == listing(whole / "npy")


def test_a_folder_of_an_earlier_extraction_is_replaced_but_no_other(
    whole: Path, recipe: Recipe, tmp_path: Path
) -> None:
    space = workspace(whole / "store")
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "mine.npy").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"holds files but has no items.tsv beside it; it is not replaced"):
        extract(recipe, space, tmp_path, form="elliot")
    assert (tmp_path / "features" / "mine.npy").read_bytes() == b"mine"
    (tmp_path / "items.tsv").write_text("")
    (tmp_path / "validation.tsv").write_text("of an earlier one")
    extract(recipe, space, tmp_path, form="elliot")
    assert listing(tmp_path) == listing(whole / "elliot")


def test_one_extraction_at_a_time_writes_a_folder(whole: Path, recipe: Recipe, tmp_path: Path) -> None:
    with (tmp_path / ".features.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another extraction writes here; name another --output"):
            extract(recipe, workspace(whole / "store"), tmp_path)


def test_a_full_disk_is_named_and_room_lets_it_go_on(
    whole: Path, recipe: Recipe, small_disk: Any, tmp_path: Path
) -> None:
    disk = small_disk(100)
    with pytest.raises(UserError, match="the disk is full"):
        extract(recipe, workspace(whole / "store"), disk / "out")
    assert not (disk / "out" / "features.npy").exists()


def test_a_defense_has_features_of_its_own(whole: Path, recipe: Recipe, tmp_path: Path) -> None:
    extract(recipe, workspace(whole / "store"), tmp_path, defense="at")
    ours, theirs = (Manifest.load(folder / "features.json") for folder in (tmp_path, whole / "npy"))
    assert ours.extractor != theirs.extractor
    assert (ours.source["defense"], theirs.source["defense"]) == ("at", "none")
    assert not np.allclose(np.load(tmp_path / "features.npy"), np.load(whole / "npy" / "features.npy"))
    with pytest.raises(UserError, match=r"the recipe has no training defense 'att'; did you mean 'at'\?"):
        extract(recipe, workspace(whole / "store"), tmp_path, defense="att")


def test_one_folder_holds_one_form(whole: Path, recipe: Recipe, tmp_path: Path) -> None:
    """One manifest for both would give the rows of one form the items of the other."""
    for form, other in (("npy", "elliot"), ("elliot", "npy")):
        out = tmp_path / form
        extract(recipe, workspace(whole / "store"), out, form=form)
        before = listing(out)
        with pytest.raises(UserError, match=r"features in the other form already.*name another --output"):
            extract(recipe, workspace(whole / "store"), out, form=other)
        assert listing(out) == before


def test_a_recipe_without_pictures_has_nothing_to_extract(elliot: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("1\t2\t3\n1\t3\t3\n")
    data = {"strategy": "dataset", "dataset_path": "rows.tsv"}
    plain = {"experiment": {"dataset": "x", "data_config": data, "models": {"MostPop": {}}}}
    path = save(plain, tmp_path / "plain.yml")
    called = elliot("data", "extract", path, "--output", tmp_path / "out")
    assert called.code == 2
    assert called.err == (
        f"error: {path}: the recipe has no pictures to extract features from; add adversarial.catalog, which "
        "names them\n"
    )


def test_of_several_folds_the_first_is_written_and_said(whole: Path, recipe: Recipe, tmp_path: Path) -> None:
    folds = {"test_splitting": {"strategy": "random_cross_validation", "folds": 2}}
    tiny = small(
        catalog={"source": "synthetic", "items": ITEMS, "users": 12, "size": 32},
        extractor={"backbone": "test_efficientnet", "training": {"epochs": 1, "batch_size": 32}},
        defenses=["none"],
    )
    tiny["experiment"]["splitting"] = folds
    told, space = Told(), workspace(whole / "store")
    folded = load(save(tiny, tmp_path / "folds.yml"))
    extract(folded, space, tmp_path / "out", form="elliot", progress=told)
    assert "of 2 folds, the first is written as train and test tables" in told.said
    rows = (tmp_path / "out" / "test.tsv").read_text().splitlines()
    assert len(rows) == space.interactions(stage(folded, "interactions")).test.nnz


def test_ids_never_become_paths(tmp_path: Path) -> None:
    target = FolderTarget(tmp_path, "key", 2, 3, 64, number=np.array([1, 0]))
    with target.held():
        assert target.begun() == 0
        target.add(0, np.arange(6, dtype=np.float32).reshape(2, 3))
        target.finish()
    pairs = csr_matrix(np.ones((1, 2), np.float32))
    held = Interactions(["../u"], pairs, None, pairs, simulated=False, notes=[])
    write_tables(tmp_path, ["../../x", 'a"b'], held, np.array([1, 0]))
    assert sorted(path.name for path in tmp_path.rglob("*.npy")) == ["0.npy", "1.npy"]
    found = read_matrix(open_features(tmp_path / "features"), ["../../x", 'a"b'])
    assert found.values.tolist() == [[0, 1, 2], [3, 4, 5]]
