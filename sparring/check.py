"""The conformance check of a game: run a few rounds of a copy and test every rule.

`check_game` tests every recipe of this library, and ``sparring check module:recipe`` tests yours. It raises a
`GameError` that names the cause and the remedy, or returns a summary of the game.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from sparring.abilities import SupportsSampling
from sparring.errors import GameError
from sparring.game import Data, Game, Move, Turn
from sparring.layers.upsample_fusion import fused_upsampling
from sparring.objectives import batch_statistics
from sparring.objectives.double_backward import plain_double_backward
from sparring.rng import turn_rng
from sparring.training.output_checks import OutputChecks
from sparring.training.round_errors import explain_round_errors
from sparring.training.trainer import Players, train, trainable_parameters, update


@dataclass(frozen=True)
class Conformance:
    """Summary of a game that keeps the rules.

    Attributes:
        turns: Who moved in each turn of the first round.
        terms: The terms of each player.
        owners: For each trainable parameter, the players that own it.
        notes: What breaks no rule but is most likely a mistake, see `sparring.training.output_checks`.
    """

    turns: tuple[tuple[str, ...], ...]
    terms: dict[str, tuple[str, ...]]
    owners: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        round_ = " → ".join("+".join(turn) for turn in self.turns)
        lines = [f"A round: {round_}."]
        for player, terms in self.terms.items():
            count = sum(player in owners for owners in self.owners.values())
            lines.append(f"{player} owns {count} parameters and minimises {' + '.join(terms)}.")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def check_game(
    game: Game, data: Data, rounds: int = 2, *, grad_accum: int = 1, precision: torch.dtype | None = None
) -> Conformance:
    """Play `rounds` rounds of a copy of the game and tests every rule of play.

    Args:
        game: The game to check; it is not changed.
        data: Endless batches, on the game's device; a few are drawn. With `grad_accum` > 1, each is a micro-batch.
        rounds: How many rounds to play, at least 2.
        grad_accum: Number of micro-batches per step, as for `sparring.train`.
        precision: ``torch.bfloat16`` for automatic mixed precision, as in `sparring.train`.

    Returns:
        A summary: the turns, the terms, the owners of parameters, and probable mistakes.

    Raises:
        GameError: If a rule is broken; the message names the rule, the place and the remedy.
        RoundError: If the game's own code raises an exception.
    """
    tape = _Tape(data)
    referee = _Referee(copy.deepcopy(game), precision)
    turns, *_ = [referee.play(tape, step) for step in range(rounds)]
    for stage in game.stages():
        if stage.start >= rounds:
            referee.play(tape, stage.start)
    referee.check_everyone_learnt()
    _check_replay(game, tape, rounds, grad_accum=grad_accum, precision=precision)
    referee.conventions.sampled(_check_sampling(copy.deepcopy(game)), tape.given[0])
    notes = referee.conventions.notes()
    return Conformance(turns, referee.terms, referee.owners, notes)


def check_players(game: Game) -> Players:
    """Build the players and checks that together they own exactly the game's trainable parameters.

    Raises:
        GameError: If a player owns a parameter that is not in the game, or a parameter has no owner.
    """
    players = game.players()
    if not players or not all(isinstance(player, Optimizer) for player in players.values()):
        raise GameError("players() must return a dict with an optimiser for every player, {'D': adam(self.D, ...)}.")
    names = {id(parameter) for parameter in game.parameters()}
    for player, optimiser in players.items():
        if any(id(parameter) not in names for parameter in trainable_parameters(optimiser)):
            raise GameError(f"Player {player!r} owns a parameter that is not in the game: assign its network to self.")
    orphans = [name for name, who in owners(game, players).items() if not who]
    if orphans:
        raise GameError(
            f"No player owns {orphans[0]!r} ({len(orphans)} such parameters): "
            "add its network to a player's optimiser, or freeze it with requires_grad_(False)."
        )
    return players


def owners(game: Game, players: Players) -> dict[str, tuple[str, ...]]:
    """Return for each trainable parameter, by name, the players that own it."""
    belongings = {
        player: {id(parameter) for parameter in trainable_parameters(optimiser)}
        for player, optimiser in players.items()
    }
    return {
        name: tuple(player for player, ids in belongings.items() if id(parameter) in ids)
        for name, parameter in game.named_parameters()
        if parameter.requires_grad
    }


class _Referee:
    """Run a game turn by turn and check everything before and after each."""

    def __init__(self, game: Game, precision: torch.dtype | None) -> None:
        self.game, self.precision = game.train(), precision
        self.conventions = OutputChecks(game)
        self.players = check_players(game)
        self.owners = owners(game, self.players)
        self.terms: dict[str, tuple[str, ...]] = {}
        self.learnt: set[str] = set()
        self.moved: tuple[str, ...] = ()

    def play(self, tape: _Tape, step: int) -> tuple[tuple[str, ...], ...]:
        """Play one round and return the players of each turn."""
        moves_of_round = self.game.round(tape, step)
        if not isinstance(moves_of_round, Iterator):
            raise GameError("round() must be a generator: yield its moves, do not return them.")
        turns: list[tuple[str, ...]] = []
        self.moved = ()
        while moves := self.advance(moves_of_round, step, len(turns)):
            self.look_at(moves)
            with fused_upsampling(map(self.game.unwrapped.get_submodule, self.game.folds)):
                self.update(moves)
            self.moved = tuple(move.player for move in moves)
            turns.append(self.moved)
        if not turns:
            raise GameError("A round made no moves: yield Move(player, term=loss).")
        tape.check_untouched()
        return tuple(turns)

    def advance(self, moves_of_round: Iterator[Turn], step: int, turn: int) -> tuple[Move, ...]:
        """Run the round's own code up to its next turn, and check what it did."""
        before = self.weights()
        with explain_round_errors(self.game), self.playing(step, turn), self.conventions.watching():
            moves = next(moves_of_round, ())
        if not torch.is_grad_enabled() or torch.is_inference_mode_enabled():
            raise GameError("The round yields inside `with torch.no_grad()`: close the block before the yield.")
        for name, parameter in self.game.named_parameters():
            if parameter.grad is not None:
                raise GameError(f"The round left a gradient in {name!r}: never call backward(); yield a Move instead.")
        for name in self.changed_since(before):
            begun = name in self.learnt or name not in self.owners  # until then it may be given its start
            if begun and not set(self.owners.get(name, ())) & set(self.moved):
                raise GameError(f"The round itself changed {name!r}, whose owner had not just moved: yield a Move.")
        moves = (moves,) if isinstance(moves, Move) else moves
        if not isinstance(moves, tuple) or not all(isinstance(move, Move) for move in moves):
            raise GameError(f"A round yields a Move or a tuple of Moves, not {type(moves).__name__}.")
        return moves

    def playing(self, step: int, turn: int) -> ExitStack:
        """Return the contexts in which a turn of a training runs."""
        stack, game = ExitStack(), self.game
        stack.enter_context(turn_rng(0, step, turn, device=game.device))
        stack.enter_context(torch.autocast(game.device.type, dtype=self.precision, enabled=self.precision is not None))
        stack.enter_context(plain_double_backward(game.plain_double_backward))
        stack.enter_context(
            batch_statistics.micro_batch(batch_statistics.MicroBatch(0, 1, declared=game.over_batch(step)))
        )
        stack.enter_context(fused_upsampling(map(game.unwrapped.get_submodule, game.folds)))
        return stack

    def look_at(self, moves: tuple[Move, ...]) -> None:
        """Check the moves of one turn before they are made."""
        movers = [move.player for move in moves]
        for move in moves:
            self.terms[move.player] = tuple(move.terms)
            if not torch.isfinite(move.loss):
                raise GameError(f"The loss of player {move.player!r} is {move.loss.item()}: check its terms.")
        for name, who in self.owners.items():
            if sum(movers.count(player) for player in who) > 1:
                raise GameError(f"{name!r} belongs to several movers of one turn: let them move one after another.")

    def update(self, moves: tuple[Move, ...]) -> None:
        """Make the moves, and check that they change the parameters of the movers and no others."""
        before = self.weights()
        with explain_round_errors(self.game, moves):
            update(moves, self.players, step=False)
        reached = {name for name, parameter in self.game.named_parameters() if parameter.grad is not None}
        self.learnt |= reached
        for move in moves:
            if not any(move.player in self.owners[name] for name in reached):
                raise GameError(
                    f"The loss of player {move.player!r} reaches none of its parameters: "
                    "are its samples detached, or drawn with fakes()?"
                )
            self.players[move.player].step()
            self.players[move.player].zero_grad()
        for name in self.changed_since(before):
            if not any(move.player in self.owners[name] for move in moves):
                raise GameError(f"A move of {moves[0].player!r} changed {name!r}, which it does not own.")

    def check_everyone_learnt(self) -> None:
        """Raise where a parameter never received a gradient."""
        idle = [name for name in self.owners if name not in self.learnt]
        if idle:
            raise GameError(
                f"{idle[0]!r} of player {self.owners[idle[0]][0]!r} never received a gradient "
                f"({len(idle)} such parameters): no term of its owner depends on it."
            )

    def weights(self) -> dict[str, Tensor]:
        """Copy every parameter."""
        return {name: parameter.detach().clone() for name, parameter in self.game.named_parameters()}

    def changed_since(self, before: dict[str, Tensor]) -> list[str]:
        """Return the names of the parameters whose bits have changed."""
        return [name for name, parameter in self.game.named_parameters() if not torch.equal(parameter, before[name])]


