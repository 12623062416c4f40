"""Trials of the quality suites; every system has a sabotaged twin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One training of a benchmark.

    Attributes:
        recipe: Name of the recipe.
        data: Name of the data, or a path below ``$SPARRING_DATA``.
        steps: How long.
        seed: Decides everything random.
        batch: Rows of a batch.
        arguments: The recipe's.
        techniques: Training techniques around its game.
        size: Height and width of images.
        precision: fp32 or bf16.
        twin: Whether the generators' losses are reversed.
        label: Name of the cell within its recipe.
    """

    recipe: str
    data: str
    steps: int
    seed: int = 0
    batch: int = 100
    arguments: dict[str, Any] = field(default_factory=dict)
    techniques: dict[str, Any] = field(default_factory=dict)
    size: int | None = None
    precision: str = "fp32"
    twin: bool = False
    label: str = ""

    @property
    def name(self) -> str:
        """The name of its run folder."""
        parts = [self.data.replace("/", "."), self.recipe.replace(":", "."), self.label, "twin" if self.twin else ""]
        return "-".join([*filter(None, parts), str(self.seed)])

    def settings(self) -> dict[str, Any]:
        """Arguments of `sparring.Run.create` other than folder and data."""
        given = {"recipe": self.recipe, "arguments": self.arguments}
        if self.twin:
            given = {"recipe": "benchmarks.twins:flipped", "arguments": given}
        beside = {
            "techniques": self.techniques,
            "size": self.size,
            "batch_size": self.batch,
            "precision": self.precision,
        }
        return {**given, **beside, "seed": self.seed, "device": "cpu"}


