"""Initialisations, each a function of one module for `nn.Module.apply`.

They set a module's own weights and zero its biases, so `network.apply(normal(0.02))` initialises every layer once.
Apply them before `spectral`: a parametrised weight is a computed tensor and cannot be written to.
"""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

__all__ = [
    "Init",
    "dcgan",
    "gamma_normal",
    "glorot_normal",
    "glorot_uniform",
    "he_uniform",
    "normal",
    "orthogonal",
    "reinitialise",
    "uniform",
    "wgan_gp",
]

Init = Callable[[nn.Module], None]
WARM_UP = 15  # power iterations until spectral norms are accurate again


LAYERS: tuple[type[nn.Module], ...] = (nn.Linear, _ConvNd)  # layers that are initialised


def _weights(fill: Callable[..., object], layers: tuple[type[nn.Module], ...] = LAYERS) -> Init:
    """Fill the weight of a linear or convolution layer, and zero its bias."""

    def init(module: nn.Module) -> None:
        if isinstance(module, layers):
            fill(module.weight)
            if isinstance(module.bias, Tensor):
                nn.init.zeros_(module.bias)

    return init


def normal(std: float = 0.02) -> Init:
    """Initialise weights from N(0, std²).

    Example:
        >>> layer = nn.Linear(100, 100).apply(normal(0.02))
        >>> bool(0.018 < layer.weight.std() < 0.022), bool((layer.bias == 0).all())
        (True, True)
    """
    return _weights(lambda weight: nn.init.normal_(weight, 0.0, std))


def uniform(limit: float) -> Init:
    """Initialise weights from U(−limit, limit) (Goodfellow et al., 2014: .05 in G, .005 in D)."""
    return _weights(lambda weight: nn.init.uniform_(weight, -limit, limit))


def he_uniform(module: nn.Module) -> None:
    """Initialise uniform weights of variance 2 / fan-in (He et al., 2015, eq. 10)."""
    _weights(lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"))(module)


def glorot_uniform(gain: float = 1.0) -> Init:
    """Initialise uniform weights of variance 2 gain² / (fan-in + fan-out) (Glorot and Bengio, 2010, eq. 16).

    The gain √2 is He's variance in Glorot's form, √(4 / (fan-in + fan-out)), which the WGAN-GP networks use.
    """
    return _weights(lambda weight: nn.init.xavier_uniform_(weight, gain))


def glorot_normal(gain: float = 1.0) -> Init:
    """Initialise normal weights of variance 2 gain² / (fan-in + fan-out) (Glorot and Bengio, 2010)."""
    return _weights(lambda weight: nn.init.xavier_normal_(weight, gain))


def orthogonal(gain: float = 1.0) -> Init:
    """Initialise weights with orthogonal rows or columns of length gain (Saxe et al., 2014)."""

    def fill(weight: Tensor) -> None:  # torch's own fails on channels-last weights
        weight.data.copy_(nn.init.orthogonal_(torch.empty_like(weight, memory_format=torch.contiguous_format), gain))

    return _weights(fill)


def gamma_normal(std: float = 0.02) -> Init:
    """Initialise batch-norm gains γ from N(1, std²), offsets β = 0; other layers are not changed."""

    def init(module: nn.Module) -> None:
        if isinstance(module, _BatchNorm) and module.affine:
            nn.init.normal_(module.weight, 1.0, std)
            nn.init.zeros_(module.bias)

    return init


def dcgan(module: nn.Module) -> None:
    """Initialise weights from N(0, .02²) and batch-norm gains from N(1, .02²) (Radford et al., 2016, section 3)."""
    normal(0.02)(module)
    gamma_normal(0.02)(module)


def wgan_gp(module: nn.Module) -> None:
    """Initialise Glorot-uniform weights, gain √2 in convolutions, 1 in linear layers (Gulrajani et al., 2017, code)."""
    glorot_uniform()(module)
    _weights(lambda weight: nn.init.xavier_uniform_(weight, sqrt(2)), (_ConvNd,))(module)


def reinitialise(network: nn.Module, init: Init) -> nn.Module:
    """Initialise a network again, including weights with a parametrisation (spectral norm).

    Frozen layers are not changed.

    Args:
        network: Changed in place.
        init: Initialisation of each module.

    Returns:
        The network itself.

    Example:
        >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))
        >>> reinitialise(layer, normal(0.0)).parametrizations.weight.original.abs().max().item()
        0.0
    """
    for module in list(network.modules()):
        if any(not parameter.requires_grad for parameter in module.parameters()):
            continue
        if not parametrize.is_parametrized(module, "weight"):
            init(module)
            continue
        steps = list(module.get_submodule("parametrizations.weight").children())
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)
        init(module)
        for step in steps:
            parametrize.register_parametrization(module, "weight", step, unsafe=True)
        for _ in range(WARM_UP):
            module.weight  # noqa: B018  # each access in training mode is one power iteration
    return network
