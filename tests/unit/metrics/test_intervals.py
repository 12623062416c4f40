"""Bootstrap intervals and extrapolation against textbook errors, biases derived by hand, and coverage."""

import math
import statistics
from functools import partial

import pytest
import torch

from sparring.metrics.frechet import Moments, frechet_distance, frechet_from_moments
from sparring.metrics.inception_score import classifier_score
from sparring.metrics.intervals import Bootstrap, bootstrap, extrapolate
from sparring.metrics.kid import kernel_distance


def normal(count, dimensions, seed=0):
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mean(x):
    return x.mean().item()


def test_the_error_of_a_mean_is_the_textbooks():
    x = normal(200, 1)
    found = bootstrap(mean, x, resamples=2000)
    assert found.value == mean(x)
    assert found.error == pytest.approx(x.std(correction=0).item() / math.sqrt(200), rel=0.06)
    assert found.bias == pytest.approx(0, abs=4 * found.error / math.sqrt(2000))
    assert len(found.replicates) == 2000


def test_sets_are_redrawn_independently_and_rows_stay_together():
    x = normal(200, 1)
    apart = bootstrap(lambda a, b: mean(a) - mean(b), x, x, resamples=1000)
    assert apart.error == pytest.approx(math.sqrt(2) * x.std(correction=0).item() / math.sqrt(200), rel=0.1)
    rows = bootstrap(lambda a: mean(a[:, 0] - a[:, 1]), torch.cat([x, x + 1], dim=1), resamples=20)
    assert rows.replicates == pytest.approx([-1] * 20)


def test_intervals_of_known_replicates():
    found = Bootstrap(50.0, tuple(float(k) for k in range(101)))
    assert found.percentile(0.9) == pytest.approx((5, 95))
    assert found.percentile(0.5) == pytest.approx((25, 75))
    error = statistics.stdev(range(101))
    assert found.normal() == pytest.approx((50 - 1.959964 * error, 50 + 1.959964 * error), rel=1e-6)
    assert found.normal(0.5) == pytest.approx((50 - 0.6744898 * error, 50 + 0.6744898 * error), rel=1e-6)


@pytest.mark.parametrize("interval", [Bootstrap.percentile, Bootstrap.normal])
def test_intervals_cover_the_truth_as_often_as_nominal(interval):
    """Of 200 experiments with 60 draws of an exponential with mean 1; coverage is slightly low for few draws."""
    inside = 0
    for k in range(200):
        x = -torch.rand(60, generator=torch.Generator().manual_seed(k), dtype=torch.float64).log()
        low, high = interval(bootstrap(mean, x, resamples=100, seed=k), 0.9)
        inside += low < 1 < high
    assert 0.80 <= inside / 200 <= 0.95


def test_duplicates_raise_a_distance_and_its_estimated_bias():
    """A redrawn pair i ≠ j is the same sample with probability 1/n, so E* MMD²ᵤ = MMD²ᵤ + O(1/n)."""
    x, y = normal(60, 4), normal(60, 4, seed=1)
    for distance in (frechet_distance, kernel_distance):
        found = bootstrap(distance, x, y, resamples=60)
        assert found.bias > found.error
        low, high = found.normal()
        assert low < found.value < high


