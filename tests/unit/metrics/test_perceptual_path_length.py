"""Perceptual path length: closed forms of linear generators, the arc, and the same noise at both ends of a step."""

import math

import pytest
import torch

from sparring.metrics.perceptual_path_length import feature_distance, path_length

SQUARED = feature_distance(lambda x: x)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def right_angles(count, dimensions=6, seed=0):
    """Pairs of unit vectors at right angles."""
    frames = torch.linalg.qr(normal(count, dimensions, 2, seed=seed)).Q
    return frames[..., 0], frames[..., 1]


@pytest.mark.parametrize("epsilon", [1e-4, 0.1])
def test_the_identity_moves_by_the_chord(epsilon):
    """A chord of angle Ωε on a sphere of radius r is 2 r sin(Ωε / 2), at every t; Ω = π / 2."""
    a, b = right_angles(50)
    found = path_length(lambda z: z, 3 * a, 3 * b, distance=SQUARED, epsilon=epsilon)
    expected = (6 * math.sin(math.pi * epsilon / 4) / epsilon) ** 2
    assert found.mean == pytest.approx(expected, rel=1e-6)
    assert found.standard_error < 1e-4 * expected


def test_a_linear_generator_in_closed_form():
    """E_t ‖A s′(t)‖² = Ω² (½ ‖A z₁‖² + ½ ‖A z₂‖² − (2/π) ⟨A z₁, A z₂⟩) for orthonormal z₁, z₂, Ω = π/2."""
    mixing = normal(4, 6, seed=1)
    a, b = (z.expand(20_000, -1) for z in right_angles(1))
    found = path_length(lambda z: z @ mixing.T, a, b, distance=SQUARED, trim=0, batch=5000)
    x, y = a[0] @ mixing.T, b[0] @ mixing.T
    expected = (math.pi / 2) ** 2 * (x @ x / 2 + y @ y / 2 - 2 / math.pi * x @ y)
    assert found.paths == 20_000
    assert abs(found.mean - expected.item()) < 4 * found.standard_error
    assert found.standard_error < 0.02 * expected.item()


def test_gaussian_noise_in_many_dimensions():
    """Two noises are nearly at right angles on a sphere of radius √d: E d² = (π/2)² d, by A: (π/2)² ‖A‖²_F."""
    start, end = normal(4000, 128), normal(4000, 128, seed=1)
    found = path_length(lambda z: z[:, :32] * 3, start, end, distance=SQUARED)
    assert found.mean == pytest.approx((math.pi / 2) ** 2 * 9 * 32, rel=0.02)


def test_features_are_what_is_measured():
    start, end = normal(200, 8), normal(200, 8, seed=1)
    plain = path_length(lambda z: 2 * z, start, end, distance=SQUARED)
    seen = path_length(lambda z: z, start, end, distance=feature_distance(lambda x: -2 * x))
    assert seen.mean == pytest.approx(plain.mean, rel=1e-9)
    assert path_length(torch.zeros_like, start, end, distance=SQUARED).mean == 0


def test_the_extremes_are_dropped_as_the_authors_do():
    """Of 201 lengths the ranks below ⌊0.01 · 200⌋ = 2 go, and as many at the top."""
    lengths = iter(torch.randperm(201, generator=torch.Generator().manual_seed(0)).double().split(67))
    ends = normal(201, 4), normal(201, 4, seed=1)
    found = path_length(lambda z: z, *ends, distance=lambda a, b: next(lengths) * 0.25, epsilon=0.5, batch=67)
    assert found.paths == 197
    assert found.mean == pytest.approx(100)
    kept = torch.arange(2, 199).double()
    assert found.standard_error == pytest.approx(kept.std().item() / math.sqrt(197), rel=1e-12)


def test_a_generator_that_draws_draws_the_same_at_both_ends():
    start, end = normal(20, 4), normal(20, 4, seed=1)
    plain = path_length(lambda z: z, start, end, distance=SQUARED)
    noisy = path_length(lambda z: z + torch.randn(z.shape, dtype=z.dtype), start, end, distance=SQUARED)
    assert noisy.mean == pytest.approx(plain.mean, rel=1e-5)


def test_places_are_fixed_by_the_seed_and_batches_change_nothing():
    start, end = normal(30, 4), normal(30, 4, seed=1)

    def lengths(**changes):
        return path_length(lambda z: z**3, start, end, distance=SQUARED, **changes).mean

    assert lengths() == lengths()
    assert lengths(batch=7) == pytest.approx(lengths(), rel=1e-9)
    assert lengths(seed=1) != lengths()


def test_senseless_input_is_refused():
    x = normal(10, 4)
    with pytest.raises(ValueError, match="two ends"):
        path_length(lambda z: z, x, x[:5], distance=SQUARED)
    with pytest.raises(ValueError, match="epsilon"):
        path_length(lambda z: z, x, x, distance=SQUARED, epsilon=0)
    with pytest.raises(ValueError, match="trim"):
        path_length(lambda z: z, x, x, distance=SQUARED, trim=0.5)
    with pytest.raises(ValueError, match="finite"):
        path_length(lambda z: z / 0, x, x.flip(0), distance=SQUARED)
