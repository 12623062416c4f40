"""Perceptual path length: the change of an image under a small change of its latent (Karras et al., 2019, section 4.1).

    l = E d²(G(slerp(z₁, z₂; t)), G(slerp(z₁, z₂; t + ε))) / ε²        t ~ U(0, 1), ε = 10⁻⁴

d is a distance of features, so d² / ε² tends to the squared speed of the features along the arc. A generator that jumps
between images is fast in few places and slow elsewhere, which squares penalise: lower is smoother. The authors drop the
shortest and the longest hundredth of the paths before averaging, since single jumps would dominate the mean.

The speed depends on the latent space: on a larger sphere, or with unused dimensions, l differs. Compare generators with
the same latent distribution, and features of the same scale only. A generator of a single image has length 0: report it
together with recall.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring._interpolation import slerp

__all__ = ["PathLength", "feature_distance", "path_length"]

Distance = Callable[[Tensor, Tensor], Tensor]
"""Squared distances (N,) of two sets of samples."""


@dataclass(frozen=True)
class PathLength:
    """Result of `path_length`.

    Attributes:
        mean: l, in squared units of the features for an arc from t = 0 to 1; lower is smoother.
        standard_error: of that mean over the paths that were kept.
        paths: how many were kept.
    """

    mean: float
    standard_error: float
    paths: int


def path_length(
    generate: Callable[[Tensor], Tensor],
    start: Tensor,
    end: Tensor,
    *,
    distance: Distance,
    epsilon: float = 1e-4,
    trim: float = 0.01,
    batch: int = 64,
    seed: int = 0,
) -> PathLength:
    """Return the perceptual path length of a sampler (Karras et al., 2019, equation 2).

    Both ends of a step meet the same random numbers, where the generator draws any of torch's own.

    Args:
        generate: From noise (n, ...) to samples; without dropout and in full precision, for a step is short.
        start: Noise at one end of each arc (N, ...).
        end: Noise at the other end (N, ...).
        distance: Squared distances (n,) of two sets of samples, such as `feature_distance` makes of an extractor.
        epsilon: ε, the step, as a share of the arc.
        trim: Share of the paths that is dropped at either end of their sorted lengths; 0 keeps all.
        batch: Arcs at once.
        seed: Fixes the places t.

    Returns:
        l with its standard error.

    Raises:
        ValueError: If the shapes do not fit, a number makes no sense or a length is not finite.

    Example:
        >>> z = torch.eye(4, dtype=torch.float64)
        >>> squared = lambda a, b: (a - b).square().sum(1)
        >>> round(path_length(lambda z: z, z, z.roll(1, 0), distance=squared).mean, 6)  # (π / 2)²
        2.467401
    """
    if start.shape != end.shape or start.ndim < 2 or len(start) < 2:
        raise ValueError(f"two ends (N, ...) of one shape are needed, N ≥ 2, not {start.shape} and {end.shape}")
    if not (epsilon > 0 and 0 <= trim < 0.5 and batch >= 1):
        raise ValueError(f"epsilon {epsilon} and batch {batch} must be positive, trim {trim} in [0, 0.5)")
    t = torch.rand(len(start), generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(start.device)
    squares = []
    with torch.no_grad():
        for a, b, at in zip(start.split(batch), end.split(batch), t.split(batch), strict=True):
            here, there = _alike(generate, slerp(a, b, at), slerp(a, b, at + epsilon))
            squares.append(distance(here, there).double())
    lengths = (torch.cat(squares) / epsilon**2).sort().values
    if not lengths.isfinite().all():
        raise ValueError("path lengths are not all finite; look for NaN in the samples")
    dropped = math.floor(trim * (len(lengths) - 1))
    kept = lengths[dropped : len(lengths) - dropped]
    return PathLength(kept.mean().item(), kept.std().item() / math.sqrt(len(kept)), len(kept))


def feature_distance(features: Callable[[Tensor], Tensor]) -> Distance:
    """Return the squared Euclidean distance of features, as `path_length` takes it.

    Args:
        features: From samples (n, ...) to features (n, d), such as an extractor's `features`.

    Example:
        >>> feature_distance(lambda x: 2 * x)(torch.zeros(1, 2), torch.ones(1, 2))
        tensor([8.], dtype=torch.float64)
    """

    def squared(a: Tensor, b: Tensor) -> Tensor:
        return (features(a).double() - features(b).double()).square().sum(dim=1)

    return squared


def _alike(generate: Callable[[Tensor], Tensor], a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return samples of both with the same internal random numbers; otherwise their distance over ε² would diverge."""
    with torch.random.fork_rng(devices=[a.device] if a.is_cuda else []):
        here = generate(a)
    return here, generate(b)
