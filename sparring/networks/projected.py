"""The critic of Projected GAN: small heads on fixed features and fixed random mixing (Sauer et al., 2021).

    image → bilinear to the size of the features → EfficientNet-Lite0: maps f₁, …, f₄ at 1/4, 1/8, 1/16, 1/32
    channels   mₗ = random 1×1 convolution of fₗ to 64 · 2ˡ⁻¹ channels
    scales     hₗ = random 1×1 convolution of ↑(mₗ + hₗ₊₁) to half the channels (64 for l = 1),   ↑: bilinear ×2
    heads      Dₗ(hₗ): 4×4 convolution of stride 2 → norm → leaky ReLU .2, …, then a 4×4 convolution to one channel

Random convolutions have weights and biases uniform on ±1/√inputs (torch's initialisation, which the authors' code
leaves as it is), drawn once from the seed of the run. A 1×1 convolution and ↑ commute, so here the convolution comes
first, on a quarter of the positions. The heads have a spectral norm everywhere. At 256 pixels they halve their maps 4,
3, 2 and 1 times, to 64, 128, 256 and 512 channels at 64, 32, 16 and 8 positions a side, and as often at any other size
of the features that leaves them 4 positions. Each position of the last map is a score.

With classes a score is ψ(h) + ⟨V y, φ(h)⟩ (Miyato & Koyama, 2018), ψ and φ 4×4 convolutions to 1 and 64 channels.

Nothing before the heads learns: it has no parameters, and checkpoints hold a hash of it instead.
"""

from __future__ import annotations

from math import log2
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.errors import DataError, RunError
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import require_images
from sparring.networks.efficientnet_lite import CHANNELS, FixedConv2d, buffers_sha256, efficientnet_lite0

__all__ = ["ProjectedCritic", "Projection"]

MIXED = 64  # channels of the finest mixed map
SIDE = 224  # pixels to which smaller images are enlarged, by default
EMBEDDED = 64  # coordinates of φ and of the embedding of a class
LAST = 4  # side of the last kernel, and so of the smallest map


