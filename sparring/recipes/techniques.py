"""Training techniques by name, for any recipe, from Python and from the command line.

    sparring train nsgan --data grid --packing 2 --r1 0.1
    Run.create(folder, "nsgan", data="grid", techniques=Techniques(packing=2, r1=0.1))

A setting of `Techniques` turns a technique on; `TABLE` holds the wrapper of each. Rows apply from the first to
the last: to the networks, to the samples that critics receive, to the losses, to packs of samples, to the weights, to
whole games, to the learning rates. This module imports torch only when a technique is applied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib import import_module
from math import inf
from typing import TYPE_CHECKING, Literal, NamedTuple

from sparring._types import Settings
from sparring.errors import GameError

if TYPE_CHECKING:
    from sparring.game import Game

    Shape = tuple[int, ...]
    Make = Callable[[Shape], Game]

__all__ = ["IMAGE_TECHNIQUES", "TABLE", "Technique", "Techniques", "apply_techniques"]

Stage = Literal["networks", "samples", "losses", "packs", "weights", "games", "learning rates"]
"""What a technique changes, in the order in which techniques are applied."""


@dataclass(frozen=True)
class Techniques:
    """Training techniques around the game of a recipe. Default: none (docs/how-to/techniques.md).

    Attributes:
        instance_noise: Standard deviation of noise on all samples that D receives; falls to 0 (Sønderby et al., 2017).
        instance_noise_steps: The step at which it reaches 0.
        augment: Augmentation of all images that D receives: DiffAugment (Zhao et al., 2020), or that of StyleGAN2-ADA
            with a probability that adapts to how much D overfits (Karras et al., 2020). The latter needs a D whose
            scores have opposite signs on reals and fakes: logistic and hinge losses.
        augment_images: Number of images in which that probability can rise from 0 to 1.
        r1: Weight γ of ½γ E ‖∇D(x)‖² (Mescheder et al., 2018).
        r2: The same on fakes.
        dragan: Weight of DRAGAN's penalty around the data (Kodali et al., 2017); 10 in the paper.
        penalty_every: Steps from one payment of r1, r2 and dragan to the next, each multiplied by this number
            (Karras et al., 2020).
        consistency: Weight of CR: flips and shifts must not change D(x) (Zhang et al., 2020); 10 in the paper.
        balanced_consistency: Weight of bCR, the same on reals and fakes (Zhao et al., 2021); 10 in the paper.
        latent_consistency: Weight of zCR: small moves of z must not change D(G(z)) (Zhao et al., 2021).
        lecam: Weight of LeCam, D near its running means (Tseng et al., 2021); 0.3 in the authors' code.
        lecam_start: First step with LeCam.
        feature_matching: Weight of feature matching, in place of G's own loss (Salimans et al., 2016).
        minibatch: Feature of D that compares the samples of a batch: minibatch discrimination (Salimans et al., 2016),
            or the batch's standard deviation (Karras et al., 2018).
        historical_averaging: Weight of the distance to the mean of the past weights (Salimans et al., 2016).
        virtual_batch_norm: Size of the reference batch by which batch norm normalises (Salimans et al., 2016); 0 for
            plain batch norm.
        unrolling: Unrolled steps of D in G's loss (Metz et al., 2017).
        unrolling_lr: Learning rate of those steps.
        packing: Samples that D scores together (Lin et al., 2018).
        ensemble: Number of generators, each with its own critic, sampled in turn.
        initialisation: Initial weights: the recipe's own, or others.
        schedule: How the learning rates fall, in addition to the recipe's own schedule.
        schedule_steps: The step at which they reach zero.
    """

    instance_noise: float = 0.0
    instance_noise_steps: int = 10_000
    augment: Literal["none", "diff", "adaptive"] = "none"
    augment_images: int = 500_000
    r1: float = 0.0
    r2: float = 0.0
    dragan: float = 0.0
    penalty_every: int = 1
    consistency: float = 0.0
    balanced_consistency: float = 0.0
    latent_consistency: float = 0.0
    lecam: float = 0.0
    lecam_start: int = 1000
    feature_matching: float = 0.0
    minibatch: Literal["none", "discrimination", "deviation"] = "none"
    historical_averaging: float = 0.0
    virtual_batch_norm: int = 0
    unrolling: int = 0
    unrolling_lr: float = 0.1
    packing: int = 1
    ensemble: int = 1
    initialisation: Literal["own", "orthogonal", "normal", "glorot", "he"] = "own"
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    schedule_steps: int = 100_000

    def chosen(self) -> Settings:
        """Return the settings that differ from their defaults, by name."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}


