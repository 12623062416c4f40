"""Fixed feature networks for perceptual losses. Their weights are set once, before training.

    ClassifierMaps    the convolutions of the classifier trained on the data, see
    `sparring.metrics.extractors.classifier` VGG19Maps         relu1_1, relu2_1, …, relu5_1 of VGG-19 (Simonyan &
    Zisserman, 2015), from a file of its weights

Each maps images (N, C, H, W) in [−1, 1] to a list of feature maps, for `sparring.games.common.multiscale.Perception`.
Weights are set when a training begins, by `fit_to`, and are part of its checkpoints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import safetensors.torch
import torch
from torch import Tensor, nn

from sparring._io.paths import expand_user
from sparring.data.dataset import Dataset
from sparring.errors import DataError
from sparring.metrics.extractors.base import Classifier
from sparring.metrics.extractors.classifier import extractor_for

__all__ = ["ClassifierMaps", "FitsToData", "VGG19Maps"]

CHANNELS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)  # 0: half the size
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in [0, 1]


@runtime_checkable
class FitsToData(Protocol):
    """A module that is fitted to the data before a training begins."""

    def fit_to(self, dataset: Dataset) -> None:
        """Set the weights for a data set."""


class ClassifierMaps(nn.Module):
    """Feature maps of the classifier's three convolutions, at a half, a quarter and an eighth of the size.

    Args:
        channels: Channels of the images.

    Attributes:
        weights: Weights of the maps; deeper ones have more.
        trains_on_features: Names of extractors with the same features, see `sparring.evaluation.independence`.

    Example:
        >>> [tuple(seen.shape) for seen in ClassifierMaps(3)(torch.zeros(2, 3, 48, 64))]
        [(2, 24, 24, 32), (2, 48, 12, 16), (2, 96, 6, 8)]
    """

    weights = (1 / 4, 1 / 2, 1.0)
    trains_on_features = ("classifier",)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*list(Classifier(channels, 1).trunk)[:-2])

    def fit_to(self, dataset: Dataset) -> None:
        """Train the classifier on the data (classes, or quarter turns without labels), or load it from the cache.

        Raises:
            DataError: If there are too few images.
        """
        self.body.load_state_dict(extractor_for(dataset).network.trunk[:-2].state_dict())

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps after each convolution with its norm and leaky ReLU."""
        maps = []
        for place, layer in enumerate(self.body):
            x = layer(x)
            if place % 3 == 2:
                maps.append(x)
        return maps


class VGG19Maps(nn.Module):
    """Feature maps of VGG-19 after the first ReLU at each of its five sizes.

    Args:
        file: Its weights, as torchvision saves them: ``features.0.weight`` and so on, .pth or .safetensors.

    Attributes:
        trains_on_features: As for `ClassifierMaps`.
        weights: Weights of the maps (Wang et al., 2018).
    """

    trains_on_features = ("vgg19",)
    weights = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)

    def __init__(self, file: str | Path) -> None:
        super().__init__()
        self.file, before = expand_user(file), 3
        layers: list[nn.Module] = []
        for channels in CHANNELS:
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()] if channels else [nn.MaxPool2d(2)]
            before = channels or before
        self.features = nn.Sequential(*layers)
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.deviation: Tensor
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None], persistent=False)

    def fit_to(self, dataset: Dataset) -> None:
        """Read the file.

        Raises:
            DataError: If the file is missing or holds other weights, or images have neither 1 nor 3 channels.
        """
        if dataset.shape[0] not in (1, 3):
            raise DataError(f"VGG-19 takes images of 1 or 3 channels, not {dataset.shape[0]}: leave --perception out.")
        own = {f"features.{name}": value for name, value in self.features.state_dict().items()}
        known = _read(self.file)
        if strange := [name for name in own if name not in known or known[name].shape != own[name].shape]:
            raise DataError(
                f"{self.file} is not VGG-19: its {strange[0]} is missing or of another shape: give its file."
            )
        self.features.load_state_dict({name.removeprefix("features."): known[name] for name in own})

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the five maps; grey images are repeated to three channels."""
        x, maps, new = ((x.expand(-1, 3, -1, -1) + 1) / 2 - self.mean) / self.deviation, [], True
        for layer in self.features:
            x = layer(x)
            new = new or isinstance(layer, nn.MaxPool2d)
            if new and isinstance(layer, nn.ReLU):
                maps.append(x)
                new = False
        return maps


def _read(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file, without running code in it."""
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load(file.read_bytes())
        known = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{file} does not exist: give the weights of VGG-19, or leave --perception out.") from None
    except Exception as error:  # torch and pickle raise many kinds
        reason = type(error).__name__
        raise DataError(f"{file} cannot be read as weights ({reason}): give a .pth or .safetensors file.") from error
    return known if isinstance(known, dict) else {}