class Projection(nn.Module):
    """P: images to fixed feature maps, mixed at random over channels and scales.

    Args:
        shape: (C, H, W) of the images, C = 1 or 3.
        size: Pixels to which the shorter side is resized. Default: 224, or the image's own where that is larger.
        scales: Number of maps, from the finest on, 1 to 4.

    Raises:
        DataError: If a setting is out of range, or the weights of the feature network are not installed.

    Attributes:
        sides: Height and width of each map, from the finest on.
        channels: Channels of each map.
        fingerprint: SHA-256 of all fixed weights, as bytes; the only part that is saved.
    """

    fingerprint: Tensor

    def __init__(self, shape: Shape, size: int | None = None, scales: int = 4) -> None:
        super().__init__()
        require_images(shape, "Projected GAN")
        if shape[0] not in (1, 3):
            raise DataError(f"Projected GAN takes images of 1 or 3 channels, not {shape}: pass --channels 3.")
        if not 1 <= scales <= len(CHANNELS):
            raise DataError(f"The features have 1 to {len(CHANNELS)} scales, not {scales}.")
        shorter = min(shape[1:])
        size = size or max(SIDE, shorter)
        self.size = tuple(round(side * size / shorter) for side in shape[1:])
        self.features = efficientnet_lite0()
        wide = [MIXED << scale for scale in range(scales)]
        self.channels = [max(MIXED, count // 2) for count in wide]
        self.across_channels = nn.ModuleList(map(_random, CHANNELS, wide))
        self.across_scales = nn.ModuleList(map(_random, wide, self.channels))
        self.sides = self._sides(scales)
        if min(self.sides[-1]) < LAST:
            least = LAST << scales
            raise DataError(f"Features of {size} pixels are too small for {scales} scales: give {least} or more.")
        digest = bytes.fromhex(buffers_sha256(self))
        self.register_buffer("fingerprint", torch.frombuffer(bytearray(digest), dtype=torch.uint8).clone())

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the mixed maps of images (N, C, H, W) in [−1, 1], from the finest on."""
        if x.shape[2:] != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", align_corners=False)
        features = self.features(x, len(self.channels))
        mixed = [mix(seen) for mix, seen in zip(self.across_channels, features, strict=True)]
        maps: list[Tensor] = []
        for scale in reversed(range(len(mixed))):
            h = mixed[scale] + maps[-1] if maps else mixed[scale]
            h = self.across_scales[scale](h)
            maps.append(F.interpolate(h, self.sides[scale], mode="bilinear", align_corners=True))
        return maps[::-1]

    def _sides(self, scales: int) -> list[tuple[int, int]]:
        """Return the sides of the maps: twice those of the coarsest features, and those of the next finer ones."""
        height, width = self.size
        features = [(-(-height >> k), -(-width >> k)) for k in range(2, scales + 2)]
        return [(2 * features[0][0], 2 * features[0][1]), *features[:-1]]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *settings: Any) -> None:
        """Refuse a checkpoint of a training against other fixed weights."""
        saved = state_dict.get(f"{prefix}fingerprint")
        if saved is not None and not torch.equal(saved.cpu(), self.fingerprint.cpu()):
            raise RunError(
                "The fixed features or the random mixing differ from those that the checkpoint was trained with: "
                "install the versions that run.json names."
            )
        super()._load_from_state_dict(state_dict, prefix, *settings)


class _Head(nn.Module):
    """Dₗ: one mixed map to scores (N, positions).

    Args:
        inputs: Channels of the map.
        channels: Channels after each halving.
        classes: Number of classes, or None.
    """

    def __init__(self, inputs: int, channels: list[int], classes: int | None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip([inputs, *channels], channels, strict=False):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        last = [inputs, *channels][-1]
        self.score = nn.Conv2d(last, 1, LAST, bias=False)
        self.embed = nn.Linear(classes, EMBEDDED, bias=False) if classes else None
        self.match = nn.Conv2d(last, EMBEDDED, LAST, bias=False) if classes else None
        spectral(self)

    def forward(self, h: Tensor, *y: Tensor) -> Tensor:
        h = self.body(h)
        scores = self.score(h)
        if self.embed is not None and self.match is not None:
            scores = scores + torch.einsum("nchw,nc->nhw", self.match(h), self.embed(*y))[:, None]
        return scores.flatten(1)


class ProjectedCritic(nn.Module):
    """D: images, and class weights if there are classes, to the scores of all heads, side by side.

    Args:
        shape: (C, H, W) of the images, C = 1 or 3, any sides.
        width: Channels of a head at 64 positions a side of a map at half the size of the features; 64 as published.
        size: Pixels to which the shorter side is resized for the features. Default: 224, or the image's own where that
            is larger.
        scales: Number of heads, from the finest map on, 1 to 4.
        classes: Number of classes, or None.

    Raises:
        DataError: If a setting is out of range, or the weights of the feature network are not installed.

    Example:
        >>> ProjectedCritic((3, 64, 64), width=8, size=64)(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 4])
    """

    def __init__(
        self, shape: Shape, width: int = 64, size: int | None = None, scales: int = 4, classes: int | None = None
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.projection = Projection(shape, size, scales)
        self.heads = nn.ModuleList()
        for scale, (inputs, sides) in enumerate(zip(self.projection.channels, self.projection.sides, strict=True)):
            halvings = min(4 - scale, int(log2(min(sides) / LAST)))
            self.heads.append(_Head(inputs, [width << scale + k for k in range(halvings)], classes))

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        """Score images.

        Args:
            x: Images (N, C, H, W).
            y: Weights of the classes, (N, classes), if D has classes.

        Returns:
            Scores (N, K): those of every position of every head.
        """
        maps = self.projection(x)
        return torch.cat([head(h, *y) for head, h in zip(self.heads, maps, strict=True)], 1)


def _random(inputs: int, outputs: int) -> FixedConv2d:
    """Return a random 1×1 convolution that never learns."""
    bound = inputs**-0.5
    weight = torch.empty(outputs, inputs, 1, 1).uniform_(-bound, bound)
    return FixedConv2d(weight, torch.empty(outputs).uniform_(-bound, bound))
