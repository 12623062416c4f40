"""Unrolled GANs (Metz et al., 2017): G looks ahead at how D will answer.

    θ_0 = θ_D,   θ_{i+1} = θ_i − η ∇_θ L_D(θ_i; x, G(z)),        G minimises  L_G(θ_k; G(z))

G's gradient goes through the k steps too: a generator that gathers where D is weakest now sees that D will have turned
against it. D itself takes its ordinary single step. All k steps are on one batch, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.func import functional_call

from sparring.errors import GameError
from sparring.game import Data, Game, Move, Turn
from sparring.penalties import full_precision
from sparring.wrappers.pair import pair
from sparring.wrappers.wrapper import Remembering, Wrapper, each

Weights = list[Tensor]
Rule = Callable[[Weights, list[Weights]], Weights]
"""One inner step: from the weights and all gradients so far, the last one last, to the next weights."""

TINY = 1e-30  # under the root of Adam's second moment, whose derivative at 0 is infinite


def sgd(rate: float) -> Rule:
    """Plain gradient descent.

    Args:
        rate: Learning rate η.
    """
    return lambda weights, slopes: [w - rate * g for w, g in zip(weights, slopes[-1], strict=True)]


def adam(rate: float, betas: tuple[float, float] = (0.5, 0.999), eps: float = 1e-8) -> Rule:
    """Adam (Kingma & Ba, 2015) from moments of zero, differentiable.

    Args:
        rate: Learning rate η.
        betas: Decay rates of the two moments.
        eps: Added to the root of the second moment.
    """

    def moment(values: Weights, beta: float) -> Tensor:
        shares = [(1 - beta) * beta**age for age in reversed(range(len(values)))]
        return sum(share * value for share, value in zip(shares, values, strict=True)) / (1 - beta ** len(values))  # type: ignore[return-value]

    def stepped(weight: Tensor, *slopes: Tensor) -> Tensor:
        spread = (moment([g.square() for g in slopes], betas[1]) + TINY).sqrt()
        return weight - rate * moment([*slopes], betas[0]) / (spread + eps)

    return lambda weights, slopes: [stepped(*series) for series in zip(weights, *slopes, strict=True)]


class Unrolled(Wrapper):
    """Lets G's moves play against the D of k steps ahead.

    The inner loss is the game's objective on this process's batch; penalties take no part in it. Buffers of D (batch
    norm, power iterations) do not move while it is unrolled.

    Args:
        game: A game with an objective, G and D.
        steps: k; with 0 it is the plain game.
        rule: What an inner step is: `sgd` or `adam`.

    Raises:
        GameError: If the game is of another kind.
    """

    def __init__(self, game: Game, steps: int = 5, rule: Rule = sgd(0.1)) -> None:  # noqa: B008  # a pure function
        super().__init__(game)
        pair(game, "Unrolling", "objective")
        if steps < 0:
            raise GameError(f"Unrolling needs a number of steps, not {steps}.")
        self.steps, self.rule = steps, rule

    def undivided(self) -> str:
        """The steps of the unrolled D are those of the whole batch."""
        return "Unrolling takes steps of D ahead, on a batch as a whole" if self.steps else super().undivided()

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Plays the game's round, G's moves unrolled."""
        drawn = Remembering(data)
        for turn in self.game.round(drawn, step):
            yield each(turn, lambda move: self.ahead(drawn.x) if self.steps and move.player == "G" else move)

    def ahead(self, x: Tensor) -> Move:
        """Returns G's move against the unrolled D.

        Args:
            x: Real samples (N, *shape), the last that D has seen.
        """
        game = pair(self, "Unrolling")
        fake = game.G(game.noise(len(x)))
        with full_precision(x):
            return Move("G", unrolled=self.loss(x, fake.to(torch.promote_types(fake.dtype, torch.float32))))

    def loss(self, x: Tensor, fake: Tensor) -> Tensor:
        """Returns L_G(θ_k), differentiable through θ_k.

        Args:
            x: Real samples (N, *shape).
            fake: Fakes with G's graph, (N, *shape).
        """
        D, objective = pair(self, "Unrolling").D, self.objective
        named = {name: p for name, p in D.named_parameters() if p.requires_grad}
        buffers = {name: buffer.clone() for name, buffer in D.named_buffers()}
        weights: Weights = [*named.values()]
        slopes: list[Weights] = []

        def scores(samples: Tensor) -> Tensor:
            return functional_call(D, ({**dict(zip(named, weights, strict=True)), **buffers},), (samples,))

        for _ in range(self.steps):
            ahead = objective.critic(scores(x), scores(fake))
            slopes.append([*torch.autograd.grad(ahead, weights, create_graph=True, materialize_grads=True)])
            weights = self.rule(weights, slopes)
        return objective.generator(scores(fake), scores(x) if objective.needs_real else None)
