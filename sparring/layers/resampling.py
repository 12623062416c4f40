"""Resampling: up- and down-sampling fused with a convolution, low-pass filters, bicubic resizing, global pooling.

**Fused with a convolution**, exact to rounding. Nearest ×2 up-sampling, then a 3×3 convolution, is one transposed 4×4
convolution of stride 2; a 3×3 convolution, then 2×2 average pooling, is one 4×4 convolution of stride 2. In one
dimension, with taps w₋ w₀ w₊ and x zero outside,

    up:    y[2i] = w₋ x[i−1] + (w₀ + w₊) x[i],   y[2i+1] = (w₋ + w₀) x[i] + w₊ x[i+1]
    down:  y[i] = ½ (w₋ x[2i−1] + (w₋ + w₀) x[2i] + (w₀ + w₊) x[2i+1] + w₊ x[2i+2])

so both use the same four taps (w₋, w₋ + w₀, w₀ + w₊, w₊): the 3×3 kernel summed over every 2×2 window. The sums are
formed from the 3×3 parameter at each forward, and 4/9 of the multiplications remain. Parameters, initialisation,
spectral norm and checkpoints stay those of the plain convolution. With `fused` set to False a layer resamples and
convolves one after the other.

**Low-pass filters** (Karras et al., 2019): ×2 up or down without aliasing.

    up:    y = 4 f ∗ (x with zeros inserted)             down:  y = every second of f ∗ x

f is the outer product of the taps with themselves, scaled to the sum 1, and x is zero outside. The taps (1, 3, 3, 1)
are StyleGAN2's; up, they interpolate bilinearly. R3GAN's (1, 2, 1) are convolved with (1, 1), which gives the same.
A filter and its neighbouring 3×3 convolution could be fused into one 6×6 convolution of stride 2. That was slower at
every width measured: four times the products between all channels, to save a filter that acts on each channel alone.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "BILINEAR",
    "Blur",
    "BlurDown",
    "BlurUp",
    "ConvDown",
    "GlobalMean",
    "GlobalSum",
    "UpConv",
    "back_project",
    "resize_bicubic",
    "upsample_conv",
]


class UpConv(nn.Conv2d):
    """Nearest ×2 up-sampling, then a 3×3 convolution, fused into one transposed convolution.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        bias: Whether to add a bias.

    Attributes:
        fused: Whether to use one operation.

    Example:
        >>> import torch
        >>> layer, x = UpConv(3, 5).double(), torch.randn(2, 3, 4, 4).double()
        >>> plain = F.conv2d(F.interpolate(x, scale_factor=2), layer.weight, layer.bias, padding=1)
        >>> torch.allclose(layer(x), plain)
        True
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)
        self.fused = True

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, 2 H, 2 W)."""
        if not self.fused:
            return F.conv2d(F.interpolate(x, scale_factor=2), self.weight, self.bias, padding=1)
        return upsample_conv(x, self.weight, self.bias, self.training)


def upsample_conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, training: bool = False) -> Tensor:
    """Up-sample by 2 (nearest) and convolve with a 3×3 kernel and padding 1, by one transposed convolution.

    Args:
        x: Feature maps, (N, inputs, H, W).
        weight: Kernel of the 3×3 convolution, (outputs, inputs, 3, 3).
        bias: Its bias, (outputs,).
        training: Whether the bias needs a gradient.
    """
    transposed = weight.transpose(0, 1)
    if weight.is_contiguous(memory_format=torch.channels_last):  # else all following tensors are contiguous
        transposed = transposed.contiguous(memory_format=torch.channels_last)
    sums = F.avg_pool2d(transposed, 2, stride=1, padding=1, divisor_override=1)
    # A transposed convolution scatters where a convolution gathers, so its kernel is flipped.
    kernel = sums.flip(2, 3)
    if bias is None or not (training and torch.is_grad_enabled()):
        return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)
    # On a CPU torch's gradient of the bias would cost half of the kernel's: the bias is added without a gradient,
    # then a 0 with one.
    y = F.conv_transpose2d(x, kernel, bias.detach(), stride=2, padding=1)
    return y.add_((bias - bias.detach()).to(y.dtype)[:, None, None])


class ConvDown(nn.Conv2d):
    """A 3×3 convolution, then 2×2 average pooling, fused into one strided convolution.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        bias: Whether to add a bias.

    Attributes:
        fused: Whether to use one operation.

    Example:
        >>> import torch
        >>> layer, x = ConvDown(3, 5).double(), torch.randn(2, 3, 4, 4).double()
        >>> torch.allclose(layer(x), F.avg_pool2d(F.conv2d(x, layer.weight, layer.bias, padding=1), 2))
        True
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)
        self.fused = True

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) with even H and W to (N, outputs, H / 2, W / 2)."""
        if not self.fused:
            return F.avg_pool2d(F.conv2d(x, self.weight, self.bias, padding=1), 2)
        means = F.avg_pool2d(self.weight, 2, stride=1, padding=1)
        return F.conv2d(x, means, self.bias, stride=2, padding=1)


BILINEAR = (1.0, 3.0, 3.0, 1.0)


class Blur(nn.Module):
    """Low-pass filter of each channel at constant scale.

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
        """Return the filter, expanded to each channel."""
        return self.filter.expand(x.shape[1], 1, -1, -1)


class BlurDown(Blur):
    """Low-pass filter, then every second row and column.

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
    """Inserts zeros between rows and columns, then filters.

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
        return y[..., : 2 * x.shape[2], : 2 * x.shape[3]]  # an odd number of taps gives one more


def resize_bicubic(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images bicubically with antialiasing; values are clamped to [−1, 1].

    Args:
        x: Images (N, C, H, W) in [−1, 1].
        size: Height and width in pixels.

    Example:
        >>> import torch
        >>> resize_bicubic(torch.zeros(1, 3, 33, 50), (25, 38)).shape
        torch.Size([1, 3, 25, 38])
    """
    if tuple(x.shape[2:]) == tuple(size):
        return x.clamp(-1, 1)
    return F.interpolate(x, size=tuple(size), mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)


def back_project(larger: Tensor, x: Tensor, rounds: int) -> Tensor:
    """Correct enlarged images so that they shrink to x again, approximately (Irani & Peleg, 1991).

    Args:
        larger: Images (N, C, H', W'). Their enlarged difference from x is added.
        x: Images (N, C, H, W) in [−1, 1].
        rounds: Number of corrections.
    """
    for _ in range(rounds):
        lost = x - resize_bicubic(larger, (x.shape[2], x.shape[3]))
        larger = larger.clamp(-1, 1) + resize_bicubic(lost, (larger.shape[2], larger.shape[3]))
    return larger.clamp(-1, 1)


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
