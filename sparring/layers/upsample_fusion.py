"""Fuses nearest up-sampling and the following 3×3 convolution in an `nn.Sequential`.

`UpConv` computes both in one operation (see `sparring.layers.resampling`); users' networks have two layers instead,

    nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1)

Inside the context `fused_upsampling`, every sequence that holds such a pair computes it in one operation. Layers,
parameters and state dict are not touched, and the sequences are restored at the end. A pair is computed layer by layer
where one of its layers has a hook or is of a subclass, since its own output may then be wanted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from sparring.layers.resampling import upsample_conv

__all__ = ["can_fuse_upsampling", "fused_upsampling"]

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def fused_upsampling(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Return a context in which every sequence computes up-sampling and the convolution after it in one operation.

    Args:
        networks: Parameters, hooks and outputs stay the same, outputs to rounding.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> up, x = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 5, 3, padding=1)), torch.randn(2, 3, 4, 4)
        >>> with fused_upsampling([up]):
        ...     y = up(x)
        >>> torch.allclose(y, up(x), atol=1e-6)
        True
    """
    sequences = [sequence for network in networks for sequence in _sequences(network)]
    for sequence in sequences:
        sequence.__class__ = _Fused
    try:
        yield
    finally:
        for sequence in sequences:
            sequence.__class__ = nn.Sequential


def can_fuse_upsampling(network: nn.Module) -> bool:
    """Return whether a network has a sequence with such a pair.

    Args:
        network: Any module.
    """
    return bool(_sequences(network))


class _Fused(nn.Sequential):
    """A sequence, including nested ones, that computes its pairs in one operation."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layers one after another."""
        layers = deque(_layers(self))
        while layers:
            layer = layers.popleft()
            if layers and isinstance(input, Tensor) and input.dim() == 4 and _pair(layer, layers[0]):
                convolution: Any = layers.popleft()
                input = upsample_conv(input, convolution.weight, convolution.bias, convolution.training)
            else:
                input = layer(input)
        return input


def _sequences(network: nn.Module) -> list[nn.Sequential]:
    plain = [each for each in network.modules() if isinstance(each, nn.Sequential) and type(each) is nn.Sequential]
    return [each for each in plain if any(_pair(one, other) for one, other in pairwise(_layers(each)))]


def _layers(sequence: nn.Sequential) -> Iterator[nn.Module]:
    """Yield the layers of a sequence in order, with nested sequences flattened."""
    for layer in sequence:
        if isinstance(layer, nn.Sequential) and type(layer) in (nn.Sequential, _Fused) and _has_no_hooks(layer):
            yield from _layers(layer)
        else:
            yield layer


def _pair(up: nn.Module, convolution: nn.Module) -> bool:
    """Return whether two layers are a nearest up-sampling by 2 and a 3×3 convolution with a border of 1 zero."""
    return (
        _is_nearest_doubling(up) and _is_same_conv3x3(convolution) and _has_no_hooks(up) and _has_no_hooks(convolution)
    )


def _is_nearest_doubling(layer: nn.Module) -> bool:
    if type(layer) not in (nn.Upsample, nn.UpsamplingNearest2d):
        return False
    return layer.size is None and layer.scale_factor in (2, (2, 2)) and str(layer.mode).startswith("nearest")


def _is_same_conv3x3(layer: nn.Module) -> bool:
    if type(layer) is not nn.Conv2d:
        return False
    shape = (layer.kernel_size, layer.stride, layer.dilation, layer.groups, layer.padding_mode)
    return shape == ((3, 3), (1, 1), (1, 1), 1, "zeros") and layer.padding in ((1, 1), "same")


def _has_no_hooks(layer: nn.Module) -> bool:
    """Return whether a call of a layer runs only its class's forward."""
    hooked = _has_any_global_hook() or any(getattr(layer, hooks) for hooks in HOOKS)
    return not hooked and "forward" not in layer.__dict__
