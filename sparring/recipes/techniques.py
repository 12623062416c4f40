"""Training techniques by name: what can be switched on around any recipe, from Python and from the command line.

    sparring train nsgan --data grid --packing 2 --r1 0.1
    Run.create(folder, "nsgan", data="grid", techniques=Techniques(packing=2, r1=0.1))

Each technique is a wrapper, a layer or a penalty (`sparring.wrappers`, `sparring.layers`, `sparring.augment`);
here they only get names, numbers and an order: from the networks outwards, to what the critic sees, to what a player
minimises, to whole games. This module needs no tensor library before a technique is put on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from sparring.errors import GameError

if TYPE_CHECKING:
    from sparring.game import Game

    Shape = tuple[int, ...]
    Make = Callable[[Shape], Game]

__all__ = ["Techniques", "apply_techniques"]


MOST = {"ensemble": 1000, "unrolling": 1000}  # each is a network or a step of its own
PICTURES = {"augment", "consistency", "balanced_consistency"}  # techniques that change images


@dataclass(frozen=True)
class Techniques:
    """What helps a game besides its recipe; all off by default (docs/how-to/techniques.md).

    Attributes:
        instance_noise: Standard deviation of noise on whatever D sees, fading to 0 (Sønderby et al., 2017).
        instance_noise_steps: The step at which it has faded.
        augment: How all images that D sees are changed: DiffAugment (Zhao et al., 2020), or StyleGAN2-ADA's changes
            with a probability that adapts to how D overfits (Karras et al., 2020). The latter needs a D whose scores
            have opposite signs on reals and fakes: logistic and hinge losses.
        augment_images: Images after which that probability can have risen from 0 to 1.
        r1: Weight γ of ½γ E ‖∇D(x)‖² (Mescheder et al., 2018).
        r2: The same on fakes.
        dragan: Weight of DRAGAN's penalty around the data (Kodali et al., 2017); 10 in the paper.
        penalty_every: r1, r2 and dragan are paid at every k-th step, k times as high (Karras et al., 2020).
        consistency: Weight of CR: flips and shifts must not change D(x) (Zhang et al., 2020); 10 in the paper.
        balanced_consistency: Weight of bCR, the same on fakes too (Zhao et al., 2021); 10 in the paper.
        latent_consistency: Weight of zCR: small moves of z must not change D(G(z)) (Zhao et al., 2021).
        lecam: Weight of LeCam, D near its running means (Tseng et al., 2021); 0.3 in the authors' code.
        lecam_start: The step from which it is paid.
        feature_matching: Weight of feature matching, in place of G's own loss (Salimans et al., 2016).
        minibatch: Show D how close samples are to one another: minibatch discrimination (Salimans et al., 2016) or the
            batch's standard deviation (Karras et al., 2018).
        historical_averaging: Weight of the distance to the mean of the past weights (Salimans et al., 2016).
        virtual_batch_norm: References by which batch norm normalises (Salimans et al., 2016); 0 leaves it plain.
        unrolling: Steps of D that G looks ahead (Metz et al., 2017).
        unrolling_lr: Learning rate of those steps.
        packing: Samples that D judges at once (Lin et al., 2018).
        ensemble: Generators, each with a critic of its own, sampled in turn.
        initialisation: Initial weights: the recipe's own, or others.
        schedule: How the learning rates fall, on top of the recipe's own schedule.
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

    def chosen(self) -> dict[str, Any]:
        """Returns what is not at its default, by name."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}


def apply_techniques(make: Make, shape: Shape, techniques: Techniques) -> Game:
    """Builds a game with its techniques around it.

    Args:
        make: Builds the game for data of a shape.
        shape: The shape of the data.
        techniques: What to put on.

    Raises:
        GameError: If two techniques exclude each other, or one cannot be put on this game.
    """
    if not techniques.chosen():
        return make(shape)
    _require_sense(techniques, shape)
    if techniques.ensemble == 1:
        game = _whole(make, shape, techniques)
    else:
        from sparring.wrappers.ensemble import Ensemble

        game = Ensemble(lambda: _whole(make, shape, techniques), techniques.ensemble)
    if techniques.schedule != "constant":
        from sparring import schedules
        from sparring.wrappers.lr_schedule import LRSchedule

        fall = {"linear": schedules.linear, "cosine": lambda steps: schedules.cosine(1.0, 0.0, steps)}
        game = LRSchedule(game, fall[techniques.schedule](techniques.schedule_steps))
    return game


def _require_sense(techniques: Techniques, shape: Shape) -> None:
    for name in techniques.chosen().keys() & PICTURES if len(shape) != 3 else ():
        raise GameError(f"The technique {name} changes images, and the data are points: leave it out.")
    for name, value in techniques.chosen().items():
        if not isinstance(value, str) and value < 0:
            raise GameError(f"The technique {name} cannot be {value}: give 0 or more.")
    for name, most in MOST.items():
        if getattr(techniques, name) > most:
            raise GameError(f"The technique {name} cannot be {getattr(techniques, name):,}: give {most:,} or less.")
    for name in ("packing", "ensemble", "penalty_every", "schedule_steps", "instance_noise_steps", "augment_images"):
        if getattr(techniques, name) < 1:
            raise GameError(f"The technique {name} cannot be {getattr(techniques, name)}: give 1 or more.")
    if techniques.unrolling and techniques.feature_matching:
        raise GameError("Unrolling and feature matching both replace G's loss: choose one of them.")
    if techniques.virtual_batch_norm and techniques.minibatch != "none":
        raise GameError("The references of virtual batch norm would count as neighbours in the minibatch: choose one.")


def _whole(make: Make, shape: Shape, techniques: Techniques) -> Game:
    """One game, packed or not."""
    if techniques.packing == 1:
        game = _minimising(_seeing(_built(make(shape), shape, techniques), techniques), techniques)
    else:
        from sparring.wrappers.packing import packed

        game = packed(
            lambda pack: _minimising(_seeing(_built(make(pack), pack, techniques), techniques), techniques),
            shape,
            techniques.packing,
        )
    if techniques.historical_averaging:
        from sparring.wrappers.historical_averaging import HistoricalAveraging

        game = HistoricalAveraging(game, techniques.historical_averaging)
    return game


def _built(game: Game, shape: Shape, techniques: Techniques) -> Game:
    """What a technique changes about the networks."""
    from sparring.layers import init

    if techniques.initialisation != "own":
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
        init.reinitialise(game, weights[techniques.initialisation])
    if techniques.minibatch != "none":
        from sparring.layers.minibatch import MinibatchDiscrimination, MinibatchStdDev
        from sparring.networks.common.heads import insert_before_head
        from sparring.wrappers import requirements

        slopes = (requirements.no_slopes,) if techniques.minibatch == "discrimination" else ()
        requirements.require(
            f"Minibatch {techniques.minibatch}", game, requirements.critics, requirements.one_kind_a_batch, *slopes
        )
        for name in game.critic_networks():
            critic, discrimination = game.get_submodule(name), techniques.minibatch == "discrimination"
            insert_before_head(
                critic, MinibatchDiscrimination if discrimination else lambda features: MinibatchStdDev()
            )
    if techniques.virtual_batch_norm:
        from sparring.layers.normalization import WithReferenceBatch
        from sparring.wrappers.virtual_batch_norm import VirtualBatch

        game = VirtualBatch(game, shape, WithReferenceBatch, techniques.virtual_batch_norm)
    return game


def _seeing(game: Game, techniques: Techniques) -> Game:
    """What a technique changes about what the critics see; noise comes last, on top of all else."""
    from sparring import augment
    from sparring.wrappers.augmentation import Adaptive, Augmented
    from sparring.wrappers.instance_noise import InstanceNoise

    if techniques.instance_noise:
        game = InstanceNoise(game, techniques.instance_noise, techniques.instance_noise_steps)
    if techniques.augment == "diff":
        game = Augmented(game, augment.DiffAugment)
    if techniques.augment == "adaptive":
        game = Adaptive(game, augment.AdaptiveAugment, images=techniques.augment_images)
    return game


def _minimising(game: Game, techniques: Techniques) -> Game:
    """What a technique changes about what the players minimise."""
    from sparring import augment
    from sparring.wrappers import consistency
    from sparring.wrappers import feature_matching as matching
    from sparring.wrappers import gradient_penalties as slopes
    from sparring.wrappers import unrolling as unrolled

    if techniques.feature_matching:
        game = matching.FeatureMatching(game, weight=techniques.feature_matching)
    extra: list[tuple[float, Callable[[Game, float], Game]]] = [
        (techniques.r1, lambda game, weight: slopes.R1(game, weight, techniques.penalty_every)),
        (techniques.r2, lambda game, weight: slopes.R2(game, weight, techniques.penalty_every)),
        (techniques.dragan, lambda game, weight: slopes.DRAGAN(game, weight, every=techniques.penalty_every)),
        (techniques.consistency, lambda game, weight: consistency.CR(game, augment.flip_and_shift, weight)),
        (techniques.balanced_consistency, lambda game, weight: consistency.BCR(game, augment.flip_and_shift, weight)),
        (techniques.latent_consistency, lambda game, weight: consistency.ZCR(game, weight=weight)),
        (techniques.lecam, lambda game, weight: consistency.LeCam(game, weight, start=techniques.lecam_start)),
    ]
    for weight, put_on in extra:
        if weight:
            game = put_on(game, weight)
    if techniques.unrolling:
        game = unrolled.Unrolled(game, techniques.unrolling, unrolled.sgd(techniques.unrolling_lr))
    return game
