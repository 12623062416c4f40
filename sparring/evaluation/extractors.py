"""Feature extractors for images, by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from sparring.data.dataset import Dataset
from sparring.errors import DataError
from sparring.evaluation.lite0 import lite0
from sparring.evaluation.types import require_many_images
from sparring.metrics import FeatureExtractor, ModuleExtractor, extractor_for, inception, squeezenet, vision_model
from sparring.recipes.importing import imported

__all__ = ["get_extractor"]

SOURCES: dict[str, Callable[..., FeatureExtractor]] = {"squeezenet": squeezenet, "transformers": vision_model}
"""Extractors whose name is followed by where the weights are."""


def get_extractor(name: str, dataset: Dataset, device: str = "cpu") -> FeatureExtractor:
    """Return a feature extractor by its name.

    Args:
        name: ``classifier`` for the library's own, trained on the data; ``inception`` for that of the FID; ``lite0``
            for EfficientNet-Lite0 (extra ``sparring[pretrained]``);
            ``squeezenet:FILE`` for SqueezeNet 1.0 with the weights of a NumPy file; ``transformers:MODEL`` for a vision
            model of the Hugging Face hub or of a local folder; or ``module:function``, a function without arguments
            that returns a module from (N, C, H, W) in [−1, 1] to (N, d).
        dataset: The training images.
        device: Device of the extractor.

    Raises:
        DataError: If the name is unknown, the weights are not available, or the extractor does not suit the data.
        GameError: If the function cannot be imported.
    """
    require_many_images(dataset)
    if name == "classifier":
        return extractor_for(dataset, device=device)
    if name == "inception":
        return inception(device=device)
    if name == "lite0":
        return lite0(device=device)
    kind, _, source = name.partition(":")
    if kind in SOURCES and source:
        return SOURCES[kind](source, device=device)
    if ":" not in name or kind in SOURCES:
        raise DataError(
            f"There is no extractor {name!r}: give classifier, inception, lite0, squeezenet:FILE, "
            "transformers:MODEL, or module:function."
        )
    made = imported(name, "extractor")()
    if isinstance(made, nn.Module):
        return ModuleExtractor(made.to(device), name)
    if not isinstance(made, FeatureExtractor):
        raise DataError(f"{name} returns a {type(made).__name__}: return a module from images to features.")
    return made
