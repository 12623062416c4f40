"""Virtual batch norm (Salimans et al., 2016, section 3.5): the statistics are those of a fixed batch of references.

    μ_i = w μ(x_i) + (1 − w) μ(R),   m_i = w m(x_i) + (1 − w) m(R),   w = 1 / (|R| + 1)
    y_i = γ (x_i − μ_i) / √(m_i − μ_i² + ε) + β                          m: mean square, per channel, over positions

Batch norm makes a sample depend on its company. Here its company is the same for ever, so samples stay apart, and a
penalty on the slope of single scores keeps its meaning. References are normalised by their own statistics. It costs a
pass of the references at every step.
"""

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["VirtualBatchNorm", "WithReferenceBatch", "to_virtual_batch_norm"]

Module = TypeVar("Module", bound=nn.Module)


class VirtualBatchNorm(nn.Module):
    """Normalises a batch whose first samples are the references.

    Args:
        features: Channels.
        eps: ε.

    Attributes:
        references: How many samples at the head of a batch are references; `WithReferenceBatch` sets it.
    """

    references = 0

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Map (|R| + N, C, ...) to the like.

        Raises:
            ValueError: If the batch holds no references.
        """
        if not 0 < self.references <= len(x):
            raise ValueError("virtual batch norm needs its references first in the batch: wrap the network, Referenced")
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
    """Runs a network on [references; x] and returns what it makes of x.

    Args:
        network: The network; its batch norms are converted.
        reference: The references (|R|, ...), kept in a buffer of the same name.
    """

    sequential_micro_batches = True  # the first part of a batch draws the references, and the others find them

    def __init__(self, network: nn.Module, reference: Tensor) -> None:
        super().__init__()
        self.network = to_virtual_batch_norm(network)
        self.register_buffer("reference", reference.clone())
        for module in network.modules():
            if isinstance(module, VirtualBatchNorm):
                module.references = len(reference)

    def __getattr__(self, name: str) -> Any:
        """Finds the network's own attributes, such as its shape or latent."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "network":
                raise
            return getattr(self.network, name)

    def forward(self, x: Tensor) -> Tensor:
        """Map x as the network would, in the company of the references."""
        return self.network(torch.cat([self.reference.to(x.dtype), x]))[len(self.reference) :]

    def features(self, x: Tensor) -> Tensor:
        """The network's features of x."""
        seen = self.network.features(torch.cat([self.reference.to(x.dtype), x]))  # type: ignore[operator]
        return seen[len(self.reference) :]


def to_virtual_batch_norm(network: Module) -> Module:
    """Converts every batch norm of a network, which keeps its γ, β and ε.

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
    """Mean over positions, (N, C, 1, ...)."""
    return x.mean(tuple(range(2, x.dim())), keepdim=True) if x.dim() > 2 else x
