"""Unrolled GANs (Metz et al., 2017): G's loss is computed after k steps of D.

    θ_0 = θ_D,   θ_{i+1} = θ_i − η ∇_θ L_D(θ_i; x, G(z)),        G minimises  L_G(θ_k; G(z))

G's gradient also passes through the k steps, and so includes D's response to a generator that collapses where D is
weakest. D itself takes its ordinary single step. All k steps are on one batch, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sparring._types import Network
from sparring.errors import GameError
from sparring.game import CriticSpec, Data, Game, Move, Turn
from sparring.objectives.penalties import full_precision
from sparring.wrappers.base import LastBatch, Wrapper, map_moves, remaining_terms
from sparring.wrappers.critic_term import latent_game
from sparring.wrappers.requirements import explicit_terms, no_lookahead, one_pair, require, samples_only

Weights = list[Tensor]
Rule = Callable[[Weights, list[Weights]], Weights]
"""One inner step: from the weights and all gradients so far, the last one last, to the next weights."""

TINY = 1e-30  # under the root of Adam's second moment, whose derivative at 0 is infinite


def sgd(lr: float) -> Rule:
    """Plain gradient descent.

    Args:
        lr: Learning rate η.
    """
    return lambda weights, slopes: [w - lr * g for w, g in zip(weights, slopes[-1], strict=True)]


def adam(lr: float, betas: tuple[float, float] = (0.5, 0.999), eps: float = 1e-8) -> Rule:
    """Adam (Kingma & Ba, 2015) from moments of zero, differentiable.

    Args:
        lr: Learning rate η.
        betas: Decay rates of the two moments.
        eps: Added to the root of the second moment.
    """

    def moment(values: Weights, beta: float) -> Tensor:
        shares = [(1 - beta) * beta**age for age in reversed(range(len(values)))]
        return sum(share * value for share, value in zip(shares, values, strict=True)) / (1 - beta ** len(values))  # type: ignore[return-value]

    def stepped(weight: Tensor, *slopes: Tensor) -> Tensor:
        spread = (moment([g.square() for g in slopes], betas[1]) + TINY).sqrt()
        return weight - lr * moment([*slopes], betas[0]) / (spread + eps)

    return lambda weights, slopes: [stepped(*series) for series in zip(weights, *slopes, strict=True)]


class Unrolling(Wrapper):
    """Lets G's moves play against the D of k steps ahead.

    The inner loss is all that D minimises, penalties included, on this process's batch; G keeps its other terms.
    Buffers of D (batch norm, power iterations) do not move while it is unrolled. It needs a game of one G that starts
    from noise and one D without a condition, which states what D minimises as `critic_terms`, and G's adversarial
    term as `generator_terms`; D's step must be one of descent on these.

    Args:
        game: A game of G and D.
        steps: k; with 0 it is the plain game.
        rule: What an inner step is: `sgd` or `adam`.

    Raises:
        GameError: If the game is of another kind.
    """

    def __init__(self, game: Game, steps: int = 5, rule: Rule = sgd(0.1)) -> None:  # noqa: B008  # a pure function
        super().__init__(game)
        require("Unrolling", game, one_pair, samples_only, explicit_terms, no_lookahead)
        if steps < 0:
            raise GameError(f"Unrolling needs a number of steps, not {steps}.")
        self.steps, self.rule = steps, rule

    def undivided(self) -> str:
        """The steps of the unrolled D are those of the whole batch."""
        return "Unrolling takes steps of D ahead, on a batch as a whole" if self.steps else super().undivided()

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Play the game's round, G's moves unrolled."""
        drawn = LastBatch(data)
        for turn in self.game.round(drawn, step):
            yield map_moves(turn, lambda move: self.ahead(move, drawn.x, step))

    def critic_spec(self) -> CriticSpec:
        """Return that of the game, with unrolled steps of D."""
        return replace(self.game.critic_spec(), lookahead="Unrolling" if self.steps else "")

    def ahead(self, move: Move, x: Tensor, step: int) -> Move:
        """Return a move of G against the unrolled D; other moves, and those without an adversarial term, unchanged.

        Args:
            move: Any move.
            x: Real samples (N, *shape), the last batch of D's moves.
            step: The step.
        """
        terms = remaining_terms(move, self.game.critic_spec()) if self.steps and move.player == "G" else None
        if terms is None:
            return move
        fake = latent_game(self).fakes_with_grad(len(x))
        with full_precision(x):
            wide = fake.to(torch.promote_types(fake.dtype, torch.float32))
            return Move("G", **terms, unrolled=self.loss(x, wide, step))

    def loss(self, x: Tensor, fake: Tensor, step: int = 0) -> Tensor:
        """Return L_G(θ_k), differentiable through θ_k.

        Args:
            x: Real samples (N, *shape).
            fake: Fakes with G's graph, (N, *shape).
            step: The step.
        """
        stated = _Stated(latent_game(self))
        named = {f"game.D.{name}": p for name, p in stated.game.D.named_parameters() if p.requires_grad}
        buffers = {f"game.D.{name}": buffer.clone() for name, buffer in stated.game.D.named_buffers()}
        weights: Weights = [*named.values()]
        slopes: list[Weights] = []

        def loss(name: str, *given: Tensor | int) -> Tensor:
            return functional_call(stated, ({**dict(zip(named, weights, strict=True)), **buffers},), (name, *given))

        for _ in range(self.steps):
            ahead = loss("critic_terms", x, fake, step)
            slopes.append([*torch.autograd.grad(ahead, weights, create_graph=True, materialize_grads=True)])
            weights = self.rule(weights, slopes)
        return loss("generator_terms", x, fake)


class _Stated(nn.Module):
    """Losses of a game's players as a module, whose parameters torch can replace."""

    def __init__(self, game: Network) -> None:
        super().__init__()
        self.game = game

    def forward(self, name: str, *given: Tensor | int) -> Tensor:
        first, *rest = getattr(self.game, name)(*given).values()
        return sum(rest, start=first)
