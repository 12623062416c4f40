"""The trainer: plays the rounds of any game, and is the only place that calls backward, step and all-reduce.

    for each step:  for each turn of game.round(data, step):
        theta_p  <-  optimiser_p(theta_p, d loss_p / d theta_p)      for every player p that moves, all gradients first

`train` is a generator: the caller's ``for`` body logs, saves and stops. Gradient accumulation runs `grad_accum`
rounds in lockstep, each on its own micro-batch; distributed training does the same over processes. Neither touches a
game. Means over micro-batches are in `sparring.training.accumulation`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.errors import Diverged, GameError
from sparring.game import Data, Game, Move, Turn
from sparring.layers.upsample_fusion import fused_upsampling
from sparring.objectives.batch_statistics import MicroBatch, micro_batch
from sparring.objectives.double_backward import plain_double_backward
from sparring.rng import turn_rng
from sparring.training.accumulation import BatchMeans, BufferSnapshot, GradientCache, MicroBatches, require_divisible
from sparring.training.ema import EMA
from sparring.training.finite import FiniteCheck, FiniteMonitor, TurnSnapshot
from sparring.training.gradient_sync import GradientSync, rank_and_world
from sparring.training.round_errors import explain_round_errors

Players = Mapping[str, Optimizer]


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        step: Steps completed, this one included.
        images: Real images (or points) that this process's rounds drew in this step.
        updates: How often each player moved.
        terms: Every term of every player as ``"player/term"``, averaged over the player's moves; on the device still.
        finite_checks: What must be finite, in the order of play: terms, gradients, weights; on the device still.
        skipped: How many of its moves each player did not make because they were not sound; on the device still.
        gradient_sync: What this process exchanged with the others.
    """

    step: int
    images: int
    updates: dict[str, int]
    terms: dict[str, Tensor]
    finite_checks: tuple[FiniteCheck, ...] = ()
    skipped: dict[str, Tensor] = field(default_factory=dict)
    gradient_sync: GradientSync = field(default_factory=GradientSync)

    def require_finite(self) -> None:
        """Looks at the trail, at the price of a transfer where it is on a device.

        Raises:
            Diverged: If anything was not finite; the message names the first in the order of play.
        """
        for looked in self.finite_checks:
            looked.require_finite(self.step)

    def scalars(self) -> dict[str, float]:
        """Moves the terms to Python with one transfer; those of moves that were never made are left out.

        Raises:
            Diverged: If a term is not finite; the message names it.
        """
        values = torch.stack([value.float() for value in self.terms.values()]).tolist()
        scalars = dict(zip(self.terms, values, strict=True))
        for name, value in scalars.items():
            if not math.isfinite(value) and not self.skipped:
                raise Diverged(f"Step {self.step}: the term {name} became {value}; lower the learning rate.")
        return {name: value for name, value in scalars.items() if math.isfinite(value)}


def train(
    game: Game,
    data: Data,
    steps: int,
    *,
    start: int = 0,
    seed: int = 0,
    players: Players | None = None,
    ema: EMA | None = None,
    grad_accum: int = 1,
    precision: torch.dtype | None = None,
    snapshot: TurnSnapshot | None = None,
) -> Iterator[StepReport]:
    """Plays rounds `start` to `steps - 1` and yields a report after each.

    Args:
        game: The game; trained in place, where its networks live.
        data: Endless batches on the same device. With `grad_accum` > 1, each of the size of one part.
        steps: The step to stop at.
        start: The step to begin at, when resuming.
        seed: With the step, decides everything random.
        players: Optimisers to go on with; `game.players()` where none are given.
        ema: Averaged weights to update after each step.
        grad_accum: Number of micro-batches per step, whose gradients are accumulated: less memory and the same step,
            except for layers that combine images, see `sparring.training.accumulation.batch_dependent_layers`.
        precision: ``torch.bfloat16`` for automatic mixed precision; penalties, not their gradients, stay in float32.
        snapshot: Undoes every turn whose terms or gradients are not finite. Default: such turns are kept.

    Raises:
        GameError: If the game breaks a rule of play, or cannot be played in parts.
        RoundError: If the game's own code raises an exception.

    Under ``torch.distributed`` each rank calls this with its own shard of the data; gradients are averaged.
    """
    require_divisible(game, grad_accum)
    players = game.players() if players is None else players
    game.train()
    monitor = FiniteMonitor(game, snapshot)
    for step in range(start, steps):
        set_lr_scale(players, game.lr_scale(step))
        with fused_upsampling(map(game.unwrapped.get_submodule, game.folds)):
            tally = _run_step(game, data, step, players, monitor, seed=seed, grad_accum=grad_accum, precision=precision)
        tally.gradient_sync.statistics(game)
        if ema is not None:
            ema.update(step)
        monitor.weights()
        yield tally.report(step + 1, monitor.taken())


