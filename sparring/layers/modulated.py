"""Modulated convolution (Karras et al., 2020, section 2.2): a style scales the inputs, demodulation undoes the size.

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

from sparring.layers.blur import Blur
from sparring.layers.equalized import EqualizedLinear

__all__ = ["ModulatedConv"]


class ModulatedConv(nn.Module):
    """A convolution without bias whose input channels a style scales.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        style: Coordinates of w.
        kernel: Side of the kernel, odd.
        demodulate: Whether each output channel is brought to unit variance; where not (the layer that makes colours),
            the weights are scaled by 1 / √fan-in instead.
        up: Whether the side doubles: a transposed convolution, then the low-pass filter.

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
            w: What the mapping made of the noise.
        """
        s = self.style(w)
        y = self._convolved(x * _channels(s, x), self.scale * self.weight)
        return y * _channels(self._demodulation(s), y) if self.demodulate else y

    def _convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.blur is None:
            return F.conv2d(x, weight, padding=weight.shape[2] // 2)
        return self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))

    def _demodulation(self, s: Tensor) -> Tensor:
        """Returns d, shape (N, outputs)."""
        energy = self.weight.square().sum((2, 3))
        return (F.linear(s.square(), energy) + 1e-8).rsqrt()


def _channels(scale: Tensor, x: Tensor) -> Tensor:
    return scale[:, :, None, None].to(x.dtype)
