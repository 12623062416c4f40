"""Recipes that translate images between two domains, from unpaired images of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from sparring._types import Settings
from sparring.errors import DataError
from sparring.game import adam
from sparring.games.common.two_domain import ImagePool
from sparring.games.cyclegan import CycleGAN
from sparring.games.nicegan import NICEGAN
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import require_sides
from sparring.networks.cyclegan import PatchCritic, ResNetTranslator, patches
from sparring.networks.ganilla import GANILLATranslator
from sparring.networks.nicegan import NICECritic, NICEEncoder, NICEEncodingCritic, NICETranslator, code_depths
from sparring.recipes.options import Adam
from sparring.schedules import linear_after

NARROW = 512  # channels at most of NICE-GAN's critics below 128 pixels


@dataclass(frozen=True)
class DecayedAdam:
    """Optimiser of a player: Adam with weight decay.

    Attributes:
        lr: Learning rate.
        betas: Decay rates of the two moments.
        decay: Of the weights, as a penalty.
    """

    lr: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    decay: float = 1e-4

    def __call__(self, network: nn.Module) -> Optimizer:
        """Build the optimiser of a network."""
        return adam(network, lr=self.lr, betas=self.betas, weight_decay=self.decay)


def cyclegan(
    shape: Shape,
    other: Shape | None = None,
    *,
    width: int = 64,
    blocks: int | None = None,
    layers: int | None = None,
    cycle: tuple[float, float] = (10.0, 10.0),
    identity: float = 0.5,
    pool: int = 50,
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    constant: int = 100_000,
    decay: int = 100_000,
) -> CycleGAN:
    """CycleGAN (Zhu et al., 2017): translation between two domains, both ways; needs unpaired images of both.

    Args:
        shape: (C, H, W) of domain A, sides of 8 to 1024.
        other: (C', H, W) of domain B.
        width: Channels of the largest feature map.
        blocks: Residual blocks of each generator. Default: 9 from 256 pixels and 6 below.
        layers: Halvings of each critic. Default: 3 from 64 pixels, 2 from 16 and 1 below.
        cycle: Weights of returning to A and to B.
        identity: Share of these weights for leaving an image of the target as it is; keeps colours. 0 where the domains
            differ in channels.
        pool: Fakes of the past from which each critic learns.
        critic: Optimiser of both critics.
        generator: Optimiser of both generators.
        constant: Steps at the full learning rates; the paper's 100 epochs are 100,000 steps of one image of 1000.
        decay: Steps after these in which they fall to zero, linearly.

    Raises:
        DataError: If the data has no second domain, or the images are too small.
    """
    a, b = domains("CycleGAN", shape, other, ResNetTranslator)
    blocks = blocks or (9 if min(shape[1:]) >= 256 else 6)

    def translator(channels: int, outputs: int) -> nn.Module:
        return ResNetTranslator(channels, outputs, width, blocks)

    settings: Settings = {"width": width, "layers": layers, "cycle": cycle, "identity": identity, "pool": pool}
    return _cyclegan(
        translator, a, b, **settings, critic=critic, generator=generator, schedule=linear_after(constant, decay)
    )


def ganilla(
    shape: Shape,
    other: Shape | None = None,
    *,
    width: int = 64,
    blocks: int = 2,
    layers: int | None = None,
    cycle: tuple[float, float] = (10.0, 10.0),
    identity: float = 0.5,
    pool: int = 50,
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    constant: int = 100_000,
    decay: int = 100_000,
) -> CycleGAN:
    """GANILLA (Hicsonmez et al., 2020): CycleGAN whose generator keeps content at every scale, for illustrations.

    Args:
        shape: (C, H, W) of domain A, sides of 32 to 1024.
        other: (C', H, W) of domain B.
        width: Channels of the largest feature map.
        blocks: Residual blocks of each scale.
        layers: Halvings of each critic. Default: 3 from 64 pixels and 2 below.
        cycle: Weights of returning to A and to B.
        identity: Share of these weights for leaving an image of the target as it is; 0 where the domains differ in
            channels.
        pool: Fakes of the past from which each critic learns.
        critic: Optimiser of both critics.
        generator: Optimiser of both generators.
        constant: Steps at the full learning rates.
        decay: Steps after these in which they fall to zero, linearly.

    Raises:
        DataError: If the data has no second domain, or the images are too small.
    """

    def translator(channels: int, outputs: int) -> nn.Module:
        return GANILLATranslator(channels, outputs, width, blocks)

    a, b = domains("GANILLA", shape, other, GANILLATranslator)
    settings: Settings = {"width": width, "layers": layers, "cycle": cycle, "identity": identity, "pool": pool}
    return _cyclegan(
        translator, a, b, **settings, critic=critic, generator=generator, schedule=linear_after(constant, decay)
    )


def _cyclegan(
    translator: Callable[[int, int], nn.Module],
    a: Shape,
    b: Shape,
    *,
    width: int,
    layers: int | None,
    pool: int,
    identity: float,
    **settings: Any,
) -> CycleGAN:
    """Return CycleGAN with these generators."""
    if identity and a[0] != b[0]:
        raise DataError(
            f"Images of A have {a[0]} channels and images of B {b[0]}, so none can be left as it is: pass --identity 0 "
            "or --channels 3."
        )
    D_A, D_B = (PatchCritic(each[0], width, layers or patches(min(each[1:]))) for each in (a, b))
    pools = ImagePool(pool, a), ImagePool(pool, b)
    G_AB, G_BA = translator(a[0], b[0]), translator(b[0], a[0])
    return CycleGAN(G_AB, G_BA, D_A, D_B, pools=pools, identity=identity, **settings)


def nicegan(
    shape: Shape,
    other: Shape | None = None,
    *,
    width: int = 64,
    blocks: int = 6,
    shared: int | None = None,
    deep: int | None = None,
    widest: int | None = None,
    full: bool = False,
    adversarial: float = 1.0,
    cycle: float = 10.0,
    reconstruction: float = 10.0,
    critic: DecayedAdam = DecayedAdam(),
    generator: DecayedAdam = DecayedAdam(),
    constant: int = 150_000,
    decay: int = 150_000,
) -> NICEGAN:
    """NICE-GAN (Chen et al., 2020): translation from the critics' own encoders; needs unpaired images.

    Args:
        shape: (C, H, W) of domain A, sides of 16 to 1024.
        other: (C', H, W) of domain B.
        width: Channels of the largest feature map.
        blocks: Residual blocks of each generator.
        shared: Halvings of each critic before its scores part. Default: 1 from 64 pixels and 0 below.
        deep: Further ones before the scores of large patches. Default: 2 from 128 pixels, 1 from 32 and 0 below.
        widest: Channels of a critic at most. Default: 2048 from 128 pixels and 512 below.
        full: Let a generator's norms depend on every position of the code, not on its mean; 276 million parameters at
            256 pixels, and no other size of image can be translated.
        adversarial: Weight of the adversarial terms.
        cycle: Weight of returning.
        reconstruction: Weight of a domain's own images drawn from their codes.
        critic: Optimiser of both critics, with their encoders.
        generator: Optimiser of both generators.
        constant: Steps at the full learning rates, half of the paper's 300,000 of one image.
        decay: Steps after these in which they fall to zero, linearly.

    Raises:
        DataError: If the data has no second domain, or the images are too small.
    """
    a, b = domains("NICE-GAN", shape, other, NICETranslator, 16)
    side = min(a[1:])
    most = widest or (2048 if side >= 128 else NARROW)
    first, further = code_depths(side)
    how = (first if shared is None else shared, further if deep is None else deep, most)
    D_A, D_B = (NICEEncodingCritic(NICEEncoder(each[0], width), NICECritic(width, *how)) for each in (a, b))
    if full and (shape[1] != shape[2] or side % 4):
        raise DataError(f"--full needs square images whose side is a multiple of 4, not {shape[1:]}: leave it out.")
    whole = side // 4 if full else None
    G_AB, G_BA = (NICETranslator(each[0], width, blocks, whole) for each in (b, a))
    weights: Settings = {"adversarial": adversarial, "cycle": cycle, "reconstruction": reconstruction}
    learning: Settings = {"critic": critic, "generator": generator, "schedule": linear_after(constant, decay)}
    return NICEGAN(G_AB, G_BA, D_A, D_B, **weights, **learning)


def domains(
    system: str,
    shape: Shape,
    other: Shape | None,
    translator: type[ResNetTranslator] | type[GANILLATranslator] | type[NICETranslator],
    smallest: int = 0,
) -> tuple[Shape, Shape]:
    """Return the shapes of both domains.

    Args:
        system: Its name, for messages.
        shape: Of the first domain.
        other: Of the second one, or None.
        translator: States the smallest side.
        smallest: The smallest one for the critics.

    Raises:
        DataError: If there is no second domain of images as large as the first, or their sides do not fit.
    """
    if other is None or len(shape) != 3:
        raise DataError(
            f"{system} learns from two domains of images: give --data FOLDER with trainA and trainB, or unpaired:PATH."
        )
    if shape[1:] != other[1:]:
        raise DataError(f"{system} needs domains of one size, not {shape[1:]} and {other[1:]}: pass --size.")
    require_sides(shape, system, max(smallest, translator.smallest))
    return shape, other
