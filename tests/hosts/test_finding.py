"""Which host runs: what is looked for, what is refused, and that two things called elliot do not clash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from elliot_advrec.errors import UserError
from elliot_advrec.hosts import finding
from elliot_advrec.hosts.finding import HOME, Choice, choose, require, search


def clone(folder: Path, version: str | None = "0.3.1") -> Path:
    package = folder / "elliot"
    package.mkdir(parents=True)
    said = "" if version is None else f"__version__ = '{version}'\n"
    (package / "__init__.py").write_text(f"{said}raise SystemExit('looked at, never run')\n", "utf-8")
    (package / "run.py").write_text("", "utf-8")
    return folder


@pytest.fixture(autouse=True)
def nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "NEEDED", ("yaml",))
    monkeypatch.delitem(sys.modules, "elliot", raising=False)  # of another test
    monkeypatch.delenv(HOME, raising=False)


def test_a_clone_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = search({HOME: str(clone(tmp_path))})
    assert (found.folder, found.version, found.how, found.usable) == (tmp_path, "0.3.1", HOME, True)
    monkeypatch.setenv(HOME, str(tmp_path))
    assert require() == found
    at = f"Elliot 0.3.1 in {tmp_path} (found by ELLIOT_HOME)"
    assert choose() == Choice("elliot", f"host: {at}", True)
    assert choose("elliot") == Choice("elliot", f"host: {at} as --host asks", True)
    assert choose("embedded") == Choice(
        "embedded", f"host: embedded as --host asks; {at} could be used", False
    )


def test_an_installed_one_is_found_by_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(clone(tmp_path)))
    found = search()
    assert (found.folder, found.how, found.usable) == (tmp_path, "import", True)


@pytest.mark.parametrize(
    ("version", "problem"),
    [("0.2.1", "it is version 0.2.1, and this package knows 0.3.1"), (None, "it does not say its version")],
)
def test_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, problem: str
) -> None:
    monkeypatch.setenv(HOME, str(clone(tmp_path, version)))
    with pytest.raises(UserError, match=problem) as caught:
        require()
    assert str(caught.value).startswith(f"{tmp_path}: Elliot cannot be used: ")
    assert str(caught.value).endswith("use 0.3.1, or run with --host embedded")
    chosen = choose("auto")
    assert (chosen.host, chosen.notable) == ("embedded", True)
    assert problem in chosen.why
    with pytest.raises(UserError, match=problem):
        choose("elliot")


def test_a_folder_that_is_no_clone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = search({HOME: str(tmp_path)})
    assert found.problem == f"{tmp_path} holds no package 'elliot' with a run.py"
    (tmp_path / "elliot").mkdir()
    (tmp_path / "elliot" / "__init__.py").write_text("", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert search().problem.endswith("holds an 'elliot' that is not it")


def test_a_damaged_clone_says_no_version(tmp_path: Path) -> None:
    clone(tmp_path)
    (tmp_path / "elliot" / "__init__.py").write_text("__version__ = (", "utf-8")
    assert "does not say its version" in search({HOME: str(tmp_path)}).problem


def test_missing_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "NEEDED", ("yaml", "no_such_library"))
    monkeypatch.setenv(HOME, str(clone(tmp_path)))
    with pytest.raises(UserError, match=r"it needs no_such_library.*pip install 'elliot-advrec\[elliot\]'"):
        require()


def test_where_there_is_none_the_embedded_engine_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    chosen = choose()
    assert (chosen.host, chosen.notable) == ("embedded", False)
    assert chosen.why.startswith("host: embedded; Elliot cannot be used: there is none on the import path")
    with pytest.raises(UserError, match=r"clone sisinflab/elliot 0\.3\.1 and set ELLIOT_HOME"):
        require()


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(UserError, match="--host: unknown host 'eliot'; did you mean 'elliot'"):
        choose("eliot")


def test_our_command_is_no_module_that_could_be_taken_for_elliot() -> None:
    code = "import elliot_advrec.cli, elliot_advrec.hosts.elliot, sys; print('elliot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
