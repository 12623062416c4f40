"""Resampling by a low-pass filter (Karras et al., 2019): ×2 up or down without aliasing.

    up:    y = 4 f ∗ (x with zeros put between)             down:  y = every second of f ∗ x

f is the outer product of the taps with themselves, scaled to the sum 1, and x is zero outside. The taps (1, 3, 3, 1)
are StyleGAN2's; up, they interpolate bilinearly. R3GAN's (1, 2, 1) are convolved with (1, 1), which gives the same.

A filter and its neighbouring 3×3 convolution would fold into one 6×6 convolution of stride 2, as boxes fold in
`sparring.layers.resample`. It would be slower at every width that was measured: four times the products between all
channels, to save a filter that meets each channel alone. So filters stay by themselves here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["BILINEAR", "Blur", "BlurDown", "BlurUp"]

BILINEAR = (1.0, 3.0, 3.0, 1.0)


class Blur(nn.Module):
    """Filters each channel, at the same scale.

    Args:
        taps: The filter along one axis, symmetric, of any sum.
        padding: Zeros around x; n taps lengthen the side by 2 padding + 1 − n.
        gain: The sum of the filter.

    Example:
        >>> Blur(padding=2)(torch.ones(1, 1, 8, 8)).shape
        torch.Size([1, 1, 9, 9])
    """

    filter: Tensor

    def __init__(self, taps: Sequence[float] = BILINEAR, padding: int = 0, gain: float = 1.0) -> None:
        super().__init__()
        row = torch.tensor(taps) / sum(taps)
        self.register_buffer("filter", gain * torch.outer(row, row), persistent=False)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to as many channels."""
        return F.conv2d(x, self._each(x), padding=self.padding, groups=x.shape[1])

    def _each(self, x: Tensor) -> Tensor:
        """The filter, once for each channel."""
        return self.filter.expand(x.shape[1], 1, -1, -1)


class BlurDown(Blur):
    """Filters, then keeps every second row and column.

    Args:
        taps: The filter along one axis, symmetric, of any sum.

    Example:
        >>> BlurDown()(torch.ones(1, 1, 8, 8))[0, 0, 2, 2].item()
        1.0
    """

    def __init__(self, taps: Sequence[float] = BILINEAR) -> None:
        super().__init__(taps, padding=(len(taps) - 1) // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) with even H and W to (N, C, H / 2, W / 2)."""
        return F.conv2d(x, self._each(x), stride=2, padding=self.padding, groups=x.shape[1])


class BlurUp(Blur):
    """Puts zeros between rows and columns, then filters.

    Args:
        taps: The filter along one axis, symmetric, of any sum.

    Example:
        >>> BlurUp()(torch.ones(1, 1, 4, 4))[0, 0, 3, 3].item()
        1.0
    """

    def __init__(self, taps: Sequence[float] = BILINEAR) -> None:
        super().__init__(taps, padding=(len(taps) - 2) // 2, gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, 2 H, 2 W)."""
        y = F.conv_transpose2d(x, self._each(x), stride=2, padding=self.padding, groups=x.shape[1])
        return y[..., : 2 * x.shape[2], : 2 * x.shape[3]]  # an odd number of taps makes one more
