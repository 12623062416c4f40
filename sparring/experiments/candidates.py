"""The candidates of automatic training: one table of recipes with settings, the data that each suits, and its record.

Rows are in the order of preference: a small budget races the first ones that suit the data. A record is a measurement
on one CPU core; distances are Fréchet distances in the features of the library's own classifier.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from sparring._types import JsonObject
from sparring.data import Dataset
from sparring.errors import DataError

__all__ = ["CANDIDATES", "Candidate", "Facts", "candidates", "ema_decay"]

SMALL_DATA = 20_000  # images, below which critics learn them by heart and augmentation helps
EMA_SHARE = 20  # the averaged weights look back over one part in so many of the training


@dataclass(frozen=True)
class Facts:
    """What decides which candidates suit.

    Attributes:
        rows: Number of images or points.
        shape: Shape of a row, (2,) or (C, H, W).
        classes: Number of classes.
        conditional: Whether samples of a given class are wanted.
        device: Kind of device, such as ``cpu`` or ``cuda``.
    """

    rows: int
    shape: tuple[int, ...]
    classes: int = 0
    conditional: bool = False
    device: str = "cpu"

    @classmethod
    def of(cls, dataset: Dataset, *, conditional: bool = False, device: str = "cpu") -> Facts:
        """Return the facts of a data set.

        Args:
            dataset: The data.
            conditional: Whether samples of a given class are wanted.
            device: Kind of device.

        Raises:
            DataError: If classes are wanted and the data has none.
        """
        if conditional and not dataset.classes:
            raise DataError(f"{dataset.name} has no classes: leave --conditional out, or put images into sub-folders.")
        return cls(len(dataset), tuple(dataset.shape), len(dataset.classes), conditional, device)

    @property
    def images(self) -> bool:
        """Whether rows are images."""
        return len(self.shape) == 3

    @property
    def side(self) -> int:
        """Shorter side of images in pixels."""
        return min(self.shape[1:]) if self.images else 0

    @property
    def colour(self) -> bool:
        """Whether images have colour."""
        return self.images and self.shape[0] >= 3


@dataclass(frozen=True)
class Candidate:
    """A recipe with settings.

    Attributes:
        name: Name in tables, plots and folders.
        recipe: A name of `sparring.RECIPES`.
        suits: Whether it suits data.
        record: The measurement that recommends it.
        arguments: Of the recipe.
        techniques: Those that are on.
        batch_size: Rows of a batch.
        conditional: Whether it generates samples of a given class.
    """

    name: str
    recipe: str
    suits: Callable[[Facts], bool]
    record: str
    arguments: JsonObject = field(default_factory=dict)
    techniques: JsonObject = field(default_factory=dict)
    batch_size: int = 64
    conditional: bool = False

    def settings(self) -> JsonObject:
        """Return the arguments of `sparring.Run.create` that differ between candidates."""
        return {"arguments": self.arguments, "techniques": self.techniques, "batch_size": self.batch_size}


def _few(facts: Facts) -> bool:
    return facts.images and facts.rows <= SMALL_DATA


def _many(facts: Facts) -> bool:
    return facts.images and facts.rows > SMALL_DATA


def _photographs(facts: Facts) -> bool:
    return facts.colour and facts.shape[0] == 3 and facts.side >= 32


def _points(facts: Facts) -> bool:
    return not facts.images


def _images(facts: Facts) -> bool:
    return facts.images


def _rates(critic: float, generator: float | None = None, beta: tuple[float, float] = (0.0, 0.99)) -> JsonObject:
    rates = {"critic": critic, "generator": critic if generator is None else generator}
    return {player: {"lr": rate, "betas": list(beta)} for player, rate in rates.items()}


def _dcgan(width: int) -> JsonObject:
    return {"networks": {"network": "dcgan", "width": width}}


DIFF: JsonObject = {"augment": "diff"}
ADAPTIVE: JsonObject = {"augment": "adaptive", "augment_images": 100_000}

# fmt: off
CANDIDATES: tuple[Candidate, ...] = (
    Candidate("rsgan-32", "rsgan", _few,
        "3,068 photographs of clothes, 64 × 64: distance 27.5 after 10 minutes, where DCGAN as published has 154",
        {**_dcgan(32), **_rates(1e-3)}, DIFF, 32),
    Candidate("rsgan-32", "rsgan", _many,
        "Fashion-MNIST, 32 × 32: distance 9.1 after 8 to 15 minutes (docs/explanation/measured/images.md)",
        {**_dcgan(32), **_rates(2e-3, 1e-3)}, {}, 64),
    Candidate("projected", "projected", _photographs,
        "3,068 photographs of clothes, 64 × 64, without the critic of pixels: distance 72.7 after 10 minutes and 25.5 "
        "after 24; then ahead of RSGAN in features of SqueezeNet, 34.7 against 40.8 thousand; needs the extra "
        "sparring[pretrained]",
        {}, {}, 16),
    Candidate("hinge-32", "hinge", _images,
        "CIFAR-10, 32 × 32: distance 39 after 89 seconds, the best of nine objectives but one that costs six times as "
        "much (docs/explanation/measured/objectives.md)",
        {**_dcgan(32), **_rates(1e-3)}, DIFF, 32),
    Candidate("dcgan", "dcgan", _images,
        "the most used rival; Fashion-MNIST, 32 × 32, width 32: distance 12.0 after 8 to 15 minutes "
        "(docs/explanation/measured/images.md)"),
    Candidate("stylegan2-8", "stylegan2", _few,
        "Fashion-MNIST, 32 × 32: distances 28.1 and 42.2 after 1 to 5 minutes (docs/explanation/measured/images.md); "
        "adaptive augmentation is the authors' for few images",
        {"width": 8, "latent": 128, "penalty": 1.0, **_rates(5e-3)}, ADAPTIVE, 32),
    Candidate("fastgan-16", "fastgan", _few,
        "the authors' for 60 to 8,000 images of 256 × 256 and hours of one GPU (arXiv 2101.04775); no record on a core",
        {"width": 16, **_rates(1e-3, beta=(0.5, 0.999))}, {}, 16),
    Candidate("wgan-gp", "wgan-gp", _many,
        "CIFAR-10, 32 × 32: distance 29.2 after 552 seconds, the best of nine objectives after equal rounds "
        "(docs/explanation/measured/objectives.md)",
        _dcgan(32)),
    Candidate("cgan-projection", "cgan", lambda facts: facts.classes > 1,
        "Fashion-MNIST, 16 × 16: label accuracy .873 and .880, distances 5.3 and 5.5 after 600 steps "
        "(docs/explanation/measured/control.md)",
        {"design": "projection"}, {}, 64, conditional=True),
    Candidate("cgan-separate", "cgan", lambda facts: facts.classes > 1,
        "MNIST, 16 × 16: label accuracy .966 to .998 after 300 steps (docs/explanation/measured/control.md)",
        {"design": "separate"}, {}, 64, conditional=True),
    Candidate("projected-classes", "projected", lambda facts: _photographs(facts) and facts.classes > 1,
        "1 record: that of projected, here with the class in both networks",
        {"conditional": True}, {}, 16, conditional=True),
    Candidate("fastgan-classes", "fastgan", lambda facts: facts.images and facts.classes > 1,
        "the authors' for 60 to 8,000 images of 256 × 256 and hours of one GPU (arXiv 2101.04775), with the class in "
        "both networks; no record on a core",
        {"conditional": True, "width": 16, **_rates(1e-3, beta=(0.5, 0.999))}, {}, 16, conditional=True),
    Candidate("rsgan", "rsgan", _points,
        "grid: 25 of 25 modes with three seeds after 5,000 steps (docs/explanation/measured/points.md)",
        {}, {}, 256),
    Candidate("rasgan", "rasgan", _points,
        "ring: 8 of 8 modes, 78 to 89 % of high quality after 3,000 steps (docs/explanation/measured/points.md)",
        {}, {}, 256),
    Candidate("madgan", "madgan", _points,
        "ring: 8 of 8 modes, 92 to 94 % of high quality after 3,000 steps (docs/explanation/measured/points.md)",
        {}, {}, 256),
    Candidate("r3gan", "r3gan", _points,
        "grid100: 100 of 100 modes, 61 % of high quality after 6 minutes (docs/explanation/measured/points.md)",
        {}, {}, 128),
    Candidate("nsgan", "nsgan", _points,
        "ring: 8 of 8 modes, 82 % of high quality after 3,000 steps (docs/explanation/measured/points.md)",
        {}, {}, 256),
)
# fmt: on


def candidates(facts: Facts) -> list[Candidate]:
    """Return the rows that suit data, in the order of preference.

    Args:
        facts: Of the data.

    Example:
        >>> [row.name for row in candidates(Facts(3_000, (3, 64, 64)))]
        ['rsgan-32', 'projected', 'hinge-32', 'dcgan', 'stylegan2-8', 'fastgan-16']
        >>> [row.name for row in candidates(Facts(100_000, (2,)))][:2]
        ['rsgan', 'rasgan']
    """
    return [row for row in CANDIDATES if row.conditional == facts.conditional and row.suits(facts)]


def ema_decay(steps: float) -> float:
    """Return the decay of the averaged weights for a training: they look back over a twentieth of it.

    Args:
        steps: Expected steps of the training.

    >>> [ema_decay(steps) for steps in (100, 2_000, 10**6)]
    [0.9, 0.99, 0.999]
    """
    return min(0.999, max(0.9, round(1 - EMA_SHARE / max(steps, 1.0), 4))) if math.isfinite(steps) else 0.999
