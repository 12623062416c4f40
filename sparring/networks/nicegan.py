"""NICE-GAN's networks (Chen et al., 2020): a critic whose first part is also the encoder, and generators.

    E   two halvings to x₀ = E₀(x); a class activation map: w of one linear layer on mean and maximum of x₀, its logit;
        attention a = conv1×1([x₀, x₀] ⊙ w), code z = LReLU(λ a + x₀), λ learned from 0
    C scores of patches at two scales, from z G from z to an image: six residual blocks whose AdaILN is conditioned on
    the mean of z (light) or on all of z

In colour E has 167,489 parameters, C 46,706,944, G 8,104,640.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear

from sparring.layers.borders import reflect_to
from sparring.layers.normalization import ILN, AdaILN
from sparring.layers.spectral import spectral
from sparring.networks.cyclegan import reflect_conv

__all__ = ["NICECritic", "NICEEncoder", "NICEEncodingCritic", "NICETranslator", "code_depths"]


def _halving(inputs: int, outputs: int, stride: int = 2, *, bias: bool = True) -> nn.Sequential:
    """Return a 4×4 convolution with spectral norm and reflection padding."""
    return nn.Sequential(nn.ReflectionPad2d(1), spectral(nn.Conv2d(inputs, outputs, 4, stride, bias=bias)))


class NICEEncoder(nn.Module):
    """E: images (N, C, H, W) to codes (N, 2 width, ⌈H / 4⌉, ⌈W / 4⌉), and the logit of the attention.

    Args:
        channels: Channels of the images.
        width: Channels of the larger feature map.
    """

    def __init__(self, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        first, second = _halving(channels, width), _halving(width, 2 * width)
        self.body = nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2))
        self.cam = spectral(nn.Linear(4 * width, 1, bias=False))
        self.attend = nn.Conv2d(4 * width, 2 * width, 1)
        self.strength = nn.Parameter(torch.zeros(1))

    def attended(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features λ a + x₀ (N, 2 width, ⌈H / 4⌉, ⌈W / 4⌉) and the logit of the attention (N, 1)."""
        rows, columns = (-(-side // 4) * 4 for side in x.shape[2:])
        h = self.body(reflect_to(x, rows, columns))
        weight = self.cam.weight  # accessed once: each access is a power iteration
        logit = linear(torch.cat([h.mean((2, 3)), h.amax((2, 3))], 1), weight)
        attention = self.attend(torch.cat([h, h], 1) * weight[..., None, None])
        return self.strength * attention + h, logit

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes z and the logit of the attention (N, 1)."""
        features, logit = self.attended(x)
        return leaky_relu(features, 0.2), logit


class NICECritic(nn.Module):
    """C: codes to the scores of small and of large patches.

    Args:
        width: Width of the encoder.
        shared: Number of halvings before both scores.
        deep: Number of further halvings before the score of large patches.
        widest: Maximum number of channels.
    """

    def __init__(self, width: int = 64, shared: int = 1, deep: int = 2, widest: int = 2048) -> None:
        super().__init__()
        widths = [min(width * 2**k, widest) for k in range(1, shared + deep + 3)]
        self.trunk = nn.Sequential(*_halvings(widths[: shared + 1]))
        self.small = nn.Sequential(*_scores(*widths[shared : shared + 2]))
        self.large = nn.Sequential(*_halvings(widths[shared:-1]), *_scores(*widths[-2:]))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores (N, 1, H', W') of small and (N, 1, H", W") of large patches, large = real."""
        h = self.trunk(z)
        return self.small(h), self.large(h)


def _halvings(widths: list[int]) -> list[nn.Module]:
    return [layer for narrow, wide in pairwise(widths) for layer in (_halving(narrow, wide), nn.LeakyReLU(0.2))]


def _scores(narrow: int, wide: int) -> list[nn.Module]:
    return [_halving(narrow, wide, 1), nn.LeakyReLU(0.2), _halving(wide, 1, 1, bias=False)]


class NICEEncodingCritic(nn.Module):
    """D = C ∘ E: a critic that includes the encoder.

    Args:
        E: The encoder.
        C: The critic of codes.
    """

    def __init__(self, E: nn.Module, C: nn.Module) -> None:
        super().__init__()
        self.E, self.C = E, C

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes of images (N, C, H, W)."""
        return self.E(x)[0]

    def attention_map(self, x: Tensor) -> Tensor:
        """Return the attention map, (N, 1, ⌈H / 4⌉, ⌈W / 4⌉): the attended features summed over channels."""
        return self.E.attended(x)[0].sum(1, keepdim=True)  # type: ignore[operator]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return three kinds of scores: of small patches, of large ones, of the attention."""
        z, logit = self.E(x)
        return *self.C(z), logit


class AdaILNBlock(nn.Module):
    """A residual block with AdaILN, which takes gain and offset as inputs.

    Args:
        channels: Channels of the feature map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (reflect_conv(channels, channels, 3, bias=False) for _ in range(2))
        self.norms = nn.ModuleList([AdaILN(channels), AdaILN(channels)])

    def forward(self, x: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape, given γ and β (N, C)."""
        h = self.norms[0](self.first(x), gain, offset).relu()
        return x + self.norms[1](self.second(h), gain, offset)


class NICETranslator(nn.Module):
    """G: codes to images.

    Args:
        outputs: Channels of the images.
        width: Width of the encoder.
        blocks: Residual blocks.
        whole: Side of the codes, H / 4, if gains and offsets depend on every position of them (276 million
            parameters at 256 pixels, which then is the only size); None for their mean, the light form.
    """

    multiple, smallest = 4, 8  # divisor of the sides of images inside, and their smallest side

    def __init__(self, outputs: int = 3, width: int = 64, blocks: int = 6, whole: int | None = None) -> None:
        super().__init__()
        if whole:
            self.smallest = self.largest = 4 * whole
        wide = 4 * width
        self.widen = nn.Sequential(reflect_conv(2 * width, wide, 3), ILN(wide), nn.ReLU())
        reads = nn.Flatten() if whole else nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        first = nn.Linear(wide * (whole or 1) ** 2, wide, bias=False)
        self.told = nn.Sequential(reads, first, nn.ReLU(), nn.Linear(wide, wide, bias=False), nn.ReLU())
        self.gain, self.offset = (nn.Linear(wide, wide, bias=False) for _ in range(2))
        self.blocks = nn.ModuleList(AdaILNBlock(wide) for _ in range(blocks))
        doublings = [layer for broad in (wide, wide // 2) for layer in _doubling(broad)]
        self.paint = nn.Sequential(*doublings, reflect_conv(width, outputs, 7, bias=False), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        """Map codes (N, 2 width, h, w) to images (N, outputs, 4 h, 4 w) in [−1, 1]."""
        h = self.widen(z)
        told = self.told(h)
        gain, offset = self.gain(told), self.offset(told)
        for block in self.blocks:
            h = block(h, gain, offset)
        return self.paint(h)


def _doubling(broad: int) -> list[nn.Module]:
    """Return layers for half the channels and twice the side, by pixel shuffling."""
    half = broad // 2
    first = [reflect_conv(broad, half, 3, bias=False), ILN(half), nn.ReLU()]
    return [*first, nn.Conv2d(half, 4 * half, 1), nn.PixelShuffle(2), ILN(half), nn.ReLU()]


def code_depths(side: int) -> tuple[int, int]:
    """Return the default numbers of shared and deep halvings of a critic of codes: the paper's from 128 pixels.

    Args:
        side: Of the images in pixels, at least 16.

    Example:
        >>> code_depths(256), code_depths(64), code_depths(32), code_depths(16)
        ((1, 2), (1, 1), (0, 1), (0, 0))
    """
    return (1 if side >= 64 else 0), (2 if side >= 128 else 1 if side >= 32 else 0)
