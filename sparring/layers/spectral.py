"""Spectral normalisation: a weight divided by its largest singular value, with or without a state.

With a state (Miyato et al., 2018):

    W̄ = W / σ(W),   σ(W) = uᵀ W v,   one power iteration v ← Wᵀu / ‖Wᵀu‖, u ← Wv / ‖Wv‖ at each training forward

W is a layer's weight as a matrix with one row per output. Gradients flow through σ by W alone, u and v being constants:
W̄ is then homogeneous of degree 0 in W, and ∂L/∂W ⟂ W exactly. u and v are buffers, so copies, averages and checkpoints
include them; `eval()` freezes them. The norm is that of the matrix; a convolution as an operator has another norm.

Without a state, as in the code of the T-GANs (Su, 2018):

    W̄ = W / σ,   σ = vᵀ W u,   u = 1 at every forward, then five times   v ← W u / ‖W u‖,   u ← Wᵀ v / ‖Wᵀ v‖

Nothing is kept between forwards: a weight alone decides its norm, in training and in evaluation. The gradient also
runs through the iterations. Five of them from a fixed start approach the largest singular value from below; a start
orthogonal to the first singular vector finds the second. With a state the estimate improves at every forward.

A vector, such as the gain γ of a batch norm, is a matrix of one column, and its σ is its length: the entries of γ / ‖γ‖
are about 1/√C. That restrains a critic far more than normalised weights do, whose scale a batch norm undoes.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from sparring.objectives.penalties import full_precision

__all__ = ["spectral", "stateless_spectral", "stateless_spectral_norm"]

Module = TypeVar("Module", bound=nn.Module)


def spectral(module: Module, layers: tuple[type[nn.Module], ...] = (nn.Linear, _ConvNd, nn.Embedding)) -> Module:
    """Normalise the weight of every layer in a module, or of one layer (Miyato et al., 2018, algorithm 1).

    Fifteen power iterations are run here, so the first forward is already accurate; initialise before, not after. A
    layer with a parametrised weight is skipped.

    Args:
        module: A layer or a network; changed in place. `spectral(D.trunk)` leaves out the last layer.
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


def stateless_spectral_norm(matrix: Tensor) -> Tensor:
    """Estimate the largest singular value by five power iterations from u = 1; a vector's is its length.

    Args:
        matrix: (outputs, inputs), or (C,).

    Example:
        >>> round(stateless_spectral_norm(torch.diag(torch.tensor([3.0, 1.0]))).item(), 4)
        3.0
        >>> round(stateless_spectral_norm(torch.ones(64)).item(), 4)
        8.0
    """
    if matrix.dim() == 1:
        return torch.linalg.vector_norm(matrix)
    W = matrix.flatten(1)
    u = W.new_ones(W.shape[1])
    for _ in range(4):
        u = _direction(W @ u @ W)  # v on the way has the right direction: its length goes with u's
    v = _direction(W @ u)
    return torch.linalg.vector_norm(v @ W)  # the fifth u = Wᵀv / ‖Wᵀv‖, so vᵀ W u = ‖Wᵀv‖


def _direction(vector: Tensor) -> Tensor:
    return F.normalize(vector, dim=0, eps=1e-30)


class _Normalised(nn.Module):
    """W ↦ W / σ(W); a weight of zeros stays zero.

    Args:
        outputs: Index of the output dimension of the weight.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, weight: Tensor) -> Tensor:
        with full_precision(weight):  # ten differentiated matrix products are inaccurate in half precision
            return weight / stateless_spectral_norm(weight.transpose(0, self.outputs)).clamp(min=1e-12)


def stateless_spectral(
    module: Module, layers: tuple[type[nn.Module], ...] = (nn.Linear, _ConvNd, nn.Embedding, _BatchNorm)
) -> Module:
    """Normalise the weight of every layer in a module, at each forward anew (Su, 2018, code).

    A layer with a parametrised weight, or none, is skipped. Initialise before, not after.

    Args:
        module: A layer or a network; changed in place.
        layers: Which kinds of layers to normalise; without `_BatchNorm`, gains are not normalised.

    Returns:
        The module itself.

    Example:
        >>> stateless_spectral(nn.BatchNorm2d(64)).weight[:2].tolist()
        [0.125, 0.125]
    """
    for layer in module.modules():
        if isinstance(layer, layers) and isinstance(layer.weight, Tensor) and not is_parametrized(layer, "weight"):
            register_parametrization(layer, "weight", _Normalised(int(isinstance(layer, _ConvTransposeNd))))
    return module
