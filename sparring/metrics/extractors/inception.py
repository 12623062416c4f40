"""The Inception network that the Fréchet inception distance is named after (Szegedy et al., 2016; Heusel et al., 2017).

FID and the Inception Score are defined by one trained network, the graph that TensorFlow published on 5 December 2015.
It is Inception-v3 as in the paper except that

* an average pool divides by the pixels under its window, not by nine where the window hangs over the border;
* the pool of the very last block takes the largest value, not the average;
* there are 1008 outcomes, and the Inception Score leaves their bias out;
* an image is resized to 299 × 299 by TensorFlow 1's bilinear rule, which puts output pixel i at input position
  i · (H / 299), without the half-pixel shift of later libraries and without antialiasing, and its bytes x then become
  (x − 128) / 128.

Each changes published numbers. The parts bear the names that the public weight files give them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SIDE", "InceptionV3", "pixels_of", "resized_as_tensorflow"]

SIDE = 299
FEATURES = 2048
OUTCOMES = 1008
EPSILON = 0.001  # of the batch norms

Size = int | tuple[int, int]
Step = tuple[int, Size] | tuple[int, Size, Size]
"""Channels and window of a convolution; with two windows, two of them side by side on the same input."""

average = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
largest = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)
halving = partial(F.max_pool2d, kernel_size=3, stride=2)


def at_35(pooled: int) -> dict[str, Sequence[Step]]:
    """Return branches of a block at 35 × 35 (Szegedy et al., 2016, figure 5, with one window of 5 × 5 kept).

    Args:
        pooled: Channels after the pool.
    """
    return {
        "branch1x1": [(64, 1)],
        "branch5x5": [(48, 1), (64, 5)],
        "branch3x3dbl": [(64, 1), (96, 3), (96, 3)],
        "branch_pool": [(pooled, 1)],
    }


def at_17(width: int) -> dict[str, Sequence[Step]]:
    """Return branches of a block at 17 × 17: windows of 7 × 7 in two factors (Szegedy et al., 2016, figure 6).

    Args:
        width: Channels between the factors.
    """
    row, column = (1, 7), (7, 1)
    return {
        "branch1x1": [(192, 1)],
        "branch7x7": [(width, 1), (width, row), (192, column)],
        "branch7x7dbl": [(width, 1), (width, column), (width, row), (width, column), (192, row)],
        "branch_pool": [(192, 1)],
    }


AT_8: Mapping[str, Sequence[Step]] = {
    "branch1x1": [(320, 1)],
    "branch3x3": [(384, 1), (384, (1, 3), (3, 1))],
    "branch3x3dbl": [(448, 1), (384, 3), (384, (1, 3), (3, 1))],
    "branch_pool": [(192, 1)],
}
"""Branches of a block at 8 × 8 (Szegedy et al., 2016, figure 7)."""
TO_17: Mapping[str, Sequence[Step]] = {
    "branch3x3": [(384, 3)],
    "branch3x3dbl": [(64, 1), (96, 3), (96, 3)],
    "branch_pool": [],
}
TO_8: Mapping[str, Sequence[Step]] = {
    "branch3x3": [(192, 1), (320, 3)],
    "branch7x7x3": [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3)],
    "branch_pool": [],
}


class FixedNorm(nn.Module):
    """Batch norm by the stored moments, in training mode as well.

    Args:
        channels: Channels.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return x (N, C, H, W) normalised."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=EPSILON)


class Unit(nn.Module):
    """Convolution without bias, norm, rectifier.

    Args:
        before: Channels of the input.
        after: Channels of the output.
        size: Window.
        stride: Stride; with 2 nothing is padded.
        padded: Whether the output is as large as the input.
    """

    def __init__(self, before: int, after: int, size: Size, stride: int = 1, *, padded: bool = True) -> None:
        super().__init__()
        padding = "same" if padded and stride == 1 else "valid"
        self.conv = nn.Conv2d(before, after, size, stride, padding, bias=False)
        self.bn = FixedNorm(after)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, after, H', W') of x (N, before, H, W)."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """Branches beside each other, joined along the channels.

    Args:
        before: Channels of the input.
        branches: The steps of each branch; `branch_pool` begins with the pool.
        pool: The pool.
        stride: Stride of the last step of every branch.
    """

    def __init__(
        self,
        before: int,
        branches: Mapping[str, Sequence[Step]],
        pool: Callable[[Tensor], Tensor],
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.pool = pool
        self.chains = {name: self._chain(name, steps, before, stride) for name, steps in branches.items()}

    def _chain(self, name: str, steps: Sequence[Step], width: int, stride: int) -> list[list[str]]:
        """Add the units of a branch; return the names of the units of each step. Only a last step has two."""
        chain = []
        for number, (after, *sizes) in enumerate(steps, start=1):
            numbered = f"{name}_{number}" if len(steps) > 1 else name
            names = [numbered] if len(sizes) == 1 else [f"{numbered}a", f"{numbered}b"]
            for unit, size in zip(names, sizes, strict=True):
                self.add_module(unit, Unit(width, after, size, stride if number == len(steps) else 1))
            chain.append(names)
            width = after
        return chain

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C', H', W') of x (N, before, H, W)."""
        outputs = []
        for name, chain in self.chains.items():
            ends = [self.pool(x) if name == "branch_pool" else x]
            for names in chain:
                ends = [self.get_submodule(unit)(ends[0]) for unit in names]
            outputs += ends
        return torch.cat(outputs, dim=1)


