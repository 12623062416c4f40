"""Feature extractor with a vision model of the transformers library, from the Hugging Face hub or a local folder.

With `facebook/dinov2-base` or larger, the Fréchet distance is the one that Stein et al. (2023, arXiv 2306.04675) found
to agree with people where Inception's does not. The features of a model are, in this order,

1. the image embedding, of a model of images and texts (CLIP, SigLIP);
2. what its authors pool (`pooler_output`: the normalised class token for DINOv2, the mean over positions for ResNet,
   ConvNeXt and Swin), where the file has the weights of the pooling;
3. the class token, or the mean over tokens where there is none.

Images are stretched to the model's input (the whole image: nothing is cut off), with the interpolation, mean and
standard deviation of its image processor. Only safetensors are read, and no code that comes with a model runs.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from sparring._io.paths import expand_user
from sparring.errors import DataError
from sparring.metrics.extractors.base import require_images, weights_sha256

__all__ = ["VisionModelExtractor", "vision_model"]

AT_ONCE = 32  # images per forward pass
INTERPOLATIONS = {0: "nearest", 2: "bilinear", 3: "bicubic"}  # by the number that PIL gives them
CLASS_TOKENS = ("cls_token", "class_embedding")
FAILURES = (SafetensorError, OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError, ImportError)
"""Exceptions that loading or running a model of another kind can raise."""


class VisionModelExtractor:
    """Features of images by a model of the transformers library; grey images are repeated to three channels.

    Args:
        model: The model, fixed from now on.
        name: Name in protocols and tables; the head of the hash of the weights is added.
        size: Height and width of the model's input in pixels.
        mean: Mean of each channel of the model's input, for pixels in [0, 1].
        std: Standard deviation of each channel.
        mode: Interpolation: nearest, bilinear or bicubic.
        pooled: Whether `pooler_output` may be used, if the model has one.
    """

    def __init__(
        self,
        model: nn.Module,
        name: str,
        *,
        size: tuple[int, int],
        mean: Sequence[float],
        std: Sequence[float],
        mode: str = "bicubic",
        pooled: bool = True,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.model_name = name
        self.size = size
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.mode = mode
        self.pooled = pooled

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights, 64 hexadecimal digits."""
        return weights_sha256(self.model)

    @property
    def name(self) -> str:
        """Name of the model, with the first 8 digits of the hash of its weights."""
        return f"{self.model_name} ({self.sha256[:8]})"

    @property
    def resize(self) -> str:
        """Resizing and normalisation, for the protocol."""
        numbers = [",".join(f"{value:g}" for value in values) for values in (self.mean, self.std)]
        return f"{self.size[0]}x{self.size[1]} {self.mode} antialiased, mean {numbers[0]}, std {numbers[1]}"

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, d) of images (N, 1 or 3, H, W) in [−1, 1], on the device of the model.

        Raises:
            DataError: If the images have another type or shape.
        """
        require_images(images, self.model_name)
        weight = next(self.model.parameters())
        batches = images.expand(-1, 3, -1, -1).split(AT_ONCE)
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return torch.cat([self._pool(self._input(x.to(weight))).float() for x in batches])

    def _input(self, images: Tensor) -> Tensor:
        images = (images + 1) / 2
        if images.shape[-2:] != self.size:
            smooth = {} if self.mode == "nearest" else {"antialias": True, "align_corners": False}
            images = F.interpolate(images, self.size, mode=self.mode, **smooth).clamp(0, 1)
        mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (images - mean) / std

    def _pool(self, pixels: Tensor) -> Tensor:
        if hasattr(self.model, "get_image_features"):
            found: Any = self.model.get_image_features(pixel_values=pixels)  # type: ignore[operator]
            return (found if isinstance(found, Tensor) else found.pooler_output).flatten(1)
        output: Any = self.model(pixel_values=pixels)
        pooled: Tensor | None = getattr(output, "pooler_output", None)
        if self.pooled and pooled is not None:
            return pooled.flatten(1)
        tokens: Tensor = output.last_hidden_state
        if tokens.ndim == 4:
            return tokens.mean(dim=(2, 3))
        named = (name for name, _ in self.model.named_parameters())
        return tokens[:, 0] if any(name.endswith(CLASS_TOKENS) for name in named) else tokens.mean(dim=1)


def vision_model(
    model: str, *, revision: str | None = None, device: str | torch.device = "cpu"
) -> VisionModelExtractor:
    """Return an extractor with a vision model; a model of the hub is downloaded once, by the transformers library.

    Args:
        model: Name on the hub, such as ``facebook/dinov2-base``, with a revision after ``@`` if wished; or a local
            folder, as `save_pretrained` writes it, with ``preprocessor_config.json``.
        revision: Branch, tag or commit of a model of the hub. Default: its newest.
        device: Device of the model.

    Raises:
        DataError: The package is absent, or the model is neither there nor can be had, has no safetensors or lacks
            weights, is none of images, or is random.
    """
    place, _, after = model.partition("@")
    folder = expand_user(model)
    if folder.is_dir():
        place, revision, name = str(folder), None, folder.resolve().name
    else:
        revision = revision or after or None
        name = f"{place}@{revision}" if revision else place
        _require_name(place)
    loaded, settings, missing = _loaded(place, revision, model)
    height, width = _size(settings, model)
    number = settings.get("resample")
    normalised = settings.get("do_normalize", True)
    extractor = VisionModelExtractor(
        loaded.to(device),
        name,
        size=(height, width),
        mean=(normalised and settings.get("image_mean")) or (0.0, 0.0, 0.0),
        std=(normalised and settings.get("image_std")) or (1.0, 1.0, 1.0),
        mode=INTERPOLATIONS.get(2 if number is None else int(number), "bicubic"),
        pooled=not missing,
    )
    _try(extractor, model)
    return extractor


def _require_name(place: str) -> None:
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", place) or place.startswith("."):
        raise DataError(f"There is no folder {place}: name one, or a model of the hub such as facebook/dinov2-base.")


def _loaded(place: str, revision: str | None, model: str) -> tuple[nn.Module, dict[str, Any], set[str]]:
    """Return a model, the settings of its image processor, and the pooling weights that its file lacks."""
    try:
        from transformers import AutoImageProcessor, AutoModel
    except ImportError as error:
        raise DataError(
            f"The vision model {model} needs the package transformers: install it with pip install "
            "'sparring[transformers]'."
        ) from error
    options: dict[str, Any] = {"trust_remote_code": False, **({"revision": revision} if revision else {})}
    try:
        processor: Any = AutoImageProcessor.from_pretrained(place, **options)  # type: ignore[no-untyped-call]
        with torch.random.fork_rng(devices=[]):
            loaded, report = AutoModel.from_pretrained(
                place, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options
            )
    except FAILURES as error:
        raise DataError(
            f"The vision model {model} cannot be loaded ({_first_sentence(error)}): name a model of images with "
            "safetensors, or, without a connection, a local folder."
        ) from error
    missing = set(report["missing_keys"])
    needed = {name for name in missing if "pooler" not in name}
    if needed or report["mismatched_keys"]:
        some = ", ".join(sorted(needed | {str(name) for name in report["mismatched_keys"]})[:3])
        raise DataError(f"The vision model {model} lacks weights ({some}): take a complete one.")
    return loaded, processor.to_dict(), missing


def _size(settings: dict[str, Any], model: str) -> tuple[int, int]:
    """Return height and width of the input of a model, by the settings of its image processor."""
    cropped = settings.get("do_center_crop") and settings.get("crop_size")
    size = (settings["crop_size"] if cropped else settings.get("size")) or {}
    size = {"shortest_edge": size} if isinstance(size, int) else dict(size)
    side = size.get("shortest_edge") or size.get("longest_edge") or 0
    height, width = int(size.get("height") or side), int(size.get("width") or side)
    if min(height, width) < 1:
        raise DataError(f"The image processor of {model} states no size: take a model with a fixed size of images.")
    return height, width


def _try(extractor: VisionModelExtractor, model: str) -> None:
    """Raise an error if a model gives no features of an image, or other ones a second time."""
    image = torch.linspace(-1, 1, 64 * 64).view(1, 1, 64, 64)
    try:
        with torch.random.fork_rng(devices=[]):
            first, second = extractor.features(image), extractor.features(image)
    except FAILURES as error:
        raise DataError(
            f"The vision model {model} gives no features of images ({_first_sentence(error)}): take another one."
        ) from error
    if not torch.allclose(first, second, rtol=1e-3, atol=1e-4):
        raise DataError(f"The vision model {model} gives other features each time: take one without random masks.")


def _first_sentence(error: Exception) -> str:
    return (re.split(r"\n|\. ", str(error).strip())[0] or type(error).__name__)[:200]
