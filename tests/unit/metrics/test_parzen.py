"""The Parzen-window likelihood against its analytic limit, a double loop and the protocol of 2014."""

import math

import numpy as np
import pytest
import torch

from sparring.data import load
from sparring.metrics import parzen
from sparring.metrics.parzen import GRID, VALIDATED, parzen_likelihood, parzen_log_densities


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def quantiles(count):
    """A perfect sampler of N(0, 1) without chance: one point in the middle of each of `count` equal shares."""
    return torch.special.ndtri((torch.arange(count, dtype=torch.float64) + 0.5) / count)[:, None]


def by_hand(point, samples, sigma):
    """The definition, one density after the other, in Python's own floats."""
    norming = sigma * math.sqrt(2 * math.pi)
    densities = [
        math.prod(math.exp(-((a - b) ** 2) / (2 * sigma**2)) / norming for a, b in zip(point, sample, strict=True))
        for sample in samples
    ]
    return math.log(sum(densities) / len(densities))


def test_a_perfect_sampler_of_a_normal_reaches_the_analytic_value():
    """N(0, 1) through a window of σ is N(0, 1 + σ²): −½ log(2π(1 + σ²)) − 1/(2(1 + σ²)) = −1.42074 at σ = 0.3."""
    assert -math.log(2 * math.pi * 1.09) / 2 - 1 / 2.18 == pytest.approx(-1.42074, abs=5e-6)
    gaps = []
    for count in (500, 2000, 8000):
        found = parzen_likelihood(quantiles(count), quantiles(200), quantiles(count), grid=(0.3,))
        gaps.append(found.mean + 1.42074)
    assert [abs(gap) for gap in gaps] == sorted([abs(gap) for gap in gaps], reverse=True)
    assert gaps[-1] == pytest.approx(0, abs=3e-4)


def test_drawn_samples_reach_the_analytic_value_within_their_error():
    found = parzen_likelihood(normal(5000, 1), normal(10, 1, seed=1), normal(2000, 1, seed=2), grid=(0.3,))
    assert found.mean == pytest.approx(-1.42074, abs=3 * found.error)
    assert 0.01 < found.error < 0.03  # the sheet measured 0.02 at 2,000 test points


def test_small_sets_agree_with_the_definition():
    points, samples = normal(7, 3), normal(5, 3, seed=1)
    for sigma in (0.3, 1.0, 2.5):
        expected = [by_hand(point, samples.tolist(), sigma) for point in points.tolist()]
        found = parzen_log_densities(points, samples, sigma)
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_exponents_far_below_underflow_are_exact_in_784_dimensions():
    """At ‖x − s‖² = 784 / 4 and σ = 0.1 the exponent is −9,800, and e⁻⁷⁴⁵ is the least that float64 can hold."""
    near, far = torch.full((1, 784), 0.5), torch.ones(1, 784)
    origin = torch.zeros(1, 784)
    norming = 784 * math.log(0.1 * math.sqrt(2 * math.pi))
    alone = parzen_log_densities(origin, near, 0.1).item()
    assert alone == pytest.approx(-9800 - norming, rel=1e-12)
    both = parzen_log_densities(origin, torch.cat([near, far]), 0.1).item()
    assert both == pytest.approx(alone - math.log(2), rel=1e-12)
    assert parzen_log_densities(origin, near.repeat(9, 1), 0.1).item() == pytest.approx(alone, rel=1e-12)


def test_a_sample_at_the_point_gives_the_height_of_the_gaussian():
    x = torch.rand(40, 784, generator=torch.Generator().manual_seed(0)) + 100  # far from zero, in float32
    height = -784 * math.log(0.1 * math.sqrt(2 * math.pi)) - math.log(40)
    torch.testing.assert_close(
        parzen_log_densities(x, x, 0.1), torch.full((40,), height, dtype=torch.float64), rtol=1e-9, atol=1e-9
    )


def test_blocks_change_nothing_and_bound_the_memory(monkeypatch):
    points, samples = normal(100, 4), normal(60, 4, seed=1)
    whole = parzen_log_densities(points, samples, 0.7)
    seen, cdist = [], torch.cdist
    monkeypatch.setattr(torch, "cdist", lambda a, b: seen.append(len(a) * len(b)) or cdist(a, b))
    for block in (1, 700):
        monkeypatch.setattr(parzen, "BLOCK", block)
        seen.clear()
        torch.testing.assert_close(parzen_log_densities(points, samples, 0.7), whole, rtol=1e-12, atol=1e-12)
        assert sum(seen) == 6000
        assert max(seen) <= max(block, 60)


def test_the_grid_is_the_protocols():
    np.testing.assert_allclose(GRID, np.logspace(-1, 0, num=10), rtol=1e-15)
    assert VALIDATED == 1000


