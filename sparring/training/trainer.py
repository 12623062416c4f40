"""The trainer: runs the rounds of any game. It is the only place that calls backward, step and all-reduce.

    for each step:  for each turn of game.round(data, step):
        theta_p  <-  optimiser_p(theta_p, d loss_p / d theta_p)      for every player p that moves, all gradients first

`train` is a generator: the caller's ``for`` body logs, saves and stops. Gradient accumulation runs `grad_accum`
rounds in lockstep, each on its own micro-batch; distributed training does the same over processes. Neither touches a
game. Means over micro-batches are in `sparring.training.accumulation`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring._types import Settings
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
    """Result of one step.

    Attributes:
        step: Number of completed steps, including this one.
        images: Real images (or points) that this process's rounds drew in this step.
        updates: Number of moves of each player.
        terms: Every term of every player as ``"player/term"``, averaged over the player's moves, and the readings of
            the game after the step, on the device.
        finite_checks: Checks of terms, gradients and weights in order, on the device.
        skipped: Number of moves of each player that were undone because they were not finite, on the device.
        gradient_sync: Cost of averaging over processes.
        anneal: Factor of all learning rates by annealing; None without it.
    """

    step: int
    images: int
    updates: dict[str, int]
    terms: dict[str, Tensor]
    finite_checks: tuple[FiniteCheck, ...] = ()
    skipped: dict[str, Tensor] = field(default_factory=dict)
    gradient_sync: GradientSync = field(default_factory=GradientSync)
    anneal: float | None = None

    def require_finite(self) -> None:
        """Raise an error if a check failed. This synchronises the device.

        Raises:
            Diverged: If a value was not finite; the message names the first one.
        """
        for looked in self.finite_checks:
            looked.require_finite(self.step)

    def scalars(self) -> dict[str, float]:
        """Return the terms as Python floats, with one transfer. Terms of moves that were undone are left out.

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
    anneal: Callable[[int], float] | None = None,
) -> Iterator[StepReport]:
    """Run rounds `start` to `steps - 1` and yield a report after each.

    Args:
        game: The game, trained in place on the device of its networks.
        data: Endless batches on the same device, as of `sparring.data.Stream`. With `grad_accum` > 1, each is a
            micro-batch.
        steps: Step to stop at.
        start: Step to start at, when resuming.
        seed: Seed of all random numbers, together with the step.
        players: Optimisers to continue with. Default: `game.players()`.
        ema: Moving average to update after each step.
        grad_accum: Number of micro-batches per step, whose gradients are accumulated: less memory and the same step,
            except for layers that combine images, see `sparring.training.accumulation.batch_dependent_layers`.
        precision: ``torch.bfloat16`` for automatic mixed precision; penalties, not their gradients, stay in float32.
        snapshot: Undoes every turn whose terms or gradients are not finite. Default: such turns are kept.
        anneal: Factor of all learning rates as a function of the step, besides the game's `lr_scale`. Default: none.

    Raises:
        GameError: If the game breaks a rule, cannot be run with gradient accumulation, or the data are no iterator.
        RoundError: If the game's own code raises an exception.

    Under ``torch.distributed`` each rank calls this with its own shard of the data; gradients are averaged.
    """
    require_divisible(game, grad_accum)
    if not isinstance(data, Iterator):
        kind = type(data).__name__
        raise GameError(f"Data of type {kind} are no batches: give sparring.data.Stream(data, batch_size=64).")
    players = game.players() if players is None else players
    game.train()
    monitor = FiniteMonitor(game, snapshot)
    for step in range(start, steps):
        factor = None if anneal is None else anneal(step)
        set_lr_scale(players, game.lr_scale(step) * (1.0 if factor is None else factor))
        with fused_upsampling(map(game.unwrapped.get_submodule, game.folds)):
            tally = _run_step(game, data, step, players, monitor, seed=seed, grad_accum=grad_accum, precision=precision)
        tally.gradient_sync.average_statistics(game)
        if ema is not None:
            ema.update(step)
        monitor.check_weights()
        report = tally.report(step + 1, monitor.pop_checks(), factor)
        report.terms.update({name: value.detach().clone() for name, value in game.readings().items()})
        yield report


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
    """Give each player that moves the gradient of its own loss, then (if `step`) step its optimiser.

    Args:
        moves: One move, or several made simultaneously: all gradients are taken before any parameter changes.
        players: The optimiser of each player.
        scale: Factor of these gradients, 1/k for each of k micro-batches.
        step: Whether to average over processes, step and clear the gradients.
        monitor: Checks terms and gradients, and may undo the turn.
        gradient_sync: Averages over processes and records the cost.
        extra_terms: Terms added to the players' losses that are neither checked nor logged.

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
        (loss * scale if scale < 1 else loss).backward(
            inputs=trainable_parameters(players[move.player]), retain_graph=after > 0
        )
        monitor.check_terms(move)
    if not step:
        return
    for move in moves:
        gradient_sync.average_gradients(trainable_parameters(players[move.player]))
        monitor.check_gradients(move.player, trainable_parameters(players[move.player]))
    movers = [players[move.player] for move in moves]
    with monitor.stepping(movers):
        for mover in movers:
            mover.step()
            mover.zero_grad()


def trainable_parameters(player: Optimizer) -> list[Tensor]:
    """Return the trainable parameters of a player."""
    return [p for group in player.param_groups for p in group["params"] if p.requires_grad]


def set_lr_scale(players: Players, lr_scale: float) -> None:
    """Set every learning rate to `lr_scale` times its initial value."""
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
    """Run one round, its micro-batches in lockstep, and return the totals."""
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
        monitor.begin_turn()
        means = ahead.turn() if ahead else BatchMeans()
        buffers = BufferSnapshot(game) if grad_accum > 1 else None
        for index, moves in enumerate(rounds):
            part = MicroBatch(index, grad_accum, together, means.values) if grad_accum > 1 else None
            now = play(index, moves, part)
            along = {} if part is None else {m.player: means.along(m.player, part.said) for m in now}
            extra_terms = {player: term for player, term in along.items() if term is not None}
            if buffers and index == grad_accum - 1:
                buffers.settle()
            seen: Settings = {
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
            raise GameError(
                f"Micro-batches of step {step} made different moves: let decisions of a round depend on `step` only."
            )
        tally.add(made, monitor.end_turn())
        turn, going = turn + 1, bool(now)
    return tally


class _StepTotals:
    """Number of images of one round and sums of the terms of its moves."""

    def __init__(self, world: int) -> None:
        self.world = world
        self.images, self.gradient_sync = 0, GradientSync()
        self.moves: Counter[str] = Counter()
        self.skipped: dict[str, Tensor] = {}
        self.sums: dict[tuple[str, str], Tensor] = {}
        self.times: dict[tuple[str, str], Tensor | int] = {}

    def add(self, parts: list[tuple[Move, ...]], sound: Tensor | None) -> None:
        """Add a turn. For one that was undone only that is recorded."""
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

    def report(self, step: int, finite_checks: tuple[FiniteCheck, ...], anneal: float | None) -> StepReport:
        terms = {"/".join(term): value / self.times[term] for term, value in self.sums.items()}
        moves, sync = dict(self.moves), self.gradient_sync
        return StepReport(step, self.images, moves, terms, finite_checks, self.skipped, sync, anneal)


class _CountedBatches:
    """Iterates over batches and counts their images."""

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
    """Return the move's loss plus the extra terms of its player."""
    if move.player not in players:
        raise GameError(f"A move names the player {move.player!r}, but the players are {', '.join(players)}.")
    loss = move.loss if extra_terms is None else move.loss + extra_terms
    if not loss.requires_grad:
        raise GameError(
            f"The loss of player {move.player!r} depends on no parameter: "
            "its samples were detached, drawn with fakes(), or made under no_grad."
        )
    return loss
