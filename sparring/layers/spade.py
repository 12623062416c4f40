"""Spatially adaptive normalisation (Park et al., 2019): a feature map scaled and shifted by a label map.

    SPADE(x, m) = norm(x) · (1 + γ(m)) + β(m)         equation 1; γ and β vary with class and place

    h = relu(conv(m)),  γ = conv(h),  β = conv(h)     all 3 × 3; m is brought to the size of x by nearest neighbours

    block(x, m) = conv(a(SPADE(conv(a(SPADE(x, m))), m))) + shortcut(x, m)                    figure 4; a leaky ReLU
    shortcut    = x, or conv₁(SPADE(x, m)) where channels change: 1 × 1, no bias, no activation

The norm keeps no gains of its own. Batch norm is the paper's; with few images in a batch its running statistics are not
those of the batch, and instance norm is the better choice.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from sparring.layers.normalization import Norm
from sparring.layers.spectral import spectral

__all__ = ["SPADE", "SPADEBlock", "batch_norm_without_affine", "resize_labels"]

SLOPE = 0.2  # of the leaky ReLU below zero


def batch_norm_without_affine(channels: int) -> nn.Module:
    """Return batch norm without gains and offsets."""
    return nn.BatchNorm2d(channels, affine=False)


def resize_labels(m: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring label maps (N, K, H, W) to another size by nearest neighbours: a class never becomes a mixture of two.

    Example:
        >>> resize_labels(torch.eye(4)[None, None], (2, 2)).flatten().tolist()
        [1.0, 0.0, 0.0, 1.0]
    """
    return m if m.shape[2:] == size else interpolate(m, size=size, mode="nearest")


class SPADE(nn.Module):
    """A norm whose gain and offset at each place are functions of the label map around it.

    Args:
        channels: Channels of the feature map.
        labels: Channels of the label map.
        hidden: Channels between; 128 in the paper.
        norm: Builds the normalisation for a number of channels, without gains.

    Example:
        >>> SPADE(8, 3, hidden=16)(torch.randn(2, 8, 4, 4), torch.randn(2, 3, 16, 16)).shape
        torch.Size([2, 8, 4, 4])
    """

    def __init__(self, channels: int, labels: int, hidden: int = 128, norm: Norm = batch_norm_without_affine) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.shared = nn.Sequential(nn.Conv2d(labels, hidden, 3, padding=1), nn.ReLU())
        self.gain = nn.Conv2d(hidden, channels, 3, padding=1)
        self.bias = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        """Map (N, C, H, W), given a label map (N, labels, H', W')."""
        seen = self.shared(resize_labels(m, (x.shape[2], x.shape[3])))
        return torch.addcmul(self.bias(seen), self.norm(x), 1 + self.gain(seen))


class SPADEBlock(nn.Module):
    """The residual block of the SPADE generator: two spectrally normalised convolutions, conditioned on the label map.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        labels: Channels of the label map.
        hidden: As for `SPADE`.
        norm: As for `SPADE`.
    """

    def __init__(
        self, inputs: int, outputs: int, labels: int, hidden: int = 128, norm: Norm = batch_norm_without_affine
    ) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.first, self.second = SPADE(inputs, labels, hidden, norm), SPADE(middle, labels, hidden, norm)
        self.into = spectral(nn.Conv2d(inputs, middle, 3, padding=1))
        self.out = spectral(nn.Conv2d(middle, outputs, 3, padding=1))
        changes = inputs != outputs
        self.aside = SPADE(inputs, labels, hidden, norm) if changes else None
        self.shortcut = spectral(nn.Conv2d(inputs, outputs, 1, bias=False)) if changes else None

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W), given a label map (N, labels, H', W')."""
        seen = self.into(leaky_relu(self.first(x, m), SLOPE))
        seen = self.out(leaky_relu(self.second(seen, m), SLOPE))
        if self.aside is None or self.shortcut is None:
            return x + seen
        return self.shortcut(self.aside(x, m)) + seen
