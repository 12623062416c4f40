"""Single-image Fréchet distance: the distance of features over positions of a sample and its training image.

One image is a set of feature vectors, one for each position of a network's maps. Take the sets of the real and of the
generated image for Gaussians, as FID does with the features of many images (Shaham, Dekel & Michaeli, 2019, SinGAN,
section 4.2):

    d² = ‖μ_r − μ_f‖² + tr C_r + tr C_f − 2 tr (C_r C_f)^½        μ, C over the h · w positions of one image

Positions do not matter, only frequencies: a rearrangement of the image's own parts scores near 0, and so does a copy.
Report it together with the diversity of the samples. Images may differ in size, but the estimate falls with the number
of positions, so compare scores at equal sizes only.

**What may be called SIFID.** The paper takes Inception's maps before its second pooling. Its authors' code has 192
channels there and torchvision's ImageNet weights, on images in [−1, 1] at their own size: with those weights in an
`InceptionV3`, `maps=network.early` is that protocol. `inception_maps` reads the same layer of the network of FID, whose
weights are others: name them. Any other maps make another score: call it *single-image distance* by those maps.

`random_filters` needs no weights at all: one layer of rectified random filters, whose statistics are enough to make
textures from (Ustyuzhaninov et al., 2016). Rectified, since the mean and covariance of linear filters, or of raw
patches, are the image's power spectrum and no more: they take noise of the photograph's spectrum for the photograph.
"""

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sparring.metrics._float64 import to_float64
from sparring.metrics.extractors.inception import InceptionV3
from sparring.metrics.frechet import frechet_distance

__all__ = [
    "SingleImageDistances",
    "inception_maps",
    "random_filters",
    "single_image_distance",
    "single_image_distances",
]

Maps = Callable[[Tensor], Tensor]
"""From an image (1, C, H, W) in [−1, 1] to features (1, d, h, w) at each position."""
SMALLEST = 19  # pixels that leave one position before Inception's second pool


@dataclass(frozen=True)
class SingleImageDistances:
    """Result of `single_image_distances`.

    Attributes:
        mean: mean distance of the samples, in squared units of the features.
        standard_error: of that mean; real image and generator are taken as given.
        distances: the distance of each sample, in their order.
    """

    mean: float
    standard_error: float
    distances: tuple[float, ...]


def single_image_distance(real: Tensor, fake: Tensor, maps: Maps) -> float:
    """Return the squared Fréchet distance of two images' features over positions (Shaham et al., 2019, section 4.2).

    Args:
        real: the training image (1, C, H, W) in [−1, 1].
        fake: a generated image (1, C, H', W').
        maps: from an image to its features (1, d, h, w), such as `random_filters()`.

    Returns:
        d² ≥ 0, in squared units of the features.

    Raises:
        ValueError: if these are no single images, the maps have no two positions or a feature is not finite.

    Example:
        >>> image = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
        >>> flipped, brighter = image.flip(3), image + 0.5
        >>> round(single_image_distance(image, flipped, lambda x: x), 9)
        0.0
        >>> round(single_image_distance(image, brighter, lambda x: x), 6)  # 3 channels, 0.25 each
        0.75
    """
    return frechet_distance(_positions(real, maps), _positions(fake, maps))


def single_image_distances(real: Tensor, fakes: Iterable[Tensor], maps: Maps) -> SingleImageDistances:
    """Return the distances of several samples from the training image, with their mean.

    Args:
        real: the training image (1, C, H, W) in [−1, 1].
        fakes: generated images, each (1, C, H', W'), at least 2; of one tensor `samples.split(1)`.
        maps: as in `single_image_distance`.

    Raises:
        ValueError: as in `single_image_distance`, and if there are fewer than 2 samples.
    """
    reference = _positions(real, maps)
    distances = tuple(frechet_distance(reference, _positions(fake, maps)) for fake in fakes)
    if len(distances) < 2:
        raise ValueError(f"a mean with its error needs 2 samples, not {len(distances)}: draw more")
    error = statistics.stdev(distances) / math.sqrt(len(distances))
    return SingleImageDistances(statistics.fmean(distances), error, distances)


def random_filters(channels: int = 3, *, side: int = 7, width: int = 64, seed: int = 0) -> Maps:
    """Return feature maps without trained weights: rectified responses to random filters of unit norm.

    Scores are comparable at equal arguments only. Their unit is that of the pixels: white noise of deviation σ in the
    image gives every filter a response of deviation σ before it is rectified.

    Args:
        channels: channels of the images.
        side: height and width of the filters in pixels; larger structure is not measured.
        width: number of filters, the d of the maps.
        seed: seed of the filters.

    Raises:
        ValueError: if an argument is not positive; the maps raise it for images of other channels or below `side`.

    Example:
        >>> random_filters()(torch.zeros(1, 3, 32, 48)).shape
        torch.Size([1, 64, 26, 42])
    """
    if min(channels, side, width) < 1:
        raise ValueError(f"channels {channels}, side {side} and width {width} must be positive")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(width, channels, side, side, generator=generator, dtype=torch.float64)
    filters = drawn / drawn.flatten(1).norm(dim=1)[:, None, None, None]

    def maps(image: Tensor) -> Tensor:
        if image.shape[1] != channels or min(image.shape[-2:]) < side:
            raise ValueError(
                f"filters {tuple(filters.shape[1:])} do not fit an image {tuple(image.shape)}: "
                "take random_filters of its channels and of a smaller side"
            )
        x = to_float64(image)
        return F.conv2d(x, filters.to(x.device)).relu()

    return maps


def inception_maps(network: InceptionV3) -> Maps:
    """Return maps (1, 192, h, w) of the FID Inception before its second pool, at the image's own size.

    Pixels are rounded to bytes x, as they would be in a file, and enter as (x − 128) / 128; one channel is repeated to
    three.

    Args:
        network: The network, such as `inception().network`.

    Returns:
        Maps for images (1, 1 or 3, H, W) of 19 pixels or more a side, on the device of the network.
    """

    def maps(image: Tensor) -> Tensor:
        if image.shape[1] not in (1, 3) or min(image.shape[-2:]) < SMALLEST:
            raise ValueError(
                f"Inception reads images (1, 1 or 3, H, W) of {SMALLEST} pixels or more a side, "
                f"not {tuple(image.shape)}: convert or enlarge it"
            )
        x = image.to(network.fc.weight).add(1).mul(127.5).clamp(0, 255).round()
        # TF32, PyTorch's default for convolutions, would keep 10 of 23 bits
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return network.early(((x - 128) / 128).expand(-1, 3, -1, -1))

    return maps


def _positions(image: Tensor, maps: Maps) -> Tensor:
    """Return features (h · w, d) of one image in float64, a row for each position."""
    if image.ndim != 4 or len(image) != 1 or not image.is_floating_point():
        raise ValueError(
            f"one float image (1, C, H, W) in [-1, 1] is needed, not {image.dtype} {tuple(image.shape)}: "
            "compare the images of a batch one by one, as samples.split(1)"
        )
    with torch.no_grad():
        found = maps(image)
    if found.ndim != 4 or len(found) != 1 or found.shape[2] * found.shape[3] < 2:
        raise ValueError(
            f"maps (1, d, h, w) of 2 positions or more are needed, not {tuple(found.shape)}: "
            "take features before they are pooled, or a larger image"
        )
    return to_float64(found)[0].flatten(1).T
