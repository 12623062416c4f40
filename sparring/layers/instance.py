"""Norms of networks that translate images: each picture by itself, since batches are small and styles differ.

IN(x)      (x − μ) / √(σ² + ε) over (H, W), of every channel of every sample          (Ulyanov et al., 2016)
ILN(x)     γ (ρ₁ IN(x) + ρ₂ LN(x)) + β,  ρ a softmax of two logits a channel          (Chen et al., 2020)
AdaILN     the same, γ and β given from outside                                       (Kim et al., 2020)
"""

import torch
from torch import Tensor, nn

__all__ = ["ILN", "AdaILN", "instance_norm"]

EPSILON = 1e-5


def instance_norm(channels: int) -> nn.Module:
    """Normalise every channel of every sample over (H, W), without gain, offset or running statistics.

    Args:
        channels: Channels of the feature map.
    """
    return nn.InstanceNorm2d(channels)


class AdaILN(nn.Module):
    """Mixes instance and layer norm by a learned ratio per channel; gain and offset are given with each sample.

    Args:
        channels: Channels of the feature map.
        logits: Of instance and layer norm at first: (3.2, 1) is nine parts of ten of the former.
    """

    def __init__(self, channels: int, logits: tuple[float, float] = (3.2, 1.0)) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.tensor(logits).repeat(channels, 1))

    def mixed(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W), with unbiased variances."""
        by_instance, by_layer = (_standardise(x, dims) for dims in ((2, 3), (1, 2, 3)))
        first, second = self.rho.softmax(1)[..., None, None].unbind(1)
        return first * by_instance + second * by_layer

    def forward(self, x: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        """Normalise, then scale and shift.

        Args:
            x: Feature maps, (N, C, H, W).
            gain: γ, (N, C).
            offset: β, (N, C).
        """
        return self.mixed(x) * gain[..., None, None] + offset[..., None, None]


class ILN(nn.Module):
    """AdaILN with a learned gain and offset per channel, which begins nine parts of ten as layer norm.

    Args:
        channels: Channels of the feature map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = AdaILN(channels, (1.0, 3.2))
        self.gain, self.offset = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W), scale and shift."""
        return self.mix(x, self.gain[None], self.offset[None])


def _standardise(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    variance, mean = torch.var_mean(x, dims, keepdim=True)
    return (x - mean) / torch.sqrt(variance + EPSILON)
