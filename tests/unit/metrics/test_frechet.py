"""The Fréchet distance against closed forms, scipy's matrix square root and torchmetrics."""

import math
import warnings

import numpy as np
import pytest
import torch

from sparring.metrics import Moments, frechet_distance, frechet_from_moments


def normal(count, dimensions, seed=0, scale=1.0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dimensions, dimensions, generator=generator, dtype=torch.float64)
    x = torch.randn(count, dimensions, generator=generator, dtype=torch.float64)
    return scale * x @ mixing + shift


def by_scipy(x, y):
    """The customary code: square root of the product of the covariances."""
    linalg = pytest.importorskip("scipy.linalg")
    x, y = x.double().numpy(), y.double().numpy()
    c1, c2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(c1 @ c2)
    apart = x.mean(0) - y.mean(0)
    return apart @ apart + np.trace(c1) + np.trace(c2) - 2 * np.trace(root).real


def test_diagonal_gaussians_in_closed_form():
    """For commuting covariances d² = ‖μ₁ − μ₂‖² + Σ (σ₁ − σ₂)²."""
    a = Moments.given(10, torch.tensor([1.0, 2.0, 3.0]), torch.diag(torch.tensor([1.0, 4.0, 9.0])))
    b = Moments.given(20, torch.tensor([1.0, 0.0, 4.0]), torch.diag(torch.tensor([25.0, 0.0, 16.0])))
    expected = (0 + 4 + 1) + (16 + 4 + 1)
    assert frechet_from_moments(a, b) == pytest.approx(expected, abs=1e-12)
    assert frechet_from_moments(b, a) == pytest.approx(expected, abs=1e-12)
    assert frechet_from_moments(a, a) == pytest.approx(0, abs=1e-12)


def test_covariances_that_do_not_commute_in_closed_form():
    """In two dimensions tr (C₁ C₂)^½ = √(tr C₁C₂ + 2 √(det C₁ det C₂))."""
    c1 = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
    c2 = torch.tensor([[5.0, -2.0], [-2.0, 1.0]], dtype=torch.float64)
    overlap = math.sqrt((c1 @ c2).trace().item() + 2 * math.sqrt(5 * 1))
    zero = torch.zeros(2)
    distance = frechet_from_moments(Moments.given(9, zero, c1), Moments.given(9, zero, c2))
    assert distance == pytest.approx(5 + 6 - 2 * overlap, abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(200, 300), (10, 12), (10, 300), (300, 10)])
def test_both_routes_agree(n, m):
    """Thin sets go through their samples, others through eigh; moments always go through eigh."""
    x, y = normal(n, 40, seed=1), normal(m, 40, seed=2, scale=1.5, shift=0.3)
    by_features, by_moments = frechet_distance(x, y), frechet_from_moments(Moments.of(x), Moments.of(y))
    assert by_features == pytest.approx(by_moments, rel=1e-9)
    assert by_features == pytest.approx(frechet_distance(y, x), rel=1e-9)


def test_fewer_samples_than_features_are_exact_at_their_rank():
    """Set of rank one on orthogonal lines share nothing: d² is the sum of the traces and of the squared shift."""
    x, y = torch.zeros(2, 50, dtype=torch.float64), torch.zeros(2, 50, dtype=torch.float64)
    x[:, 0], y[:, 1], y[:, 2] = torch.tensor([-3.0, 3.0]), torch.tensor([-4.0, 4.0]), 1e-3
    expected = 18 + 32 + 1e-6
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-14)
    assert frechet_from_moments(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-14)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-12)


def test_scipy_agrees():
    x, y = normal(400, 24, seed=3), normal(500, 24, seed=4, scale=0.7, shift=0.2)
    assert frechet_distance(x, y) == pytest.approx(by_scipy(x, y), rel=1e-8)