def update(
    moves: Turn,
    players: Players,
    *,
    scale: float = 1.0,
    step: bool = True,
    monitor: FiniteMonitor | None = None,
    gradient_sync: GradientSync | None = None,
    extra_terms: Mapping[str, Tensor] | None = None,
) -> None:
    """Gives every mover the gradient of its own loss, then (if `step`) lets every mover step.

    Args:
        moves: One move, or several made simultaneously: all gradients are taken before any parameter changes.
        players: The optimiser of each player.
        scale: Weight of these gradients, 1/k for each of k accumulated parts.
        step: Whether to finish: average over processes, step and clear.
        monitor: Looks at terms and gradients, and may take the turn back.
        gradient_sync: Averages over processes, and counts it.
        extra_terms: What players minimise besides their moves, which is neither looked at nor logged.

    Raises:
        GameError: If a move names no player, or its loss depends on no parameter.
    """
    moves, monitor, gradient_sync = (
        _tuple(moves),
        monitor or FiniteMonitor(nn.Module()),
        gradient_sync or GradientSync(),
    )
    for after, move in zip(reversed(range(len(moves))), moves, strict=True):
        loss = _loss(move, players, (extra_terms or {}).get(move.player))
        (loss * scale if scale < 1 else loss).backward(  # type: ignore[no-untyped-call]
            inputs=trainable_parameters(players[move.player]), retain_graph=after > 0
        )
        monitor.terms(move)
    if not step:
        return
    for move in moves:
        gradient_sync.gradients(trainable_parameters(players[move.player]))
        monitor.gradients(move.player, trainable_parameters(players[move.player]))
    movers = [players[move.player] for move in moves]
    with monitor.stepping(movers):
        for mover in movers:
            mover.step()
            mover.zero_grad()


def trainable_parameters(player: Optimizer) -> list[Tensor]:
    """Returns the trainable parameters that a player owns."""
    return [p for group in player.param_groups for p in group["params"] if p.requires_grad]


def set_lr_scale(players: Players, lr_scale: float) -> None:
    """Sets every learning rate to `lr_scale` times the one it was built with."""
    for player in players.values():
        for group in player.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * lr_scale


