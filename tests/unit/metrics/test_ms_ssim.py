"""SSIM and MS-SSIM against closed forms and torchmetrics; pairs of samples."""

import math
import warnings
from importlib import import_module

import pytest
import torch
from torch.nn import functional as F

from sparring.metrics.ms_ssim import WEIGHTS, ms_ssim, pair_similarity, scales_of, ssim

similarity = import_module("sparring.metrics.ms_ssim")  # the package exports its function of this name


def pictures(count, channels, side, seed=0):
    """Blobs with noise in [−1, 1]: similar at some scales, unlike at others."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, max(side // 8, 2), max(side // 8, 2), generator=generator, dtype=torch.float64)
    blobs = F.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)
    noise = torch.randn(count, channels, side, side, generator=generator, dtype=torch.float64)
    return (2 * blobs - 1 + 0.2 * noise).clamp(-1, 1)


def altered(images, seed=9):
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (0.8 * images + 0.2 * noise).clamp(-1, 1)


@pytest.fixture(scope="module")
def theirs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torchmetrics.functional.image")


@pytest.mark.parametrize("side", [8, 11, 28, 32, 64])
def test_identical_images_score_exactly_one(side):
    x = pictures(3, 3, side)
    assert torch.equal(ssim(x, x), torch.ones(3, dtype=torch.float64))
    assert torch.equal(ms_ssim(x, x), torch.ones(3, dtype=torch.float64))


def test_flat_images_in_closed_form():
    """Without variance cs = 1 and l is that of the two grey levels, at the last scale alone: weight w_M."""
    a, b = torch.full((1, 1, 32, 32), -0.6, dtype=torch.float64), torch.full((1, 1, 32, 32), 0.4, dtype=torch.float64)
    luminance = (2 * 0.2 * 0.7 + 1e-4) / (0.2**2 + 0.7**2 + 1e-4)
    assert ssim(a, b).item() == pytest.approx(luminance, rel=1e-9)
    weight = WEIGHTS[1] / (WEIGHTS[0] + WEIGHTS[1])
    assert ms_ssim(a, b).item() == pytest.approx(luminance**weight, rel=1e-9)


def test_halved_contrast_in_closed_form():
    """b = a / 2 + c, so σ_ab = σ²/2 and σ_b² = σ²/4 under every window."""
    a = pictures(1, 1, 11) * 0.2
    window = similarity._window(11)
    weights = torch.outer(window, window)
    x, y = (a[0, 0] + 1) / 2, (a[0, 0] / 2 + 1) / 2
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    variance = (weights * (x - mean_x) ** 2).sum()
    expected = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
    expected *= (variance + 9e-4) / (1.25 * variance + 9e-4)
    assert ssim(a, a / 2).item() == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [176, pytest.param(256, marks=pytest.mark.slow)])
def test_torchmetrics_agrees_where_five_scales_fit(theirs, side, channels):
    a = pictures(2, channels, side)
    b = altered(a)
    expected = theirs.multiscale_structural_similarity_index_measure(
        (a + 1) / 2, (b + 1) / 2, data_range=1.0, reduction="none", normalize="relu"
    )
    torch.testing.assert_close(ms_ssim(a, b), expected.double(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("side", [32, 64, 128])
def test_torchmetrics_agrees_on_small_images_up_to_their_border(theirs, side):
    """They let the last scale's windows hang over the border, mirrored; cut those off, and both are the same."""
    a = pictures(2, 3, side)
    b = altered(a)
    scales = scales_of(side, side)
    betas = tuple(weight / sum(WEIGHTS[:scales]) for weight in WEIGHTS[:scales])
    x, y = (a + 1) / 2, (b + 1) / 2
    whole = theirs.multiscale_structural_similarity_index_measure(
        x, y, data_range=1.0, betas=betas, reduction="none", normalize="relu"
    ).double()
    for _ in range(scales - 1):
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    mean, full = theirs.structural_similarity_index_measure(
        x, y, data_range=1.0, reduction="none", return_full_image=True
    )
    inside = full[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))
    torch.testing.assert_close(ssim(2 * x - 1, 2 * y - 1), inside.double(), rtol=1e-6, atol=0)
    torch.testing.assert_close(ms_ssim(a, b), whole * (inside / mean) ** betas[-1], rtol=1e-5, atol=0)


def test_a_negative_image_is_unlike_and_never_not_a_number():
    a = pictures(2, 1, 32)
    assert (ssim(a, -a) < 0).all()
    assert torch.equal(ms_ssim(a, -a), torch.zeros(2, dtype=torch.float64))


def test_both_sides_count_alike_and_chunks_change_nothing(monkeypatch):
    a, b = pictures(7, 3, 32), pictures(7, 3, 32, seed=1)
    torch.testing.assert_close(ms_ssim(a, b), ms_ssim(b, a), rtol=1e-12, atol=0)
    whole = ms_ssim(a, b), ssim(a, b)
    monkeypatch.setattr(similarity, "AT_ONCE", 3)
    assert torch.equal(ms_ssim(a, b), whole[0])
    assert torch.equal(ssim(a, b), whole[1])


def test_pairs_are_disjoint_and_their_error_is_that_of_a_mean():
    images = pictures(21, 1, 16)
    first, second = similarity._pairs(21, None, torch.Generator().manual_seed(3))
    assert len(set(torch.cat([first, second]).tolist())) == 20
    values = ms_ssim(images[first], images[second])
    found = pair_similarity(images, seed=3)
    assert (found.pairs, found.scales) == (10, 1)
    assert found.mean == pytest.approx(values.mean().item(), rel=1e-12)
    assert found.standard_error == pytest.approx(values.std().item() / math.sqrt(10), rel=1e-12)
    assert [pair_similarity(images, pairs=pairs, seed=3).pairs for pairs in (2, 4)] == [2, 4]
    assert pair_similarity(images, seed=4).mean != found.mean


def test_pairs_keep_to_their_class():
    labels = torch.tensor([0, 1, 0, 2, 2, 1, 0, 2, 2, 0, 0])
    for seed in range(20):
        first, second = similarity._pairs(11, labels, torch.Generator().manual_seed(seed))
        assert torch.equal(labels[first], labels[second])
        assert len(set(torch.cat([first, second]).tolist())) == 2 * len(first) == 10
    one_per_class = pictures(3, 1, 16)[labels % 3]
    assert pair_similarity(one_per_class, labels=labels).mean == pytest.approx(1)
    assert pair_similarity(one_per_class).mean < 0.9


def test_duplicates_raise_the_score():
    distinct = pictures(40, 1, 32)
    scores = [pair_similarity(distinct[torch.arange(40) % kept]).mean for kept in (40, 4, 1)]
    assert scores[0] < scores[1] < scores[2] == 1


def test_senseless_input_is_refused():
    x = pictures(4, 1, 16)
    with pytest.raises(ValueError, match="two sets"):
        ms_ssim(x, x[:3])
    with pytest.raises(ValueError, match="two sets"):
        ssim(x[0], x[0])
    with pytest.raises(ValueError, match="finite"):
        ms_ssim(x, x / 0)
    with pytest.raises(ValueError, match="two pairs"):
        pair_similarity(x[:3])
    with pytest.raises(ValueError, match="two pairs"):
        pair_similarity(x, labels=torch.arange(4))
    with pytest.raises(ValueError, match="labels"):
        pair_similarity(x, labels=torch.arange(3))
