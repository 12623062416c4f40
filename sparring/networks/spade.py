"""The networks of GauGAN (Park et al., 2019): a generator of label maps, a critic at several scales, a style encoder.

The generator has no encoder of the label map: it starts from the style z, or without one from the map in the size of
its first features, and the map is an input of every norm (`sparring.layers.spade`). Images have the size of the map;
the style's first features, made for one size, are resized for others.

The critic is that of pix2pixHD (Wang et al., 2018): the same small network at the full size, half of it, and so on,
each returning all of its feature maps, for feature matching. Weights are initialised as Xavier's with gain .02.
"""

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from sparring.layers.borders import centre_crop, reflect_to
from sparring.layers.init import glorot_normal, reinitialise
from sparring.layers.normalization import Norm, instance_norm
from sparring.layers.spade import SLOPE, SPADEBlock, batch_norm_without_affine, resize_labels
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import grid_for, num_doublings

__all__ = ["MultiScaleCritic", "SPADEGenerator", "StyleEncoder"]

GAIN = 0.02
Within = tuple[int, int, int, int]
STAGES = 5  # doublings in the paper's network for 256 × 256


class SPADEGenerator(nn.Module):
    """G: label maps (N, labels, H, W) and styles (N, latent) to images (N, C, H, W) in [−1, 1].

    One block at the first size, two at twice of it, then a block with half the channels for every further doubling.
    From 512 on the second of the two is also doubled ("more" in the authors' code); larger images start at more
    positions. Label maps whose sides are no multiples are padded by reflection about their centre, and the image is
    cropped.

    Args:
        shape: (C, H, W) of the training images, sides of 8 to 1024.
        labels: Channels of the label map.
        latent: Coordinates of z; None for no style: one image per label map.
        width: Channels of the last feature map; 64 in the paper.
        hidden: Channels of the label map inside a norm; 128 in the paper.
        norm: Builds the normalisation without gains; instance norm for small batches.
        gain: Gain of the initialisation.

    Raises:
        DataError: If the network does not support this shape.

    Example:
        >>> G = SPADEGenerator((3, 32, 32), labels=4, latent=8, width=4, hidden=8)
        >>> G(torch.randn(2, 4, 48, 32), torch.randn(2, 8)).shape
        torch.Size([2, 3, 48, 32])
    """

    def __init__(
        self,
        shape: Shape,
        labels: int,
        latent: int | None = 256,
        width: int = 64,
        hidden: int = 128,
        norm: Norm = batch_norm_without_affine,
        gain: float = GAIN,
    ) -> None:
        super().__init__()
        doubled = num_doublings(shape, "GauGAN")
        self.shape, self.labels, self.latent = tuple(shape), labels, latent
        self.stages = min(doubled, STAGES + (doubled > STAGES + 1))
        self.start = grid_for(shape, self.stages)
        self.extra = self.stages > STAGES
        channels = [width << power for power in reversed(range(min(self.stages, STAGES)))]
        first = channels[0]
        if latent is None:
            self.begin: nn.Module = nn.Conv2d(labels, first, 3, padding=1)
        else:
            self.begin = nn.Sequential(
                nn.Linear(latent, first * prod(self.start)), nn.Unflatten(1, (first, *self.start))
            )
        ends = [(first, first)] * 3 + list(pairwise(channels))
        self.blocks = nn.ModuleList(SPADEBlock(*end, labels, hidden, norm) for end in ends)
        self.end = nn.Conv2d(channels[-1], shape[0], 3, padding=1)
        reinitialise(self, glorot_normal(gain))

    @property
    def multiple(self) -> int:
        """The divisor of the sides of tiles, and of the label map inside the network."""
        return 1 << self.stages

    def forward(self, m: Tensor, *z: Tensor, within: Within | None = None) -> Tensor:
        """Return one image for each label map.

        Args:
            m: Label maps, (N, labels, H, W).
            z: Styles, (N, latent), if the generator has them.
            within: Position of the maps in larger ones, over which the style's first features are resized: top, left,
                and height and width of the larger ones. All of them, and H and W, are multiples of `multiple`.

        Raises:
            ValueError: If the maps have another shape.
        """
        old = m.shape[2:]
        height, width = (-(-side // self.multiple) * self.multiple for side in old)
        if m.shape[1] != self.labels or (within is not None and (height, width) != old):
            sides = "" if within is None else f", sides multiples of {self.multiple}"
            raise ValueError(f"this generator takes label maps (N, {self.labels}, H, W){sides}, not {tuple(m.shape)}.")
        m = reflect_to(m, height, width)
        top, left, whole_height, whole_width = (side >> self.stages for side in within or (0, 0, height, width))
        first = (height >> self.stages, width >> self.stages)
        if self.latent is None:
            x = self.begin(resize_labels(m, first))
        else:
            whole = _stretched(self.begin(*z), (whole_height, whole_width))
            x = whole[:, :, top : top + first[0], left : left + first[1]]
        for number, block in enumerate(self.blocks):
            if number == 1 or number > 2 or (number == 2 and self.extra):
                x = interpolate(x, scale_factor=2, mode="nearest")
            x = block(x, m)
        return centre_crop(torch.tanh(self.end(leaky_relu(x, SLOPE))), *old)


class MultiScaleCritic(nn.Module):
    """D: images with their label maps to feature maps at several scales; the last one of each scale are the scores.

    Each scale: 4 × 4 convolutions with leaky ReLU, all but the last two of stride 2; spectral and instance norm from
    the second on; between scales the image is averaged over 3 × 3 at every second place.

    Args:
        inputs: Channels of image and label map together.
        scales: Number of scales; 2 in the paper.
        layers: Convolutions before the scores; 4 in the paper, 3 for images below 128 pixels.
        width: Channels of the first layer; 64 in the paper.
        gain: Gain of the initialisation.

    Example:
        >>> D = MultiScaleCritic(3 + 4, layers=3, width=4)
        >>> [[tuple(f.shape[1:]) for f in scale] for scale in D(torch.randn(2, 3, 32, 32), torch.randn(2, 4, 32, 32))]
        [[(4, 17, 17), (8, 9, 9), (16, 10, 10), (1, 11, 11)], [(4, 9, 9), (8, 5, 5), (16, 6, 6), (1, 7, 7)]]
    """

    def __init__(self, inputs: int, scales: int = 2, layers: int = 4, width: int = 64, gain: float = GAIN) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_patches(inputs, layers, width) for _ in range(scales))
        reinitialise(self, glorot_normal(gain))

    def forward(self, x: Tensor, m: Tensor) -> list[list[Tensor]]:
        """Score images (N, C, H, W) of label maps (N, labels, H, W).

        Returns:
            For each scale, the largest first, its feature maps in order; the last one, (N, 1, h, w), are scores.
        """
        seen, found = torch.cat([m, x], 1), []
        for number, scale in enumerate(self.scales):
            if number:
                seen = nn.functional.avg_pool2d(seen, 3, 2, 1, count_include_pad=False)
            maps = [seen]
            for layer in scale.children():
                maps.append(layer(maps[-1]))
            found.append(maps[1:])
        return found


class StyleEncoder(nn.Module):
    """E: images (N, C, H, W) to means and log variances of their styles, (N, 2 latent).

    Convolutions 3 × 3 of stride 2 down to the start grid, spectral and instance norm, leaky ReLU, a linear layer.
    Instance norm removes each map's mean, and so an image's mean colour: on small images, whose style is mostly that,
    leave it out.

    Args:
        shape: (C, H, W), sides of 8 to 1024; images of other sizes are resized to this one.
        latent: Coordinates of a style.
        width: Channels of the first feature map; 64 in the paper.
        norm: Whether to use instance norm.
        gain: Gain of the initialisation.

    Example:
        >>> StyleEncoder((3, 32, 32), 8, width=4)(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 16])
    """

    def __init__(self, shape: Shape, latent: int = 256, width: int = 64, norm: bool = True, gain: float = GAIN) -> None:
        super().__init__()
        self.shape = tuple(shape)
        halvings = num_doublings(shape, "GauGAN")
        channels = [shape[0], *(width * min(1 << power, 8) for power in range(halvings))]
        body = [layer for ends in pairwise(channels) for layer in _reading(*ends, norm)]
        self.body = nn.Sequential(
            *body, nn.Flatten(), nn.Linear(prod(grid_for(shape, halvings)) * channels[-1], 2 * latent)
        )
        reinitialise(self, glorot_normal(gain))

    def forward(self, x: Tensor) -> Tensor:
        """Return means and log variances of each image's style."""
        size = self.shape[1:]
        return self.body(x if x.shape[2:] == size else interpolate(x, size=size, mode="bilinear", antialias=True))


def _stretched(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize the first features to another label map."""
    return x if x.shape[2:] == size else interpolate(x, size=size, mode="bilinear")


def _patches(inputs: int, layers: int, width: int) -> nn.Sequential:
    """Return one scale of the critic, with a child module for each feature map."""
    channels = [width * min(1 << power, 8) for power in range(layers)]
    first = nn.Sequential(nn.Conv2d(inputs, width, 4, 2, 2), nn.LeakyReLU(SLOPE))
    found: list[nn.Module] = [first]
    for number, (wide, wider) in enumerate(pairwise(channels)):
        convolution = nn.Conv2d(wide, wider, 4, 1 if number == layers - 2 else 2, 2, bias=False)
        found.append(nn.Sequential(spectral(convolution), instance_norm(wider), nn.LeakyReLU(SLOPE)))
    return nn.Sequential(*found, nn.Conv2d(channels[-1], 1, 4, 1, 2))


def _reading(inputs: int, outputs: int, norm: bool) -> list[nn.Module]:
    convolution = spectral(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=not norm))
    return [convolution, *([instance_norm(outputs)] if norm else []), nn.LeakyReLU(SLOPE)]
