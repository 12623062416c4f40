"""Folded resampling: a change of scale and its convolution as one strided convolution, exact to rounding.

Nearest ×2 up-sampling, then a 3×3 convolution, is one transposed 4×4 convolution of stride 2; a 3×3 convolution, then
2×2 average pooling, is one 4×4 convolution of stride 2. In one dimension, with taps w₋ w₀ w₊ and x zero outside,

    up:    y[2i] = w₋ x[i−1] + (w₀ + w₊) x[i],   y[2i+1] = (w₋ + w₀) x[i] + w₊ x[i+1]
    down:  y[i] = ½ (w₋ x[2i−1] + (w₋ + w₀) x[2i] + (w₀ + w₊) x[2i+1] + w₊ x[2i+2])

so both use the same four taps (w₋, w₋ + w₀, w₀ + w₊, w₊): the 3×3 kernel summed over every 2×2 window. The sums are
formed from the 3×3 parameter at each forward, and 4/9 of the multiplications remain. Parameters, initialisation,
spectral norm and checkpoints stay those of the plain convolution. With `fused` set to False a layer resamples and
convolves one after the other.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ConvDown", "UpConv", "upsample_conv"]


class UpConv(nn.Conv2d):
    """Nearest ×2 up-sampling, then a 3×3 convolution, folded into one transposed convolution.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        bias: Whether to add a bias.

    Attributes:
        fused: Whether to do both in one.

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
        training: Whether gradients of the bias follow.
    """
    transposed = weight.transpose(0, 1)
    if weight.is_contiguous(memory_format=torch.channels_last):  # or else everything after it is contiguous
        transposed = transposed.contiguous(memory_format=torch.channels_last)
    sums = F.avg_pool2d(transposed, 2, stride=1, padding=1, divisor_override=1)
    # A transposed convolution writes where a convolution reads, so its kernel is turned round.
    kernel = sums.flip(2, 3)
    if bias is None or not (training and torch.is_grad_enabled()):
        return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)
    # On a CPU torch's gradient of the bias would cost half of the kernel's: the bias is added without one, and then
    # a 0 that has it.
    y = F.conv_transpose2d(x, kernel, bias.detach(), stride=2, padding=1)
    return y.add_((bias - bias.detach()).to(y.dtype)[:, None, None])


class ConvDown(nn.Conv2d):
    """A 3×3 convolution, then 2×2 average pooling, folded into one strided convolution.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        bias: Whether to add a bias.

    Attributes:
        fused: Whether to do both in one.

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