def _check_replay(game: Game, tape: _Tape, rounds: int, **how: Any) -> None:
    """Stop after one round, load the checkpoint into a new copy, and require the same weights."""
    straight, stopped = copy.deepcopy(game), copy.deepcopy(game)
    _run(straight, straight.players(), tape.rewound(), 0, rounds, **how)
    players = stopped.players()
    batches = tape.rewound()
    _run(stopped, players, batches, 0, 1, **how)
    resumed = copy.deepcopy(game)
    resumed.load_state_dict(stopped.state_dict())
    fresh = resumed.players()
    for name, player in fresh.items():
        player.load_state_dict(players[name].state_dict())
    _run(resumed, fresh, batches, 1, rounds, **how)
    for (name, one), other in zip(straight.state_dict().items(), resumed.state_dict().values(), strict=True):
        if not torch.equal(one, other):
            raise GameError(
                f"{name!r} differs after a resume: keep what a round remembers in registered buffers, "
                "and draw only from torch's generators."
            )


def _run(game: Game, players: Players, data: Data, start: int, steps: int, **how: Any) -> None:
    for _ in train(game, data, steps, start=start, players=players, **how):
        continue


def _check_sampling(game: Game) -> object:
    """Check that sampling networks exist and that sampling has no side effect, and return the sample."""
    modules = dict(game.named_modules())
    for method, names in (("sampling_networks", game.sampling_networks()), ("critic_networks", game.critic_networks())):
        for name in names:
            if name not in modules:
                raise GameError(f"{method}() names {name!r}, but the game has no such network.")
    if not isinstance(game, SupportsSampling):
        return None
    game.eval()
    before = copy.deepcopy(game.state_dict())
    samples = game.sample(3)
    if len(samples) != 3:
        raise GameError("sample(3) did not return 3 samples: return one row a sample.")
    for name, value in game.state_dict().items():
        if not torch.equal(value, before[name]):
            raise GameError(f"Sampling in eval mode changed {name!r}: it must leave no trace.")
    return samples


class _Tape:
    """Record the batches that are drawn, to use them again, and to detect whether a round changes one."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.given: list[tuple[Tensor, ...]] = []
        self.kept: list[tuple[Tensor, ...]] = []

    def __iter__(self) -> _Tape:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        batch = next(self.data)
        self.given.append(batch)
        self.kept.append(tuple(part.clone() for part in batch))
        return batch

    def check_untouched(self) -> None:
        """Raise where a round changed a batch in place."""
        for batch, kept in zip(self.given, self.kept, strict=True):
            if not all(torch.equal(one, other) for one, other in zip(batch, kept, strict=True)):
                raise GameError("The round changed its batch in place: work on a copy.")

    def rewound(self) -> Data:
        """Yield the recorded batches again, and record more where more are drawn."""
        for place in count():
            if place == len(self.kept):
                next(self)
            yield tuple(part.clone() for part in self.kept[place])
