"""Mode coverage and sample quality on a mixture of Gaussians in the plane.

The protocol of VEEGAN (Srivastava et al., 2017) and PacGAN (Lin et al., 2018): draw 2,500 samples and give each to its
nearest mean; it is of *high quality* when it lies within 3 standard deviations of that mean, and a mode is *captured*
when it holds at least one such sample. RealnessGAN (Xiangli et al., 2020) requires more: 10,000 samples, 4 standard
deviations and more than 100 samples in a mode (`within=4, fewest=101`).

Even a perfect model does not reach a high-quality share of 1. In the plane the squared distance from the mean, in units
of the variance, is exponential with mean 2, so that

    P(‖x − μ‖ < k σ) = 1 − exp(−k² / 2)        98.889 % at k = 3, 99.966 % at k = 4,

which is reported beside every score as its ceiling.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ModeCoverage", "mode_coverage"]


@dataclass(frozen=True)
class ModeCoverage:
    """Result of `mode_coverage`.

    Attributes:
        modes: captured modes.
        total: modes of the mixture.
        high_quality: share of all samples within the limit of their nearest mean, in [0, 1].
        ceiling: the high-quality share of the mixture itself, `1 − exp(−k²/2)`.
        reverse_kl: KL(high-quality histogram over modes ‖ uniform) in nats. Empty modes contribute 0, so it is at most
            log(total) while any sample is of high quality; infinite when none is.
        forward_kl: KL(uniform ‖ high-quality histogram) in nats; infinite as soon as one mode is empty.
        counts: high-quality samples of each mode, in the order of the centres.
        spread: root mean square deviation of the high-quality samples from their means, per coordinate, in the units of
            the data; NaN when there are none. A perfect sampler cut at 3 σ gives 0.974 σ.
    """

    modes: int
    total: int
    high_quality: float
    ceiling: float
    reverse_kl: float
    forward_kl: float
    counts: tuple[int, ...]
    spread: float


def mode_coverage(
    samples: Tensor, centres: Tensor, deviation: float, *, within: float = 3.0, fewest: int = 1
) -> ModeCoverage:
    """Count the modes of an equal mixture of round Gaussians that samples reach (VEEGAN; PacGAN).

    A sample that is not finite belongs to no mode and is not of high quality.

    Args:
        samples: generated points (N, 2); 2,500 of them in the published protocol.
        centres: means of the mixture (K, 2).
        deviation: standard deviation of each component along each coordinate, in the units of the data.
        within: limit of high quality, in standard deviations.
        fewest: minimum number of high-quality samples of a captured mode.

    Returns:
        Coverage, quality, both divergences and the counts of every mode.

    Raises:
        ValueError: if a shape, the deviation or a limit is invalid.

    Example:
        >>> centres = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
        >>> found = mode_coverage(torch.tensor([[1.0, 0.01], [1.0, -0.01], [0.0, 3.0], [0.99, 0.0]]), centres, 0.01)
        >>> found.modes, found.high_quality, found.counts, round(found.reverse_kl, 4)
        (1, 0.75, (0, 3), 0.6931)
    """
    _require_points(samples, centres)
    if not (deviation > 0 and within > 0 and fewest >= 1):
        raise ValueError(f"deviation {deviation} and within {within} must be positive, fewest {fewest} at least 1")
    x, means = samples.detach().double(), centres.detach().to(samples.device).double()
    distance, nearest = (x[:, None] - means).square().sum(-1).min(dim=1)
    good = distance < (within * deviation) ** 2  # false where a sample is not finite
    counts = torch.bincount(nearest[good], minlength=len(means))
    reverse, forward = _divergences_from_uniform(counts.double())
    return ModeCoverage(
        modes=int((counts >= fewest).sum()),
        total=len(means),
        high_quality=good.double().mean().item(),
        ceiling=-math.expm1(-(within**2) / 2),
        reverse_kl=reverse,
        forward_kl=forward,
        counts=tuple(counts.tolist()),
        spread=(distance[good].mean() / 2).sqrt().item(),
    )


def _require_points(samples: Tensor, centres: Tensor) -> None:
    for name, points in (("samples", samples), ("centres", centres)):
        if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
            raise ValueError(f"{name} have shape {tuple(points.shape)}; points (N, 2) with N > 0 are needed")


def _divergences_from_uniform(counts: Tensor) -> tuple[float, float]:
    """Return KL(p ‖ uniform) and KL(uniform ‖ p) of a histogram; both infinite for an empty one."""
    if counts.sum() == 0:
        return math.inf, math.inf
    p, modes = counts / counts.sum(), len(counts)
    reverse = torch.xlogy(p, p * modes).sum().item()
    forward = -(p * modes).log().mean().item()
    return reverse, forward
