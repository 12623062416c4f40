"""Mode coverage against what is known of perfect, collapsed and broken samplers (VEEGAN, PacGAN, RealnessGAN)."""

import math

import pytest
import torch

from sparring.metrics import mode_coverage

RING = torch.tensor([[math.cos(math.pi * i / 4), math.sin(math.pi * i / 4)] for i in range(8)])
GRID = torch.cartesian_prod(torch.arange(-4.0, 5.0, 2.0), torch.arange(-4.0, 5.0, 2.0))


def drawn(centres, deviation, count, seed=0):
    """`count` points, equally many (to one) from each mode."""
    generator = torch.Generator().manual_seed(seed)
    modes = torch.arange(count) % len(centres)
    return centres[modes] + deviation * torch.randn(count, 2, generator=generator)


@pytest.mark.parametrize(("centres", "deviation"), [(RING, 0.01), (GRID, 0.05)], ids=["ring", "grid"])
@pytest.mark.parametrize(("within", "share"), [(3.0, 0.988891), (4.0, 0.999665)])
def test_a_perfect_sampler_reaches_the_ceiling(centres, deviation, within, share):
    count = 100_000
    found = mode_coverage(drawn(centres, deviation, count), centres, deviation, within=within)
    standard_error = math.sqrt(share * (1 - share) / count)
    assert found.ceiling == pytest.approx(share, abs=1e-6)
    assert abs(found.high_quality - share) < 4 * standard_error
    assert found.modes == found.total == len(centres)
    assert 0 <= found.reverse_kl < 1e-5
    assert 0 <= found.forward_kl < 1e-5
    assert sum(found.counts) == round(found.high_quality * count)


def test_the_published_protocol_on_2500_samples():
    found = mode_coverage(drawn(RING, 0.01, 2500), RING, 0.01)
    assert found.modes == 8
    assert abs(found.high_quality - 0.98889) < 4 * 0.0021
    assert found.reverse_kl < 0.001


def test_one_mode_alone():
    points = drawn(GRID[7:8], 0.05, 2500)
    found = mode_coverage(points, GRID, 0.05)
    assert found.modes == 1
    assert found.reverse_kl == pytest.approx(math.log(25), abs=1e-12)
    assert found.forward_kl == math.inf
    assert found.counts[7] == sum(found.counts) == pytest.approx(2500 * 0.98889, abs=25)


def test_both_divergences_of_a_known_histogram():
    counts = [1, 2, 3, 10]
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    found = mode_coverage(centres.repeat_interleave(torch.tensor(counts), dim=0), centres, 0.01)
    p = [n / 16 for n in counts]
    assert found.counts == (1, 2, 3, 10)
    assert found.reverse_kl == pytest.approx(sum(q * math.log(q / 0.25) for q in p), abs=1e-12)
    assert found.forward_kl == pytest.approx(sum(0.25 * math.log(0.25 / q) for q in p), abs=1e-12)


def test_the_limit_is_strict_and_in_deviations():
    centre = torch.zeros(1, 2, dtype=torch.float64)
    radii = torch.tensor([0.0, 0.74, 0.76, 1.0, 3.0], dtype=torch.float64)
    points = torch.stack([radii, torch.zeros(5, dtype=torch.float64)], dim=1)
    assert mode_coverage(points, centre, 0.25).counts == (2,)
    assert mode_coverage(points, centre, 0.25, within=4).counts == (3,)  # the point at exactly 4 deviations is out


def test_a_mode_counts_from_the_fewest_samples_on():
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    points = centres.repeat_interleave(torch.tensor([100, 101, 9799]), dim=0)
    assert mode_coverage(points, centres, 0.05, within=4, fewest=101).modes == 2
    assert mode_coverage(points, centres, 0.05, within=4, fewest=100).modes == 3


def test_spread_is_per_coordinate_and_of_high_quality_points_only():
    points = torch.tensor([[0.03, 0.0], [0.0, -0.03], [9.0, 9.0]], dtype=torch.float64)
    found = mode_coverage(points, torch.zeros(1, 2), 0.05)
    assert found.spread == pytest.approx(0.03 / math.sqrt(2), rel=1e-12)
    perfect = mode_coverage(drawn(RING, 0.01, 100_000), RING, 0.01)
    cut = 1 - 4.5 * math.exp(-4.5) / (1 - math.exp(-4.5))  # E[r²/2 | r < 3] for a Rayleigh r
    assert perfect.spread == pytest.approx(0.01 * math.sqrt(cut), rel=0.01)


def test_nothing_of_high_quality_is_infinitely_far_from_uniform():
    found = mode_coverage(torch.full((10, 2), 50.0), RING, 0.01)
    assert (found.modes, found.high_quality, found.counts) == (0, 0.0, (0,) * 8)
    assert found.reverse_kl == found.forward_kl == math.inf
    assert math.isnan(found.spread)


def test_samples_that_are_not_finite_are_of_no_mode():
    points = torch.cat([RING, torch.tensor([[math.nan, 0.0], [math.inf, 0.0]])])
    found = mode_coverage(points, RING, 0.01)
    assert found.counts == (1,) * 8
    assert found.high_quality == pytest.approx(0.8)
    assert math.isfinite(found.spread)


def test_the_data_of_the_catalogue_cover_themselves():
    from sparring.data.sources.toy import ring

    data = ring()
    points, *_ = data.rows(torch.arange(0, len(data), 40).numpy())
    found = mode_coverage(points, data.mixture.centres, data.mixture.deviation)
    assert found.modes == 8
    assert abs(found.high_quality - 0.98889) < 4 * 0.0021


@pytest.mark.parametrize(
    ("samples", "centres", "limits"),
    [
        (torch.zeros(5, 3), RING, {}),
        (torch.zeros(0, 2), RING, {}),
        (torch.zeros(5, 2), torch.zeros(2), {}),
        (torch.zeros(5, 2), RING, {"within": 0}),
        (torch.zeros(5, 2), RING, {"fewest": 0}),
    ],
)
def test_senseless_input_is_refused(samples, centres, limits):
    with pytest.raises(ValueError, match=r"shape|within"):
        mode_coverage(samples, centres, 0.01, **limits)
