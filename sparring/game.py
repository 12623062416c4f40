"""A game, its players and their moves: the nouns of every algorithm box in this library.

    round: a generator of moves        move: (player, the terms that this player minimises)

A game only *proposes* moves. Who receives which gradient, when optimisers step, how batches are split over processes
is the trainer's business (`sparring.training.trainer`): at each ``yield`` it updates that player and no other, then
the round goes on.

Rules of a round: fakes are detached (or drawn with `fakes`) where the paper holds G fixed; never ``yield`` inside a
``with``; no optimiser step, device code, logging, printing or file access; all that varies over time is a function of
``step`` or of a registered buffer. `sparring.check_game` tests a game of your own against these rules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, NotRequired, TypedDict

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.errors import GameError
from sparring.rng import randn

Data = Iterator[tuple[Tensor, ...]]
"""Endless batches: the image (or point) first, its conditions after."""

Optimiser = Callable[[nn.Module], Optimizer]
"""Builds the optimiser of one network, for example ``partial(adam, lr=2e-4)``."""


class PlayerSettings(TypedDict):
    """Keyword arguments of games of a critic and a generator: their optimisers, and the schedule of learning rates."""

    critic: Optimiser
    generator: Optimiser
    schedule: NotRequired[Callable[[int], float]]


class Stage(NamedTuple):
    """A part of a training in which a game trains other networks than before.

    Attributes:
        name: For users, such as "scale 2 of 5".
        start: Its first step.
        end: The step after its last one.
    """

    name: str
    start: int
    end: int


class Move:
    """One player's turn: the named terms whose sum the player minimises.

    Args:
        player: The name of the player whose parameters move.
        terms: Scalar tensors, weights included; each is logged under its name.

    Raises:
        GameError: If there is no term, or a term is no scalar tensor.

    >>> Move("D", wasserstein=torch.tensor(1.0), penalty=torch.tensor(0.5)).loss
    tensor(1.5000)
    """

    __slots__ = ("player", "terms")

    def __init__(self, player: str, /, **terms: Tensor) -> None:
        if not terms:
            raise GameError(f"A move of player {player!r} has no terms: write Move({player!r}, name=loss).")
        for name, value in terms.items():
            if not isinstance(value, Tensor) or value.dim() > 0:
                what = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
                raise GameError(f"Term {name!r} of {player!r} must be a scalar tensor, not {what}: take its mean.")
        self.player = player
        self.terms = terms

    @property
    def loss(self) -> Tensor:
        """The sum of the terms."""
        first, *rest = self.terms.values()
        return sum(rest, start=first)

    def __repr__(self) -> str:
        terms = ", ".join(f"{name}={value.item():.6g}" for name, value in self.terms.items())
        return f"Move({self.player!r}, {terms})"


Turn = Move | tuple[Move, ...]
"""What a round yields: one move, or several made simultaneously (all gradients before any step)."""

CLASS_CONDITION = "a class"
"""The condition of critics that take the class of each sample."""


class CriticOutput(StrEnum):
    """Kinds of output of a critic."""

    SCORE = "one score a sample"
    PATCHES = "a map of scores of patches"
    SCALES = "maps of features and scores at several scales"
    SCORES = "scores of several questions"
    CLASSES = "logits of classes"
    OUTCOMES = "logits of a distribution over outcomes"
    CODES = "codes, which another network scores"


@dataclass(frozen=True)
class CriticSpec:
    """Facts about the critics of a game, from which follows which training techniques fit it.

    A technique states what it needs (`sparring.wrappers.requirements`), and is refused where the facts contradict it.
    The defaults describe the plain case: one score a sample, of the sample alone. An empty string or tuple means none.

    Attributes:
        output: Kind of output of the critics.
        condition: Input of the critic in addition to the sample, such as `CLASS_CONDITION`.
        spatial_condition: Whether positions in that input correspond to positions in the sample, as in a label map.
        adversarial_terms: G's loss terms computed from the critic's scores. Default: the only term of its move.
        regulariser_terms: Terms that are minimised in moves of their own, apart from the adversarial ones.
        gradient_penalties: Terms of D's loss that penalise the gradient of each sample's score.
        penalty_target: Gradient norm at which these are zero, 0 or 1; None where there are none.
        per_sample: Whether D must score each sample by itself, so that no layer may compare samples.
        noise_condition: Content of a row of noise in addition to z ~ N(0, I), such as "codes".
        generator_use: How the game uses G other than as one function of noise, as the rest of a sentence.
        features_shared_with: Other users of the critic's features.
        mixed_batches: Content of the critic's batches where they are neither all real nor all of one G.
        compared_samples: Parts of two samples that the game compares after the critic's input transform.
        trained_later: Networks whose training begins after the first step.
        custom_critic_step: Why a step of D is not gradient descent on the game's `critic_terms`, as a sentence's end.
        lookahead: The technique that unrolls steps of D in G's move.
        zero_centred: Whether a score of 0 lies midway between real and fake; None where that is not known.
    """

    output: CriticOutput = CriticOutput.SCORE
    condition: str = ""
    spatial_condition: bool = False
    adversarial_terms: tuple[str, ...] = ()
    regulariser_terms: tuple[str, ...] = ()
    gradient_penalties: tuple[str, ...] = ()
    penalty_target: float | None = None
    per_sample: bool = False
    noise_condition: str = ""
    generator_use: str = ""
    features_shared_with: str = ""
    mixed_batches: str = ""
    compared_samples: str = ""
    trained_later: str = ""
    custom_critic_step: str = ""
    lookahead: str = ""
    zero_centred: bool | None = None


class Game(nn.Module, ABC):
    """Networks and the rules by which they are trained.

    Attributes:
        plain_double_backward: Whether penalties leave all layers to torch, see `sparring.objectives.double_backward`.
        folds: Names of networks whose up-sampling and convolution are computed in one, see
            `sparring.layers.upsample_fusion`.
    """

    plain_double_backward = False
    folds: tuple[str, ...] = ()

    @abstractmethod
    def players(self) -> dict[str, Optimizer]:
        """Return the optimiser of each player, over the parameters that the player owns."""

    @abstractmethod
    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Yield the moves of one round of the algorithm, in order.

        Args:
            data: Call ``next(data)`` for each batch that the round needs.
            step: How many rounds were played before this one.
        """

    def lr_scale(self, step: int) -> float:
        """Return the factor by which every learning rate is multiplied at `step`."""
        return 1.0

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of the training in order; the last one ends where the training ends. Default: none.

        A network may be given its start, by the round, until its player moves for the first time.
        """
        return ()

    def over_batch(self, step: int) -> bool:
        """Return whether the round of this step takes means over the batch.

        They are the functions of `sparring.objectives.batch_statistics`. Where a batch is played in parts, the turns of
        such a round are rehearsed, see `sparring.training.accumulation`. Default: whether the objective does.

        Args:
            step: How many rounds were played before.
        """
        return bool(getattr(getattr(self, "objective", None), "over_batch", False))

    def readings(self) -> dict[str, Tensor]:
        """Return scalars of its state to log beside the terms of a step, by names with a ``/``. Default: none."""
        return {}

    def undivided(self) -> str:
        """Return why a batch cannot be split into micro-batches, as the beginning of a sentence; "" where it can."""
        return ""

    def sampling_networks(self) -> tuple[str, ...]:
        """Return the names of the networks that sampling uses; their weights are averaged."""
        return ()

    def critic_networks(self) -> tuple[str, ...]:
        """Return the names of the networks that score samples, on which training techniques act."""
        return ()

    def critic_spec(self) -> CriticSpec:
        """Return facts about the critics, from which follows which training techniques fit."""
        return CriticSpec()

    @property
    def unwrapped(self) -> Game:
        """The game inside all training techniques, which is this one where there are none."""
        return self

    @property
    def device(self) -> torch.device:
        """Device of the networks."""
        return next(self.parameters()).device


class LatentGame(Game):
    """A game in which G turns noise z ~ N(0, I) into samples and D scores them, each with an optimiser of its own.

    Args:
        G: Generator (N, latent) -> (N, *shape), with an attribute ``latent``.
        D: Critic (N, *shape) -> (N,), raw scores, large = real.
        critic: Builds D's optimiser.
        generator: Builds G's optimiser.
        schedule: Factor of all learning rates, as a function of the step.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        *,
        critic: Optimiser,
        generator: Optimiser,
        schedule: Callable[[int], float] = lambda step: 1.0,
    ) -> None:
        super().__init__()
        self.G, self.D = G, D
        self._optimisers = {"D": critic, "G": generator}
        self._schedule = schedule

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D and G."""
        return {"D": self._optimisers["D"](self.D), "G": self._optimisers["G"](self.G)}

    def lr_scale(self, step: int) -> float:
        """Follow the schedule given at construction."""
        return self._schedule(step)

    def sampling_networks(self) -> tuple[str, ...]:
        """Sampling uses G alone."""
        return ("G",)

    def critic_networks(self) -> tuple[str, ...]:
        """Only D scores samples."""
        return ("D",)

    def critic_spec(self) -> CriticSpec:
        """Return the plain case: a score a sample; where there are classes, both players take one."""
        given = "" if getattr(self, "classes", None) is None else CLASS_CONDITION
        parts = f"gives G {given} apart" if given else ""
        known = getattr(getattr(self, "objective", None), "centred", None)
        return CriticSpec(condition=given, noise_condition=given, generator_use=parts, zero_centred=known)

    def noise(self, n: int) -> Tensor:
        """Draw z ~ N(0, I), shape (n, latent)."""
        return randn(n, latent(self.G), device=self.device)

    def fakes_with_grad(self, n: int) -> Tensor:
        """Draw n samples in G's graph, as G's own move does."""
        samples: Tensor = self.G(self.noise(n))
        return samples

    def fakes(self, n: int) -> Tensor:
        """Draw n samples without a graph: for moves that need none of G's gradients."""
        with torch.no_grad():
            return self.fakes_with_grad(n)

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Draw n samples, shape (n, *shape), from the given noise (n, latent) or from fresh noise."""
        with torch.no_grad():
            samples: Tensor = self.G(self.noise(n) if noise is None else noise)
            return samples


def latent(generator: nn.Module) -> int:
    """Return how many coordinates of noise a generator starts from.

    Args:
        generator: With an attribute ``latent``.

    Raises:
        GameError: If it has none, or it is no whole number.
    """
    size = getattr(generator, "latent", None)
    if not isinstance(size, int):
        what = "has no attribute latent" if size is None else f"has latent = {str(size)[:40]}"
        raise GameError(
            f"The generator {type(generator).__name__} {what}: set self.latent in its __init__ to the number of "
            "coordinates of its noise, a whole number."
        )
    return size


@contextmanager
def evaluation_mode(game: nn.Module) -> Iterator[None]:
    """Put a game into evaluation mode without gradients, and back at the end of the block, module by module.

    Args:
        game: Any module.
    """
    before = {module: module.training for module in game.modules()}
    game.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in before.items():
            module.training = training


def adam(*networks: nn.Module, lr: float, betas: tuple[float, float] = (0.5, 0.999), **settings: Any) -> Optimizer:
    """Return a fused Adam (Kingma & Ba, 2015) over every parameter of the networks.

    Args:
        networks: What the player owns.
        lr: Learning rate.
        betas: Decay rates of the two moments; GANs use a small first one.
        settings: Anything else that `torch.optim.Adam` takes.
    """
    return torch.optim.Adam(_parameters(networks), lr=lr, betas=betas, fused=True, **settings)


def rmsprop(*networks: nn.Module, lr: float, **settings: Any) -> Optimizer:
    """Return RMSprop (Hinton, 2012) over every parameter of the networks."""
    return torch.optim.RMSprop(_parameters(networks), lr=lr, **settings)


def _parameters(networks: tuple[nn.Module, ...]) -> list[nn.Parameter]:
    return [parameter for network in networks for parameter in network.parameters()]
