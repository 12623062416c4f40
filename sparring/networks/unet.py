"""The U-Net of pix2pix (Isola et al., 2017, section 6.1): down to 1 × 1 and up again, with skip connections.

    down conv 4 × 4, stride 2 leaky ReLU before all but the first, a norm after all but the first and last up ReLU,
    transposed conv 4 × 4, stride 2, norm; concatenated with the down features of this size

Channels are 1, 2, 4, 8, 8, 8, … times the width. Dropout of one half follows every norm on the way up between maps of 8
times the width: three of them at 256 × 256. It is the paper's only noise; in evaluation mode it is off, and an image
has one translation.
"""

import torch
from torch import Tensor, nn

from sparring.layers.borders import on_multiples
from sparring.layers.init import dcgan
from sparring.layers.normalization import Norm
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import num_doublings

__all__ = ["UNet"]

WIDEST = 8  # times the width
SLOPE = 0.2  # of the leaky ReLU below zero


class UNet(nn.Module):
    """G: images (N, inputs, H, W) to images (N, C, H, W) in [−1, 1] of the same size.

    Args:
        shape: (C, H, W) of the output images, sides of 8 to 1024. The shorter side is halved until it is 1.
        inputs: Channels of the input images. Default: C.
        width: Channels of the largest feature map; 64 in the paper.
        norm: Builds the normalisation; batch norm in the paper.
        dropout: Dropout probability in the decoder.

    Raises:
        DataError: If the network does not support this shape.

    Example:
        >>> UNet((3, 16, 16), inputs=1, width=4)(torch.randn(2, 1, 16, 32)).shape
        torch.Size([2, 3, 16, 32])
    """

    def __init__(
        self,
        shape: Shape,
        inputs: int | None = None,
        width: int = 64,
        norm: Norm = nn.BatchNorm2d,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.depth = num_doublings(shape, "The U-Net") + 2
        self.shape, self.inputs = tuple(shape), inputs or shape[0]
        channels = [width * min(1 << level, WIDEST) for level in range(self.depth)]
        bias = norm is not nn.BatchNorm2d
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, wide in enumerate(channels):
            last = level == self.depth - 1
            below = channels[level - 1] if level else self.inputs
            above = channels[level - 1] if level else shape[0]
            read = nn.Conv2d(below, wide, 4, 2, 1, bias=bias or not level)
            write = nn.ConvTranspose2d(wide if last else 2 * wide, above, 4, 2, 1, bias=bias or not level)
            normed = level > 0 and not last
            self.down.append(nn.Sequential(read, *([norm(wide)] if normed else [])))
            drops = normed and wide == above == WIDEST * width
            after = [norm(above), *([nn.Dropout(dropout)] if drops else [])] if level else [nn.Tanh()]
            self.up.append(nn.Sequential(nn.ReLU(), write, *after))
        self.apply(dcgan)

    @property
    def multiple(self) -> int:
        """The divisor of the sides of tiles, and of the image inside the network."""
        return 1 << self.depth

    def forward(self, x: Tensor) -> Tensor:
        """Translate images (N, inputs, H, W); sides are padded by reflection to multiples of `multiple`, and cropped.

        Raises:
            ValueError: If the images have other channels.
        """
        if x.shape[1] != self.inputs:
            raise ValueError(f"this U-Net takes images (N, {self.inputs}, H, W), not {tuple(x.shape)}.")
        return on_multiples(self._translated, x, self.multiple)

    def _translated(self, x: Tensor) -> Tensor:
        seen = [self.down[0](x)]
        for layer in list(self.down)[1:]:
            seen.append(layer(nn.functional.leaky_relu(seen[-1], SLOPE)))
        y = seen.pop()
        for layer in list(self.up)[:0:-1]:
            y = torch.cat([seen.pop(), layer(y)], 1)
        return self.up[0](y)
