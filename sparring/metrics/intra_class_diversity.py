"""Diversity within classes: the spread of generated samples relative to that of real samples of the class.

    spread of a class = √ tr Cov = √ E ‖x − mean of the class‖²,      variety = mean over classes of fake / real spread

In pixels noise also counts as diversity; in the features of a classifier it does not. A generator may match its classes
perfectly with one image of each: its label accuracy is 1, its diversity 0 (Odena et al., 2017, measure this by
MS-SSIM).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["IntraClassDiversity", "intra_class_diversity"]


@dataclass(frozen=True)
class IntraClassDiversity:
    """Spread of the samples of each class.

    Attributes:
        fake: Spread of the generated samples of each class; NaN with fewer than two.
        real: Spread of the real ones.
    """

    fake: tuple[float, ...]
    real: tuple[float, ...]

    @property
    def per_class(self) -> tuple[float, ...]:
        """Ratio of each class; NaN if either is unknown or all real samples are equal."""
        return tuple(f / r if r else math.nan for f, r in zip(self.fake, self.real, strict=True))

    @property
    def value(self) -> float:
        """Mean ratio over the known classes: 1 is as diverse as the data, 0 is one sample per class."""
        known = [ratio for ratio in self.per_class if math.isfinite(ratio)]
        return sum(known) / len(known) if known else math.nan


def intra_class_diversity(
    fake: Tensor, fake_labels: Tensor, real: Tensor, real_labels: Tensor, *, classes: int
) -> IntraClassDiversity:
    """Compare the spread of generated and of real samples within their classes.

    Args:
        fake: Generated samples or features of them (N, ...).
        fake_labels: The requested classes (N,), int64, from 0.
        real: Real samples or features of them (M, ...), of the same shape.
        real_labels: Their classes (M,), int64.
        classes: Number of classes.

    Raises:
        ValueError: If the shapes of samples and labels do not match.

    Example:
        >>> real, labels = torch.tensor([[-2.0], [2.0], [10.0], [14.0]]), torch.tensor([0, 0, 1, 1])
        >>> intra_class_diversity(real / 2, labels, real, labels, classes=2).value
        0.5
    """
    if fake.shape[1:] != real.shape[1:]:
        raise ValueError(f"samples {tuple(fake.shape)} and {tuple(real.shape)} have different shapes: resize one kind")
    pairs = ((fake, fake_labels), (real, real_labels))
    return IntraClassDiversity(*(_spreads(x, labels, classes) for x, labels in pairs))


def _spreads(x: Tensor, labels: Tensor, classes: int) -> tuple[float, ...]:
    if labels.shape != x.shape[:1] or labels.dtype != torch.int64 or not len(x):
        raise ValueError(
            f"labels {labels.dtype} {tuple(labels.shape)} do not fit {len(x)} samples: give one int64 each"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels from {int(labels.min())} to {int(labels.max())} are not below {classes}")
    rows = [x[labels == label].flatten(1).double() for label in range(classes)]
    return tuple(each.var(0).sum().sqrt().item() if len(each) > 1 else math.nan for each in rows)
