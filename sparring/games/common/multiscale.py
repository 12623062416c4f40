"""Losses on feature maps at several scales, of a multi-scale critic or of a fixed network.

matching     mean_k Σ_j mean |F_kj(x̃) − F_kj(x)|        the scores, which come last, left out; Wang et al. (2018)
perception   Σ_l w_l mean |V_l(x̃) − V_l(x)|             Johnson et al. (2016), as weighed by Wang et al. (2018)

Neither sends a gradient into what the real images are to the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

Maps = Sequence[Sequence[Tensor]]
"""Of each scale its feature maps, the scores last."""


class Perception(NamedTuple):
    """A network V from images to feature maps, the weights of the maps, and the total weight. Defaults: for VGG-19."""

    network: nn.Module
    weights: tuple[float, ...] = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
    weight: float = 10.0

    def __call__(self, fake: Tensor, x: Tensor) -> Tensor:
        """Return the perceptual distance of images by V, (N, C, H, W) each."""
        with torch.no_grad():
            known = self.network(x)
        parts = zip(self.weights, self.network(fake), known, strict=True)
        return self.weight * torch.stack([w * l1_loss(one, other) for w, one, other in parts]).sum()


def over_scales(loss: Callable[..., Tensor], *maps: Iterable[Sequence[Tensor]]) -> Tensor:
    """Return the mean over scales of a loss of their feature maps."""
    return torch.stack([loss(*scales) for scales in zip(*maps, strict=True)]).mean()


def unlikeness(seen: Sequence[Tensor], known: Sequence[Tensor]) -> Tensor:
    """Return Σ_j mean |F_j − F′_j| over the feature maps of one scale, the scores left out."""
    return torch.stack([l1_loss(one, other) for one, other in zip(seen[:-1], known[:-1], strict=True)]).sum()


def halves(maps: Maps) -> tuple[Maps, Maps]:
    """Split the maps of two concatenated batches into those of each."""
    pairs = [[each.chunk(2) for each in scale] for scale in maps]
    return [[first for first, _ in scale] for scale in pairs], [[second for _, second in scale] for scale in pairs]
