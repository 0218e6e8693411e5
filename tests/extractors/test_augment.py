"""Augmentation: bounded, repeatable, each sample its own, each setting with an effect."""

from __future__ import annotations

import pytest
import torch

from elliot_advrec.extractors.augment import augment
from elliot_advrec.extractors.config import AugmentationConfig
from elliot_advrec.streams import Streams

NONE = AugmentationConfig.none()


def pictures(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_none_changes_nothing() -> None:
    pixels = pictures()
    assert augment(pixels, NONE, Streams(range(4))) is pixels
    assert len(augment(pictures(0), AugmentationConfig(), Streams([]))) == 0


@pytest.mark.parametrize("name", list(AugmentationConfig.model_fields))
def test_each_setting_has_an_effect_within_range(name: str) -> None:
    config = NONE.model_copy(update={name: 0.5 if name != "rotation" else 30.0})
    pixels = pictures(8)
    found = augment(pixels, config, Streams(range(8)))
    assert not torch.equal(found, pixels)
    assert found.shape == pixels.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_sample_depends_on_its_own_stream_alone() -> None:
    pixels, config = pictures(), AugmentationConfig()
    together = augment(pixels, config, Streams([5, 6, 7, 8]))
    alone = augment(pixels[2:3], config, Streams([7]))
    torch.testing.assert_close(alone[0], together[2])
    assert not torch.equal(augment(pixels[2:3], config, Streams([9]))[0], together[2])


def test_flip_mirrors() -> None:
    pixels = pictures()
    found = augment(pixels, NONE.model_copy(update={"flip": 1.0}), Streams(range(4)))
    torch.testing.assert_close(found, pixels.flip(3), atol=1e-5, rtol=0)


def test_grey_pictures_have_no_saturation_and_flat_ones_no_contrast() -> None:
    grey = pictures()[:, :1].expand(-1, 3, -1, -1)
    config = NONE.model_copy(update={"saturation": 1.0})
    torch.testing.assert_close(augment(grey, config, Streams(range(4))), grey)
    flat = torch.full((4, 3, 8, 8), 0.4)
    config = NONE.model_copy(update={"contrast": 1.0})
    torch.testing.assert_close(augment(flat, config, Streams(range(4))), flat)