def test_torchmetrics_agrees():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = pytest.importorskip("torchmetrics.image.fid")
        identity = torch.nn.Flatten()
        identity.num_features = 16
        theirs = image.FrechetInceptionDistance(feature=identity, normalize=False, input_img_size=(1, 4, 4))
        theirs.set_dtype(torch.float64)
        x, y = normal(300, 16, seed=5), normal(200, 16, seed=6, shift=0.5)
        theirs.update(x.reshape(-1, 1, 4, 4), real=True)
        theirs.update(y.reshape(-1, 1, 4, 4), real=False)
        expected = theirs.compute().item()
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-3)


def test_distance_of_features_is_shift_squared_and_scale():
    x = normal(500, 8)
    shift = torch.arange(8.0, dtype=torch.float64)
    assert frechet_distance(x, x + shift) == pytest.approx(140, rel=1e-9)
    assert frechet_distance(x, 3 * (x - x.mean(0)) + x.mean(0)) == pytest.approx(4 * x.var(0).sum().item(), rel=1e-9)


def test_float32_features_are_evaluated_in_float64():
    """A mean of 10⁴ deviations would drown the covariance of float32 sums."""
    x = (normal(500, 6) / 10 + 1e4).float()
    y = (normal(500, 6, seed=1) / 10 + 1e4).float()
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(x.double(), y.double()), rel=1e-12)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(x.double() - 1e4, y.double() - 1e4), rel=1e-8)


def test_streamed_moments_equal_those_of_the_whole():
    x = normal(1000, 12, shift=100.0)
    streamed = Moments()
    for batch in x.split([1, 0, 7, 92, 400, 500]):
        streamed.update(batch)
    assert streamed.count == 1000
    torch.testing.assert_close(streamed.mean, x.mean(0), rtol=1e-12, atol=0)
    torch.testing.assert_close(streamed.covariance, torch.cov(x.T), rtol=1e-10, atol=1e-10)


def test_merged_moments_equal_those_of_the_whole_and_leave_the_parts():
    x = normal(300, 5, shift=3.0)
    left, right = Moments.of(x[:40]), Moments.of(x[40:])
    both = left.merge(right)
    torch.testing.assert_close(both.mean, x.mean(0), rtol=1e-12, atol=0)
    torch.testing.assert_close(both.covariance, torch.cov(x.T), rtol=1e-10, atol=1e-10)
    assert (both.count, left.count, right.count) == (300, 40, 260)
    torch.testing.assert_close(left.covariance, torch.cov(x[:40].T), rtol=1e-10, atol=1e-10)
    assert Moments().merge(left).count == left.merge(Moments()).count == 40


def test_given_moments_go_on_streaming():
    x = normal(300, 5)
    known = Moments.given(200, x[:200].mean(0), torch.cov(x[:200].T))
    known.update(x[200:])
    torch.testing.assert_close(known.covariance, torch.cov(x.T), rtol=1e-10, atol=1e-10)


def test_identical_features_are_at_distance_zero_and_never_below():
    for count in (5, 200):
        x = normal(count, 30)
        assert 0 <= frechet_distance(x, x) < 1e-9


def test_senseless_input_is_refused():
    x = normal(10, 4)
    with pytest.raises(ValueError, match="N of at least 2"):
        frechet_distance(x[:1], x)
    with pytest.raises(ValueError, match="dimensions"):
        frechet_distance(x, normal(10, 5))
    for count in (3, 10):  # either route
        broken = x[:count].clone()
        broken[0, 0] = math.nan
        with pytest.raises(ValueError, match="finite"):
            frechet_distance(broken, x)
    with pytest.raises(ValueError, match="at least 2 samples"):
        frechet_from_moments(Moments.of(x[:1]), Moments.of(x))
    with pytest.raises(ValueError, match="no features"):
        _ = Moments().mean
    with pytest.raises(ValueError, match="do not join"):
        Moments.of(x).update(normal(3, 5))
    with pytest.raises(ValueError, match="a covariance"):
        Moments.given(10, torch.zeros(3), torch.eye(2))
    with pytest.raises(ValueError, match="needed"):
        Moments.of(torch.zeros(3))
