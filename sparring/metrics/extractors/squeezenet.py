"""Feature extractor with SqueezeNet 1.0 (Iandola et al., 2016, arXiv 1602.07360), trained on ImageNet.

A small network (1.25 million parameters, 10 ms an image on one CPU core) that no recipe trains on. Its features are
those after the last fire module, averaged over positions: 512 numbers, not negative. The distances are in its own
units and must not be compared with an FID.

The weights are not part of the package: they are read from a NumPy file (`.npz`) with the names of torchvision's
`squeezenet1_0` (`features.0.weight`, `features.3.squeeze.weight`, …). Images are fed as Caffe does: RGB in 0..255 minus
the means (123, 117, 104). The reference are the weights of Deep Compression (Han et al., 2016, arXiv 1510.00149),
decoded to float32.
"""

import hashlib
import io
import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sparring._io.paths import expand_user
from sparring.errors import DataError
from sparring.metrics.extractors.base import require_images, resized, weights_sha256

__all__ = ["SqueezeNet", "SqueezeNetExtractor", "squeezenet"]

REFERENCE = "18d3b689247e6cdac09270e350f5da12cdd926e38c38105fb50070d7d2427e3a"
"""SHA-256 of the file of the reference weights."""
MEANS = (123.0, 117.0, 104.0)
SIDE = 128
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, EOFError, OSError, zipfile.BadZipFile)
"""Exceptions that reading a file of another format can raise."""
AT_ONCE = 64  # images per forward pass: 100 MB of activations
FIRES = {  # place in the network: channels before, squeezed, and of either expansion
    3: (96, 16, 64),
    4: (128, 16, 64),
    5: (128, 32, 128),
    7: (256, 32, 128),
    8: (256, 48, 192),
    9: (384, 48, 192),
    10: (384, 64, 256),
    12: (512, 64, 256),
}


class Fire(nn.Module):
    """A 1×1 convolution to few channels, then a 1×1 and a 3×3 convolution side by side.

    Args:
        before: Channels of the input.
        squeezed: Channels after the first convolution.
        expanded: Channels of each of the two others.
    """

    def __init__(self, before: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(before, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (N, 2 · expanded, H, W) of maps (N, before, H, W)."""
        squeezed = self.squeeze(maps).relu()
        return torch.cat([self.expand1x1(squeezed).relu(), self.expand3x3(squeezed).relu()], dim=1)


class SqueezeNet(nn.Module):
    """The part of SqueezeNet 1.0 before its classifier: (N, 3, H, W) in RGB, minus the means, to features (N, 512)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 96, 7, stride=2), nn.ReLU()]
        for place in range(2, 13):
            layers.append(Fire(*FIRES[place]) if place in FIRES else nn.MaxPool2d(3, 2, ceil_mode=True))
        self.features = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (N, 512) of images (N, 3, H, W), at least 21 × 21."""
        return self.features(images).mean(dim=(2, 3))


class SqueezeNetExtractor:
    """Features of images by SqueezeNet 1.0; grey images are repeated to three channels.

    Attributes:
        network: the network, fixed.
        reference: whether its weights are the reference ones.
    """

    family = "squeezenet"

    def __init__(self, network: SqueezeNet, *, reference: bool = False) -> None:
        self.network = network.eval().requires_grad_(False)
        self.reference = reference

    @property
    def name(self) -> str:
        """Name, for people."""
        return "SqueezeNet 1.0" if self.reference else "SqueezeNet 1.0 with other weights"

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights, 64 hexadecimal digits."""
        return weights_sha256(self.network)

    @property
    def resize(self) -> str:
        """Resizing, for the protocol."""
        return f"{SIDE}x{SIDE} bilinear antialiased"

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, 512) of images (N, 1 or 3, H, W) in [−1, 1], on the device of the network.

        Raises:
            DataError: If the images have another type or shape.
        """
        require_images(images, self.name)
        weight = next(self.network.parameters())
        means = torch.tensor(MEANS, device=weight.device).view(3, 1, 1)
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return torch.cat(
                [
                    self.network((resized(x.to(weight), SIDE) + 1) * 127.5 - means)
                    for x in images.expand(-1, 3, -1, -1).split(AT_ONCE)
                ]
            )


def squeezenet(path: str | Path, *, sha256: str = REFERENCE, device: str | torch.device = "cpu") -> SqueezeNetExtractor:
    """Return the SqueezeNet extractor with the weights of a file.

    Args:
        path: The NumPy file.
        sha256: SHA-256 of the file of the reference weights; another file is read as well, but named otherwise.
        device: Device of the network.

    Raises:
        DataError: The file is absent, damaged, or holds other arrays. Nothing in it is unpickled.
    """
    path = expand_user(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): name an .npz file of the weights of SqueezeNet 1.0."
        ) from error
    with torch.random.fork_rng(devices=[]):
        network = SqueezeNet()
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            network.load_state_dict({name: torch.from_numpy(arrays[name]) for name in network.state_dict()})
    except (
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        EOFError,
        OSError,
        AttributeError,
        zipfile.BadZipFile,
    ) as error:
        raise DataError(
            f"{path} does not hold the weights of SqueezeNet 1.0 ({str(error).splitlines()[0][:200]}): name an .npz "
            "file with the arrays of torchvision's squeezenet1_0."
        ) from error
    reference = hashlib.sha256(content).hexdigest() == sha256
    return SqueezeNetExtractor(network.to(device), reference=reference)
