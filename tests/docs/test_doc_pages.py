"""Every part and metric has a page with a source and a definition; every link leads somewhere."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import pytest
from site_pages import metrics as metric_pages
from site_pages import notes, pages, parts

from elliot_advrec import listing, metrics

DOCS = Path(pages.DOCS)
PARTS = [(kind, name) for kind in parts.KINDS for name in parts.builtin(kind)]


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    return pages.generated()


def section(page: str, title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no section '{title}'"
    return found[1].strip()


def test_what_is_listed_has_a_page(generated: dict[str, str]) -> None:
    sections = listing.sections()
    for kind in [*parts.KINDS, "metrics"]:
        ours = {name for name, _ in sections[kind]()} - {"none"}
        if kind != "metrics":
            ours &= set(parts.builtin(kind))
        assert ours
        assert {f"reference/{kind}/{name}.md" for name in ours} <= set(generated)


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_has_source_definition_recipe_and_limits(
    kind: str, name: str, generated: dict[str, str]
) -> None:
    page = generated[f"reference/{kind}/{name}.md"]
    assert re.search(r"(19|20)\d\d", section(page, "Source")), "no work with its year"
    assert "```equation" in section(page, "Definition")
    assert "```yaml" in section(page, "In a recipe")
    assert name in page.split("## Settings")[0], "the page must say how a recipe names it"
    assert section(page, "What it cannot do").startswith("- ")
    fields = parts.KINDS[kind][0].get(name).config_class.model_fields
    table = section(page, "Settings")
    for field, info in fields.items():
        assert f"`{field}`" in table or f"`{field}." in table
        assert info.description, f"{field} is not documented"


@pytest.mark.parametrize("name", metrics.SUMMARIES)
def test_a_metric_has_source_and_equation(name: str, generated: dict[str, str]) -> None:
    page = generated[f"reference/metrics/{name}.md"]
    assert "```equation" in section(page, "Definition")
    assert section(page, "Source").startswith("- ")


def test_lines_about_metrics_stand_alone() -> None:
    assert not [name for name, line in metrics.SUMMARIES.items() if line.startswith("the same")]


def test_nothing_is_written_about_what_is_not_there() -> None:
    for kind in parts.KINDS:
        written = {path.stem for path in (notes.FOLDER / kind).glob("*.md")}
        assert written == set(parts.builtin(kind))
    assert set(metric_pages.entries()) == set(metrics.SUMMARIES)


def test_the_readme_names_every_part() -> None:
    text = (DOCS.parent / "README.md").read_text("utf-8").partition("## What is inside")[2]
    assert not [name for _, name in PARTS if f"`{name}`" not in text]


def test_works_are_cited() -> None:
    cited = {key for kind, name in PARTS for key in notes.note(kind, name).sources}
    cited |= {key for entry in metric_pages.entries().values() for key in entry.sources}
    # Works that only a page's own text names.
    assert set(notes.references()) - cited <= {"athalye2018", "wilson1927"}


def all_pages(generated: dict[str, str]) -> dict[str, str]:
    written = {
        path.relative_to(DOCS).as_posix(): path.read_text("utf-8")
        for path in DOCS.rglob("*.md")
        if not path.is_relative_to(notes.FOLDER)
    }
    return {**written, **generated}


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", h).strip().lower()) for h in headings}


def test_links_lead_somewhere(generated: dict[str, str]) -> None:
    found = all_pages(generated)
    checked = 0
    for uri, text in found.items():
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", prose):
            path, _, anchor = target.partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(uri), path)) if path else uri
            checked += 1
            assert there in found or (DOCS / there).is_file(), f"{uri}: no page {target}"
            if anchor:
                assert anchor in anchors(found[there]), f"{uri}: no heading {target}"
    assert checked > 200


def test_a_part_without_a_note_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "FOLDER", tmp_path)
    with pytest.raises(notes.NoteError, match=r"attack 'pgd' has no page: write docs/notes/attacks/pgd\.md"):
        notes.note("attacks", "pgd")
    folder = tmp_path / "attacks"
    folder.mkdir()
    (folder / "pgd.md").write_text("---\nsources: [madry2018]\n---\n## Definition\nx\n", "utf-8")
    with pytest.raises(notes.NoteError, match="must hold the sections"):
        notes.note("attacks", "pgd")
    full = "\n".join(f"## {title}\nx\n" for title in notes.SECTIONS)
    (folder / "pgd.md").write_text(f"---\nsources: [nobody1999]\n---\n{full}", "utf-8")
    with pytest.raises(notes.NoteError, match="nobody1999"):
        notes.note("attacks", "pgd")
    (folder / "pgd.md").write_text(f"---\nsources: []\n---\n{full}", "utf-8")
    with pytest.raises(notes.NoteError, match="cites nothing"):
        notes.note("attacks", "pgd")


def test_a_metric_without_a_note_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(metrics.SUMMARIES, "loudness", "how loud a picture is")
    with pytest.raises(notes.NoteError, match="metric 'loudness' has no page"):
        metric_pages.metric_page("loudness")


def test_a_metric_twice_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics").mkdir()
    text = "---\nfamily: F\nsources: [here]\n---\n## HR\nx\n\n## HR\ny\n"
    (tmp_path / "metrics" / "f.md").write_text(text, "utf-8")
    monkeypatch.setattr(metric_pages, "FOLDER", tmp_path)
    with pytest.raises(notes.NoteError, match="'HR' is there twice"):
        metric_pages.entries.__wrapped__()


def test_presets_stand_on_the_page_of_what_they_set_up(generated: dict[str, str]) -> None:
    assert "**`vbpr_64`**" in generated["reference/recommenders/VBPR.md"]
    assert "**`at`**" in generated["reference/defenses/adversarial_training.md"]
    assert "**`squeezing`**" in generated["reference/detectors/squeezing.md"]