def _run_step(
    game: Game,
    data: Data,
    step: int,
    players: Players,
    monitor: FiniteMonitor,
    *,
    seed: int,
    grad_accum: int,
    precision: torch.dtype | None,
) -> _StepTotals:
    """Plays one round, its parts in lockstep, and tells what happened."""
    rank, world = rank_and_world()
    device, tally, turn = game.device, _StepTotals(world), 0
    together = grad_accum > 1 and game.over_batch(step)

    def play(index: int, moves: Iterator[Turn], part: MicroBatch | None) -> tuple[Move, ...]:
        chance = turn_rng(
            seed, step, turn, shard=rank * grad_accum + index, num_shards=world * grad_accum, device=device
        )
        mixed = torch.autocast(device.type, dtype=precision, enabled=precision is not None)
        plain = plain_double_backward(game.plain_double_backward)
        with explain_round_errors(game), chance, mixed, plain, micro_batch(part):
            return _tuple(next(moves, ()))

    shares = MicroBatches(data, grad_accum)
    rounds = [game.round(_CountedBatches(shares.part(index), tally), step) for index in range(grad_accum)]
    ahead = (
        GradientCache(game, lambda index: game.round(shares.part(index), step), grad_accum, play) if together else None
    )
    going = True
    while going:
        made: list[tuple[Move, ...]] = []
        monitor.begin()
        means = ahead.turn() if ahead else BatchMeans()
        buffers = BufferSnapshot(game) if grad_accum > 1 else None
        for index, moves in enumerate(rounds):
            part = MicroBatch(index, grad_accum, together, means.values) if grad_accum > 1 else None
            now = play(index, moves, part)
            along = {} if part is None else {m.player: means.along(m.player, part.said) for m in now}
            extra_terms = {player: term for player, term in along.items() if term is not None}
            if buffers and index == grad_accum - 1:
                buffers.settle()
            seen: dict[str, Any] = {
                "monitor": monitor,
                "gradient_sync": tally.gradient_sync,
                "extra_terms": extra_terms,
            }
            with explain_round_errors(game, now):
                update(now, players, scale=1 / grad_accum, step=index == grad_accum - 1, **seen)
            made.append(now)
            if buffers and index < grad_accum - 1:
                buffers.next_part()
        if len({tuple(move.player for move in now) for now in made}) > 1:
            raise GameError(f"The parts of step {step} made different moves: let a round's decisions come from `step`.")
        tally.add(made, monitor.end())
        turn, going = turn + 1, bool(now)
    return tally


class _StepTotals:
    """Counts the images of one round, and sums the terms of its moves."""

    def __init__(self, world: int) -> None:
        self.world = world
        self.images, self.gradient_sync = 0, GradientSync()
        self.moves: Counter[str] = Counter()
        self.skipped: dict[str, Tensor] = {}
        self.sums: dict[tuple[str, str], Tensor] = {}
        self.times: dict[tuple[str, str], Tensor | int] = {}

    def add(self, parts: list[tuple[Move, ...]], sound: Tensor | None) -> None:
        """Adds a turn; of one that was taken back only that it was."""
        for move in parts[-1]:
            self.moves[move.player] += 1
            if sound is not None:
                self.skipped[move.player] = self.skipped.get(move.player, 0) + (~sound).float()
        for move in (move for moves in parts for move in moves):
            for name, value in move.terms.items():
                term, value = (move.player, name), value.detach()
                value = value if sound is None else torch.where(sound, value, 0)
                self.sums[term] = self.sums.get(term, 0) + value
                self.times[term] = self.times.get(term, 0) + (1 if sound is None else sound.float())

    def report(self, step: int, finite_checks: tuple[FiniteCheck, ...]) -> StepReport:
        terms = {"/".join(term): value / self.times[term] for term, value in self.sums.items()}
        return StepReport(step, self.images, dict(self.moves), terms, finite_checks, self.skipped, self.gradient_sync)


class _CountedBatches:
    """Hands on batches and counts their images."""

    def __init__(self, data: Data, tally: _StepTotals) -> None:
        self.data, self.tally = data, tally

    def __iter__(self) -> _CountedBatches:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        batch = next(self.data)
        self.tally.images += len(batch[0]) * self.tally.world
        return batch


def _tuple(moves: Turn) -> tuple[Move, ...]:
    return (moves,) if isinstance(moves, Move) else moves


def _loss(move: Move, players: Players, extra_terms: Tensor | None = None) -> Tensor:
    """Returns the move's loss, and what its player minimises besides, if it can be played."""
    if move.player not in players:
        raise GameError(f"A move names the player {move.player!r}, but the players are {', '.join(players)}.")
    loss = move.loss if extra_terms is None else move.loss + extra_terms
    if not loss.requires_grad:
        raise GameError(
            f"The loss of player {move.player!r} depends on no parameter: "
            "its samples were detached, drawn with fakes(), or made under no_grad."
        )
    return loss
