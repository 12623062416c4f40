"""Pre-activation residual blocks of WGAN-GP, SNGAN and later networks (Gulrajani et al., 2017; Miyato et al., 2018).

    block(x) = residual(x) + shortcut(x)

Papers write the 1×1 convolution of a shortcut at the larger scale: up-sampled before it, pooled after it. It is the
same at all positions and so commutes with both; here it runs at the smaller scale, with the same result.
"""

from math import sqrt

from torch import Tensor, nn
from torch.nn.functional import relu

from sparring.layers.init import glorot_uniform
from sparring.layers.normalization import Norm
from sparring.layers.resampling import ConvDown, UpConv

__all__ = ["ConditionalUpBlock", "DownBlock", "FirstBlock", "Residual", "SameBlock", "UpBlock", "residual_glorot"]


class Residual(nn.Module):
    """The sum of two paths.

    Args:
        residual: The residual path.
        shortcut: The identity path, up to scale and number of channels.
    """

    def __init__(self, residual: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.residual, self.shortcut = residual, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both paths."""
        return self.residual(x) + self.shortcut(x)


def _conv3(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class UpBlock(Residual):
    """Norm, ReLU, ×2 up-sampling, convolution, norm, ReLU, convolution (Miyato et al., 2018, figure 8a).

    Args:
        inputs: Input channels.
        outputs: Output channels.
        norm: Builds the normalisation for a number of channels.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm = nn.BatchNorm2d) -> None:
        first = [norm(inputs), nn.ReLU(), UpConv(inputs, outputs)]
        second = [norm(outputs), nn.ReLU(), _conv3(outputs, outputs)]
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.Upsample(scale_factor=2))
        super().__init__(nn.Sequential(*first, *second), shortcut)


class DownBlock(Residual):
    """ReLU, convolution, ReLU, convolution, 2×2 average pooling (Miyato et al., 2018, figure 8b).

    Args:
        inputs: Input channels.
        outputs: Output channels.
        norm: Builds the normalisation before each ReLU. Default: none.
        hidden: Channels between the convolutions; `outputs` in SAGAN and BigGAN. Default: `inputs`, as in SNGAN.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm = nn.Identity, hidden: int | None = None) -> None:
        width = hidden or inputs
        first = [norm(inputs), nn.ReLU(), _conv3(inputs, width)]
        second = [norm(width), nn.ReLU(), ConvDown(width, outputs)]
        shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1))
        super().__init__(nn.Sequential(*first, *second), shortcut)


class SameBlock(Residual):
    """A residual block that keeps channels and scale, with an identity shortcut.

    Args:
        channels: Input and output channels.
        norm: Builds the normalisation before each ReLU.
    """

    def __init__(self, channels: int, norm: Norm = nn.Identity) -> None:
        first = [norm(channels), nn.ReLU(), _conv3(channels, channels)]
        second = [norm(channels), nn.ReLU(), _conv3(channels, channels)]
        super().__init__(nn.Sequential(*first, *second), nn.Identity())


class FirstBlock(Residual):
    """The critic's first block, without an activation on the image ("optimised" block).

    Args:
        inputs: Channels of the image.
        outputs: Output channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        residual = nn.Sequential(_conv3(inputs, outputs), nn.ReLU(), ConvDown(outputs, outputs))
        super().__init__(residual, nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1)))


class ConditionalUpBlock(nn.Module):
    """The residual block of SNGAN's generator, which doubles the side, with a condition in both norms.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        norm: Builds the normalisation for a number of channels, which also takes the condition.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        self.first, self.second = norm(inputs), norm(outputs)
        self.up, self.same = UpConv(inputs, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.Upsample(scale_factor=2))

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, 2 H, 2 W), given an optional condition."""
        seen = self.up(relu(self.first(x, *y)))
        return self.same(relu(self.second(seen, *y))) + self.shortcut(x)


def residual_glorot(network: nn.Module) -> None:
    """Initialise Glorot-uniform weights with gain √2 on residual paths and 1 elsewhere (Miyato et al., 2018, code).

    Args:
        network: A whole network, not one module, since the path of a layer is determined by its parents.
    """
    network.apply(glorot_uniform())
    for block in network.modules():
        if isinstance(block, Residual):
            block.residual.apply(glorot_uniform(sqrt(2)))
