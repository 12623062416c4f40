"""Equalised learning rates (Karras et al., 2018): weights from N(0, 1), scaled by their He constant when they are used.

    W = c Ŵ,   c = rate / √fan-in,   Ŵ ~ N(0, 1) / rate

Adam moves every weight by about its learning rate, whatever the gradient's size. So Ŵ moves alike in layers of every
width, and a layer with a rate of .01 learns a hundred times more slowly (the mapping of StyleGAN).
"""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["EqualizedConv", "EqualizedLinear"]


class EqualizedLinear(nn.Module):
    """A linear layer with an equalised learning rate.

    Args:
        inputs: Input features.
        outputs: Output features.
        bias: Where every bias starts, or None for a layer without.
        rate: How fast the layer learns, in multiples of the learning rate.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> y = EqualizedLinear(512, 512, rate=0.01)(torch.randn(100, 512))
        >>> round(y.var().item(), 1)
        1.0
    """

    def __init__(self, inputs: int, outputs: int, bias: float | None = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = None if bias is None else nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate / sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        return F.linear(x, self.scale * self.weight, None if self.bias is None else self.rate * self.bias)


class EqualizedConv(nn.Module):
    """A convolution with an equalised learning rate.

    At stride 1 it is padded to keep the side. At stride 2 it takes maps that a blur has lengthened to 2 n + 1 instead,
    and makes n of them.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the kernel, odd.
        bias: Whether to add a bias, which starts at zero.
        stride: 1 or 2.

    Example:
        >>> EqualizedConv(3, 5, 3)(torch.zeros(1, 3, 8, 8)).shape
        torch.Size([1, 5, 8, 8])
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, bias: bool = True, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / sqrt(inputs * kernel**2)
        self.stride, self.padding = stride, kernel // 2 if stride == 1 else 0

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W), or half the side."""
        return F.conv2d(x, self.scale * self.weight, self.bias, stride=self.stride, padding=self.padding)
