"""Multi-layer perceptrons: the networks of toy problems and of the first GAN.

The general pair is the one of the WGAN-GP toys (Gulrajani et al., 2017): three hidden layers of 512 ReLU, He-uniform.
The named ones are those of Goodfellow et al. (2014), of ALI's mixture (Dumoulin et al., 2017; also in PacGAN and
RealnessGAN) and of unrolled GANs (Metz et al., 2017).
"""

from collections.abc import Callable
from functools import partial
from math import prod

from torch import nn

from sparring.layers.init import Init, he_uniform, normal, orthogonal, uniform
from sparring.layers.normalization import Norm
from sparring.layers.simple import Affine, Maxout
from sparring.networks.common.base import Critic, Generator, Shape

__all__ = [
    "AliToyCritic",
    "AliToyGenerator",
    "GoodfellowCritic",
    "GoodfellowGenerator",
    "MLPCritic",
    "MLPGenerator",
    "UnrolledToyCritic",
    "UnrolledToyGenerator",
]

Layer = Callable[[int, int], nn.Module]

_ALI = normal(0.02)


def _dense(norm: Norm, activation: Callable[[], nn.Module], bias: bool) -> Layer:
    """Return a hidden layer: linear, normalisation, activation."""
    return lambda inputs, width: nn.Sequential(nn.Linear(inputs, width, bias), norm(width), activation())


def _hidden(inputs: int, width: int, depth: int, layer: Layer) -> list[nn.Module]:
    """Return Return `depth` hidden layers of one width."""
    return [layer(inputs if i == 0 else width, width) for i in range(depth)]


class MLPGenerator(Generator):
    """A plain perceptron from noise to points or images (Gulrajani et al., 2017, toy networks).

    Args:
        shape: Shape of one sample; images (C, H, W) end in a tanh, points (D,) are not bounded.
        latent: Coordinates of z.
        width: Units of a hidden layer.
        depth: Hidden layers.
        norm: Builds the normalisation of a hidden layer.
        activation: Builds the activation of a hidden layer.
        bias: Whether hidden layers have biases (redundant before a batch norm).
        init: Initialisation of each module.

    Example:
        >>> import torch
        >>> MLPGenerator((1, 8, 8), latent=16, width=32)(torch.randn(5, 16)).shape
        torch.Size([5, 1, 8, 8])
    """

    def __init__(
        self,
        shape: Shape,
        latent: int = 2,
        width: int = 512,
        depth: int = 3,
        *,
        norm: Norm = nn.Identity,
        activation: Callable[[], nn.Module] = nn.ReLU,
        bias: bool = True,
        init: Init = he_uniform,
    ) -> None:
        hidden = _hidden(latent, width, depth, _dense(norm, activation, bias))
        bound = nn.Tanh() if len(shape) == 3 else nn.Identity()
        output = nn.Linear(width if depth else latent, prod(shape))
        super().__init__(shape, latent, nn.Sequential(*hidden, output, bound, nn.Unflatten(1, shape)))
        self.apply(init)


