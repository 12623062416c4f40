"""CycleGAN's networks (Zhu et al., 2017, section 7): a residual generator, and a critic of patches.

Both are convolutional throughout and work at any size; the generator pads sides to multiples of 4, and crops.
"""

from itertools import pairwise

from torch import Tensor, nn

from sparring.layers.borders import on_multiples
from sparring.layers.init import dcgan
from sparring.layers.normalization import Norm, instance_norm

__all__ = ["PatchCritic", "ResNetTranslator"]


def reflect_conv(inputs: int, outputs: int, kernel: int, stride: int = 1, *, bias: bool = True) -> nn.Sequential:
    """Return a convolution with reflection padding.

    Args:
        inputs: Channels.
        outputs: Channels.
        kernel: Its odd side.
        stride: Of the convolution.
        bias: Whether it has one.
    """
    return nn.Sequential(nn.ReflectionPad2d(kernel // 2), nn.Conv2d(inputs, outputs, kernel, stride, bias=bias))


class ResidualBlock(nn.Module):
    """x + f(x), f: convolution, norm, ReLU, convolution, norm; nothing after the sum.

    Args:
        channels: Channels of the feature map.
        norm: Builds the normalisation for a number of channels.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        first, second = reflect_conv(channels, channels, 3), reflect_conv(channels, channels, 3)
        self.body = nn.Sequential(first, norm(channels), nn.ReLU(), second, norm(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x + self.body(x)


class ResNetTranslator(nn.Module):
    """Convolution 7×7, two halvings, residual blocks, two doublings, convolution 7×7, tanh.

    With 9 blocks, for 256 pixels and more, it has 11,378,179 parameters in colour; with 6, for 128, 7,837,699.

    Args:
        channels: Channels of the input images.
        outputs: Channels of the output images.
        width: Channels of the largest feature map.
        blocks: Residual blocks.
        norm: Builds the normalisation for a number of channels.
    """

    multiple, smallest = 4, 8  # divisor of the sides of images inside, and their smallest side

    def __init__(
        self, channels: int = 3, outputs: int = 3, width: int = 64, blocks: int = 9, norm: Norm = instance_norm
    ) -> None:
        super().__init__()
        wide = 4 * width
        layers: list[nn.Module] = [reflect_conv(channels, width, 7), norm(width), nn.ReLU()]
        for narrow in (width, 2 * width):
            layers += [nn.Conv2d(narrow, 2 * narrow, 3, 2, 1), norm(2 * narrow), nn.ReLU()]
        layers += [ResidualBlock(wide, norm) for _ in range(blocks)]
        for broad in (wide, 2 * width):
            layers += [nn.ConvTranspose2d(broad, broad // 2, 3, 2, 1, 1), norm(broad // 2), nn.ReLU()]
        self.body = nn.Sequential(*layers, reflect_conv(width, outputs, 7), nn.Tanh())
        self.apply(dcgan)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, channels, H, W) in [−1, 1] to images (N, outputs, H, W)."""
        return on_multiples(self.body, x, self.multiple)


class PatchCritic(nn.Module):
    """PatchGAN: a score for every patch (Isola et al., 2017), strided 4×4 convolutions, leaky ReLU .2.

    With 3 layers the receptive field is 70 × 70 pixels, and there are 2,764,737 parameters in colour.

    Args:
        channels: Of the images; of input and output together for a critic of pairs.
        width: Channels of the largest feature map.
        layers: Halvings; the receptive field is 16, 34, 70, 142 pixels for 1, 2, 3, 4.
        norm: Builds the normalisation for a number of channels, for all but the first and the last convolution:
            `instance_norm`, `nn.BatchNorm2d` for pix2pix, `nn.Identity`.
        bias: Whether normalised convolutions have biases, as CycleGAN's have; pix2pix's have not.
    """

    def __init__(
        self, channels: int = 3, width: int = 64, layers: int = 3, norm: Norm = instance_norm, *, bias: bool = True
    ) -> None:
        super().__init__()
        widths = [width * min(2**k, 8) for k in range(layers + 1)]
        body: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for depth, (narrow, wide) in enumerate(pairwise(widths), 1):
            stride = 2 if depth < layers else 1
            body += [nn.Conv2d(narrow, wide, 4, stride, 1, bias=bias), norm(wide), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*body, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        self.apply(dcgan)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, channels, H, W) to scores (N, 1, H', W'), large = real; 30 × 30 of them at 256 pixels."""
        return self.body(x)


def patches(side: int) -> int:
    """Return the default number of layers of a patch critic: fewer for small images.

    Args:
        side: Their smaller side in pixels.

    Example:
        >>> patches(256), patches(64), patches(32), patches(8)
        (3, 3, 2, 1)
    """
    return 3 if side >= 64 else 2 if side >= 16 else 1