class Technique(NamedTuple):
    """A row of the table of techniques.

    Attributes:
        name: The setting of `Techniques` that turns it on.
        stage: The changed part of the game.
        apply: From what builds a game of a shape, and the settings, to what builds the game with the technique.
        images: Whether it needs images.
    """

    name: str
    stage: Stage
    apply: Callable[[Make, Techniques], Make]
    images: bool = False


def _class(home: str) -> Callable[..., Game]:
    module, _, name = home.partition(":")
    made: Callable[..., Game] = getattr(import_module(f"sparring.{module}"), name)
    return made


def _wrapped(wrap: Callable[[Game, Techniques, Shape], Game]) -> Callable[[Make, Techniques], Make]:
    """Return a function that wraps a game's builder, given one that wraps a game."""
    return lambda make, chosen: lambda shape: wrap(make(shape), chosen, shape)


def _initialised(game: Game, chosen: Techniques, shape: Shape) -> Game:
    from sparring.layers import init

    weights = {
        "orthogonal": init.orthogonal(),
        "normal": init.normal(),
        "glorot": init.glorot_uniform(),
        "he": init.he_uniform,
    }
    if not any(isinstance(module, init.LAYERS) for module in game.modules()):
        raise GameError(
            f"The weights of {type(game).__name__} start as its layers scale them: leave the technique out."
        )
    init.reinitialise(game, weights[chosen.initialisation])
    return game


def _with_minibatch_feature(game: Game, chosen: Techniques, shape: Shape) -> Game:
    from sparring.layers.minibatch import MinibatchDiscrimination, MinibatchStdDev
    from sparring.networks.common.heads import insert_before_head
    from sparring.wrappers import requirements

    discrimination = chosen.minibatch == "discrimination"
    needs = (
        requirements.critics,
        requirements.unmixed_batches,
        *([requirements.no_gradient_penalties] if discrimination else []),
    )
    requirements.require(f"Minibatch {chosen.minibatch}", game, *needs)
    for name in game.critic_networks():
        critic = game.get_submodule(name)
        insert_before_head(critic, MinibatchDiscrimination if discrimination else lambda features: MinibatchStdDev())
    return game


def _augmented(game: Game, chosen: Techniques, shape: Shape) -> Game:
    from sparring import augment
    from sparring.wrappers.augmentation import AdaptiveAugmentation, Augmentation

    if chosen.augment == "diff":
        return Augmentation(game, augment.DiffAugment)
    return AdaptiveAugmentation(game, augment.AdaptiveAugment, images=chosen.augment_images)


def _consistent(home: str, name: str) -> Callable[[Make, Techniques], Make]:
    def wrap(game: Game, chosen: Techniques, shape: Shape) -> Game:
        from sparring import augment

        return _class(home)(game, augment.flip_and_shift, getattr(chosen, name))

    return _wrapped(wrap)


def _unrolled(game: Game, chosen: Techniques, shape: Shape) -> Game:
    from sparring.wrappers.unrolling import Unrolling, sgd

    return Unrolling(game, chosen.unrolling, sgd(chosen.unrolling_lr))


def _packed(make: Make, chosen: Techniques) -> Make:
    return lambda shape: _class("wrappers.packing:packed")(make, shape, chosen.packing)


def _ensemble(make: Make, chosen: Techniques) -> Make:
    return lambda shape: _class("wrappers.ensemble:Ensemble")(lambda: make(shape), chosen.ensemble)


def _scheduled(game: Game, chosen: Techniques, shape: Shape) -> Game:
    from sparring import schedules
    from sparring.wrappers.lr_schedule import LRSchedule

    if chosen.schedule == "linear":
        return LRSchedule(game, schedules.linear(chosen.schedule_steps))
    return LRSchedule(game, schedules.cosine(1.0, 0.0, chosen.schedule_steps))


def _simple(home: str, *settings: str, **named: str) -> Callable[[Make, Techniques], Make]:
    """Wrap a game in a class of `sparring.wrappers`, given settings by place or by name."""

    def wrap(game: Game, chosen: Techniques, shape: Shape) -> Game:
        given = [getattr(chosen, name) for name in settings]
        return _class(home)(game, *given, **{key: getattr(chosen, name) for key, name in named.items()})

    return _wrapped(wrap)


def _virtual(game: Game, chosen: Techniques, shape: Shape) -> Game:
    from sparring.layers.normalization import WithReferenceBatch
    from sparring.wrappers.virtual_batch_norm import VirtualBatch

    return VirtualBatch(game, shape, WithReferenceBatch, chosen.virtual_batch_norm)


