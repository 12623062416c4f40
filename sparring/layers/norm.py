"""How networks are told to normalise: by a function that makes the layer for so many features."""

from collections.abc import Callable

from torch import nn

__all__ = ["Norm", "layer_norm"]

Norm = Callable[[int], nn.Module]
"""Makes the normalisation of so many features: `nn.BatchNorm2d`, `layer_norm`, `nn.Identity`."""


def layer_norm(channels: int) -> nn.Module:
    """Normalise each sample over (C, H, W), with a gain per channel (Gulrajani et al., 2017, section 4).

    Unlike batch norm it keeps the samples apart, so that a penalty on slopes holds for each of them.

    Args:
        channels: Channels of the feature map.
    """
    return nn.GroupNorm(1, channels)