def trials(*cells: tuple[str, int, dict[str, Any]], seeds: int = 2, **settings: Any) -> list[Cell]:
    """Return each recipe over seeds, and once as its broken twin, for a quarter of the steps."""
    made = []
    for recipe, steps, arguments in cells:
        made += [Cell(recipe, steps=steps, seed=seed, arguments=arguments, **settings) for seed in range(seeds)]
        made.append(Cell(recipe, steps=steps // 4, arguments=arguments, twin=True, **settings))
    return sorted(made, key=lambda cell: (cell.twin, cell.seed))  # stopped half-way, every system was tried once


NARROW = {"networks": {"network": "dcgan", "latent": 100, "width": 32}}
BRISK = {"critic": {"lr": 2e-3, "betas": (0.0, 0.99)}, "generator": {"lr": 1e-3, "betas": (0.0, 0.99)}}
KEEN = {
    "critic": {"lr": 5e-4, "betas": (0.0, 0.9)},
    "generator": {"lr": 5e-4, "betas": (0.0, 0.9)},
    "critic_steps": 3,
}
"""Settings that learn in minutes; with the papers' rates, meant for 100,000 steps, they had not (docs/notebook.md)."""
TOYS = [
    Cell(recipe, data, steps, seed, arguments={"networks": {"latent": latent}})
    for data in ("ring", "grid")
    for recipe, latent, steps in (("nsgan", 100, 5000), ("rsgan", 128, 5000), ("wgan-gp", 128, 2000))
    for seed in range(3)
]
"""With the noise of the image networks; the recipes' own default for points, 2, learns faster: see POINTS."""
FASHION = [
    Cell(recipe, "fashion-mnist", steps, batch=64, arguments=arguments, size=32)
    for recipe, steps, arguments in (
        ("dcgan", 2500, NARROW),
        ("wgan-gp", 1000, NARROW | KEEN),
        ("rsgan", 1800, NARROW | BRISK),
        ("benchmarks.twins:dcgan", 400, NARROW),
        ("benchmarks.twins:wgan_gp", 200, NARROW | KEEN),
        ("benchmarks.twins:rsgan", 400, NARROW | BRISK),
    )
]
LIGHT = {"networks": {"network": "mlp", "latent": 2, "width": 128}}
QUICK = {"critic": {"lr": 1e-3, "betas": (0.5, 0.9)}, "generator": {"lr": 1e-3, "betas": (0.5, 0.9)}}


def speeds(generator: float, critic: float | None = None, betas: tuple[float, float] | None = None) -> dict[str, Any]:
    """Learning rates of both players, the same unless two are given, and Adam's constants if it is Adam."""
    rates = {"critic": {"lr": critic or generator}, "generator": {"lr": generator}}
    return {player: rate | ({"betas": betas} if betas else {}) for player, rate in rates.items()}


POINTS = [
    *trials(
        *((name, 3000, LIGHT | QUICK) for name in ("nsgan", "fgan", "lsgan", "hinge", "madgan")),
        ("mmgan", 3000, LIGHT | speeds(1e-3, 3e-4, (0.5, 0.9))),  # a critic as quick as G saturates: 4 modes
        ("ebgan", 3000, LIGHT | speeds(3e-4, betas=(0.5, 0.9))),
        *((name, 3000, LIGHT | QUICK) for name in ("rsgan", "rasgan", "ralsgan", "rahinge")),
        ("sngan", 1500, LIGHT | QUICK),
        (
            "wgan",
            2000,
            LIGHT | speeds(1e-3) | {"bound": 0.1},
        ),  # bound .01: 5 % of high quality
        ("wgan-gp", 1500, LIGHT | QUICK),
        ("tsgan", 2000, {"width": 128} | QUICK),
        ("twgan", 5000, {"width": 128} | speeds(1e-3, betas=(0.0, 0.9))),
        ("realness", 2000, speeds(1e-3, betas=(0.5, 0.9))),
        ("r3gan", 2000, QUICK),
        data="ring",
        batch=256,
        label="light",
    )
]
"""Every system that learns points, on ring-8: one small network and brisk rates where the system has a choice."""


def brisk(generator: float, critic: float | None = None) -> dict[str, Any]:
    """Rates that learn in hundreds of steps."""
    return speeds(generator, critic, (0.5, 0.99))


def falling(steps: int) -> dict[str, Any]:
    """Rates that fall to zero on a straight line, which lets a short training come to rest."""
    return {"schedule": "linear", "schedule_steps": steps}


def slim(width: int, network: str | None = None) -> dict[str, Any]:
    """Networks that convolve in a tenth of a second."""
    return {"networks": {"network": network, "width": width}}


PYRAMID = {"width": 16, "units": 400, "repeats": 4, "penalty": 0.1} | speeds(1e-3, betas=(0.0, 0.9))
"""Without the penalty LAPGAN's smallest level circles (docs/notebook.md), and all samples begin there."""
SMALL = {"data": "fashion-mnist", "size": 32, "batch": 32, "precision": "bf16", "label": "slim"}
IMAGES = [
    *trials(
        ("hinge", 1500, slim(16) | brisk(1e-3, 2e-3)),
        ("sngan", 500, slim(24) | brisk(1e-3, 2e-3) | {"critic_steps": 2}),
        ("ebgan", 1500, slim(16) | brisk(1e-3)),
        ("tsgan", 500, {"width": 16} | brisk(1e-3)),
        ("twgan", 1500, {"width": 16} | speeds(1e-3, betas=(0.0, 0.9))),
        ("realness", 2000, {"width": 16} | brisk(1e-3)),
        ("sagan", 500, {"width": 16, "latent": 64} | brisk(1e-3, 2e-3)),
        ("biggan", 600, {"width": 8, "latent": 64, "critic_steps": 1} | brisk(1e-3)),
        ("lapgan", 700, PYRAMID),
        ("stylegan2", 2400, {"width": 8, "latent": 64, "penalty": 1.0} | speeds(1e-2, betas=(0.0, 0.99))),
        **SMALL,
    ),
    *trials(
        ("r3gan", 1400, {"width": 16, "penalty": (5.0, 0.5), "burn_in": 1400} | speeds(2e-3, betas=(0.0, 0.99))),
        **SMALL | {"batch": 16},
    ),
]
"""Every system for images that the suite "fashion" leaves out, in two or three minutes each."""
COLOURED = {"data": "cifar10/cifar10_train.zip", "size": 32, "batch": 32, "precision": "bf16", "label": "slim"}
COLOUR = [
    *trials(("sagan", 500, {"width": 16, "latent": 64} | brisk(1e-3, 2e-3)), techniques=falling(500), **COLOURED),
    *trials(
        ("biggan", 1500, {"width": 8, "latent": 64, "critic_steps": 1} | brisk(1e-3)),
        ("realness", 2000, {"width": 16} | brisk(1e-3)),
        **COLOURED,
    ),
    *trials(("lapgan", 1000, PYRAMID | {"penalty": 1.0}), techniques=falling(1000), **COLOURED),
]
"""The systems that are meant for colour, on CIFAR-10."""
DIVERSE = [
    Cell(
        "nsgan",
        "grid",
        10_000,
        seed,
        100 * packing,
        techniques={"packing": packing} if packing > 1 else {},
        label=label,
    )
    for seed in range(5)
    for packing, label in ((1, "pacgan1"), (2, "pacgan2"))
] + [
    Cell(recipe, "grid", 2000, seed, 120, LIGHT | QUICK | arguments, techniques, label=label)
    for seed in range(5)
    for label, recipe, arguments, techniques in (
        ("plain", "nsgan", {}, {}),
        ("ensemble3", "nsgan", {}, {"ensemble": 3}),
        ("three", "madgan", {"generators": 3}, {}),
    )
]
"""Techniques against mode collapse, on grid-25 over five seeds; packing on PacGAN's own networks, batches and rates."""
SHARP = {
    "critic": {"lr": 6e-4, "betas": (0.0, 0.99)},
    "generator": {"lr": 3e-4, "betas": (0.0, 0.99)},
    "cooling": 0.02,
}
HUNDRED = [
    Cell(
        "r3gan", "grid100", 12_000, seed, 128, SHARP | {"scale": 0.64, "penalty": (0.0025, 0.00004), "burn_in": 12_000}
    )
    for seed in range(3)
]
"""A hundred Gaussians: R3GAN in minutes on one thread."""
SUITES = {
    "toys": TOYS,
    "points": POINTS,
    "diverse": DIVERSE,
    "hundred": HUNDRED,
    "fashion": FASHION,
    "images": IMAGES,
    "colour": COLOUR,
}
