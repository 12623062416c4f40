"""The sliced Wasserstein distance against closed forms and scipy; its pyramid against the authors' steps by scipy."""

import math
from importlib import import_module

import numpy as np
import pytest
import torch

from sparring.metrics.sliced_wasserstein import PyramidDistance, pyramid_distance, sliced_wasserstein

sliced = import_module("sparring.metrics.sliced_wasserstein")  # the package exports its function of this name


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_one_dimension_is_exact():
    x, y = normal(500, 1), 2 * normal(500, 1, seed=1) + 0.3
    apart = x.flatten().sort().values - y.flatten().sort().values
    assert sliced_wasserstein(x, y, projections=3) == pytest.approx(apart.abs().mean().item(), rel=1e-12)
    assert sliced_wasserstein(x, y, projections=3, order=2) == pytest.approx(apart.norm().item() / 500**0.5, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (7, 3), (100, 64), (6, 12)])
def test_sets_of_different_sizes_agree_with_scipy(n, m):
    stats = pytest.importorskip("scipy.stats")
    x, y = normal(n, 1), normal(m, 1, seed=1) + 0.5
    expected = stats.wasserstein_distance(x.flatten().numpy(), y.flatten().numpy())
    assert sliced_wasserstein(x, y) == pytest.approx(expected, rel=1e-12)


def test_second_order_of_different_sizes_by_hand():
    """u below ½: 0 to 0 and then to 3; above: 2 to 3 and then to 6, each for the lengths of thirds and halves."""
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [3.0], [6.0]])
    squared = 0 / 3 + (1 / 2 - 1 / 3) * 9 + (2 / 3 - 1 / 2) * 1 + 1 / 3 * 16
    assert sliced_wasserstein(x, y, order=2) == pytest.approx(math.sqrt(squared), rel=1e-12)


def test_shifted_sets_in_closed_form():
    """A direction has the shift ⟨θ, δ⟩: E |θ₁| = Γ(d/2) / (√π Γ((d+1)/2)) and E θ₁² = 1 / d: 1/2 and 1/3 at d = 3."""
    x, shift = normal(50, 3), torch.tensor([2.0, -1.0, 2.0])
    count = 20_000
    first = sliced_wasserstein(x, x + shift, projections=count)
    second = sliced_wasserstein(x, x + shift, projections=count, order=2)
    assert first == pytest.approx(3 / 2, abs=4 * 3 / math.sqrt(12 * count))  # |θ₁| is uniform in three dimensions
    assert second == pytest.approx(3 / math.sqrt(3), rel=0.02)


def test_gaussians_in_closed_form():
    """N(0, 1) and N(δ, s²) along θ: W₂² = ⟨θ, δ⟩² + (s − 1)², so SW₂² = ‖δ‖²/d + (s − 1)²."""
    shift = torch.tensor([1.0, 2.0, 0.0, -2.0, 0.0])
    found = sliced_wasserstein(normal(5000, 5), 3 * normal(5000, 5, seed=1) + shift, order=2)
    assert found**2 == pytest.approx(9 / 5 + 4, rel=0.05)


def test_it_is_a_distance_fixed_by_its_seed():
    x, y = normal(40, 6), normal(30, 6, seed=1)
    assert sliced_wasserstein(x, x) == 0
    assert sliced_wasserstein(x, y) == pytest.approx(sliced_wasserstein(y, x), rel=1e-12)
    assert sliced_wasserstein(3 * x, 3 * y) == pytest.approx(3 * sliced_wasserstein(x, y), rel=1e-12)
    assert sliced_wasserstein(x, y, projections=8) == sliced_wasserstein(x, y, projections=8)
    assert sliced_wasserstein(x, y, projections=8) != sliced_wasserstein(x, y, projections=8, seed=1)


def test_blocks_change_nothing(monkeypatch):
    x, y = normal(40, 6), normal(30, 6, seed=1)
    whole = sliced_wasserstein(x, y)
    monkeypatch.setattr(sliced, "BLOCK", 7 * 70)
    assert sliced_wasserstein(x, y) == pytest.approx(whole, rel=1e-12)


def pyramid_by_scipy(images, levels):
    """Laplacian pyramid by the binomial filter, mirrored at the edges."""
    convolve = pytest.importorskip("scipy.ndimage").convolve
    row = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.outer(row, row)[None, None]
    found = [images.numpy()]
    for _ in range(levels - 1):
        small = convolve(found[-1], kernel, mode="mirror")[:, :, ::2, ::2]
        spread = np.zeros_like(found[-1])
        spread[:, :, ::2, ::2] = small
        found[-1] = found[-1] - convolve(spread, 4 * kernel, mode="mirror")
        found.append(small)
    return [torch.from_numpy(level) for level in found]


