"""Layers that are told a condition: batch norm with gains and offsets of its own, a block of them, a critic's head.

A class is told as a row of weights over the classes, (N, classes): one-hot for a class, anything between for a mixture.
A table is then a linear map, and the embedding of a mixture is the mixture of the embeddings. Every layer takes its
condition as ``*y``; without one the same block is built on `nn.BatchNorm2d` and called with nothing.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from sparring.layers.norm import Norm
from sparring.layers.resample import UpConv

__all__ = ["ClassConditionalBatchNorm", "ConditionalBatchNorm", "ConditionalUpBlock", "ProjectionHead"]


class ClassConditionalBatchNorm(nn.Module):
    """Batch norm with a gain and an offset per class, from tables (Dumoulin et al., 2017; Zhang et al., 2019, code).

    Args:
        channels: Channels of the feature map.
        classes: Number of classes.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Parameter(torch.ones(classes, channels))
        self.bias = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map (N, C, H, W), given weights of classes (N, classes)."""
        return _scaled(self.norm(x), y @ self.gain, y @ self.bias)


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose gain is 1 + V y and whose offset is W y for a conditioning vector y (Brock et al., 2019).

    Args:
        channels: Channels of the feature map.
        width: Coordinates of y.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(width, channels, bias=False)
        self.bias = nn.Linear(width, channels, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map (N, C, H, W), given conditioning vectors (N, width)."""
        return _scaled(self.norm(x), 1 + self.gain(y), self.bias(y))


def _scaled(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    return torch.addcmul(bias[:, :, None, None], x, gain[:, :, None, None])


class ConditionalUpBlock(nn.Module):
    """The residual block of SNGAN's generator, which doubles the side, with a condition in both of its norms.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        norm: Makes the normalisation of so many channels, which takes the condition too.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        self.first, self.second = norm(inputs), norm(outputs)
        self.up, self.same = UpConv(inputs, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.Upsample(scale_factor=2))

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, 2 H, 2 W), given a condition or none."""
        seen = self.up(relu(self.first(x, *y)))
        return self.same(relu(self.second(seen, *y))) + self.shortcut(x)


class ProjectionHead(nn.Module):
    """The head of a critic that is told the class: ψ(h) + ⟨V y, h⟩, ψ linear (Miyato & Koyama, 2018, equation 5).

    Args:
        features: Coordinates of h.
        classes: Number of classes; without any the head is ψ alone.

    Example:
        >>> head = Projection(2, 3)
        >>> head(torch.ones(4, 2), torch.eye(3)[[0, 1, 2, 0]]).shape
        torch.Size([4])
    """

    def __init__(self, features: int, classes: int | None) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.embed = nn.Linear(classes, features, bias=False) if classes else None

    def forward(self, h: Tensor, *y: Tensor) -> Tensor:
        """Map features (N, features), and weights of classes (N, classes) where there are any, to scores (N,)."""
        score = self.linear(h).squeeze(1)
        return score if self.embed is None else score + (self.embed(*y) * h).sum(1)
