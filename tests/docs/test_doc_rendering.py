"""Equations as HTML, settings as tables, the navigation, and files beside ``docs/`` as pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field
from site_pages import equations, navigation, pages, settings

from elliot_advrec.component import Config


def test_an_equation_is_html_that_reads_alone() -> None:
    html = equations.to_html("s_{ui} = p_{u} · q_{i}^{2} < threshold\nrank_min * 2")
    assert html == (
        '<div class="equation"><i>s</i><sub>ui</sub> = <i>p</i><sub><i>u</i></sub> · '
        "<i>q</i><sub><i>i</i></sub><sup>2</sup> &lt; threshold<br>rank&#95;min &#42; 2</div>"
    )


def test_only_equation_fences_are_rendered() -> None:
    page = "a\n\n```equation\nx_{0}\n```\n\n```yaml\nx_{0}\n```\n"
    found = equations.rendered(page)
    assert '<div class="equation"><i>x</i><sub>0</sub></div>' in found
    assert "```yaml\nx_{0}\n```" in found


class Inner(Config):
    """Inside."""

    share: float = Field(0.5, gt=0, le=1)
    """A share | of something."""


class Sample(Config):
    """Of everything."""

    needed: int
    """Must be given."""
    many: Annotated[int, Field(ge=1, multiple_of=2)] = 1_000_000
    """A number."""
    word: Literal["a", "b"] = "a"
    """A ``word``."""
    maybe: float | None = None
    """May be absent."""
    inner: Inner = Inner()
    """More."""
    entries: tuple[Inner, ...] = ()
    """Several."""
    texts: tuple[str, ...] = ("x" * 80,)
    """Long."""
    flag: bool = True
    """A switch."""


def test_settings_are_a_table_of_kind_default_and_meaning() -> None:
    rows = {s.key: (s.kind, s.default, s.meaning) for s in settings.of_model(Sample)}
    assert rows == {
        "needed": ("whole number", "required", "Must be given."),
        "many": ("whole number ≥ 1, multiple of 2", "`1000000`", "A number."),
        "word": ("`a` or `b`", "`a`", "A `word`."),
        "maybe": ("number or `null`", "`null`", "May be absent."),
        "inner": ("mapping", "", "More."),
        "inner.share": ("number > 0, ≤ 1", "`0.5`", "A share | of something."),
        "entries": ("list of mapping", "`[]`", "Several."),
        "entries[].share": ("number > 0, ≤ 1", "`0.5`", "A share | of something."),
        "texts": ("list of text", "see `elliot check --resolved`", "Long."),
        "flag": ("`true` or `false`", "`true`", "A switch."),
    }
    assert "A share \\| of something." in settings.table(settings.of_model(Sample))
    table = settings.table(settings.of_model(Sample))
    assert "| `needed` |" in table
    assert "| <code>entries&#91;&#93;.<wbr>share</code> |" in table
    assert settings.table(settings.of_model(Config)) == "It has no settings.\n"


def test_long_lists_of_names_are_counted() -> None:
    assert settings.kind({"enum": [str(n) for n in range(20)]}, {}) == "one of 20 names"


def test_pages_that_nobody_named_are_in_the_navigation(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    for name in ("guide.md", "named.md", "results/one.md"):
        (tmp_path / name).write_text(f"# About {name}\n", "utf-8")
    nav = navigation.complete(
        [{"Home": "index.md"}, {"Guides": [{"N": "named.md"}]}, {"Results": []}], tmp_path
    )
    flat = list(navigation._pages(nav))
    assert len(flat) == len(set(flat))
    assert {"guide.md", "results/one.md", "reference/attacks/pgd.md", "reference/metrics/HR.md"} <= set(flat)
    found = {next(iter(entry)): entry for entry in nav}
    assert list(found)[:4] == ["Home", "Guides", "Reference", "Results"]


def test_a_page_without_heading_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("nothing\n", "utf-8")
    with pytest.raises(ValueError, match=r"x\.md has no heading"):
        navigation.title("x.md", tmp_path)


def test_links_of_files_beside_docs_hold_below_it() -> None:
    text = "[a](docs/guard.md#x) [b](elliot_advrec/cli.py) [c](CHANGELOG.md) [d](https://example.org)"
    assert pages.moved(text) == "[a](guard.md#x) b [c](changelog.md) [d](https://example.org)"
