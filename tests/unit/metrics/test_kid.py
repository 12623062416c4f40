"""The kernel distance against its definition, an enumeration of all samples, closed forms and torchmetrics."""

import itertools
import statistics
import warnings

import pytest
import torch

from sparring.metrics import kid
from sparring.metrics.kid import kernel_distance, kernel_distance_over_subsets


def normal(count, dimensions, seed=0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimensions, generator=generator, dtype=torch.float64) + shift


def by_hand(x, y):
    """The definition in two loops."""

    def k(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(z):
        return sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) / (len(z) * (len(z) - 1))

    return within(x) + within(y) - 2 * sum(k(a, b) for a in x for b in y) / (len(x) * len(y))


def by_torchmetrics(x, y, subsets, size):
    """Their metric on these features, its subsets drawn from torch's own generator at seed 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = pytest.importorskip("torchmetrics.image.kid")
        theirs = image.KernelInceptionDistance(feature=torch.nn.Identity(), subsets=subsets, subset_size=size)
        theirs.update(x, real=True)
        theirs.update(y, real=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return [value.item() for value in theirs.compute()]


@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 1), (7, 5, 3), (4, 9, 6)])
def test_small_sets_agree_with_the_definition(n, m, d):
    x, y = normal(n, d), normal(m, d, seed=1, shift=0.4)
    assert kernel_distance(x, y) == pytest.approx(by_hand(x.tolist(), y.tolist()), rel=1e-12)
    assert kernel_distance(x, y) == pytest.approx(kernel_distance(y, x), rel=1e-12)


def test_the_mean_over_all_samples_is_the_distance_of_the_distributions():
    """Unbiased at 3 and 2 samples: x from {−1, 3} and y from {0, 1}, 3 (Δm₁)² + 3 (Δm₂)² + (Δm₃)² by enumeration."""
    expected = 3 * 0.5**2 + 3 * 4.5**2 + 12.5**2
    found = [
        kernel_distance(torch.tensor(x)[:, None], torch.tensor(y)[:, None])
        for x in itertools.product((-1.0, 3.0), repeat=3)
        for y in itertools.product((0.0, 1.0), repeat=2)
    ]
    assert statistics.fmean(found) == pytest.approx(expected, rel=1e-12)


def test_normals_in_closed_form():
    """N(0, 1) and N(1, 1) differ by 1, 1 and 4 in their first moments: 3 + 3 + 16 = 22."""
    assert kernel_distance(normal(4000, 1), normal(3000, 1, seed=1, shift=1.0)) == pytest.approx(22, rel=0.15)


def test_equal_distributions_are_at_distance_zero_on_average_and_now_and_then_below():
    found = [kernel_distance(normal(40, 4, seed=2 * k), normal(40, 4, seed=2 * k + 1)) for k in range(200)]
    error = statistics.stdev(found) / len(found) ** 0.5
    assert abs(statistics.fmean(found)) < 3 * error
    assert min(found) < 0 < max(found)


def test_torchmetrics_agrees_on_all_samples():
    x, y = normal(120, 16), normal(120, 16, seed=1, shift=0.3)
    mean, deviation = by_torchmetrics(x, y, subsets=2, size=120)
    assert kernel_distance(x, y) == pytest.approx(mean, rel=1e-9)
    assert deviation == pytest.approx(0, abs=1e-12)


def test_torchmetrics_agrees_on_subsets():
    x, y = normal(300, 16), normal(200, 16, seed=1, shift=0.3)
    mean, deviation = by_torchmetrics(x, y, subsets=20, size=50)
    found = kernel_distance_over_subsets(x, y, subsets=20, size=50, seed=0)
    assert found.mean == pytest.approx(mean, rel=1e-9)
    assert found.deviation == pytest.approx(deviation, rel=1e-9)
    assert (found.subsets, found.size) == (20, 50)


def test_subsets_estimate_what_all_pairs_do():
    x, y = normal(400, 8), normal(500, 8, seed=1, shift=0.5)
    found = kernel_distance_over_subsets(x, y, subsets=400, size=40)
    assert found.mean == pytest.approx(kernel_distance(x, y), abs=4 * found.deviation / 400**0.5)
    whole = kernel_distance_over_subsets(x, y[:400], subsets=3, size=400)
    assert whole.mean == pytest.approx(kernel_distance(x, y[:400]), rel=1e-12)
    assert whole.deviation < 1e-12


def test_subsets_are_the_seeds_alone():
    x, y = normal(60, 4), normal(60, 4, seed=1)
    before = torch.random.get_rng_state()
    first = kernel_distance_over_subsets(x, y, subsets=5, size=20, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(1)
    assert kernel_distance_over_subsets(x, y, subsets=5, size=20, seed=3) == first
    assert kernel_distance_over_subsets(x, y, subsets=5, size=20, seed=4) != first


@pytest.mark.parametrize("block", [1, 70])
def test_blocks_change_nothing(monkeypatch, block):
    x, y = normal(50, 6), normal(30, 6, seed=1)
    whole = kernel_distance(x, y)
    monkeypatch.setattr(kid, "BLOCK", block)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-11)


def test_float32_features_are_evaluated_in_float64():
    x, y = normal(500, 64).float() + 5, normal(500, 64, seed=1).float() + 5
    assert kernel_distance(x, y) == kernel_distance(x.double(), y.double())


def test_worse_features_score_more():
    real, fake = normal(400, 8), normal(400, 8, seed=1)
    perfect = kernel_distance(real, fake)
    for worse in (fake + 0.5, 2 * fake, fake / 3, fake.abs()):
        assert kernel_distance(real, worse) > perfect + 0.05


def test_senseless_input_is_refused():
    x = normal(10, 4)
    for real, fake in ((x[:1], x), (x, normal(10, 5)), (x[0], x)):
        with pytest.raises(ValueError, match="are needed"):
            kernel_distance(real, fake)
    with pytest.raises(ValueError, match="finite"):
        kernel_distance(x, x / 0)
    for settings in ({"size": 11}, {"size": 1}, {"size": 5, "subsets": 0}):
        with pytest.raises(ValueError, match="cannot be drawn"):
            kernel_distance_over_subsets(x, x, **settings)
