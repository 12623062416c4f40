"""Memorisation: nothing for fresh samples, everything for copies, and the ranks as scipy counts them."""

import math
from itertools import pairwise

import pytest
import torch

from sparring.metrics import memorization
from sparring.metrics.memorization import memorisation, nearest


def cloud(count, dimensions=4, seed=0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimensions, generator=generator) + shift


def test_nearest_agrees_with_all_distances(monkeypatch):
    queries, references = cloud(57, 9), cloud(80, 9, seed=1)
    apart = (queries.double()[:, None] - references.double()).norm(dim=2)
    monkeypatch.setattr(memorization, "BLOCK", 5 * 80)
    found = nearest(queries, references)
    assert torch.equal(found.indices, apart.argmin(dim=1))
    torch.testing.assert_close(found.distances, apart.min(dim=1).values, rtol=1e-12, atol=0)


def test_copies_lie_at_exactly_zero_however_far_from_the_origin():
    references = cloud(100, 30, shift=1000.0)
    rows = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    found = nearest(references[rows], references)
    assert torch.equal(found.indices, rows)
    assert torch.equal(found.distances, torch.zeros(100, dtype=torch.float64))


def test_a_perfect_sampler_has_the_theoretical_score():
    """C_T has mean 0 and deviation 1, `closer` ½ within its error, `copied` 0.01."""
    runs = [
        memorisation(cloud(200, seed=3 * s), cloud(200, seed=3 * s + 1), cloud(150, seed=3 * s + 2)) for s in range(100)
    ]
    statistics = torch.tensor([run.statistic for run in runs])
    assert abs(statistics.mean()) < 4 / math.sqrt(100)
    assert statistics.std().item() == pytest.approx(1, abs=4 / math.sqrt(200))
    closer = torch.tensor([run.closer for run in runs])
    assert closer.mean().item() == pytest.approx(0.5, abs=0.015)
    errors = torch.tensor([run.standard_error for run in runs])
    assert errors.mean().item() == pytest.approx(closer.std().item(), rel=0.3)
    assert torch.tensor([run.copied for run in runs]).mean().item() == pytest.approx(2 / 201, abs=0.004)


def test_copies_are_caught_and_named():
    train, held_out = cloud(300), cloud(200, seed=1)
    found = memorisation(train, held_out, train[50:150])
    assert (found.closer, found.copied, found.standard_error) == (1, 1, 0)
    assert found.statistic < -14
    assert torch.equal(found.nearest.indices, torch.arange(50, 150))


def test_images_far_from_everything_are_the_other_extreme():
    found = memorisation(cloud(300), cloud(200, seed=1), cloud(100, seed=2, shift=50))
    assert (found.closer, found.copied) == (0, 0)
    assert found.statistic > 14


def test_more_copies_score_higher():
    train, held_out, fresh = cloud(400), cloud(300, seed=1), cloud(200, seed=2)
    runs = [memorisation(train, held_out, torch.cat([train[:n], fresh[n:]])) for n in (0, 20, 80, 200)]
    for one, next_one in pairwise(runs):
        assert one.closer < next_one.closer
        assert one.statistic > next_one.statistic
        assert one.copied < next_one.copied
    assert runs[1].copied == pytest.approx(0.1, abs=0.03)  # 20 of 200


def test_scipy_agrees_under_ties():
    stats = pytest.importorskip("scipy.stats")
    generator = torch.Generator().manual_seed(0)
    train = torch.zeros(1, 1)
    fake, held_out = (torch.randint(6, (n, 1), generator=generator).float() for n in (37, 52))
    found = memorisation(train, held_out, fake)
    u, p = stats.mannwhitneyu(
        fake.flatten().double().numpy(), held_out.flatten().double().numpy(), method="asymptotic", use_continuity=False
    )
    assert found.closer == pytest.approx(1 - u / (37 * 52), rel=1e-12)
    assert 2 * stats.norm.sf(abs(found.statistic)) == pytest.approx(p, rel=1e-9)
    assert (found.statistic > 0) == (u > 37 * 52 / 2)


def test_equal_distances_are_not_memorisation():
    same = torch.ones(30, 2)
    found = memorisation(same, same, same)
    assert (found.closer, found.statistic, found.copied) == (0.5, 0, 0)


def test_cells_detect_copies_among_bad_images():
    """Copy on the left and noise on the right cancel in one cell; two cells weigh by their held-out share."""
    left, right = -20.0, 20.0
    train = torch.cat([cloud(200, shift=left), cloud(200, seed=1, shift=right)])
    held_out = torch.cat([cloud(180, seed=2, shift=left), cloud(60, seed=3, shift=right)])
    fake = torch.cat([train[:100], cloud(240, seed=5, shift=right + 5)])
    whole = memorisation(train, held_out, fake)
    parts = memorisation(train, held_out, fake, cells=2)
    assert whole.statistic > 0
    assert parts.statistic < -3
    alone = memorisation(train[:200], held_out[:180], fake[:100]), memorisation(train[200:], held_out[180:], fake[100:])
    expected = (180 * alone[0].statistic + 60 * alone[1].statistic) / 240
    assert parts.statistic == pytest.approx(expected, rel=1e-9)
    assert parts.closer == whole.closer


def test_cells_are_centred_at_the_means_of_the_training_data():
    left, right = cloud(50, shift=-20.0), cloud(90, seed=1, shift=20.0)
    centres = memorization._kmeans(torch.cat([left, right]), 2, seed=0)
    expected = torch.stack([left.double().mean(0), right.double().mean(0)])
    torch.testing.assert_close(centres[centres[:, 0].argsort()], expected, rtol=1e-12, atol=0)


def test_cells_without_enough_generated_images_are_left_out():
    train = torch.cat([cloud(100, shift=-20.0), cloud(100, seed=1, shift=20.0)])
    held_out = torch.cat([cloud(50, seed=2, shift=-20.0), cloud(50, seed=3, shift=20.0)])
    few = torch.cat([cloud(60, seed=4, shift=-20.0), train[100:119]])
    left = memorisation(train[:100], held_out[:50], few[:60]).statistic
    assert memorisation(train, held_out, few, cells=2).statistic == pytest.approx(left, rel=1e-9)
    assert math.isnan(memorisation(train, held_out, few[60:], cells=2).statistic)


def test_senseless_input_is_refused():
    x = cloud(10)
    with pytest.raises(ValueError, match="features"):
        nearest(x, cloud(10, 5))
    with pytest.raises(ValueError, match="features"):
        nearest(x, x[:0])
    with pytest.raises(ValueError, match="finite"):
        nearest(x, x.log())
    with pytest.raises(ValueError, match="held-out"):
        memorisation(x, x[:1], x)
    with pytest.raises(ValueError, match="cells"):
        memorisation(x, x, x, cells=11)
