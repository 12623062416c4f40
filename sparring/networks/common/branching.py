"""Several generators that share their first layers (Ghosh et al., 2018).

h = trunk(z),   G_k(z) = branch_k(h)
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparring.errors import GameError
from sparring.networks.common.base import Generator

__all__ = ["BranchingGenerator"]


class BranchingGenerator(nn.Module):
    """Combines generators of one architecture that share the first layers.

    Args:
        generators: K generators of the same architecture.
        shared: Number of shared layers with weight matrices, fewer than there are. Default: half.

    Raises:
        GameError: If no layer is left for the branches.

    Attributes:
        latent: Coordinates of z.
        members: K.
    """

    def __init__(self, generators: Sequence[Generator], shared: int | None = None) -> None:
        super().__init__()
        first = generators[0]
        weighty = [i for i, layer in enumerate(_layers(first)) if any(p.dim() > 1 for p in layer.parameters())]
        shared = len(weighty) // 2 if shared is None else shared
        if not 0 <= shared < len(weighty):
            raise GameError(f"Generators of {len(weighty)} layers share from 0 to {len(weighty) - 1}, not {shared}.")
        cut = weighty[shared] if shared else 0
        self.shape, self.latent, self.members = first.shape, first.latent, len(generators)
        self.trunk = nn.Sequential(*_layers(first)[:cut])
        self.branches = nn.ModuleList(nn.Sequential(*_layers(G)[cut:]) for G in generators)

    def forward(self, z: Tensor) -> Tensor:
        """Draw one sample of each generator for each row of z.

        Args:
            z: Noise (N, latent).

        Returns:
            Samples (K, N, *shape).
        """
        h = self.trunk(z)
        return torch.stack([branch(h) for branch in self.branches])


def _layers(generator: Generator) -> list[nn.Module]:
    return [*generator.body] if isinstance(generator.body, nn.Sequential) else [generator.body]
