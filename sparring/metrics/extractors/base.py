"""Feature extractors for metrics: the interface, the default classifier, and a wrapper of any module.

Scores of two extractors are not comparable, so the protocol of every score contains the SHA-256 of the weights.
Resizing changes scores as much as the network does (Parmar et al., 2022), so it is also recorded.
"""

import hashlib
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.errors import DataError

__all__ = [
    "Classifier",
    "ClassifierExtractor",
    "FeatureExtractor",
    "ModuleExtractor",
    "require_images",
    "resized",
    "weights_sha256",
]

FEATURES = 64
SIDE = 32
AT_ONCE = 256  # images that pass a network together


@runtime_checkable
class FeatureExtractor(Protocol):
    """Interface of feature extractors: images (N, C, H, W) in [−1, 1] to features (N, d), with a name and a hash."""

    @property
    def name(self) -> str:
        """Name of the extractor."""

    @property
    def sha256(self) -> str:
        """Hash of the weights."""

    @property
    def resize(self) -> str:
        """Description of the resizing of images."""

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, d) of images (N, C, H, W) in [−1, 1]."""


class Classifier(nn.Module):
    """Three convolutions of stride 2, a layer of features and a layer of logits, for images of 32 × 32 (or 8 n × 8 n).

    Args:
        channels: Channels of the images.
        outcomes: Logits.
        side: Height and width of the images in pixels, a multiple of 8.
    """

    ARCHITECTURE = (
        "conv 24-48-96, stride 2, batch norm, leaky relu; linear 64; 1"  # at the end: version of its training
    )

    def __init__(self, channels: int, outcomes: int, side: int = SIDE) -> None:
        super().__init__()
        widths = (channels, 24, 48, 96)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * (side // 8) ** 2, FEATURES))
        self.head = nn.Linear(FEATURES, outcomes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, outcomes) of images (N, C, side, side)."""
        return self.head(F.leaky_relu(self.trunk(images), 0.2))


class ClassifierExtractor:
    """Features and logits of a trained classifier; images are resized to its side first.

    Attributes:
        network: the classifier, in evaluation mode.
        name: task, width, data and side, such as "classifier-64 trained on digits 32x32".
        accuracy: accuracy on held-out examples, in [0, 1].
        side: height and width of its inputs in pixels.
    """

    family = "classifier"

    def __init__(self, network: Classifier, *, name: str, accuracy: float, side: int) -> None:
        self.network = network.eval().requires_grad_(False)
        self.name = name
        self.accuracy = accuracy
        self.side = side

    @property
    def sha256(self) -> str:
        """Hash of the weights, 64 hexadecimal digits."""
        return weights_sha256(self.network)

    @property
    def resize(self) -> str:
        """Resizing, for the protocol."""
        return f"{self.side}x{self.side} bilinear antialiased"

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, 64) of images (N, C, H, W) in [−1, 1], on the device of the network."""
        return self._through(self.network.trunk, images)

    def logits(self, images: Tensor) -> Tensor:
        """Return logits (N, classes) of images (N, C, H, W) in [−1, 1]."""
        return self._through(self.network, images)

    def logits_of(self, features: Tensor) -> Tensor:
        """Return logits (N, classes) of features (N, 64), to reuse features."""
        with torch.no_grad():
            return self.network.head(F.leaky_relu(features.to(self.network.head.weight), 0.2))

    def predict(self, images: Tensor) -> Tensor:
        """Return the likeliest class (N,) of images (N, C, H, W) in [−1, 1]."""
        return self.logits(images).argmax(dim=1)

    def _through(self, part: nn.Module, images: Tensor) -> Tensor:
        first = next(self.network.parameters())
        if images.ndim != 4 or images.shape[1] != first.shape[1] or not images.is_floating_point():
            raise DataError(
                f"{self.name} takes float images (N, {first.shape[1]}, H, W) in [-1, 1], not {images.dtype} "
                f"{tuple(images.shape)}: convert them or train an extractor on data of that kind."
            )
        with torch.no_grad():
            return torch.cat([part(resized(x.to(first), self.side)) for x in images.split(AT_ONCE)])


class ModuleExtractor:
    """A feature extractor from any module that maps images in [−1, 1] to features.

    Args:
        module: Maps (N, C, H, W) to (N, d), or to (N, d, 1, 1); resizing and scaling are left to the module.
        name: Name in protocols and tables.

    Example:
        >>> ModuleExtractor(nn.Flatten(), "pixels").features(torch.zeros(3, 1, 4, 4)).shape
        torch.Size([3, 16])
    """

    def __init__(self, module: nn.Module, name: str) -> None:
        self.module = module
        self.name = name

    @property
    def sha256(self) -> str:
        """Hash of the weights, 64 hexadecimal digits."""
        return weights_sha256(self.module)

    @property
    def resize(self) -> str:
        """Resizing, for the protocol."""
        return "by the module"

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, d) of images (N, C, H, W), by the module in evaluation mode and on its device."""
        first = next(self.module.parameters(), images)
        was_training = {part: part.training for part in self.module.modules()}
        self.module.eval()
        try:
            with torch.no_grad():
                return torch.cat([self.module(x.to(first.device)).flatten(1) for x in images.split(AT_ONCE)])
        finally:
            for part, training in was_training.items():
                part.training = training


def require_images(images: Tensor, name: str) -> None:
    """Raise an error unless a batch is one of grey or colour images.

    Args:
        images: The batch.
        name: Name of the extractor, for the message.

    Raises:
        DataError: If they are no floats, or not of shape (N, 1 or 3, H, W) with N, H, W of at least 1.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape or not images.is_floating_point():
        raise DataError(
            f"{name} takes images (N, 1 or 3, H, W) as floats in [-1, 1], not {images.dtype} {tuple(images.shape)}: "
            "convert them."
        )


def weights_sha256(module: nn.Module) -> str:
    """Hash the names, types, shapes and bytes of everything in a module's state."""
    sha = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        sha.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        sha.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()


def resized(images: Tensor, side: int) -> Tensor:
    """Resize float images (N, C, H, W) to a square, bilinear with antialiasing (Parmar et al., 2022)."""
    if images.shape[-2:] == (side, side):
        return images
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True, align_corners=False)
