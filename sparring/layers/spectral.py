"""Spectral normalisation (Miyato et al., 2018): a weight divided by its largest singular value.

    W̄ = W / σ(W),   σ(W) = uᵀ W v,   one power iteration v ← Wᵀu / ‖Wᵀu‖, u ← Wv / ‖Wv‖ at each training forward

W is a layer's weight as a matrix with one row per output. Gradients flow through σ by W alone, u and v being constants:
W̄ is then homogeneous of degree 0 in W, and ∂L/∂W ⟂ W exactly. u and v are buffers, so copies, averages and checkpoints
carry them; `eval()` freezes them. The matrix is what is normalised: a convolution as an operator keeps another norm.
"""

from typing import TypeVar

from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

__all__ = ["spectral"]

Module = TypeVar("Module", bound=nn.Module)


def spectral(module: Module, layers: tuple[type[nn.Module], ...] = (nn.Linear, _ConvNd, nn.Embedding)) -> Module:
    """Normalise the weight of every layer in a module, or of one layer (Miyato et al., 2018, algorithm 1).

    Fifteen power iterations are run here, so the first forward is right already; initialise before, not after.
    A layer that has a parametrised weight is left alone.

    Args:
        module: A layer or a network; changed in place. `spectral(D.trunk)` spares the last layer.
        layers: Which kinds of layers to normalise.

    Returns:
        The module itself.

    Example:
        >>> import torch
        >>> layer = spectral(nn.Linear(8, 8)).train()
        >>> _ = [layer(torch.zeros(1, 8)) for _ in range(50)]
        >>> round(torch.linalg.matrix_norm(layer.weight, 2).item(), 2)
        1.0
    """
    for layer in module.modules():
        if isinstance(layer, layers) and not is_parametrized(layer, "weight"):
            spectral_norm(layer)
    return module
