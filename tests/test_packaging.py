"""What a user gets: the wheel and its files, and pages whose commands and paths are real."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main
import yaml
from commands import Called

from elliot_advrec.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
Elliot = Callable[..., Called]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("building a wheel needs hatchling: pip install 'elliot-advrec[test]'")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_module_preset_and_recipe(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "elliot_advrec").rglob("*.py")}
    for folder in ("configs", "recipes"):
        files = [path for path in (ROOT / folder).rglob("*.yml")]
        assert files
        expected |= {f"elliot_advrec/{path.relative_to(ROOT)}" for path in files}
    assert expected <= names
    strangers = {name for name in names if not name.startswith(("elliot_advrec/", "elliot_advrec-"))}
    assert not strangers


def test_the_unpacked_wheel_finds_its_presets_and_recipes(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import elliot_advrec, elliot_advrec.recipe as r\n"
        "print(elliot_advrec.__file__)\n"
        "print(r.load(r.recipe_path('quickstart'), overlay='small').adversarial.defenses[2].name)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "site" / "elliot_advrec" / "__init__.py"), "cat"]


@pytest.mark.parametrize("marker", ["quickstart", "tests"])
def test_the_readme_has_a_one_line_command(marker: str) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(rf"<!-- {marker}: begin -->\n```\w*\n(.+)\n```\n<!-- {marker}: end -->", text)
    assert found, f"README.md needs one line of shell between '<!-- {marker}: begin -->' and its end"
    words = shlex.split(found[1])
    assert words[:3] == ["python3", "-m", "venv"], "it starts from nothing but Python"
    assert {"quickstart": "recipes/quickstart.yml", "tests": "pytest"}[marker] in words


def commands(page: Path) -> list[list[str]]:
    """Every ``elliot ...`` line of a page's code blocks, continued lines joined."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if re.match(r"\s*elliot ", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_the_pages_are_real(page: Path) -> None:
    known = typer.main.get_command(app)
    for words in commands(page):
        command, rest = known, words[1:]
        while hasattr(command, "commands"):
            assert rest, f"{words} names no command"
            assert rest[0] in command.commands, f"{words}: no such command"
            command, rest = command.commands[rest[0]], rest[1:]
        options = {
            name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
        }
        for word in rest:
            if word.startswith("-"):
                assert word.split("=")[0] in options, f"{words}: no option {word}"
            elif re.match(r"(recipes|examples)/", word):
                assert (ROOT / word).is_file(), f"{words}: no file {word}"


def test_the_readme_has_commands_to_check() -> None:
    assert len(commands(ROOT / "README.md")) >= 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_on_the_pages_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    named = re.findall(
        r"(?<![\w./-])((?:tests|recipes|docs|benchmarks|examples|configs|elliot_advrec)/[\w./-]*\w)", text
    )
    missing = sorted({name for name in named if not (ROOT / name).exists()})
    assert not missing


def test_the_recipe_in_the_readme_is_one(
    elliot: Elliot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    recipes = [block for block in blocks if "experiment" in (yaml.safe_load(block) or {})]
    assert recipes
    folder = tmp_path / "clothing-small" / "images" / "train" / "hat"
    folder.mkdir(parents=True)
    for number in range(150):
        (folder / f"{number}.png").write_bytes(b"")
    monkeypatch.setenv("ELLIOT_ADVREC_DATA", str(tmp_path))
    for number, text in enumerate(recipes):
        (tmp_path / f"{number}.yml").write_text(text, "utf-8")
        called = elliot("check", tmp_path / f"{number}.yml")
        assert called.code == 0, called.err