def test_the_best_bandwidth_on_the_first_thousand_validation_points_is_chosen():
    samples, test = normal(200, 2), normal(50, 2, seed=1)
    validation = normal(1200, 2, seed=2)
    found = parzen_likelihood(samples, validation, test)
    scores = [parzen_log_densities(validation[:1000], samples, sigma).mean().item() for sigma in GRID]
    assert found.validation == pytest.approx(scores, rel=1e-12)
    assert found.bandwidth == GRID[int(np.argmax(scores))]
    assert GRID[0] < found.bandwidth < GRID[-1]
    assert found.warning is None
    disturbed = validation.clone()
    disturbed[1000:] += 50
    assert parzen_likelihood(samples, disturbed, test) == found
    disturbed[999] += 50
    assert parzen_likelihood(samples, disturbed, test).validation != found.validation


def test_the_test_points_choose_nothing():
    """Test points at the samples would choose the smallest bandwidth, distant ones the largest."""
    samples, validation = normal(200, 2), normal(200, 2, seed=2)
    chosen = {parzen_likelihood(samples, validation, test).bandwidth for test in (samples, samples + 9)}
    assert len(chosen) == 1


def test_mean_and_standard_error_are_the_protocols():
    samples, test = normal(30, 2), normal(5, 2, seed=1)
    found = parzen_likelihood(samples, normal(20, 2, seed=2), test)
    densities = parzen_log_densities(test, samples, found.bandwidth).numpy()
    assert found.mean == pytest.approx(np.mean(densities), rel=1e-12)
    assert found.error == pytest.approx(np.std(densities) / math.sqrt(5), rel=1e-12)
    assert (found.samples, found.dimensions, found.grid) == (30, 2, GRID)


def test_a_bandwidth_on_either_edge_is_warned_of():
    samples = normal(300, 1)
    memorised = parzen_likelihood(samples, samples, samples, grid=(1e-4, 1e-3, 1e-2))
    assert memorised.bandwidth == 1e-4
    assert "smallest of the grid" in memorised.warning
    missed = parzen_likelihood(samples, samples + 9, samples)
    assert missed.bandwidth == 1.0
    assert "largest of the grid" in missed.warning


def test_images_are_flattened():
    samples, test = normal(20, 1, 4, 4), normal(9, 1, 4, 4, seed=1)
    found = parzen_likelihood(samples, samples, test)
    assert found == parzen_likelihood(samples.flatten(1), samples.flatten(1), test.flatten(1))
    assert found.dimensions == 16


def test_worse_samples_score_less():
    """In the direction the score claims: shifted, too wide and half-missing samples all lose."""
    validation, test, perfect = normal(500, 4, seed=1), normal(500, 4, seed=2), normal(2000, 4)
    score = parzen_likelihood(perfect, validation, test)
    for worse in (perfect + 1, perfect * 3, perfect.abs()):
        found = parzen_likelihood(worse, validation, test)
        assert found.mean < score.mean - 3 * math.hypot(found.error, score.error)


def test_samples_that_vary_too_little_are_not_punished():
    """A known flaw of the score: the window widens them to a better fit than the data's own."""
    validation, test, perfect = normal(500, 4, seed=1), normal(500, 4, seed=2), normal(2000, 4)
    narrow, fair = (parzen_likelihood(s, validation, test) for s in (perfect * 0.6, perfect))
    assert narrow.mean > fair.mean
    assert narrow.bandwidth > fair.bandwidth


@pytest.mark.slow
@pytest.mark.data
def test_real_digits_score_what_was_published(tmp_path):
    """10,000 training images of MNIST in the place of samples: 243 nats (Theis et al., 2016, table 1).

    By the whole protocol, with 10,000 test images, this code gives 242.7 ± 2.1 at σ = 0.167.
    """
    digits = load("mnist", size=28, cache=tmp_path)
    pixels = [digits.rows(np.arange(*part))[0] / 255 for part in ((10_000,), (50_000, 51_000), (51_000, 52_000))]
    found = parzen_likelihood(*pixels)
    assert (found.samples, found.dimensions, found.warning) == (10_000, 784, None)
    assert found.bandwidth == pytest.approx(10 ** (-7 / 9))
    assert found.mean == pytest.approx(243, abs=2 * found.error)
    assert 5 < found.error < 8


def test_senseless_input_is_refused():
    x = normal(10, 2)
    for points, samples in ((x, normal(10, 3)), (x[:0], x), (x, x[:0]), (x[:, 0], x[:, 0])):
        with pytest.raises(ValueError, match="of one shape"):
            parzen_log_densities(points, samples, 0.1)
    with pytest.raises(ValueError, match="finite"):
        parzen_log_densities(x, x / 0, 0.1)
    with pytest.raises(ValueError, match="must be positive"):
        parzen_log_densities(x, x, 0.0)
    for grid in ((), (0.0, 1.0), (1.0, 0.5), (0.5, 0.5)):
        with pytest.raises(ValueError, match="ascending"):
            parzen_likelihood(x, x, x, grid=grid)
