"""Random Fourier features of points (Tancik et al., 2020), for functions of high frequency.

    x ↦ (x, sin(b₁ · x), cos(b₁ · x), …, sin(b_K · x), cos(b_K · x))

A perceptron learns low frequencies of its input long before high ones. A critic of narrow modes far apart, and a
generator that maps noise onto them, have high frequencies: Fourier features let all scales be learned at once. The b_k
have random directions, and lengths spread evenly over the octaves between the lowest and highest frequency.
"""

from math import log

import torch
from torch import Tensor, nn

__all__ = ["FourierFeatures"]


class FourierFeatures(nn.Module):
    """Appends sines and cosines of fixed random frequencies.

    Args:
        inputs: Coordinates of x.
        waves: K, the number of frequencies.
        lowest: The smallest |b|, in radians per unit of x.
        highest: The largest.

    Attributes:
        outputs: Features of each point, inputs + 2 K.

    Example:
        >>> FourierFeatures(2, 8)(torch.zeros(3, 2)).shape
        torch.Size([3, 18])
    """

    frequencies: Tensor

    def __init__(self, inputs: int, waves: int = 64, lowest: float = 1.0, highest: float = 32.0) -> None:
        super().__init__()
        lengths = lowest * torch.exp(log(highest / lowest) * torch.rand(waves))
        directions = nn.functional.normalize(torch.randn(inputs, waves), dim=0)
        self.register_buffer("frequencies", lengths * directions)
        self.outputs = inputs + 2 * waves

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs) to (N, inputs + 2 waves)."""
        phases = x @ self.frequencies
        return torch.cat([x, phases.sin(), phases.cos()], 1)
