"""Global pooling of a feature map, one number per channel: the end of a residual critic."""

from torch import Tensor, nn

__all__ = ["GlobalMean", "GlobalSum"]


class GlobalSum(nn.Module):
    """Sum over positions (SNGAN, SAGAN, BigGAN)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C)."""
        return x.sum((2, 3))


class GlobalMean(nn.Module):
    """Mean over positions (WGAN-GP)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C)."""
        return x.mean((2, 3))