def test_resamples_are_the_seeds_alone():
    x = normal(30, 1)
    before = torch.random.get_rng_state()
    first = bootstrap(mean, x, resamples=5, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(1)
    assert bootstrap(mean, x, resamples=5, seed=1) == first
    assert bootstrap(mean, x, resamples=5, seed=2) != first


def test_a_bias_of_one_over_n_is_removed_exactly():
    found = extrapolate(lambda x: 5 + 7 / len(x), torch.zeros(100, 2), points=10)
    assert found.value == pytest.approx(5, rel=1e-12)
    assert found.slope == pytest.approx(7, rel=1e-11)
    assert found.residual == pytest.approx(0, abs=1e-12)
    assert found.counts == (10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
    assert found.values == pytest.approx([5 + 7 / n for n in found.counts])


@pytest.mark.parametrize(("count", "smallest", "points"), [(10, 8, 3), (3, 2, 2)])
def test_sizes_may_be_as_many_as_there_are(count, smallest, points):
    found = extrapolate(lambda x: float(len(x)), torch.zeros(count, 1), smallest=smallest, points=points)
    assert found.counts == tuple(range(smallest, count + 1))


def test_a_crooked_line_has_a_residual():
    found = extrapolate(lambda x: float(len(x) == 20), torch.zeros(20, 1), points=3, smallest=10)
    assert found.counts == (10, 15, 20)
    u = torch.tensor([1 / 10, 1 / 15, 1 / 20], dtype=torch.float64)
    v = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    line = torch.linalg.lstsq(torch.stack([torch.ones(3, dtype=torch.float64), u], 1), v[:, None]).solution[:, 0]
    assert (found.value, found.slope) == pytest.approx(line.tolist(), rel=1e-9)
    assert found.residual == pytest.approx((v - line[0] - line[1] * u).square().mean().sqrt().item(), rel=1e-9)


def test_the_protocol_is_the_papers():
    """Fifteen sizes from a tenth of all to all, each a subset without a duplicate."""
    found = extrapolate(lambda x: x.unique().numel() / len(x), torch.arange(50_000))
    assert (len(found.counts), found.counts[0], found.counts[-1]) == (15, 5000, 50_000)
    assert set(found.values) == {1.0}
    assert max(b - a for a, b in zip(found.counts, found.counts[1:], strict=False)) == pytest.approx(45_000 / 14, abs=1)


def test_the_frechet_distance_of_a_perfect_sampler_tends_to_zero():
    """Against exact moments of N(0, I) the bias is d/n by the mean and d(d + 1)/4n by the covariance: c = 26 at d = 8.

    The latter from tr(I + Ĉ − 2 Ĉ^½) = ‖Ĉ − I‖² / 4 + …, whose expectation is (d² + d) / 4n.
    """
    real = Moments.given(10**9, torch.zeros(8), torch.eye(8))
    found = [
        extrapolate(lambda fake: frechet_from_moments(real, Moments.of(fake)), normal(4000, 8, seed=k))
        for k in range(12)
    ]
    error = statistics.stdev(e.value for e in found) / math.sqrt(12)
    assert statistics.fmean(e.value for e in found) == pytest.approx(0, abs=3 * error)
    assert statistics.fmean(e.slope for e in found) == pytest.approx(26, rel=0.1)
    assert statistics.fmean(e.values[-1] for e in found) > 4 * error  # what the plain distance is off by


def test_the_classifier_score_is_raised_to_its_limit():
    classes = torch.randint(10, (20_000,), generator=torch.Generator().manual_seed(0))
    found = extrapolate(lambda p: classifier_score(p, splits=1).mean, torch.eye(10)[classes], smallest=50, points=400)
    assert found.slope < 0
    assert found.value == pytest.approx(10, abs=0.02)
    assert found.values[0] < 9.8


def test_extrapolation_takes_any_statistic_of_one_set():
    real, fake = normal(500, 4), normal(500, 4, seed=1)
    found = extrapolate(partial(frechet_distance, real), fake)
    assert found.value < found.values[-1] == pytest.approx(frechet_distance(real, fake), rel=1e-9)
    assert extrapolate(partial(frechet_distance, real), fake, seed=1).value != found.value


def test_senseless_input_is_refused():
    x = normal(10, 2)
    for samples, resamples in (((), 10), ((x[:1],), 10), ((x,), 1)):
        with pytest.raises(ValueError, match="resamples of 2 samples"):
            bootstrap(mean, *samples, resamples=resamples)
    for confidence in (0, 1, 95):
        with pytest.raises(ValueError, match="between 0 and 1"):
            bootstrap(mean, x, resamples=2).percentile(confidence)
    for settings in ({"points": 1}, {"smallest": 1}, {"smallest": 9, "points": 3}, {"smallest": 11, "points": 2}):
        with pytest.raises(ValueError, match="use more samples"):
            extrapolate(mean, x, **settings)
