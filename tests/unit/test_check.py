"""check_game: a game that keeps the rules passes; each broken rule is named, with what to do."""

import copy
from contextlib import nullcontext
from itertools import count
from typing import ClassVar

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import Game, LatentGame, Move, adam
from sparring.objectives.double_backward import fast_double_backward
from support.toys import GAMES, LinearCritic, Point, batches


class Conforming(LatentGame):
    def __init__(self):
        learn = {"critic": lambda D: adam(D, lr=0.01), "generator": lambda G: adam(G, lr=0.01)}
        super().__init__(Point(0.3), LinearCritic((0.5, 0.5)), **learn)

    def round(self, data, step):
        x, *_ = next(data)
        yield Move("D", loss=self.D(self.fakes(len(x))).mean() - self.D(x).mean() + self.D.c.square())
        yield Move("G", loss=-self.D(self.G(self.noise(len(x)))).mean())


class Orphan(Conforming):
    def players(self):
        return {"D": adam(self.D, lr=0.1)}


class ForeignParameter(Conforming):
    def players(self):
        return super().players() | {"E": adam(nn.Linear(1, 1), lr=0.1)}


class NoPlayers(Conforming):
    def players(self):
        return {}


class NotAGenerator(Conforming):
    def round(self, data, step):
        return [Move("D", loss=self.D.c.sum())]


class NoMoves(Conforming):
    def round(self, data, step):
        return iter(())


class YieldsALoss(Conforming):
    def round(self, data, step):
        yield self.D.c.sum()


class YieldsInsideWith(Conforming):
    def round(self, data, step):
        for move in super().round(data, step):
            with torch.no_grad():
                yield move


class Detached(Conforming):
    def round(self, data, step):
        x, *_ = next(data)
        yield Move("D", loss=self.D(x).mean())
        yield Move("G", loss=-self.D(self.fakes(len(x))).mean())


class CallsBackward(Conforming):
    def round(self, data, step):
        x, *_ = next(data)
        self.D(x).mean().backward()
        yield Move("D", loss=self.D(x).mean())


class StepsItself(Conforming):
    def round(self, data, step):
        with torch.no_grad():
            self.G.b.add_(1)
        yield from super().round(data, step)


class Infinite(Conforming):
    def round(self, data, step):
        x, *_ = next(data)
        yield Move("D", loss=self.D(x).mean() / 0)


class TwoOwnersAtOnce(Conforming):
    def players(self):
        return super().players() | {"E": adam(self.G, lr=0.1)}

    def round(self, data, step):
        x, *_ = next(data)
        loss = self.D(self.G(self.noise(len(x)))).mean()
        yield Move("G", loss=loss), Move("E", loss=-loss)


class Idle(Conforming):
    def __init__(self):
        super().__init__()
        self.D.forgotten = nn.Parameter(torch.zeros(1))


class RemembersInPython(Conforming):
    count = 0

    def round(self, data, step):
        for move in super().round(data, step):
            self.count += 1
            yield Move(move.player, loss=move.loss * self.count)


class RemembersInABuffer(Conforming):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def round(self, data, step):
        for move in super().round(data, step):
            self.count += 1
            yield Move(move.player, loss=move.loss * self.count)


class SpoilsTheBatch(Conforming):
    def round(self, data, step):
        x, *_ = next(data)
        x.zero_()
        yield from super().round(data, step)


class SamplingLeavesATrace(Conforming):
    def sample(self, n, *, noise=None):
        self.D.c.data.add_(1)
        return super().sample(n, noise=noise)


class SamplesTooFew(Conforming):
    def sample(self, n, *, noise=None):
        return super().sample(n, noise=noise)[:1]


class AveragesNothing(Conforming):
    def sampling_networks(self):
        return ("H",)


