"""The page, the TSVs, the terminal, and reading a folder back."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser

import fakes
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from elliot_advrec import report
from elliot_advrec.errors import UserError
from elliot_advrec.files import write_json
from elliot_advrec.report.pictures import amplify

EVIL = '<script>alert("x")</script>\t$\\frac{\n\x1b[31m[bold]'
VOID = {"meta", "img", "br", "path", "use", "link", "rect", "image"}


class Reader(HTMLParser):
    """Collects what a browser would fetch or run, and checks that tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in ("src", "href", "xlink:href"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if tag == "img" and name == "src":
                self.pictures.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    results, arrays = fakes.experiment()
    return folder, report.write(folder, results, arrays), results, arrays


def test_every_file_is_written_and_named(written):
    folder, paths, _, _ = written
    assert [str(path.relative_to(folder)) for path in paths] == [
        "report.html",
        "performance/rec_cutoff_10_relthreshold_3.tsv",
        "performance/rec_cutoff_20_relthreshold_3.tsv",
        "performance/attack_success.tsv",
    ]
    assert sorted(p for p in folder.rglob("*") if p.is_file()) == sorted(paths)


def test_the_page_needs_no_network_and_runs_no_script(written):
    html = written[1][0].read_text("utf-8")
    page = read(html)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert page.addresses
    assert all(address.startswith(("#", "data:image/")) for address in page.addresses)
    assert "http:" not in html
    assert "https:" not in html
    assert not re.search(r"url\((?!#|['\"]?#)", html)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_page_shows_numbers_pictures_and_reasons(written):
    html, results = written[1][0].read_text("utf-8"), written[2]
    for text in (
        results["name"],
        results["notes"][0],
        "PGD-64",
        "Success rate, rank ≤ 3",
        "1834 MB",
        "prefers-color-scheme",
    ):
        assert text in html
    assert html.count('class="plot"') == 3 + 3 + 3 + 3  # eps, steps, t-SNE, distances: one a defense
    assert html.count('class="attacked"') == 2


def test_pictures_in_the_page_are_the_arrays(written):
    _, paths, _, arrays = written
    page = read(paths[0].read_text("utf-8"))
    lossless = [address for address in page.pictures if address.startswith("data:image/png")]
    decoded = [np.asarray(Image.open(io.BytesIO(base64.b64decode(a.partition(",")[2])))) for a in lossless]
    assert len(decoded) == 8
    np.testing.assert_array_equal(decoded[0], arrays["image0"])
    np.testing.assert_array_equal(decoded[1], arrays["attacked0"])


def test_grey_points_are_explained_only_where_there_are_any(written, tmp_path):
    _, paths, results, arrays = written
    assert "Grey: unlabelled" in paths[0].read_text("utf-8")
    labelled = {
        **arrays,
        **{name: np.maximum(arrays[name], 0) for name in arrays if name.startswith("labels_")},
    }
    assert "Grey: unlabelled" not in report.write(tmp_path, results, labelled)[0].read_text("utf-8")


def test_differences_are_enlarged_until_they_just_fit():
    original = np.full((2, 2, 3), 100, np.uint8)
    perturbed = original.copy()
    perturbed[0, 0, 0], perturbed[1, 1, 2] = 104, 98
    picture, gain = amplify(original, perturbed)
    assert gain == pytest.approx(127 / 4)
    assert (picture[0, 0, 0], picture[1, 1, 2], picture[0, 1, 1]) == (255, 64, 128)
    same, nothing = amplify(original, original)
    assert nothing == 0
    assert (same == 128).all()


def test_sections_of_exhibits_that_no_attack_makes_have_no_heading(tmp_path):
    results, arrays = fakes.experiment()
    titles = {"examples": "Neighbour lists before and after", "distances": "Distance to the target",
              "tsne": "Embeddings"}  # fmt: skip
    for kept in (None, *titles):
        index = {} if kept is None else {kept: results["exhibits"][kept]}
        html = report.write(tmp_path, {**results, "exhibits": index}, arrays)[0].read_text("utf-8")
        assert [name for name, title in titles.items() if f"<h2>{title}</h2>" in html] == [kept][: bool(kept)]
        assert ("<img" in html) == (kept == "examples")


def test_exhibits_that_lost_their_arrays_are_named(tmp_path):
    results, arrays = fakes.experiment()
    del arrays["image3"], arrays["points_at"]
    arrays["after_none"] = arrays["after_none"][:5]
    html = report.write(tmp_path, results, arrays)[0].read_text("utf-8")
    assert "&#39;image3&#39; is not in exhibits.npz" in html
    assert "&#39;points_at&#39; is not in exhibits.npz" in html
    assert "do not pair up" in html
    assert html.count('class="plot"') == 3 + 3 + 2 + 2


def test_a_run_that_measured_nothing_still_has_a_page(tmp_path):
    empty = {"format": 1, "name": "empty", "recipe": {}, "rows": []}
    html = report.write(tmp_path, empty, {})[0].read_text("utf-8")
    read(html)
    assert "No attack was run" in html
    assert "No recommender was evaluated" in html


def hostile():
    results, arrays = fakes.experiment()
    results["name"] = EVIL
    results["notes"] = [EVIL]
    results["recipe"] = {"experiment": {"dataset": EVIL}}
    results["stages"][0]["name"] = EVIL
    index = results["exhibits"]
    for example in index["examples"]:
        example["attack_item"] = example["target_item"] = EVIL
    for projection in index["tsne"]:
        projection["categories"] = [EVIL, "$x$", *projection["categories"][2:]]
    for row in results["rows"]:
        row["recommender"] = EVIL if row["recommender"] == "ContentKNN" else row["recommender"]
        row["defense"] = EVIL if row["defense"] == "cat" else row["defense"]
    return results, arrays


def test_hostile_names_do_no_harm_in_the_page(tmp_path):
    html = report.write(tmp_path, *hostile())[0].read_text("utf-8")
    page = read(html)
    assert "script" not in page.tags
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html


def test_hostile_names_do_no_harm_in_tsvs(tmp_path):
    results, arrays = hostile()
    for path in report.write(tmp_path, results, arrays)[1:]:
        lines = path.read_text("utf-8").split("\n")
        assert lines.pop() == ""
        assert len({line.count("\t") for line in lines}) == 1
        assert "\x1b" not in "".join(lines)


def test_hostile_names_do_no_harm_in_the_terminal():
    console = Console(file=io.StringIO(), width=400)
    console.print(report.terminal(hostile()[0]))
    text = console.file.getvalue()
    assert "\x1b" not in text
    assert "[bold]" in text
    assert "<script>" in text


def tsv(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_elliots_tsv_has_a_row_a_model(written):
    lines = tsv(written[1][1])
    names = [line["model"] for line in lines]
    assert list(lines[0]) == ["model", "HR", "nDCG", "Precision"]
    assert len(names) == len(set(names)) == 3 + 3 * 3 + 1
    assert {"ContentKNN", "ContentKNN+at", "ContentKNN+at+pgd-64 eps=0.05", "MostPop"} <= set(names)
    assert float(lines[names.index("ContentKNN")]["HR"]) == 0.25
    assert lines[names.index("ContentKNN+at+pgd-64 eps=0.05")]["Precision"] == ""


def test_the_flat_tsv_has_every_row_exactly(written):
    _, paths, results, _ = written
    lines = tsv(paths[-1])
    assert len(lines) == len(results["rows"])
    for line, row in zip(lines, results["rows"], strict=True):
        assert float(line["value"]) == row["value"]
        assert line["defense"] == (row["defense"] or "")


def test_several_seeds_become_one_row_in_elliots_tsv(tmp_path):
    results, arrays = fakes.experiment()
    at = {"recommender": "A", "defense": "none", "k": 5, "n": 3}
    results["rows"] = [fakes.row("HR", 0.2, seed=1, **at), fakes.row("HR", 0.4, seed=2, **at)]
    (line,) = tsv(report.write(tmp_path, results, arrays)[1])
    assert float(line["HR"]) == pytest.approx(0.3)


def test_a_narrow_terminal_cuts_no_number_off():
    console = Console(file=io.StringIO(), width=60)
    console.print(report.terminal(fakes.experiment()[0]))
    assert "…" not in console.file.getvalue()


def test_the_terminal_leaves_long_tables_to_the_page():
    results = fakes.experiment()[0]
    results["stages"] = [{"name": f"stage {i}", "key": str(i), "seconds": 1.0} for i in range(200)]
    console = Console(file=io.StringIO(), width=140)
    console.print(report.terminal(results))
    text = console.file.getvalue()
    assert "stage 7" not in text
    assert "Computed in this run" in text
    assert "200 of 200" in text


def test_the_terminal_shows_the_main_tables():
    console = Console(file=io.StringIO(), width=140)
    console.print(report.terminal(fakes.experiment()[0]))
    text = console.file.getvalue()
    for part in (
        "simulated",
        "At a glance",
        "Success rate, rank ≤ 3",
        "Recommendation quality at 10",
        "Time and work",
    ):
        assert part in text


def save(folder, results, arrays):
    write_json(folder / "results.json", results)
    np.savez_compressed(folder / "exhibits.npz", **arrays)


def test_what_was_saved_is_loaded(tmp_path):
    results, arrays = fakes.experiment()
    save(tmp_path, results, arrays)
    loaded, pictures = report.load(tmp_path)
    assert loaded == json.loads(json.dumps(results))
    assert set(pictures) == set(arrays)
    np.testing.assert_array_equal(pictures["image0"], arrays["image0"])
    (tmp_path / "exhibits.npz").unlink()
    assert report.load(tmp_path)[1] == {}


def test_folders_without_results_are_refused(tmp_path):
    with pytest.raises(UserError, match="no results in this folder"):
        report.load(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        report.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "are of format 2"),
        ({"rows": None}, r"rows: "),
        ({"rows": [{"metric": "HR"}]}, r"rows\[0\].value: 'value' is missing"),
        ({"rows": [{"metric": "HR", "value": "much"}]}, r"rows\[0\].value"),
        ({"exhibits": {"tsne": [{"points": "p"}]}}, r"tsne\[0\].labels"),
    ],
)
def test_results_of_another_shape_are_refused(tmp_path, change, message):
    write_json(tmp_path / "results.json", {**fakes.experiment()[0], **change})
    with pytest.raises(UserError, match=message):
        report.load(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_damaged_results_are_refused(tmp_path, text):
    (tmp_path / "results.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="is damaged"):
        report.load(tmp_path)


def test_damaged_and_pickled_exhibits_are_refused(tmp_path):
    results, arrays = fakes.experiment()
    save(tmp_path, results, arrays)
    path = tmp_path / "exhibits.npz"
    for content in (b"", path.read_bytes()[:1000]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is damaged"):
            report.load(tmp_path)
    np.savez(path, bad=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="is damaged"):
        report.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        report.write(tmp_path / "file", *fakes.experiment())
