"""GANILLA's generator (Hicsonmez et al., 2020): concatenating residual blocks and a feature pyramid.

Its decoder sums the features of every scale, without norm or ReLU, so that content survives; at 7,228,419 parameters in
colour it is smaller than CycleGAN's.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from sparring.layers.borders import on_multiples
from sparring.layers.init import dcgan
from sparring.layers.normalization import Norm, instance_norm
from sparring.networks.cyclegan import reflect_conv

__all__ = ["GANILLATranslator"]


class ConcatenatingBlock(nn.Module):
    """Two convolutions and a shortcut, concatenated, and a third convolution.

    Args:
        inputs: Channels.
        outputs: Channels.
        stride: Stride of the first convolution and the shortcut.
        norm: Builds the normalisation for a number of channels.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        first, second = (
            reflect_conv(inputs, outputs, 3, stride, bias=False),
            reflect_conv(outputs, outputs, 3, bias=False),
        )
        self.body = nn.Sequential(first, norm(outputs), nn.ReLU(), second, norm(outputs))
        shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(shortcut, norm(outputs))
        self.join = nn.Sequential(reflect_conv(2 * outputs, outputs, 3, bias=False), norm(outputs), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return self.join(torch.cat([self.body(x), self.shortcut(x)], 1))


class GANILLATranslator(nn.Module):
    """Four scales down, and the sum of all four back up.

    Args:
        channels: Channels of the input images.
        outputs: Channels of the output images.
        width: Channels of the first feature map.
        blocks: Blocks per scale.
        norm: Builds the normalisation for a number of channels.
    """

    multiple, smallest = 16, 32  # divisor of the sides of images inside, and their smallest side

    def __init__(
        self, channels: int = 3, outputs: int = 3, width: int = 64, blocks: int = 2, norm: Norm = instance_norm
    ) -> None:
        super().__init__()
        halved = nn.Sequential(nn.ReflectionPad2d(1), nn.MaxPool2d(3, 2))
        self.stem = nn.Sequential(reflect_conv(channels, width, 7), norm(width), nn.ReLU(), halved)
        widths = [width, width, 2 * width, 2 * width, 4 * width]
        self.scales = nn.ModuleList(
            nn.Sequential(
                ConcatenatingBlock(widths[k], widths[k + 1], 1 if k == 0 else 2, norm),
                *(ConcatenatingBlock(widths[k + 1], widths[k + 1], 1, norm) for _ in range(blocks - 1)),
            )
            for k in range(4)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(wide, 2 * width, 1) for wide in widths[1:])
        self.paint = nn.Sequential(reflect_conv(2 * width, width, 3), reflect_conv(width, outputs, 7), nn.Tanh())
        self.apply(dcgan)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, channels, H, W) in [−1, 1] to images (N, outputs, H, W)."""
        return on_multiples(self._translated, x, self.multiple)

    def _translated(self, x: Tensor) -> Tensor:
        h, seen = self.stem(x), []
        for scale, lateral in zip(self.scales, self.laterals, strict=True):
            h = scale(h)
            seen.append(lateral(h))
        top = seen.pop()
        while seen:
            top = interpolate(top, scale_factor=2.0) + seen.pop()
        return self.paint(interpolate(top, scale_factor=2.0))