class InceptionV3(nn.Module):
    """The network behind FID: 2048 features, and 1008 logits of them.

    Initialised at random; `inception_weights` loads the reference weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3)
        self.Conv2d_3b_1x1 = Unit(64, 80, 1)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3, padded=False)
        self.Mixed_5b = Mixed(192, at_35(32), average)
        self.Mixed_5c = Mixed(256, at_35(64), average)
        self.Mixed_5d = Mixed(288, at_35(64), average)
        self.Mixed_6a = Mixed(288, TO_17, halving, stride=2)
        self.Mixed_6b = Mixed(768, at_17(128), average)
        self.Mixed_6c = Mixed(768, at_17(160), average)
        self.Mixed_6d = Mixed(768, at_17(160), average)
        self.Mixed_6e = Mixed(768, at_17(192), average)
        self.Mixed_7a = Mixed(768, TO_8, halving, stride=2)
        self.Mixed_7b = Mixed(1280, AT_8, average)
        self.Mixed_7c = Mixed(2048, AT_8, largest)
        self.fc = nn.Linear(FEATURES, OUTCOMES)

    def early(self, pixels: Tensor) -> Tensor:
        """Return the maps (N, 192, h, w) before the second pool, which single-image FID compares position by position.

        Args:
            pixels: Images (N, 3, H, W), bytes x as (x − 128) / 128, H and W at least 75.
        """
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(pixels)))
        return self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(halving(x)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features (N, 2048).

        Args:
            pixels: Images (N, 3, H, W), bytes x as (x − 128) / 128; 299 × 299 where scores are to be comparable.
        """
        x = halving(self.early(pixels))
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean(dim=(2, 3))

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits (N, 1008) of features (N, 2048), without bias, as the Inception Score takes them."""
        return F.linear(features, self.fc.weight)


def pixels_of(images: Tensor) -> Tensor:
    """Turn images into the network's input (N, 3, 299, 299).

    A float pixel p in [−1, 1] becomes the byte round(127.5 (p + 1)) first, as it would in a file; one channel is
    repeated to three.

    Args:
        images: (N, 1 or 3, H, W), bytes or floats in [−1, 1].
    """
    x = images.float()
    if images.is_floating_point():
        x = x.add(1).mul(127.5).clamp(0, 255).round()
    scaled = (resized_as_tensorflow(x, SIDE) - 128) / 128
    return scaled.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def resized_as_tensorflow(images: Tensor, side: int) -> Tensor:
    """Resize to a square as TensorFlow 1's `resize_bilinear` does by default.

    Output pixel i lies at input position i · (H / side), between pixels ⌊·⌋ and ⌊·⌋ + 1; the last pixel goes on beyond
    the border. The products are taken in the order TensorFlow takes them, so float32 results agree to the bit.

    Args:
        images: Float images (N, C, H, W).
        side: Height and width of the result in pixels.

    Example:
        >>> resized_as_tensorflow(torch.tensor([[[[0.0, 8.0]]]]), 4)[0, 0, 0]
        tensor([0., 4., 8., 8.])
    """
    low, high, share = (x.to(images.device) for x in _between(images.shape[3], side))
    left, right = images[..., low], images[..., high]
    across = left + (right - left) * share
    low, high, share = (x.to(images.device) for x in _between(images.shape[2], side))
    top, bottom = across[..., low, :], across[..., high, :]
    return top + (bottom - top) * share[:, None]


def _between(length: int, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each of `side` output pixels the two neighbours of `length` input pixels, and the weight."""
    at = torch.arange(side, dtype=torch.float32) * torch.tensor(length / side, dtype=torch.float32)
    low = at.long()
    return low, (low + 1).clamp(max=length - 1), at - low
