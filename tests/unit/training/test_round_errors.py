"""Errors of a game's own code become one sentence with the game, the line and the remedy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import GameError, RoundError
from sparring.game import Game, Move, adam
from sparring.games.gan import GAN
from sparring.objectives import Hinge, NonSaturating
from sparring.recipes import recipe
from sparring.runs.run import Run
from sparring.training.trainer import train
from support.toys import LinearCritic, Point, batches, learn

WAYS = [lambda game: list(train(game, batches(), 1)), lambda game: check_game(game, batches())]


class Returning(nn.Module):
    """A critic that returns something other than scores."""

    def __init__(self, change):
        super().__init__()
        self.critic, self.change = LinearCritic((0.1, 0.2)), change

    def forward(self, x):
        return self.change(self.critic(x))


class InPlace(Game):
    """A round that changes a tensor that a gradient needs."""

    def __init__(self, early=False):
        super().__init__()
        self.w, self.early = nn.Linear(2, 1), early

    def players(self):
        return {"D": adam(self.w, lr=0.1)}

    def round(self, data, step):
        x, *_ = next(data)
        if self.early:
            self.w.weight += 1
        hidden = torch.sigmoid(self.w(x))
        hidden += 1
        yield Move("D", loss=hidden.mean())


def game(change, objective=None):
    return GAN(Point(), Returning(change), objective or NonSaturating(), **learn)


@pytest.mark.parametrize(
    "play", [lambda game: list(train(game, batches(), 1)), lambda game: check_game(game, batches())]
)
@pytest.mark.parametrize("objective", [NonSaturating(), Hinge()])
@pytest.mark.parametrize("change", [lambda y: (y, y), lambda y: {"score": y}])
def test_a_critic_that_returns_no_tensor_is_one_sentence(play, objective, change):
    with pytest.raises(
        RoundError, match=r"GAN: the round failed at \w+\.py, line \d+, '.*D\(.*Error: .*and a critic its scores\.$"
    ) as found:
        play(game(change, objective))
    assert isinstance(found.value, GameError)
    assert isinstance(found.value.__cause__, (TypeError, AttributeError))


@pytest.mark.parametrize(
    "play", [lambda game: list(train(game, batches(), 1)), lambda game: check_game(game, batches())]
)
def test_an_operation_in_place_is_named_by_its_player_or_line(play):
    with pytest.raises(RoundError, match=r"^InPlace: the gradient of player 'D' failed \(RuntimeError: .*new tensors"):
        play(InPlace())
    with pytest.raises(
        RoundError, match=r"^InPlace: the round failed at test_round_errors.py, line \d+, 'self\.w\.weig"
    ):
        play(InPlace(early=True))


def test_data_that_end_are_named():
    def few():
        yield from [next(batches())] * 2

    ending = iter([next(batches())])
    with pytest.raises(RoundError, match=r"generator raised StopIteration\): give endless batches; the data ended"):
        list(train(game(lambda y: y), ending, 2))


def test_errors_of_the_users_functions_name_their_line():
    def broken(y):
        raise KeyError("nothing there")

    with pytest.raises(RoundError, match=r"line \d+, 'raise KeyError\(\"nothing there\"\)'.*: correct this line\.$"):
        list(train(game(broken), batches(), 1))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("can't allocate memory"),
        OSError("disk"),
        GameError("a rule"),
    ],
)
def test_faults_of_the_machine_and_sentences_pass_unchanged(error):
    def broken(y):
        raise error

    with pytest.raises(type(error)) as found:
        list(train(game(broken), batches(), 1))
    assert found.value is error


def test_our_own_faults_pass_unchanged(monkeypatch):
    monkeypatch.setattr(GAN, "fakes", None)
    with pytest.raises(TypeError):
        list(train(recipe("nsgan")((2,)), batches(), 1))


def broken(shape) -> Game:
    """A recipe whose critic returns a tuple."""
    return game(lambda y: (y, y))


def test_a_run_and_the_command_line_report_the_same_error(tmp_path):
    run = Run.create(tmp_path / "run", f"{__name__}:broken", data="ring", device="cpu")
    with pytest.raises(RoundError, match="GAN: the round failed"):
        list(run.fit(2))
    words = [sys.executable, "-m", "sparring", "check", "unit.training.test_round_errors:broken", "--data", "ring"]
    where = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parents[3])]),
    }
    for shown in ("", "1"):
        done = subprocess.run(words, capture_output=True, text=True, env={**where, "SPARRING_TRACEBACK": shown})
        assert done.returncode == 2, done.stderr
        assert done.stderr.splitlines()[-1].startswith("sparring: GAN: the round failed at ")
        assert done.stderr.endswith("SPARRING_TRACEBACK=1 shows the traceback.\n")
        assert ("Traceback" in done.stderr) == bool(shown)
