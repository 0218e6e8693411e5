"""Where the packaged presets and recipes lie: inside an installed wheel, beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """The folder of packaged files called ``name`` (``configs`` or ``recipes``).

    Raises:
        FileNotFoundError: the installation lacks it; nothing the user can mend but by installing again.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"elliot_advrec was installed without its folder '{name}'; install it again")