# fmt: off
_SLOPES, _CONSISTENCY = "wrappers.gradient_penalties", "wrappers.consistency"
TABLE: tuple[Technique, ...] = (
    Technique("initialisation",       "networks",       _wrapped(_initialised)),
    Technique("minibatch",            "networks",       _wrapped(_with_minibatch_feature)),
    Technique("virtual_batch_norm",   "networks",       _wrapped(_virtual)),
    Technique("instance_noise",       "samples",        _simple("wrappers.instance_noise:InstanceNoise", "instance_noise", "instance_noise_steps")),
    Technique("augment",              "samples",        _wrapped(_augmented), images=True),
    Technique("feature_matching",     "losses",         _simple("wrappers.feature_matching:FeatureMatching", weight="feature_matching")),
    Technique("r1",                   "losses",         _simple(f"{_SLOPES}:R1", "r1", "penalty_every")),
    Technique("r2",                   "losses",         _simple(f"{_SLOPES}:R2", "r2", "penalty_every")),
    Technique("dragan",               "losses",         _simple(f"{_SLOPES}:DRAGAN", "dragan", every="penalty_every")),
    Technique("consistency",          "losses",         _consistent(f"{_CONSISTENCY}:CR", "consistency"), images=True),
    Technique("balanced_consistency", "losses",         _consistent(f"{_CONSISTENCY}:BCR", "balanced_consistency"), images=True),
    Technique("latent_consistency",   "losses",         _simple(f"{_CONSISTENCY}:ZCR", weight="latent_consistency")),
    Technique("lecam",                "losses",         _simple(f"{_CONSISTENCY}:LeCam", "lecam", start="lecam_start")),
    Technique("unrolling",            "losses",         _wrapped(_unrolled)),
    Technique("packing",              "packs",          _packed),
    Technique("historical_averaging", "weights",        _simple("wrappers.historical_averaging:HistoricalAveraging", "historical_averaging")),
    Technique("ensemble",             "games",          _ensemble),
    Technique("schedule",             "learning rates", _wrapped(_scheduled)),
)
# fmt: on
"""Every technique, in the order in which they are applied."""

IMAGE_TECHNIQUES = frozenset(row.name for row in TABLE if row.images)
"""Techniques that need images."""

LIMITS: dict[str, tuple[float, float]] = {
    "packing": (1, inf),
    "ensemble": (1, 1000),  # each is a network of its own
    "unrolling": (0, 1000),  # each is a step of its own
    "penalty_every": (1, inf),
    "schedule_steps": (1, inf),
    "instance_noise_steps": (1, inf),
    "augment_images": (1, inf),
}
"""Least and largest value of a setting. Default: 0 and none."""

EXCLUSIVE: dict[tuple[str, str], str] = {
    ("unrolling", "feature_matching"): "Unrolling and feature matching both replace G's loss: choose one of them.",
    (
        "virtual_batch_norm",
        "minibatch",
    ): "The references of virtual batch norm would count as neighbours in the minibatch: choose one.",
}
"""Techniques that cannot be combined on any game, and the message."""


def apply_techniques(make: Make, shape: Shape, techniques: Techniques) -> Game:
    """Build a game with techniques.

    Args:
        make: Builds the game for data of a shape.
        shape: The shape of the data.
        techniques: What to apply.

    Raises:
        GameError: If two techniques exclude each other, or one does not fit this game or a value is out of range.
    """
    chosen = techniques.chosen()
    _require_valid(chosen, shape)
    for row in TABLE:
        if row.name in chosen:
            make = row.apply(make, techniques)
    return make(shape)


def _require_valid(chosen: Settings, shape: Shape) -> None:
    """Raise where a value is out of range, two techniques exclude each other, or one needs images."""
    if len(shape) != 3:
        for name in sorted(chosen.keys() & IMAGE_TECHNIQUES):
            raise GameError(f"The technique {name} changes images, and the data are points: leave it out.")
    for name, value in chosen.items():
        least, most = LIMITS.get(name, (0, inf))
        if not isinstance(value, str) and value < least:
            raise GameError(f"The technique {name} cannot be {value}: give {least} or more.")
        if not isinstance(value, str) and value > most:
            raise GameError(f"The technique {name} cannot be {value:,}: give {most:,} or less.")
    for (one, other), message in EXCLUSIVE.items():
        if one in chosen and other in chosen:
            raise GameError(message)