def test_levels_agree_with_scipy_and_rebuild_the_image():
    images = normal(2, 3, 64, 64)
    expected = pyramid_by_scipy(images, 3)
    levels = [sliced._level(images, level, 3) for level in range(3)]
    for found, known in zip(levels, expected, strict=True):
        torch.testing.assert_close(found.double(), known, rtol=0, atol=1e-5)
    rebuilt = levels[0] + sliced._grown(levels[1] + sliced._grown(levels[2]))
    torch.testing.assert_close(rebuilt.double(), images, rtol=0, atol=1e-5)


def test_descriptors_are_patches_of_the_level_with_normal_channels():
    x = torch.arange(2 * 3 * 16 * 16.0).reshape(2, 3, 16, 16)
    patches = sliced._patches(x, 500, torch.Generator().manual_seed(0))
    assert patches.shape == (1000, 3, 7, 7)
    corner = patches[:, 0, 0, 0]
    offsets = torch.arange(7.0)[:, None] * 16 + torch.arange(7.0)
    for channel in range(3):
        torch.testing.assert_close(patches[:, channel], (corner + 256 * channel)[:, None, None] + offsets)
    assert torch.equal(corner[:500] // 768, torch.zeros(500))  # the first 500 from the first image
    assert torch.equal(corner[500:] // 768, torch.ones(500))
    places = corner[:500]
    assert set((places // 16).tolist()) == set((places % 16).tolist()) == set(range(10))  # every place is drawn
    found = sliced._descriptors(x, 0, 1, 500, torch.Generator().manual_seed(0)).reshape(1000, 3, 49)
    torch.testing.assert_close(found.mean(dim=(0, 2)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.std(dim=(0, 2), correction=0), torch.ones(3), rtol=0, atol=1e-5)


def test_white_noise_differs_from_smooth_noise_as_computed_by_hand():
    """The whole score from its parts: 16 pixels have one level, which is the image."""
    real, fake = normal(30, 1, 16, 16), normal(30, 1, 16, 16, seed=1).cumsum(3)
    generator = torch.Generator().manual_seed(5)
    both = []
    for images in (real, fake):
        tops, lefts = (torch.randint(10, (30, 20), generator=generator) for _ in range(2))
        rows = [images[i, 0, t : t + 7, s : s + 7] for i in range(30) for t, s in zip(tops[i], lefts[i], strict=True)]
        patches = torch.stack(rows).flatten(1)
        both.append((patches - patches.mean()) / patches.std(correction=0))
    directions = torch.randn(64, 49, generator=generator, dtype=torch.float64)
    directions = directions / directions.norm(dim=1, keepdim=True)
    x, y = (sorted_by_rank(z @ directions.T) for z in both)
    found = pyramid_distance(real, fake, patches=20, projections=64, seed=5)
    assert found.sides == (16,)
    assert found.levels[0] == found.mean == pytest.approx(1000 * (x - y).abs().mean().item(), rel=1e-5)


def sorted_by_rank(values):
    return values.sort(dim=0).values


def test_sides_halve_down_to_sixteen():
    assert sliced._sides(128, 128) == (128, 64, 32, 16)
    assert sliced._sides(28, 28) == (28,)
    assert sliced._sides(8, 8) == (8,)
    assert sliced._sides(96, 48) == (96, 48)  # the next would be 12 wide
    assert PyramidDistance((32, 16), (1.0, 4.0)).mean == 2.5


def test_brightness_and_contrast_go_unseen_and_detail_does_not():
    real, other = normal(40, 3, 32, 32), normal(40, 3, 32, 32, seed=1)
    plain = pyramid_distance(real, other, patches=64, projections=32)
    changed = pyramid_distance(real, 0.3 * other + 0.5, patches=64, projections=32)
    assert changed.levels == pytest.approx(plain.levels, rel=1e-3)
    blurred = torch.nn.functional.avg_pool2d(other, 5, 1, 2)
    assert pyramid_distance(real, blurred, patches=64, projections=32).levels[0] > 1.5 * plain.levels[0]


def test_images_of_one_colour_are_no_error():
    found = pyramid_distance(torch.zeros(4, 1, 16, 16), torch.ones(4, 1, 16, 16), patches=4, projections=4)
    assert found.levels == (0.0,)


def test_senseless_input_is_refused():
    x = normal(10, 4)
    with pytest.raises(ValueError, match="points"):
        sliced_wasserstein(x, normal(10, 5))
    with pytest.raises(ValueError, match="points"):
        sliced_wasserstein(x, x[:0])
    with pytest.raises(ValueError, match="order"):
        sliced_wasserstein(x, x, order=0.5)
    with pytest.raises(ValueError, match="finite"):
        sliced_wasserstein(x, x.log())
    image = torch.zeros(2, 1, 16, 16)
    with pytest.raises(ValueError, match="7 pixels"):
        pyramid_distance(image[..., :6], image[..., :6])
    with pytest.raises(ValueError, match="one shape"):
        pyramid_distance(image, image[..., :8])
    with pytest.raises(ValueError, match="at least 1"):
        pyramid_distance(image, image, patches=0)
    with pytest.raises(ValueError, match="finite"):
        pyramid_distance(image, image / 0)
