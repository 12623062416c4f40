"""Feature extractor with the FID Inception: with its reference weights, a Fréchet distance is *the* FID.

The weights are not part of the package. They are loaded from a given file, from `$SPARRING_INCEPTION`, from a
cache, or downloaded; see `inception_weights`.
"""

from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from sparring.errors import DataError
from sparring.metrics.extractors.base import weights_sha256
from sparring.metrics.extractors.inception import SIDE, InceptionV3, pixels_of
from sparring.metrics.extractors.inception_weights import REFERENCE, download, found, read

__all__ = ["InceptionExtractor", "inception"]

AT_ONCE = 32  # images per forward pass: half a gigabyte of activations


class InceptionExtractor:
    """Features and logits of images by the FID Inception.

    Images are rounded to 8 bits, as in a file, and grey images are repeated to three channels.

    Attributes:
        network: the network, fixed.
        reference: whether its weights are those of the reference FID; only then may a Fréchet distance be called FID.
    """

    family = "inception"

    def __init__(self, network: InceptionV3, *, reference: bool = False) -> None:
        network = nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)  # faster, also on CPUs
        self.network = network.eval().requires_grad_(False)
        self.reference = reference

    @property
    def name(self) -> str:
        """Name, for people."""
        return "Inception-v3 of 2015-12-05" if self.reference else "Inception-v3 with other weights"

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights, 64 hexadecimal digits; the same from whichever file they came."""
        return weights_sha256(self.network)

    @property
    def resize(self) -> str:
        """Resizing, for the protocol."""
        return f"{SIDE}x{SIDE} bilinear as in TensorFlow 1, from 8 bits"

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, 2048), on the device of the network.

        Args:
            images: (N, 1 or 3, H, W) of any size, bytes or floats in [−1, 1]; 32 at a time go to the device.

        Raises:
            DataError: If the images have another type or shape.
        """
        kind = images.is_floating_point() or images.dtype == torch.uint8
        if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape or not kind:
            raise DataError(
                f"{self.name} takes images (N, 1 or 3, H, W) as bytes or floats in [-1, 1], not {images.dtype} "
                f"{tuple(images.shape)}: convert them."
            )
        device = self.network.fc.weight.device
        # TF32, PyTorch's default for convolutions, would keep 10 of 23 bits
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return torch.cat([self.network(pixels_of(x.to(device))) for x in images.split(AT_ONCE)])

    def logits(self, images: Tensor) -> Tensor:
        """Return logits (N, 1008) without bias of images as in `features`; the Inception Score takes their softmax."""
        return self.logits_of(self.features(images))

    def logits_of(self, features: Tensor) -> Tensor:
        """Return logits (N, 1008) of features (N, 2048), to reuse features."""
        return self.network.logits(features.to(self.network.fc.weight))


def inception(
    path: str | Path | None = None,
    *,
    cache: str | Path | None = None,
    sha256: str = REFERENCE,
    device: str | torch.device = "cpu",
) -> InceptionExtractor:
    """Return the FID Inception; its weights are downloaded where they are neither named nor in a cache.

    Args:
        path: File of the weights, by default `$SPARRING_INCEPTION`, else what a cache has.
        cache: The cache, by default `$SPARRING_CACHE`, else `~/.cache/sparring`.
        sha256: SHA-256 of the public file; with another file the distance is not called FID.
        device: Device of the network.

    Raises:
        DataError: The weights are absent and cannot be downloaded, or are not the right ones.
    """
    file = found(path, cache=cache) or download(cache)
    return InceptionExtractor(read(file, sha256=sha256).to(device), reference=sha256 == REFERENCE)
