"""Normalisation layers: layer, instance, conditional batch and virtual batch norm.

A network takes its normalisation as a `Norm`, a function from the number of channels to a layer.

Instance norm, for networks that translate images: batches are small and styles differ, so each image is normalised by
itself.

    IN(x)      (x − μ) / √(σ² + ε) over (H, W), of every channel of every sample          (Ulyanov et al., 2016)
    ILN(x)     γ (ρ₁ IN(x) + ρ₂ LN(x)) + β,  ρ a softmax of two logits per channel        (Chen et al., 2020)
    AdaILN     the same, with γ and β as inputs                                           (Kim et al., 2020)

Conditional batch norm takes its condition as ``*y``, so a block is built on it or on `nn.BatchNorm2d` and then called
without y. A class is a row of weights over the classes, (N, classes): one-hot for a class, anything between for a
mixture. A table of gains is then a linear map, and the embedding of a mixture is the mixture of the embeddings.

Virtual batch norm (Salimans et al., 2016, section 3.5) takes the statistics of a fixed reference batch R:

    μ_i = w μ(x_i) + (1 − w) μ(R),   m_i = w m(x_i) + (1 − w) m(R),   w = 1 / (|R| + 1)
    y_i = γ (x_i − μ_i) / √(m_i − μ_i² + ε) + β                          m: mean square, per channel, over positions

Batch norm makes a sample depend on the rest of its batch. Here that rest is constant, so samples stay independent, and
a penalty on the gradient of single scores keeps its meaning. References are normalised by their own statistics. It
costs a pass of the references at every step.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = [
    "ILN",
    "AdaILN",
    "ClassConditionalBatchNorm",
    "ConditionalBatchNorm",
    "Norm",
    "VirtualBatchNorm",
    "WithReferenceBatch",
    "instance_norm",
    "layer_norm",
    "to_virtual_batch_norm",
]

Norm = Callable[[int], nn.Module]
"""Builds the normalisation for a number of channels: `nn.BatchNorm2d`, `layer_norm`, `nn.Identity`."""


def layer_norm(channels: int) -> nn.Module:
    """Normalise each sample over (C, H, W), with a gain per channel (Gulrajani et al., 2017, section 4).

    Unlike batch norm it treats samples independently, so that a gradient penalty holds for each of them.

    Args:
        channels: Channels of the feature map.
    """
    return nn.GroupNorm(1, channels)


EPSILON = 1e-5


def instance_norm(channels: int) -> nn.Module:
    """Normalise every channel of every sample over (H, W), without gain, offset or running statistics.

    Args:
        channels: Channels of the feature map.
    """
    return nn.InstanceNorm2d(channels)


class AdaILN(nn.Module):
    """Mixes instance and layer norm by a learned ratio per channel; gain and offset are inputs.

    Args:
        channels: Channels of the feature map.
        logits: Initial logits of instance and layer norm: (3.2, 1) is 90 % instance norm.
    """

    def __init__(self, channels: int, logits: tuple[float, float] = (3.2, 1.0)) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.tensor(logits).repeat(channels, 1))

    def mixed(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W), with unbiased variances."""
        by_instance, by_layer = (_standardise(x, dims) for dims in ((2, 3), (1, 2, 3)))
        first, second = self.rho.softmax(1)[..., None, None].unbind(1)
        return first * by_instance + second * by_layer

    def forward(self, x: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        """Normalise, then scale and shift.

        Args:
            x: Feature maps, (N, C, H, W).
            gain: γ, (N, C).
            offset: β, (N, C).
        """
        return self.mixed(x) * gain[..., None, None] + offset[..., None, None]


class ILN(nn.Module):
    """AdaILN with a learned gain and offset per channel, initially 90 % layer norm.

    Args:
        channels: Channels of the feature map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = AdaILN(channels, (1.0, 3.2))
        self.gain, self.offset = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W), scale and shift."""
        return self.mix(x, self.gain[None], self.offset[None])


def _standardise(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    variance, mean = torch.var_mean(x, dims, keepdim=True)
    return (x - mean) / torch.sqrt(variance + EPSILON)


class ClassConditionalBatchNorm(nn.Module):
    """Batch norm with a gain and an offset per class (Dumoulin et al., 2017; Zhang et al., 2019, code).

    Args:
        channels: Channels of the feature map.
        classes: Number of classes.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Parameter(torch.ones(classes, channels))
        self.bias = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map (N, C, H, W), given weights of classes (N, classes)."""
        return _scaled(self.norm(x), y @ self.gain, y @ self.bias)


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose gain is 1 + V y and whose offset is W y for a conditioning vector y (Brock et al., 2019).

    Args:
        channels: Channels of the feature map.
        width: Coordinates of y.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(width, channels, bias=False)
        self.bias = nn.Linear(width, channels, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map (N, C, H, W), given conditioning vectors (N, width)."""
        return _scaled(self.norm(x), 1 + self.gain(y), self.bias(y))


def _scaled(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    return torch.addcmul(bias[:, :, None, None], x, gain[:, :, None, None])


Module = TypeVar("Module", bound=nn.Module)


class VirtualBatchNorm(nn.Module):
    """Normalises a batch whose first samples are the references.

    Args:
        features: Channels.
        eps: ε.

    Attributes:
        references: Number of references at the head of a batch; set by `WithReferenceBatch`.
    """

    references = 0

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Map (|R| + N, C, ...) to the same shape.

        Raises:
            ValueError: If the batch holds no references.
        """
        if not 0 < self.references <= len(x):
            raise ValueError(
                "virtual batch norm needs its references first in the batch: wrap the network in WithReferenceBatch"
            )
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # half precision does not survive m − μ²
        mean, square = (_per_sample(value) for value in (wide, wide.square()))
        share = torch.full_like(mean[:, :1], 1 / (self.references + 1))
        share[: self.references] = 0
        mean, square = (
            share * own + (1 - share) * own[: self.references].mean(0, keepdim=True) for own in (mean, square)
        )
        scale, shift = (p.reshape(1, -1, *[1] * (x.dim() - 2)) for p in (self.weight, self.bias))
        return ((wide - mean) * (square - mean.square() + self.eps).rsqrt() * scale + shift).to(x.dtype)

    def extra_repr(self) -> str:
        """Show the size in `print(network)`."""
        return f"{len(self.weight)}, eps={self.eps}"


class WithReferenceBatch(nn.Module):
    """Runs a network on [references; x] and returns the outputs of x.

    Args:
        network: The network. Its batch norms are converted.
        reference: The references (|R|, ...), kept in a buffer of the same name.
    """

    sequential_micro_batches = True  # the first micro-batch draws the references for all

    def __init__(self, network: nn.Module, reference: Tensor) -> None:
        super().__init__()
        self.network = to_virtual_batch_norm(network)
        self.register_buffer("reference", reference.clone())
        for module in network.modules():
            if isinstance(module, VirtualBatchNorm):
                module.references = len(reference)

    def __getattr__(self, name: str) -> Any:
        """Return attributes of the network, such as its shape or latent."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "network":
                raise
            return getattr(self.network, name)

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's outputs of x, normalised with the references."""
        return self.network(torch.cat([self.reference.to(x.dtype), x]))[len(self.reference) :]

    def features(self, x: Tensor) -> Tensor:
        """Return the network's features of x."""
        seen = self.network.features(torch.cat([self.reference.to(x.dtype), x]))  # type: ignore[operator]
        return seen[len(self.reference) :]

    def reconstruct(self, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the network's scores of x, and pairs of what it rebuilds and what that should be."""
        scores, pairs = self.network.reconstruct(torch.cat([self.reference.to(x.dtype), x]))  # type: ignore[operator]
        first = len(self.reference)
        return scores[first:], [(made[first:], wanted[first:]) for made, wanted in pairs]


def to_virtual_batch_norm(network: Module) -> Module:
    """Convert every batch norm of a network to virtual batch norm, keeping γ, β and ε.

    Args:
        network: Changed in place.

    Returns:
        The network itself.
    """
    for parent in list(network.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, _BatchNorm):
                setattr(parent, name, _convert(norm))
    return network


@torch.no_grad()
def _convert(norm: _BatchNorm) -> VirtualBatchNorm:
    made = VirtualBatchNorm(norm.num_features, norm.eps)
    if norm.affine:
        made.weight.copy_(norm.weight)
        made.bias.copy_(norm.bias)
        made.to(norm.weight)
    return made


def _per_sample(x: Tensor) -> Tensor:
    """Return the mean over positions, (N, C, 1, ...)."""
    return x.mean(tuple(range(2, x.dim())), keepdim=True) if x.dim() > 2 else x