class MLPCritic(Critic):
    """A plain perceptron from points or flattened images to scores (Gulrajani et al., 2017, toy networks).

    Args:
        shape: Shape of one sample.
        width: Units of a hidden layer.
        depth: Hidden layers.
        outcomes: Scores per sample.
        norm: Builds the normalisation of a hidden layer.
        activation: Builds the activation of a hidden layer.
        init: Initialisation of each module.

    Example:
        >>> import torch
        >>> MLPCritic((2,), width=32)(torch.randn(5, 2)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 512,
        depth: int = 3,
        *,
        outcomes: int = 1,
        norm: Norm = nn.Identity,
        activation: Callable[[], nn.Module] = nn.ReLU,
        init: Init = he_uniform,
    ) -> None:
        hidden = _hidden(prod(shape), width, depth, _dense(norm, activation, bias=True))
        head = nn.Linear(width if depth else prod(shape), outcomes)
        super().__init__(shape, nn.Sequential(nn.Flatten(), *hidden), head, outcomes)
        self.apply(init)


class AliToyGenerator(MLPGenerator):
    """Four batch-normalised layers of 400 ReLU for two-dimensional mixtures (Dumoulin et al., 2017, toy experiment).

    Args:
        shape: Shape of one sample.
        latent: Coordinates of z ~ N(0, 1).
        width: Units of a hidden layer.
        init: Initialisation of each module; RealnessGAN keeps torch's weights and passes `gamma_normal()`.
    """

    def __init__(self, shape: Shape = (2,), latent: int = 2, width: int = 400, *, init: Init = _ALI) -> None:
        norm = partial(nn.BatchNorm1d, momentum=0.05)
        super().__init__(shape, latent, width, 4, norm=norm, bias=False, init=init)


class AliToyCritic(Critic):
    """Three layers of 200 maxout units with 5 pieces (Dumoulin et al., 2017, toy experiment).

    Args:
        shape: Shape of one sample; packed critics take (2 m,).
        width: Units of a hidden layer.
        outcomes: Scores per sample (RealnessGAN: many).
        init: Initialisation of each module.
    """

    def __init__(self, shape: Shape = (2,), width: int = 200, *, outcomes: int = 1, init: Init = _ALI) -> None:
        hidden = _hidden(prod(shape), width, 3, partial(Maxout, pieces=5))
        super().__init__(shape, nn.Sequential(nn.Flatten(), *hidden), nn.Linear(width, outcomes), outcomes)
        self.apply(init)


class GoodfellowGenerator(Generator):
    """The generator of the first GAN on MNIST: 1200–1200 ReLU, sigmoid (Goodfellow et al., 2014).

    The paper's pixels lie in [0, 1]; ours in [−1, 1], where its sigmoid becomes 2 σ(a) − 1 = tanh(a / 2).
    Its noise is U(−√3, √3). Its output bias, set to the pixels' mean logits at the start, is zero here.

    Args:
        shape: Shape of one image.
        latent: Coordinates of z.
        width: Units of a hidden layer.
    """

    def __init__(self, shape: Shape = (1, 28, 28), latent: int = 100, width: int = 1200) -> None:
        hidden = _hidden(latent, width, 2, _dense(nn.Identity, nn.ReLU, bias=True))
        output = [nn.Linear(width, prod(shape)), Affine(0.5), nn.Tanh(), nn.Unflatten(1, shape)]
        super().__init__(shape, latent, nn.Sequential(*hidden, *output))
        self.apply(uniform(0.05))


class GoodfellowCritic(Critic):
    """The critic of the first GAN on MNIST: 240–240 maxout units, dropout before each (Goodfellow et al., 2014).

    Pixels are mapped back to the paper's [0, 1], so that dropout sets them to black. The dropout stays on in G's moves.

    Args:
        shape: Shape of one image.
        width: Maxout units of a hidden layer, of 5 pieces each.
    """

    def __init__(self, shape: Shape = (1, 28, 28), width: int = 240) -> None:
        first = [nn.Flatten(), Affine(0.5, 0.5), nn.Dropout(0.2), Maxout(prod(shape), width, pieces=5)]
        second = [nn.Dropout(0.5), Maxout(width, width, pieces=5), nn.Dropout(0.5)]
        super().__init__(shape, nn.Sequential(*first, *second), nn.Linear(width, 1))
        self.apply(uniform(0.005))


class UnrolledToyGenerator(MLPGenerator):
    """Two layers of 128 tanh, orthogonal with gain 1.4 (Metz et al., 2017, mixture of Gaussians)."""

    def __init__(self, shape: Shape = (2,), latent: int = 256, width: int = 128) -> None:
        super().__init__(shape, latent, width, 2, activation=nn.Tanh, init=orthogonal(1.4))


class UnrolledToyCritic(MLPCritic):
    """Two layers of 128 tanh, orthogonal with gain 1.4 (Metz et al., 2017, mixture of Gaussians)."""

    def __init__(self, shape: Shape = (2,), width: int = 128) -> None:
        super().__init__(shape, width, 2, activation=nn.Tanh, init=orthogonal(1.4))