BROKEN = {
    Orphan: "No player owns 'G.b'",
    ForeignParameter: "'E' owns a parameter that is not in the game",
    NoPlayers: r"players\(\) must return",
    NotAGenerator: "must be a generator",
    NoMoves: "made no moves",
    YieldsALoss: "yields a Move or a tuple of Moves, not Tensor",
    YieldsInsideWith: "close the block before the yield",
    Detached: "'G' depends on no parameter|'G' reaches none",
    CallsBackward: "never call backward",
    StepsItself: "itself changed 'G.b'",
    Infinite: "check its terms",
    TwoOwnersAtOnce: "belongs to several movers",
    Idle: "'D.forgotten' of player 'D' never received a gradient",
    RemembersInPython: "differs after a resume",
    SpoilsTheBatch: "changed its batch in place",
    SamplingLeavesATrace: "must leave no trace",
    SamplesTooFew: "did not return 3 samples",
    AveragesNothing: "no such network",
}


@pytest.mark.parametrize("game", BROKEN, ids=lambda game: game.__name__)
def test_a_broken_rule_is_named(game):
    with pytest.raises(GameError, match=BROKEN[game]):
        check_game(game(), batches())


@pytest.mark.parametrize("game", [Conforming, RemembersInABuffer], ids=lambda game: game.__name__)
def test_a_game_that_keeps_the_rules_passes_and_is_not_changed(game):
    played = game()
    before = copy.deepcopy(played.state_dict())
    seen = check_game(played, batches())
    assert seen.turns == (("D",), ("G",))
    assert seen.terms == {"D": ("loss",), "G": ("loss",)}
    assert seen.owners == {"G.b": ("G",), "D.w": ("D",), "D.c": ("D",)}
    assert "A round: D → G." in str(seen)
    assert all(torch.equal(value, before[name]) for name, value in played.state_dict().items())


def test_simultaneous_moves_are_reported_as_such():
    class AtOnce(Game):
        def __init__(self):
            super().__init__()
            self.x, self.y = nn.Linear(1, 1), nn.Linear(1, 1)

        def players(self):
            return {"x": adam(self.x, lr=0.1), "y": adam(self.y, lr=0.1)}

        def round(self, data, step):
            x, *_ = next(data)
            value = self.x(x[:, :1]).mean() * self.y(x[:, :1]).mean()
            yield Move("x", value=value), Move("y", value=-value)

    assert check_game(AtOnce(), batches()).turns == (("x", "y"),)


def test_every_toy_game_passes_on_more_rounds():
    for make in GAMES.values():
        check_game(make(Point(), LinearCritic((0.1, 0.2))), batches(), rounds=3)


class DecidesByItsRows(Conforming):
    def round(self, data, step):
        x, *_ = next(data)
        yield Move("D", loss=self.D(self.fakes(len(x))).mean() - self.D(x).mean() + self.D.c.square())
        if x[0, 0] > 0.5:
            yield Move("D", loss=self.D(x).mean())
        yield Move("G", loss=-self.D(self.G(self.noise(len(x)))).mean())


def test_parts_are_played_as_a_training_plays_them():
    def rows():
        return ((torch.full((2, 2), float(step % 3 == 1)),) for step in count())

    check_game(DecidesByItsRows(), ((torch.zeros(2, 2),) for _ in count()), grad_accum=2)
    with pytest.raises(GameError, match=r"Micro-batches of step \d made different moves"):
        check_game(DecidesByItsRows(), rows(), grad_accum=2)


class Surrounded(Game):
    """A game that notes how its network is played."""

    seen: ClassVar[set] = set()

    def __init__(self):
        super().__init__()
        self.G, self.folds = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3, padding=1)), ("G",)
        self.plain_double_backward = True

    def players(self):
        return {"G": adam(self.G, lr=0.1)}

    def round(self, data, step):
        x, *_ = next(data)
        y = self.G(x)
        self.seen.add((type(self.G).__name__, str(y.dtype), isinstance(fast_double_backward(), nullcontext)))
        yield Move("G", size=y.float().square().mean())


def test_a_check_plays_what_a_training_plays():
    for precision in (None, torch.bfloat16):
        Surrounded.seen.clear()
        check_game(Surrounded(), ((torch.ones(2, 1, 4, 4),) for _ in count()), precision=precision)
        assert Surrounded.seen == {("_Fused", str(precision or torch.float32), True)}
