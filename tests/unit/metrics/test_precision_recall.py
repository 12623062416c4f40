"""Precision, recall, density and coverage on sets with known values, and against the definitions written out."""

import math
import subprocess
import sys
from importlib import import_module

import pytest
import torch

from sparring.metrics import density_coverage, precision_recall

neighbours = import_module("sparring.metrics.precision_recall")  # the package exports its function of this name


def cloud(count, dimensions=4, seed=0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimensions, generator=generator) + shift


def test_identical_sets_are_precise_and_complete():
    x = cloud(200)
    found = precision_recall(x, x)
    assert (found.precision, found.recall) == (1.0, 1.0)
    assert density_coverage(x, x).coverage == 1.0


def test_disjoint_sets_share_nothing():
    found = precision_recall(cloud(200), cloud(150, shift=100.0))
    assert (found.precision, found.recall) == (0.0, 0.0)
    shared = density_coverage(cloud(200), cloud(150, shift=100.0))
    assert (shared.density, shared.coverage) == (0.0, 0.0)


def test_equal_distributions_score_high_with_density_about_one():
    """At equal counts E[density] = 1 and E[coverage] = 1 − Πᵢ (n − i) / (2n − i), i = 1…k, ≈ 1 − 2⁻ᵏ (Naeem, 2020)."""
    real, fake = cloud(1000, 8), cloud(1000, 8, seed=1)
    shared = density_coverage(real, fake)
    assert shared.density == pytest.approx(1.0, abs=0.1)
    assert shared.coverage == pytest.approx(1 - 2**-5, abs=0.02)


def test_dropped_modes_cost_recall_and_not_precision():
    modes = torch.eye(4) * 30
    real = torch.cat([cloud(100, seed=i) + modes[i] for i in range(4)])
    fake = torch.cat([cloud(200, seed=9 + i) + modes[i] for i in range(2)])
    found, shared = precision_recall(real, fake), density_coverage(real, fake)
    assert found.precision > 0.9
    assert 0.4 < found.recall <= 0.5
    assert 0.4 < shared.coverage <= 0.5
    swapped = precision_recall(fake, real)
    assert (swapped.precision, swapped.recall) == (found.recall, found.precision)


def test_the_third_neighbour_other_than_itself_gives_the_radius():
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # radii by the third neighbour: 7, 6, 4, 7
    fake = torch.tensor([[-7.0], [-7.1], [14.0], [14.1]])
    assert precision_recall(real, fake, neighbours=3).precision == 0.5  # at a distance of 7 from 0 and from 7: inside
    # by the first neighbour the radii are 1, 1, 2, 4
    inside = torch.tensor([[-1.0], [2.0], [5.0], [11.0], [11.1]])
    assert precision_recall(real, inside, neighbours=1).precision == 0.8


def test_density_counts_balls_and_coverage_counts_reals():
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])  # radii for k = 2: 2, 1, 2, 9
    fake = torch.tensor([[1.5], [1.6], [-20.0]])
    shared = density_coverage(real, fake, neighbours=2)
    assert shared.density == pytest.approx((4 + 4 + 0) / 3 / 2)  # every ball reaches 1.5 and 1.6
    assert shared.coverage == 1.0
    few = density_coverage(real, torch.tensor([[-1.0], [-1.0], [-1.0]]), neighbours=2)
    assert few.coverage == 0.25  # only the ball around 0
    assert few.density == pytest.approx(0.5)


def test_all_agree_with_the_definitions_written_out():
    real, fake = cloud(120, 3).double(), cloud(90, 3, seed=1, shift=0.7).double()
    apart = torch.cdist(real, fake)
    r_real = torch.cdist(real, real).sort(dim=1).values[:, 3]
    r_fake = torch.cdist(fake, fake).sort(dim=1).values[:, 3]
    found, shared = precision_recall(real, fake), density_coverage(real, fake, neighbours=3)
    assert found.precision == pytest.approx((apart <= r_real[:, None]).any(0).double().mean().item())
    assert found.recall == pytest.approx((apart <= r_fake[None]).any(1).double().mean().item())
    assert shared.density == pytest.approx((apart <= r_real[:, None]).sum().item() / 90 / 3)
    assert shared.coverage == pytest.approx((apart.min(1).values <= r_real).double().mean().item())
    assert found.precision != found.recall


def test_blocks_change_nothing(monkeypatch):
    real, fake = cloud(150), cloud(130, seed=1, shift=0.5)
    whole = precision_recall(real, fake), density_coverage(real, fake)
    monkeypatch.setattr(neighbours, "BLOCK", 1000)  # six or seven rows at once
    assert (precision_recall(real, fake), density_coverage(real, fake)) == whole


def test_a_collapsed_generator_is_not_complete_even_far_from_the_origin():
    """All its radii are exactly zero, for any rounding of the distances."""
    real = cloud(100, shift=1000.0)
    found = precision_recall(real, real[:1].repeat(50, 1))
    assert (found.precision, found.recall) == (1.0, 0.01)


def test_distances_are_exact_and_those_of_equal_features_zero():
    x = (cloud(60, 37, shift=1000.0)).double()
    distances = torch.cat(list(neighbours._squared_distances(x, x)))
    assert torch.equal(distances.diagonal(), torch.zeros(60, dtype=torch.float64))
    true = (x[:, None] - x).square().sum(-1)
    torch.testing.assert_close(distances, true, rtol=1e-7, atol=1e-7)


def test_senseless_input_is_refused():
    with pytest.raises(ValueError, match="3 neighbours"):
        precision_recall(cloud(3), cloud(10))
    with pytest.raises(ValueError, match="features"):
        density_coverage(cloud(10), cloud(10, 5))
    broken = cloud(10)
    broken[0, 0] = math.nan
    with pytest.raises(ValueError, match="finite"):
        precision_recall(cloud(10), broken)


@pytest.mark.slow
def test_memory_stays_bounded_however_many_samples_there_are():
    """All distances of 10,000 samples at once would be 0.8 GB; measured in a process of its own."""
    script = (
        "import resource, torch\n"
        "from sparring.metrics import density_coverage, memorisation, precision_recall\n"
        "torch.set_num_threads(1)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "x, y = torch.randn(2, 10000, 64)\n"
        "precision_recall(x[:200], y[:200]), density_coverage(x[:200], y[:200]), memorisation(x[:9], y[:9], x[:9])\n"
        "before = peak()\n"
        "precision_recall(x, y), density_coverage(x, y), memorisation(x, y, y)\n"
        "print(peak() - before)\n"
    )
    grown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert float(grown) < 200
