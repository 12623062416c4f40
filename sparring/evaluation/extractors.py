"""Who looks at the images, by name."""

from __future__ import annotations

from torch import nn

from sparring.data.dataset import Dataset
from sparring.errors import DataError
from sparring.evaluation.types import require_many_images
from sparring.metrics import FeatureExtractor, ModuleExtractor, extractor_for, inception
from sparring.recipes.importing import imported

__all__ = ["get_extractor"]


def get_extractor(name: str, dataset: Dataset, device: str = "cpu") -> FeatureExtractor:
    """Returns an extractor by its name.

    Args:
        name: ``classifier`` for the tool's own, trained on the data; ``inception`` for that of the FID; or
            ``module:function``, which takes nothing and returns a module (N, C, H, W) in [−1, 1] -> (N, d).
        dataset: The real images.
        device: Where it is to live.

    Raises:
        DataError: If there is no such extractor, its weights cannot be had, or it does not suit the data.
        GameError: If it cannot be imported.
    """
    require_many_images(dataset)
    if name == "classifier":
        return extractor_for(dataset, device=device)
    if name == "inception":
        return inception(device=device)
    if ":" not in name:
        raise DataError(f"There is no extractor {name!r}: give classifier, inception, or module:function.")
    made = imported(name, "extractor")()
    if isinstance(made, nn.Module):
        return ModuleExtractor(made.to(device), name)
    if not isinstance(made, FeatureExtractor):
        raise DataError(f"{name} returns a {type(made).__name__}: let it return a module from images to features.")
    return made
