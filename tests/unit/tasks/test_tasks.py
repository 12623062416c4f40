"""Every game has one task: the one that it names, or the first that suits it."""

from __future__ import annotations

import numpy as np
import pytest

from sparring.cli.registry import COMMANDS
from sparring.data import Dataset, load
from sparring.errors import DataError, GameError
from sparring.evaluation.registry import get_metrics
from sparring.game import Game
from sparring.tasks import TASKS, evenly_spaced_rows, task_of
from sparring.wrappers.packing import Packing
from support.matrix import build, shapes
from support.toys import GAMES, LinearCritic, Point

EXAMPLES = {
    "single-image": "singan",
    "label-maps": "gaugan",
    "translation": "cyclegan",
    "text-conditional": "stackgan",
    "class-conditional": "cgan",
    "encoding": "vae",
    "generation": "nsgan",
}


class Idle(Game):
    """A game without abilities."""

    def players(self):
        return {}

    def round(self, data, step):
        yield from ()


@pytest.fixture(scope="module")
def ring():
    return load("ring")


def toy():
    return GAMES["non-saturating"](Point(), LinearCritic())


@pytest.mark.parametrize("name", TASKS)
def test_games_of_the_library_have_the_task_of_their_ability(name):
    game = build(EXAMPLES[name], shapes(EXAMPLES[name])[0], {})
    assert task_of(game) is TASKS[name]
    for line in task_of(game).commands(game, "RUN"):
        first, second, *_ = line.split()
        assert first in COMMANDS or f"{first} {second}" in COMMANDS, line
        assert "RUN" in line


def test_a_wrapped_game_has_the_task_of_the_game_within():
    assert task_of(Packing(toy(), 2)) is TASKS["generation"]
    named = toy()
    named.task = "encoding"
    assert task_of(Packing(named, 2)) is TASKS["encoding"]


def test_a_game_may_name_a_task_of_the_table_or_its_own():
    game, own = Idle(), type(TASKS["generation"])()
    game.task = own
    assert task_of(game) is own
    game.task = "translation"
    assert task_of(game) is TASKS["translation"]


@pytest.mark.parametrize("named", ["painting", 3])
def test_a_name_of_no_task_is_refused(named):
    game = Idle()
    game.task = named
    with pytest.raises(GameError, match=r"name a sparring.tasks.Task, or one of single-image, label-maps"):
        task_of(game)


def test_a_row_of_the_table_is_a_task_of_the_library(monkeypatch):
    class Own(type(TASKS["generation"])):
        def suits(self, game):
            return isinstance(game, Idle)

    monkeypatch.setattr("sparring.tasks.TASKS", {"own": Own(), **TASKS})
    assert isinstance(task_of(Idle()), Own)
    assert task_of(toy()) is TASKS["generation"]


def test_a_game_that_does_not_sample_has_no_snapshot(ring):
    assert task_of(Idle()).snapshot(Idle(), ring) is None


def test_points_are_shown_on_real_ones(ring):
    shown = TASKS["generation"].snapshot(toy(), ring)
    assert shown.images.shape == (1000, 2)
    assert shown.real.shape == (4000, 2)


def test_metrics_of_many_images_do_not_apply_to_one(ring):
    with pytest.raises(DataError, match="leave the metrics out"):
        TASKS["single-image"].evaluate(Idle(), ring, metrics=get_metrics(["sliced"]))


def test_rows_are_evenly_spaced():
    rows = Dataset("rows", np.arange(20, dtype=np.float32).reshape(10, 2))
    assert evenly_spaced_rows(rows, 4)[:, 0].tolist() == [0, 6, 12, 18]
    assert len(evenly_spaced_rows(rows, 99)) == 10
