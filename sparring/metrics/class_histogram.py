"""Divergences of the histogram of predicted classes of generated images from that of the data.

With q the share of each class among the generated images, p that among real ones (or even shares), K classes:

    reverse KL = Σ q log (q / p)        forward KL = Σ p log (p / q)        JSD, in nats

Papers quote the reverse one, KL(generated ‖ uniform), of *all* samples (Unrolled GAN, Metz et al., 2017; VEEGAN,
Srivastava et al., 2017; PacGAN, Lin et al., 2018). An empty class adds 0 to it, so it stays below log K where classes
are lost; the forward one is then infinite. Even a perfect sampler of N images scores, for its counts n are binomial,

    E reverse KL = Σ_k E (n_k / N) log (n_k / (N p_k)) = (K − 1) / (2 N) + O(N⁻²)

which is reported beside it: 0.0194 for 1000 classes and 26,000 images.

**Stacked digits** make 1000 classes of ten: three random grey digits are the red, green and blue of one image. 26,000
generated images are classified by a classifier of single digits, channel by channel; the published sets hold 128,000.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.data.sources.stacked import stack_classes
from sparring.theory.distances import jensen_shannon, kl

__all__ = ["ModeHistogram", "channel_labels", "mode_histogram", "stacked_histogram"]


@dataclass(frozen=True)
class ModeHistogram:
    """Result of `mode_histogram`.

    Attributes:
        captured: classes that hold enough images.
        total: classes that the reference holds.
        reverse_kl: KL(generated ‖ reference) in nats; infinite where a class is generated that the reference lacks.
        forward_kl: KL(reference ‖ generated) in nats; infinite where a class is missing.
        jensen_shannon: JSD of the two in nats, at most log 2.
        floor: expected reverse KL of as many images of a perfect sampler.
        ceiling: expected number of reference classes in as many images of a perfect sampler.
        counts: images of each class.
    """

    captured: int
    total: int
    reverse_kl: float
    forward_kl: float
    jensen_shannon: float
    floor: float
    ceiling: float
    counts: tuple[int, ...]


def mode_histogram(labels: Tensor, classes: int, *, reference: Tensor | None = None, fewest: int = 1) -> ModeHistogram:
    """Compare the histogram of predicted classes with that of the data (VEEGAN; PacGAN).

    Args:
        labels: predicted classes of generated images, integers (N,) from 0 to `classes` − 1.
        classes: K.
        reference: weights or counts of the classes in the data (K,). Default: uniform.
        fewest: minimum number of images of a captured class.

    Returns:
        Captured classes, the three divergences, and the expected score of a perfect sampler.

    Raises:
        ValueError: if a shape, a label or a weight is invalid.

    Example:
        >>> found = mode_histogram(torch.tensor([0, 0, 1, 1]), 4)
        >>> found.captured, round(found.reverse_kl, 4), found.forward_kl, found.counts
        (2, 0.6931, inf, (2, 2, 0, 0))
    """
    if labels.ndim != 1 or labels.is_floating_point() or len(labels) == 0 or fewest < 1:
        raise ValueError(f"integer labels (N,) are needed, not {labels.dtype} {tuple(labels.shape)}, fewest {fewest}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}, but there are {classes} classes")
    p = _shares(reference, classes)
    counts = torch.bincount(labels.detach().cpu(), minlength=classes)
    q, there, count = counts.double() / len(labels), p[p > 0], len(labels)
    return ModeHistogram(
        captured=int((counts[p > 0] >= fewest).sum()),
        total=len(there),
        reverse_kl=kl(q, p).item(),
        forward_kl=kl(p, q).item(),
        jensen_shannon=jensen_shannon(p, q).item(),
        floor=_expected_kl(there, count),
        ceiling=-torch.expm1(count * torch.log1p(-there)).sum().item(),
        counts=tuple(counts.tolist()),
    )


def channel_labels(predict: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Predict the class of each channel of stacks by a classifier of grey images.

    Args:
        predict: from grey images (n, 1, H, W) in [−1, 1] to classes (n,), such as an extractor's `predict`.
        images: stacks (N, 3, H, W) in [−1, 1].

    Returns:
        Classes (N, 3).

    Raises:
        ValueError: if the images do not have three channels.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"stacks (N, 3, H, W) are needed, not {tuple(images.shape)}")
    return predict(images.reshape(-1, 1, *images.shape[2:])).reshape(-1, 3)


def stacked_histogram(labels: Tensor, classes: int = 10, *, reference: Tensor | None = None) -> ModeHistogram:
    """Count the modes of stacks and their divergences (VEEGAN; PacGAN).

    Args:
        labels: classes of red, green and blue (N, 3), from `channel_labels`; N is 26,000 in the protocol.
        classes: K, so that there are K³ modes.
        reference: weights of the K³ classes. Default: uniform.

    Returns:
        As `mode_histogram`.

    Raises:
        ValueError: if a shape or a label is invalid.
    """
    if labels.ndim != 2 or labels.shape[1] != 3 or len(labels) == 0:
        raise ValueError(f"classes of three channels (N, 3) are needed, not {tuple(labels.shape)}")
    if labels.min() < 0 or labels.max() >= classes:  # a wrong digit could otherwise be another stack
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}, but there are {classes} classes")
    return mode_histogram(stack_classes(labels, classes), classes**3, reference=reference)


def _expected_kl(p: Tensor, count: int) -> float:
    """Return E KL(q ‖ p) of the histogram q of `count` draws from p; classes of one share are counted together."""
    n = torch.arange(1, count + 1, dtype=torch.float64)  # an empty class adds nothing
    ways = math.lgamma(count + 1) - torch.lgamma(n + 1) - torch.lgamma(count - n + 1)
    total = 0.0
    for share, alike in zip(*p.unique(return_counts=True), strict=True):
        chance = (ways + n * share.log() + torch.xlogy(count - n, 1 - share)).exp()
        total += (alike * chance * n / count * (n / (count * share)).log()).sum().item()
    return total


def _shares(reference: Tensor | None, classes: int) -> Tensor:
    weights = torch.ones(classes) if reference is None else reference.detach().cpu()
    weights = weights.double()
    if weights.shape != (classes,) or not weights.isfinite().all() or weights.min() < 0 or weights.sum() <= 0:
        raise ValueError(f"a reference needs {classes} weights of at least 0 and a positive sum, not {weights.shape}")
    return weights / weights.sum()
