"""Contestants and data of the benchmark `photos`, every setting written out.

The settings of DCGAN and R3GAN are the defaults of commit 01d3989, before settings followed the data. Those of RSGAN
and of StyleGAN2 with adaptive augmentation are the best that its flags allowed, found by short trials. FastGAN is as
published. PyTorch-GAN's loop plays on its own networks (`benchmarks.speed.reference_loops`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PEER = "pytorch-gan"
"""The contestant that is no recipe: the loop of PyTorch-GAN's `dcgan.py`."""
EARLIER_DEFAULTS = ("dcgan", "r3gan", PEER)
EARLIER_BEST = ("stylegan2-ada", "rsgan")
BEST = "projected"


@dataclass(frozen=True)
class Contestant:
    """One method with its settings.

    Attributes:
        name: Its name in the record.
        recipe: Name of the recipe, or `PEER`.
        arguments: The recipe's.
        techniques: Training techniques around its game.
        batch: Images of a batch.
        precision: fp32 or bf16.
        mirror: Whether images are flipped at random.
        ema: Decay of the averaged weights.
        anneal: Share of the training, up to its end, over which the rates fall to zero. The end is the step that its
            pace in the first eighth of the time leads to.
    """

    name: str
    recipe: str
    arguments: dict[str, Any] = field(default_factory=dict)
    techniques: dict[str, Any] = field(default_factory=dict)
    batch: int = 64
    precision: str = "fp32"
    mirror: bool = False
    ema: float = 0.999
    anneal: float = 0.0


@dataclass(frozen=True)
class Arena:
    """Images on which contestants are compared.

    Attributes:
        name: Its name in the record.
        data: Name of the data, or a path below ``$SPARRING_DATA``.
        size: Height and width of the images.
        contestants: Names of those that are compared by default.
        seeds: Number of seeds by default.
    """

    name: str
    data: str
    size: int
    contestants: tuple[str, ...]
    seeds: int


def adam(lr: float, betas: tuple[float, float]) -> dict[str, Any]:
    """Return the optimisers of both players."""
    return {"critic": {"lr": lr, "betas": betas}, "generator": {"lr": lr, "betas": betas}}


CONTESTANTS = {
    each.name: each
    for each in (
        Contestant(
            BEST,
            "projected",
            {
                "conditional": False,
                "latent": 256,
                "width": 16,
                "light": True,
                "features_size": 64,
                "head_width": 32,
                "scales": 4,
                "pixels": 32,
                "diffaugment": True,
                **adam(1e-3, (0.0, 0.99)),
            },
            batch=16,
            precision="bf16",
            mirror=True,
            ema=0.995,
            anneal=0.25,
        ),
        Contestant(
            "fastgan",
            "fastgan",
            {
                "conditional": False,
                "latent": 256,
                "width": 64,
                "light": False,
                "reconstruction": 1.0,
                "perception": None,
                "diffaugment": True,
                **adam(2e-4, (0.5, 0.999)),
            },
            batch=8,
            mirror=True,
        ),
        Contestant(
            "stylegan2-ada",
            "stylegan2",
            {
                "latent": 128,
                "width": 16,
                "mapping": 2,
                "group": 32,
                "residual": False,
                "penalty": 0.03,
                "path": 0.0,
                "mixing": 0.0,
                **adam(2.5e-3, (0.0, 0.99)),
            },
            {"augment": "adaptive", "augment_images": 100_000},
            batch=32,
            precision="bf16",
            mirror=True,
            ema=0.99,
        ),
        Contestant(
            "rsgan",
            "rsgan",
            {
                "networks": {"network": "dcgan", "latent": 100, "width": 32},
                "critic_steps": 1,
                "generator_steps": 1,
                **adam(1e-3, (0.0, 0.99)),
            },
            {"augment": "diff"},
            batch=32,
            precision="bf16",
            mirror=True,
            ema=0.99,
        ),
        Contestant(
            "dcgan",
            "dcgan",
            {"networks": {"network": "dcgan", "latent": 100, "width": 64}, **adam(2e-4, (0.5, 0.999))},
        ),
        Contestant(
            "r3gan",
            "r3gan",
            {
                "latent": 64,
                "width": 768,
                "cardinality": 96,
                "scale": 1.0,
                "penalty": (0.05, 0.005),
                "cooling": 0.25,
                "burn_in": 39_063,
                **adam(2e-4, (0.0, 0.99)),
            },
        ),
        Contestant(PEER, PEER),
    )
}
ARENAS = {
    each.name: each
    for each in (
        Arena("clothes", "clothes/clothes_128.zip", 64, tuple(CONTESTANTS), 2),
        Arena("anime-faces", "anime_faces/anime_faces64.zip/train", 64, (BEST, "rsgan", "dcgan"), 1),
        Arena("cifar10", "cifar10/cifar10_train.zip", 32, (BEST, "rsgan", "dcgan"), 1),
        Arena("digits", "digits", 16, ("rsgan", PEER), 1),
    )
}
"""The last one is for trying the benchmark out in seconds; it is played only if it is named."""
