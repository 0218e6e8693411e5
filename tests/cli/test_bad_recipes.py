"""Bad recipes at the command line: one sentence with file, key and remedy, and nothing left behind."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from tiny_recipes import save, small

Refused = Callable[..., str]

BACKBONE = "test_efficientnet"


def with_experiment(**keys: Any) -> dict[str, Any]:
    recipe = small()
    recipe["experiment"] |= keys
    return recipe


def attack(**settings: Any) -> dict[str, Any]:
    return small(attacks=[{"preset": "fgsm", "eps": 0.05, **settings}])


BAD = [
    pytest.param(small(atacks=[]), "atacks", "did you mean 'attacks'?", id="unknown key"),
    pytest.param(with_experiment(topk=5), "topk", "did you mean 'top_k'?", id="unknown key of Elliot"),
    pytest.param(
        with_experiment(negative_sampling={}), "negative_sampling", "", id="unsupported key of Elliot"
    ),
    pytest.param(attack(preset="fgms"), "attacks[0]", "did you mean 'fgsm'?", id="misspelt attack"),
    pytest.param(
        with_experiment(top_k="many"), "top_k", "must be a whole number, got 'many'", id="wrong type"
    ),
    pytest.param(attack(eps=0), "eps", "above 0", id="eps 0"),
    pytest.param(attack(eps=-0.1), "eps", "above 0", id="negative eps"),
    pytest.param(attack(eps=[0.03, 8]), "eps", "8/255", id="eps above 1"),
    pytest.param(small(attacks=[]), "attacks", "name at least one", id="no attacks"),
    pytest.param(small(threats=None), "threats", "name at least one", id="threats missing"),
    pytest.param(small(catalog=None), "catalog", "name where the items come from", id="catalog missing"),
    pytest.param(small(defenses=["nome"]), "defenses[0]", "known:", id="unknown defense"),
    pytest.param(small(seeds=[1, 1]), "seeds", "listed twice", id="a seed twice"),
    pytest.param(small(device="gpu"), "device", "cuda", id="unknown device"),
]


@pytest.mark.parametrize(("recipe", "key", "remedy"), BAD)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_bad_recipe_is_refused_in_one_sentence(
    refused: Refused, tmp_path: Path, command: str, recipe: dict[str, Any], key: str, remedy: str
) -> None:
    path, out = save(recipe, tmp_path / "bad.yml"), tmp_path / "out"
    said = refused(command, path, "-o", out)
    assert said.startswith(f"error: {path}:")
    assert key in said
    assert remedy in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"experiment: [", "bad.yml"),
        (b"", "bad.yml"),
        (b"- a\n- b\n", "bad.yml"),
        (b"\xff\xfe\x00", "bad.yml"),
        (b"experiment:\n  top_k: 1\n  top_k: 2\n", "top_k"),
        (b"experiment: !!python/object/apply:os.system ['touch ran']\n", "bad.yml"),
    ],
    ids=["cut off", "empty", "a list", "not text", "a key twice", "code"],
)
def test_a_file_that_is_no_recipe_is_refused(
    refused: Refused, tmp_path: Path, content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yml").write_bytes(content)
    assert words in refused("run", tmp_path / "bad.yml", "-o", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"bad.yml"}


def test_a_missing_recipe_and_a_bad_option_are_refused(refused: Refused, tmp_path: Path) -> None:
    recipe = save(small(), tmp_path / "recipe.yml")
    assert str(tmp_path / "none.yml") in refused("run", tmp_path / "none.yml")
    assert "did you mean" in refused("check", recipe, "--set", "adversarial.sede=1")
    assert "did you mean 'small'?" in refused("check", recipe, "--preset", "smal")
    assert "use auto, cpu, cuda or cuda:N" in refused(
        "run", recipe, "--device", "gpu", "-o", tmp_path / "out"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_where_there_is_none_is_refused(refused: Refused, tmp_path: Path, device: str) -> None:
    recipe = save(small(), tmp_path / "recipe.yml")
    said = refused("run", recipe, "--device", device, "-o", tmp_path / "out")
    assert f"device '{device}' is not there: PyTorch finds no GPU; use --device auto" in said
    named = save(small(device=device), tmp_path / "named.yml")
    assert device in refused("run", named, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Payload:
    """A pickle of it writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.path, "it ran"))


def _code(path: Path) -> None:
    path.write_bytes(pickle.dumps({"state_dict": Payload(path.with_name("ran.txt"))}))


def _code_in_torch(path: Path) -> None:
    torch.save({"weight": torch.zeros(2), "more": Payload(path.with_name("ran.txt"))}, path)


def _other_network(path: Path) -> None:
    save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), path)


def _cut(path: Path) -> None:
    save_file(timm.create_model(BACKBONE, num_classes=0).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-64])


CHECKPOINTS: list[Any] = [
    pytest.param("w.pth", lambda path: path.write_text("no weights"), "checkpoint", id="text"),
    pytest.param(
        "w.safetensors", lambda path: path.write_text("no weights"), "safetensors", id="text as safe"
    ),
    pytest.param("w.safetensors", _cut, "not a whole safetensors file", id="cut"),
    pytest.param(
        "w.safetensors", _other_network, f"does not fit the backbone '{BACKBONE}'", id="other network"
    ),
    pytest.param("w.pth", _code, "it was not run", id="pickle with code"),
    pytest.param("w.pth", _code_in_torch, "it was not run", id="torch file with code"),
    pytest.param("w.pth", lambda path: torch.save([1, 2], path), "state dict", id="a list"),
    pytest.param("w.pth", lambda path: path.mkdir(), "w.pth", id="folder"),
    pytest.param("w.pth", lambda path: None, "w.pth", id="missing"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all: the catalog they share is drawn once."""
    return tmp_path_factory.mktemp("store")


@pytest.mark.parametrize(("name", "write", "words"), CHECKPOINTS)
def test_bad_weights_are_refused_and_no_code_in_them_runs(
    refused: Refused, tmp_path: Path, store: Path, name: str, write: Callable[[Path], object], words: str
) -> None:
    weights = tmp_path / name
    write(weights)
    recipe = save(small(extractor={"backbone": BACKBONE, "weights": name}), tmp_path / "recipe.yml")
    said = refused("run", recipe, "-q", "-o", tmp_path / "out", "--store", store, out=store)
    assert str(weights) in said
    assert words in said
    assert ";" in said, "it says what would be right"
    assert not (tmp_path / "ran.txt").exists()
    assert not (tmp_path / "out" / "results.json").exists()


@pytest.mark.parametrize("command", ["check", "run"])
def test_weights_that_are_not_there_are_missed_before_anything_runs(
    refused: Refused, tmp_path: Path, command: str
) -> None:
    recipe = save(small(extractor={"backbone": BACKBONE, "weights": "w.pth"}), tmp_path / "recipe.yml")
    said = refused(command, recipe, "-o", tmp_path / "out")
    assert said.startswith(f"error: {recipe}: experiment.adversarial.extractor.weights: there is no file")
    assert not (tmp_path / "out").exists()


def test_the_payload_would_have_run(tmp_path: Path) -> None:
    _code(tmp_path / "w.pth")
    pickle.loads((tmp_path / "w.pth").read_bytes())
    assert (tmp_path / "ran.txt").read_text() == "it ran"
