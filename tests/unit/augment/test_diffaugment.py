"""DiffAugment: laws of translation, cutout and colour."""

import pytest
import torch

from sparring.augment import (
    colour,
    cutout,
    translation,
)
from support.augment import labelled

# DiffAugment


def test_translation_by_k_pixels_brings_zeros_in(monkeypatch):
    monkeypatch.setattr(
        "sparring.augment.diffaugment.randint_per_image", lambda x, low, high: torch.full((1, 1, 1, 1), high)
    )
    moved = translation(labelled(8, 8) + 1)  # by one pixel down and to the right
    assert torch.equal(moved[:, :, 1:, 1:], labelled(8, 8)[:, :, :-1, :-1] + 1)
    assert moved[:, :, 0].abs().sum() == moved[:, :, :, 0].abs().sum() == 0


@pytest.mark.parametrize(("size", "farthest"), [(8, 1), (32, 4), (28, 4)])
def test_translation_reaches_an_eighth_each_way_uniformly(size, farthest):
    x = torch.zeros(4000, 1, size, size)
    x[:, :, size // 2, size // 2] = 1
    at = translation(x).flatten(1).argmax(1)
    for lines in (at // size, at % size):
        counts = torch.bincount(lines - size // 2 + farthest, minlength=2 * farthest + 1)
        assert len(counts) == 2 * farthest + 1
        assert (counts / 4000 - 1 / len(counts)).abs().max() < 0.03


@pytest.mark.parametrize("size", [7, 8, 32])
def test_the_cutout_has_the_specified_area(size):
    length = int(size / 2 + 0.5)
    firsts = range(-(length // 2), size - length % 2 + 1 - length // 2)
    covered = sum(min(first + length, size) - max(first, 0) for first in firsts) / len(firsts)
    kept = cutout(torch.ones(4000, 2, size, size))
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(kept[:, 0], kept[:, 1]), "all channels lose the same pixels"
    holes = (1 - kept[:, 0]).sum((1, 2))
    assert holes.max() == length**2
    assert holes.mean().item() == pytest.approx(covered**2, rel=0.03)
    rows = (1 - kept[:, 0]).amax(2).sum(1)
    assert torch.equal(holes, rows * (1 - kept[:, 0]).amax(1).sum(1)), "a rectangle"


def test_colour_has_the_papers_laws():
    """Grey images show brightness; the means over draws are the images, and the ranges are the paper's."""
    grey = colour(torch.full((20_000, 3, 1, 1), 0.25)) - 0.25  # neither saturation nor contrast
    assert grey.std(1).max() < 1e-6
    assert grey.min() >= -0.5
    assert grey.max() <= 0.5
    assert grey.mean().abs() < 0.01
    assert grey.var().item() == pytest.approx(1 / 12, rel=0.05)
    x = torch.tensor([0.9, -0.3, 0.0, 0.2, 0.4, 0.6]).view(1, 3, 2, 1).expand(20_000, -1, -1, -1)
    changed = colour(x)
    assert (changed.mean(0) - x[0]).abs().max() < 0.02
    steps = changed.mean(1)[:, 1] - changed.mean(1)[:, 0]  # of the grey parts: contrast alone
    contrast = (steps / (x.mean(1)[:, 1] - x.mean(1)[:, 0])).flatten()
    assert contrast.min() == pytest.approx(0.5, abs=0.01)
    assert contrast.max() == pytest.approx(1.5, abs=0.01)
    tint = (changed[:, 0] - changed[:, 1])[:, 0, 0] / (x[:, 0] - x[:, 1])[:, 0, 0] / contrast  # saturation alone
    assert tint.min() == pytest.approx(0.0, abs=0.01)
    assert tint.max() == pytest.approx(2.0, abs=0.01)
    assert tint.mean() == pytest.approx(1.0, abs=0.02)


def test_one_channel_has_no_saturation(monkeypatch):
    monkeypatch.setattr("sparring.augment.diffaugment.rand_per_image", lambda x, low, high: 0.0 if low < 0 else 2.0)
    x = torch.randn(1, 1, 4, 4)  # no brightness, saturation 2, contrast 2
    assert torch.allclose(colour(x) - x.mean(), 2 * (x - x.mean()), atol=1e-6)
    x = torch.randn(1, 3, 4, 4)
    tint = x - x.mean(1, keepdim=True)
    assert torch.allclose(colour(x) - x.mean(), 2 * (x + tint - x.mean()), atol=1e-5)
