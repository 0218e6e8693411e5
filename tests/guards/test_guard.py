"""A guard in a program: cleaning, scores, thresholds, verdicts on pictures of every kind."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from filter_contract import make
from filter_contract import pictures as tensors
from pictures import BAD, UNUSUAL, drawn
from PIL import Image
from tiny_guards import KINDS, SIZE, contrastive, extractor, guard, unusual

import elliot_advrec
from elliot_advrec.data.images import decode
from elliot_advrec.detectors import Parts
from elliot_advrec.detectors.squeezing import Squeezing
from elliot_advrec.errors import UserError
from elliot_advrec.filters.learned import LearnedFilter
from elliot_advrec.guards import Guard, Verdict
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams

NAMES = [f"item {number}" for number in range(5)]


def given(count: int = 5) -> torch.Tensor:
    return tensors(count, SIZE, SIZE)


def floats(path: Path) -> torch.Tensor:
    """(1, 3, SIZE, SIZE) in [0, 1]."""
    return torch.tensor(decode(path, SIZE).transpose(2, 0, 1)[None]).float() / 255


def test_importing_the_package_imports_no_torch_and_gives_a_guard() -> None:
    code = (
        "import sys, elliot_advrec; assert 'torch' not in sys.modules;"
        "from elliot_advrec import Guard; assert Guard.__name__ == 'Guard' and 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert elliot_advrec.Guard is Guard
    with pytest.raises(AttributeError, match="has no attribute 'Gard'"):
        _ = elliot_advrec.Gard


def test_a_guard_is_its_filter_and_its_detector() -> None:
    found, pixels = guard("plain"), given()
    assert torch.equal(found.clean(pixels, NAMES), make("median")(pixels))
    expected = contrastive().bind(Parts(filter=make("median")))(pixels)
    assert torch.allclose(found.score(pixels, NAMES), expected, atol=1e-6)
    assert found.threshold == 0.05
    assert found.flags(torch.tensor([0.04, 0.06])).tolist() == [False, True]
    assert torch.equal(guard("detector").clean(pixels, NAMES), pixels)
    # A filter without its random last step is what the detector compares with.
    learned = guard("learned")
    assert not torch.equal(learned.clean(pixels, NAMES), make("reconstruction")(pixels))
    steady = contrastive().bind(Parts(filter=make("reconstruction")))(pixels)
    assert torch.allclose(learned.score(pixels, NAMES), steady, atol=1e-5)


def test_what_a_random_filter_draws_goes_by_seed_purpose_and_name() -> None:
    found, pixels = guard("random"), given()
    streams = [Streams([stream_seed(3, what, name) for name in NAMES]) for what in ("filter", "detector")]
    assert torch.equal(found.clean(pixels, NAMES), make("gaussian", sigma=0.1)(pixels, streams[0]))
    expected = contrastive().bind(Parts(filter=make("gaussian", sigma=0.1)))(pixels, streams[1])
    assert torch.allclose(found.score(pixels, NAMES), expected, atol=1e-6)
    other = Guard(make("gaussian", sigma=0.1), contrastive(), SIZE, seed=4)
    assert not torch.allclose(other.score(pixels, NAMES), expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["learned", "random", "embedding"])
def test_neither_batch_nor_order_matters(kind: str) -> None:
    found, pixels = guard(kind), given()
    cleaned, scores = found.clean(pixels, NAMES), found.score(pixels, NAMES)
    turned = [4, 2, 0, 3, 1]
    assert torch.allclose(found.score(pixels[turned], [NAMES[i] for i in turned]), scores[turned], atol=1e-5)
    for row, name in enumerate(NAMES):
        one = pixels[row : row + 1]
        assert torch.allclose(found.clean(one, [name]), cleaned[row : row + 1], atol=1e-5)
        assert torch.allclose(found.score(one, [name]), scores[row : row + 1], atol=1e-5)


def test_calibration() -> None:
    batches = [(given(50), [f"{start + row}" for row in range(50)]) for start in (0, 50)]
    found = Guard(make("median"), contrastive(None, fpr=0.1), SIZE)
    with pytest.raises(UserError, match="has no threshold yet"):
        found.check([drawn(1)])
    threshold = found.calibrate(iter(batches))
    scores = torch.cat([found.score(*batch) for batch in batches])
    assert threshold == found.threshold == float(scores.sort(descending=True).values[10])
    fixed = guard("plain")
    assert fixed.calibrate(batches) == fixed.threshold == 0.05
    with pytest.raises(
        UserError, match=r"0\.1 allows none of 5 validation pictures; validate on at least 10"
    ):
        found.calibrate([(given(), NAMES)])
    with pytest.raises(UserError, match=r"allows none of 0 validation pictures"):
        found.calibrate([])


def test_what_a_caller_may_not_do() -> None:
    with pytest.raises(ValueError, match="needs a filter or a detector"):
        Guard(None, None, SIZE)
    with pytest.raises(ValueError, match="Contrastive needs the pipeline's filter"):
        Guard(None, contrastive(), SIZE)
    with pytest.raises(ValueError, match="Squeezing needs the pipeline's embed"):
        Guard(make("median"), Squeezing(), SIZE)
    found = guard("filter")
    for call in (
        lambda: found.score(given(), NAMES),
        lambda: found.flags(torch.zeros(1)),
        lambda: found.calibrate([]),
    ):
        with pytest.raises(ValueError, match="no detector"):
            call()
    with pytest.raises(ValueError, match=r"\(B,3,24,24\) pictures and B names, got \(5, 3, 24, 24\) and 4"):
        found.clean(given(), NAMES[:4])
    with pytest.raises(ValueError, match=r"got \(1, 3, 20, 20\) and 1"):
        found.clean(tensors(1, 20, 20), NAMES[:1])
    with pytest.raises(ValueError, match="finite"):
        contrastive().threshold = float("nan")


def test_verdicts_on_pictures_of_every_size_and_mode(tmp_path: Path) -> None:
    paths = sorted(unusual(tmp_path / "shop").iterdir())
    found = guard("plain")
    verdicts = found.check([*paths, tmp_path / "none.jpg", tmp_path / "notes.txt"])
    assert [each.name for each in verdicts[: len(paths)]] == [str(path) for path in paths]
    for each in verdicts:
        name = Path(each.name).name
        if name in UNUSUAL:
            assert each.error is None
            pixels = floats(Path(each.name))
            assert each.score == pytest.approx(float(found.score(pixels, [each.name])), abs=1e-5)
            assert each.flagged == (each.score > 0.05)
        else:
            assert each.score is None
            assert not each.flagged
            reason = {"none.jpg": "no such file", "notes.txt": "not a picture file"}
            assert (BAD[name][1] if name in BAD else reason[name]) in str(each.error)
        assert each.threshold == 0.05
        assert each.cleaned is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_judged_alike_as_file_bytes_and_image(kind: str, tmp_path: Path) -> None:
    path, found = tmp_path / "a.png", guard(kind)
    drawn(1, 40).save(path)
    shown = Image.open(path)
    before = shown.copy()
    asked = [str(path), path.read_bytes(), shown]
    verdicts = found.check(asked, names=["a"] * 3, cleaned=True)
    assert verdicts[0] == verdicts[1] == verdicts[2]
    assert shown.size == (40, 40)
    assert shown.tobytes() == before.tobytes()
    expected = found.clean(floats(path), ["a"])
    for each in verdicts:
        assert each.cleaned is not None
        assert each.cleaned.size == (SIZE, SIZE)
        difference = np.asarray(each.cleaned).transpose(2, 0, 1) - expected[0].numpy() * 255
        assert np.abs(difference).max() <= 0.51


def test_pictures_without_a_name_are_named_by_their_content() -> None:
    found, images = guard("random"), [drawn(number) for number in range(40)]
    stream = io.BytesIO()
    drawn(99).save(stream, "PNG")
    asked = [*images, stream.getvalue()]
    once, again = found.check(asked), found.check(asked[::-1])[::-1]
    assert [each.name for each in once] == [each.name for each in again]
    assert [each.score for each in once] == pytest.approx([each.score for each in again], abs=1e-5)
    assert len({each.name for each in once}) == 41


def test_pictures_that_pillow_holds_of_every_kind() -> None:
    turned = drawn(1, 40)
    turned.getexif()[0x0112] = 6
    large = Image.new("1", (9000, 8000))
    found = guard("plain").check(
        [drawn(2).convert("CMYK"), turned, large, Image.new("RGB", (4, 40)), b"", b"x"]
    )
    assert [each.error is None for each in found] == [True, True, False, False, False, False]
    for each, words in zip(
        found[2:], ("too large: 9000 x 8000", "too small", "empty", "known format"), strict=True
    ):
        assert words in str(each.error)
    upright = drawn(1, 40).transpose(Image.Transpose.ROTATE_270)
    assert found[1].score == pytest.approx(guard("plain").check([upright])[0].score, abs=1e-5)


def test_lists_that_do_not_fit() -> None:
    found = guard("plain")
    assert found.check([]) == []
    with pytest.raises(TypeError, match="a path, bytes or a PIL image, got int"):
        found.check([drawn(1), 7])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="shorter"):
        found.check([drawn(1), drawn(2)], names=["a"])
    with pytest.raises(ValueError, match="more names than pictures"):
        found.check([drawn(1)], names=["a", "b"])


def test_a_guard_suits_the_extractor_that_it_was_made_for() -> None:
    own = extractor()
    found = Guard(make("median"), None, SIZE, extractor=own)
    found.suits(own)
    found.suits(extractor())  # the same weights
    assert found.extractor is None  # nothing looks at its embeddings
    with pytest.raises(UserError, match=r"was made for another extractor .*; fit a guard for this one"):
        found.suits(extractor(seed=1))
    with pytest.raises(UserError, match=r"cleans pictures of 24 pixels a side, the extractor looks at 32"):
        found.suits(extractor(size=32))
    recorded = Guard(make("median"), None, SIZE, about={"extractor": own.digest()})
    recorded.suits(own)
    guard("plain").suits(extractor(seed=1))  # made for none


def test_verdicts_compare_without_their_pictures() -> None:
    one = Verdict("a", 0.3, 0.2, cleaned=drawn(1))
    assert one == Verdict("a", 0.3, 0.2)
    assert one.flagged
    assert not Verdict("a", 0.2, 0.2).flagged
    assert not Verdict("a", None, 0.2, "bad").flagged
    # As a reader of both numbers compares them, though no float32 is 0.2.
    score = torch.tensor([0.2])
    assert Verdict("a", score.item(), 0.2).flagged
    assert contrastive(0.2).flags(score).tolist() == [True]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_says_the_same(kind: str) -> None:
    pictures = [drawn(number) for number in range(5)]
    on_cpu, on_gpu = guard(kind).check(pictures), guard(kind).to("cuda").check(pictures, cleaned=True)
    for one, other in zip(on_cpu, on_gpu, strict=True):
        assert one.name == other.name
        assert other.score == (None if one.score is None else pytest.approx(one.score, abs=1e-3))


@pytest.mark.parametrize("kind", KINDS)
def test_one_look_is_cleaning_and_scoring(kind: str) -> None:
    found, pixels = guard(kind), given()
    shown, scores = found.look(pixels, NAMES)
    assert torch.equal(shown, found.clean(pixels, NAMES))
    if found.detector is None:
        assert scores is None
    else:
        assert scores is not None
        assert torch.equal(scores, found.score(pixels, NAMES))


def test_one_look_filters_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = guard("learned")  # its result is shrunk and padded at random after the network
    assert isinstance(found.filter, LearnedFilter)
    passes: list[int] = []
    found.filter.network.register_forward_hook(lambda *_: passes.append(1))
    found.look(given(), NAMES)
    assert len(passes) == 1
