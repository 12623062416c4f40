"""The trainer: plays the rounds of any game, and is the only place that calls backward, step and all-reduce.

    for each step:  for each turn of game.round(data, step):
        theta_p  <-  optimiser_p(theta_p, d loss_p / d theta_p)      for every player p that moves, all gradients first

`train` is a generator: the caller's ``for`` body logs, saves and stops. Accumulation plays `parts` rounds in lockstep,
each on its own part of the batch; distribution does the same over processes. Neither touches a game. What the parts
must know of each other is in `sparring.training.accumulation`.
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
from sparring.layers.upsample_fusion import folding
from sparring.objectives.batch_statistics import Part, playing
from sparring.objectives.double_backward import plain_slopes
from sparring.rng import drawing
from sparring.training.accumulation import Buffers, Means, Rehearsal, Shares, require_divisible
from sparring.training.ema import Average
from sparring.training.finite import Looked, Undo, Watch
from sparring.training.gradient_sync import Exchange, place

Players = Mapping[str, Optimizer]


@dataclass(frozen=True)
class Report:
    """What one step did.

    Attributes:
        step: Steps completed, this one included.
        images: Real images (or points) that this process's rounds drew in this step.
        updates: How often each player moved.
        terms: Every term of every player as ``"player/term"``, averaged over the player's moves; on the device still.
        trail: What must be finite, in the order of play: terms, gradients, weights; on the device still.
        skipped: How many of its moves each player did not make because they were not sound; on the device still.
        exchange: What this process exchanged with the others.
    """

    step: int
    images: int
    updates: dict[str, int]
    terms: dict[str, Tensor]
    trail: tuple[Looked, ...] = ()
    skipped: dict[str, Tensor] = field(default_factory=dict)
    exchange: Exchange = field(default_factory=Exchange)

    def require_finite(self) -> None:
        """Looks at the trail, at the price of a transfer where it is on a device.

        Raises:
            Diverged: If anything was not finite; the message names the first in the order of play.
        """
        for looked in self.trail:
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
    average: Average | None = None,
    parts: int = 1,
    precision: torch.dtype | None = None,
    undo: Undo | None = None,
) -> Iterator[Report]:
    """Plays rounds `start` to `steps - 1` and yields a report after each.

    Args:
        game: The game; trained in place, where its networks live.
        data: Endless batches on the same device. With `parts` > 1, each of the size of one part.
        steps: The step to stop at.
        start: The step to begin at, when resuming.
        seed: With the step, decides everything random.
        players: Optimisers to go on with; `game.players()` where none are given.
        average: Averaged weights to update after each step.
        parts: Play the batch in this many parts, accumulating gradients: less memory, the same step, except for layers
            that look at several images at once, see `sparring.training.accumulation.per_part`.
        precision: ``torch.bfloat16`` for automatic mixed precision; penalties, not their gradients, stay in float32.
        undo: Takes back every turn whose terms or gradients are not finite; they are played like others unless given.

    Raises:
        GameError: If the game breaks a rule of play, or cannot be played in parts.

    Under ``torch.distributed`` each rank calls this with its own shard of the data; gradients are averaged.
    """
    require_divisible(game, parts)
    players = game.players() if players is None else players
    game.train()
    watch = Watch(game, undo)
    for step in range(start, steps):
        set_pace(players, game.pace(step))
        with folding(map(game.core.get_submodule, game.folds)):
            tally = _play(game, data, step, players, watch, seed=seed, parts=parts, precision=precision)
        tally.exchange.statistics(game)
        if average is not None:
            average.update(step)
        watch.weights()
        yield tally.report(step + 1, watch.taken())


def update(
    moves: Turn,
    players: Players,
    *,
    share: float = 1.0,
    step: bool = True,
    watch: Watch | None = None,
    exchange: Exchange | None = None,
    besides: Mapping[str, Tensor] | None = None,
) -> None:
    """Gives every mover the gradient of its own loss, then (if `step`) lets every mover step.

    Args:
        moves: One move, or several made simultaneously: all gradients are taken before any parameter changes.
        players: The optimiser of each player.
        share: Weight of these gradients, 1/k for each of k accumulated parts.
        step: Whether to finish: average over processes, step and clear.
        watch: Looks at terms and gradients, and may take the turn back.
        exchange: Averages over processes, and counts it.
        besides: What players minimise besides their moves, which is neither looked at nor logged.

    Raises:
        GameError: If a move names no player, or its loss depends on no parameter.
    """
    moves, watch, exchange = _tuple(moves), watch or Watch(nn.Module()), exchange or Exchange()
    for after, move in zip(reversed(range(len(moves))), moves, strict=True):
        loss = _loss(move, players, (besides or {}).get(move.player))
        (loss * share if share < 1 else loss).backward(inputs=owned(players[move.player]), retain_graph=after > 0)
        watch.terms(move)
    if not step:
        return
    for move in moves:
        exchange.gradients(owned(players[move.player]))
        watch.gradients(move.player, owned(players[move.player]))
    movers = [players[move.player] for move in moves]
    with watch.stepping(movers):
        for mover in movers:
            mover.step()
            mover.zero_grad()


def owned(player: Optimizer) -> list[Tensor]:
    """Returns the trainable parameters that a player owns."""
    return [p for group in player.param_groups for p in group["params"] if p.requires_grad]


def set_pace(players: Players, pace: float) -> None:
    """Sets every learning rate to `pace` times the one it was built with."""
    for player in players.values():
        for group in player.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * pace


def _play(
    game: Game,
    data: Data,
    step: int,
    players: Players,
    watch: Watch,
    *,
    seed: int,
    parts: int,
    precision: torch.dtype | None,
) -> _Tally:
    """Plays one round, its parts in lockstep, and tells what happened."""
    rank, world = place()
    device, tally, turn = game.device, _Tally(parts, world), 0
    together = parts > 1 and game.over_batch(step)

    def play(index: int, moves: Iterator[Turn], part: Part | None) -> tuple[Move, ...]:
        chance = drawing(seed, step, turn, shard=rank * parts + index, shards=world * parts, device=device)
        mixed = torch.autocast(device.type, dtype=precision, enabled=precision is not None)
        with chance, mixed, plain_slopes(game.plain_slopes), playing(part):
            return _tuple(next(moves, ()))

    shares = Shares(data, parts)
    rounds = [game.round(_Counted(shares.part(index), tally), step) for index in range(parts)]
    ahead = Rehearsal(game, lambda index: game.round(shares.part(index), step), parts, play) if together else None
    going = True
    while going:
        made: list[tuple[Move, ...]] = []
        watch.begin()
        means = ahead.turn() if ahead else Means()
        buffers = Buffers(game) if parts > 1 else None
        for index, moves in enumerate(rounds):
            part = Part(index, parts, together, means.values) if parts > 1 else None
            now = play(index, moves, part)
            along = {} if part is None else {m.player: means.along(m.player, part.said) for m in now}
            besides = {player: term for player, term in along.items() if term is not None}
            if buffers and index == parts - 1:
                buffers.settle()
            seen: dict[str, Any] = {"watch": watch, "exchange": tally.exchange, "besides": besides}
            update(now, players, share=1 / parts, step=index == parts - 1, **seen)
            made.append(now)
            if buffers and index < parts - 1:
                buffers.next_part()
        if len({tuple(move.player for move in now) for now in made}) > 1:
            raise GameError(f"The parts of step {step} made different moves: let a round's decisions come from `step`.")
        tally.add(made, watch.end())
        turn, going = turn + 1, bool(now)
    return tally


class _Tally:
    """Counts the images of one round, and sums the terms of its moves."""

    def __init__(self, parts: int, world: int) -> None:
        self.parts, self.world = parts, world
        self.images, self.exchange = 0, Exchange()
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

    def report(self, step: int, trail: tuple[Looked, ...]) -> Report:
        terms = {"/".join(term): value / self.times[term] for term, value in self.sums.items()}
        return Report(step, self.images, dict(self.moves), terms, trail, self.skipped, self.exchange)


class _Counted:
    """Hands on batches and counts their images."""

    def __init__(self, data: Data, tally: _Tally) -> None:
        self.data, self.tally = data, tally

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        batch = next(self.data)
        self.tally.images += len(batch[0]) * self.tally.world
        return batch


def _tuple(moves: Turn) -> tuple[Move, ...]:
    return (moves,) if isinstance(moves, Move) else moves


def _loss(move: Move, players: Players, besides: Tensor | None = None) -> Tensor:
    """Returns the move's loss, and what its player minimises besides, if it can be played."""
    if move.player not in players:
        raise GameError(f"A move names the player {move.player!r}, but the players are {', '.join(players)}.")
    loss = move.loss if besides is None else move.loss + besides
    if not loss.requires_grad:
        raise GameError(
            f"The loss of player {move.player!r} depends on no parameter: "
            "its samples were detached, drawn with fakes(), or made under no_grad."
        )
    return loss
