"""Feature extractor with EfficientNet-Lite0, trained on ImageNet: the network whose features projected GANs train on.

Its features are those that the ImageNet classifier takes: 1280 numbers after the last convolution, averaged over
positions, of images resized to 224 × 224. It judges any game but those that train on it, see
`sparring.evaluation.independence`. Its scores are named lite0 and are never called FID. The weights come with the extra
``sparring[pretrained]``.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from sparring.metrics.extractors.base import require_images, resized
from sparring.networks.efficientnet_lite import EfficientNetLite0, buffers_sha256, efficientnet_lite0

__all__ = ["Lite0Extractor", "lite0"]

SIDE = 224
AT_ONCE = 32  # images per forward pass: 200 MB of activations


class Lite0Extractor:
    """Features of images by EfficientNet-Lite0; grey images are repeated to three channels.

    Attributes:
        network: the network, fixed.
    """

    name = family = "lite0"

    def __init__(self, network: EfficientNetLite0) -> None:
        self.network = network.eval()

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights, 64 hexadecimal digits."""
        return buffers_sha256(self.network)

    @property
    def resize(self) -> str:
        """Resizing, for the protocol."""
        return f"{SIDE}x{SIDE} bilinear antialiased"

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, 1280) of images (N, 1 or 3, H, W) in [−1, 1], on the device of the network.

        Raises:
            DataError: If the images have another type or shape.
        """
        require_images(images, self.name)
        weight = next(self.network.buffers())
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return torch.cat([self.network.pooled(resized(x.to(weight), SIDE)) for x in images.split(AT_ONCE)])


def lite0(device: str | torch.device = "cpu") -> Lite0Extractor:
    """Return the EfficientNet-Lite0 extractor with the installed ImageNet weights.

    Args:
        device: Device of the network.

    Raises:
        DataError: If the weights are not installed, or are not the published ones.
    """
    return Lite0Extractor(efficientnet_lite0().to(device))
