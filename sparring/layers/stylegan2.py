"""Layers of StyleGAN2: equalised learning rates and modulated convolution.

**Equalised learning rates** (Karras et al., 2018): weights from N(0, 1), scaled by their He constant in the forward.

    W = c Ŵ,   c = rate / √fan-in,   Ŵ ~ N(0, 1) / rate

Adam moves every weight by about its learning rate, whatever the gradient's size. So Ŵ moves alike in layers of every
width, and a layer with a rate of .01 learns a hundred times more slowly (the mapping of StyleGAN).

**Modulated convolution** (Karras et al., 2020, section 2.2): a style scales the inputs, demodulation restores the size.

    w'_oik = s_i w_oik,        w''_oik = w'_oik / √(Σ_ik w'_oik² + 1e-8)

Every image would need weights of its own. But scaling the weights' inputs is scaling the input channels, and scaling
their outputs is scaling the output channels, so one convolution serves the whole batch:

    y_o = d_o Σ_i w_oi ∗ (s_i x_i),        d_o = 1 / √(Σ_i s_i² Σ_k w_oik² + 1e-8)

Inputs of unit variance give outputs of unit variance, whatever the style: it replaces a normalisation by the data.
"""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.layers.resampling import Blur

__all__ = ["EqualizedConv", "EqualizedLinear", "ModulatedConv"]


class EqualizedLinear(nn.Module):
    """A linear layer with an equalised learning rate.

    Args:
        inputs: Input features.
        outputs: Output features.
        bias: Initial value of the biases; None for no bias.
        rate: Multiple of the learning rate.

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

    At stride 1 it is padded to keep the side. At stride 2 it maps sides of 2 n + 1, as padded by a blur, to n.

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


class ModulatedConv(nn.Module):
    """A convolution without bias whose input channels are scaled by a style.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        style: Coordinates of w.
        kernel: Side of the kernel, odd.
        demodulate: Whether each output channel is scaled to unit variance; if not (in the layers to RGB), weights are
            scaled by 1 / √fan-in instead.
        up: Whether to double the side, by a transposed convolution and a low-pass filter.

    Example:
        >>> layer = ModulatedConv(4, 6, style=8, up=True)
        >>> layer(torch.randn(2, 4, 5, 5), torch.randn(2, 8)).shape
        torch.Size([2, 6, 10, 10])
    """

    def __init__(
        self, inputs: int, outputs: int, style: int, kernel: int = 3, *, demodulate: bool = True, up: bool = False
    ) -> None:
        super().__init__()
        self.style = EqualizedLinear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.demodulate = demodulate
        self.scale = 1.0 if demodulate else 1 / sqrt(inputs * kernel**2)
        self.blur = Blur(padding=1, gain=4.0) if up else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map (N, inputs, H, W), styled by w (N, style), to (N, outputs, H, W), or twice the side.

        Args:
            x: Feature maps.
            w: Styles of the mapping network.
        """
        s = self.style(w)
        y = self._convolved(x * _channels(s, x), self.scale * self.weight)
        return y * _channels(self._demodulation(s), y) if self.demodulate else y

    def _convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.blur is None:
            return F.conv2d(x, weight, padding=weight.shape[2] // 2)
        return self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))

    def _demodulation(self, s: Tensor) -> Tensor:
        """Return d, (N, outputs)."""
        energy = self.weight.square().sum((2, 3))
        return (F.linear(s.square(), energy) + 1e-8).rsqrt()


def _channels(scale: Tensor, x: Tensor) -> Tensor:
    return scale[:, :, None, None].to(x.dtype)
