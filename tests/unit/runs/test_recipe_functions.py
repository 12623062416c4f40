"""Recipes that are handed over as functions: by name where an import finds them, otherwise again at every opening."""

from __future__ import annotations

import json
import sys
from functools import partial

import pytest

import sparring
from sparring.errors import GameError, RunError
from sparring.game import Game
from sparring.recipes import Networks
from sparring.recipes.gan import nsgan
from sparring.recipes.importing import require_trusted
from sparring.reports.next_steps import commands
from sparring.runs.recipe_functions import given_recipe, recipe_name
from sparring.runs.run import Run
from support import runs

quick = pytest.fixture(autouse=True)(runs.quick)
SMALL = Networks(latent=8, width=8)


def mine(shape, *, width: int = 8, rate: float = 1e-3) -> Game:
    """A recipe of the test."""
    return nsgan(shape, networks=Networks(latent=8, width=width))


def other(shape, *, width: int = 8) -> Game:
    """Another one, with other arguments."""
    return mine(shape, width=width)


class Recipe:
    """An object that is called."""

    def __call__(self, shape) -> Game:
        return mine(shape)


def closure(width):
    def inner(shape, *, rate: float = 1e-3) -> Game:
        return mine(shape, width=width)

    return inner


def in_notebook(function, monkeypatch):
    """Let a function be one of ``__main__``."""
    monkeypatch.setattr(function, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], function.__name__, function, raising=False)
    return function


HANDED = {
    "lambda": lambda: lambda shape: mine(shape),
    "closure": lambda: closure(8),
    "partial": lambda: partial(mine, width=8),
    "object": Recipe,
    "method": lambda: Recipe().__call__,
}


def start(folder, recipe, **settings):
    return Run.create(folder, recipe, data="ring", batch_size=8, device="cpu", **settings)


def test_a_recipe_of_the_table_is_stored_as_its_name(tmp_path):
    given, named = (start(tmp_path / name, each) for name, each in (("a", nsgan), ("b", "nsgan")))
    assert (given.config.recipe, given.config.recipe_in_python) == ("nsgan", False)
    assert given.config.arguments == named.config.arguments
    assert not runs.difference(given.state.state_dict(), named.state.state_dict())
    assert start(tmp_path / "a", "nsgan").config.id == given.config.id


def test_a_function_of_a_module_is_stored_by_name_and_trusted_in_this_process(tmp_path):
    run = runs.play(start(tmp_path / "run", runs.failing, arguments={"at": 50}), 2)
    assert (run.config.recipe, run.config.recipe_in_python) == ("support.runs:failing", False)
    require_trusted("support.runs:failing")
    assert runs.play(Run.open(tmp_path / "run", device="cpu"), 4).step == 4
    assert Run.open(tmp_path / "run", recipe=runs.failing, device="cpu").step == 4
    with pytest.raises(RunError, match=r"is support\.runs:failing, not support\.runs:sleepy: hand over"):
        Run.open(tmp_path / "run", recipe=runs.sleepy, device="cpu")


@pytest.mark.parametrize("kind", HANDED)
def test_other_functions_are_handed_over_at_every_opening(kind, tmp_path):
    straight = runs.play(start(tmp_path / "straight", HANDED[kind]()), 6)
    stopped = runs.play(start(tmp_path / "stopped", HANDED[kind]()), 3)
    record = json.loads((tmp_path / "stopped" / "run.json").read_text())
    assert record["recipe_in_python"] is True
    assert ":" in record["recipe"]
    resumed = runs.play(Run.open(tmp_path / "stopped", recipe=HANDED[kind](), device="cpu"), 6)
    assert not runs.difference(straight.state.state_dict(), resumed.state.state_dict())
    assert start(tmp_path / "stopped", HANDED[kind]()).step == 6
    assert sparring.load(tmp_path / "stopped", recipe=HANDED[kind](), device="cpu").sample(3).shape == (3, 2)
    for opening in (Run.open, sparring.load):
        with pytest.raises(RunError, match=r"is in no module: hand it over again, as in sparring.Run.open\(folder, re"):
            opening(tmp_path / "stopped", device="cpu")
        with pytest.raises(RunError, match="is in no module"):
            opening(tmp_path / "stopped", device="cpu", trust=record["recipe"])
    assert commands(stopped) == []
    assert given_recipe(record["recipe"]) is None


def test_a_function_of_a_notebook_may_move_into_a_module(tmp_path, monkeypatch):
    with monkeypatch.context() as notebook:
        run = runs.play(start(tmp_path / "run", in_notebook(mine, notebook), arguments={"width": 16}), 2)
        assert (run.config.recipe, run.config.recipe_in_python) == ("__main__:mine", True)
    again = Run.open(tmp_path / "run", recipe=mine, device="cpu")
    assert not runs.difference(run.state.state_dict(), again.state.state_dict())
    with pytest.raises(RunError, match=r"is __main__:mine, not .*other: hand over that one"):
        Run.open(tmp_path / "run", recipe=other, device="cpu")


def test_other_arguments_are_refused(tmp_path, monkeypatch):
    runs.play(start(tmp_path / "run", in_notebook(mine, monkeypatch)), 1)
    monkeypatch.setattr(other, "__qualname__", "mine")
    monkeypatch.setattr(other, "__module__", "__main__")
    with pytest.raises(RunError, match="has the arguments rate, width, and this function width: hand over the same"):
        Run.open(tmp_path / "run", recipe=other, device="cpu")


def test_what_a_partial_binds_is_no_setting(tmp_path):
    bound = start(tmp_path / "run", partial(mine, width=16))
    assert bound.config.arguments == {"rate": 1e-3}
    with pytest.raises(RunError, match="has no setting 'width'"):
        start(tmp_path / "other", partial(mine, width=16), arguments={"width": 8})


@pytest.mark.parametrize("recipe", [3, None, Recipe, ["nsgan"]])
def test_what_is_no_function_gets_one_sentence(recipe, tmp_path):
    with pytest.raises(GameError, match="cannot be used: give a name, or a function from a shape to a game"):
        start(tmp_path / "run", recipe)
    assert not (tmp_path / "run").exists()


def test_a_function_without_a_shape_is_refused(tmp_path):
    with pytest.raises(GameError, match="takes no argument shape"):
        start(tmp_path / "run", lambda size: mine(size))


def test_a_file_cannot_name_a_function_that_was_handed_over_for_another_run(tmp_path):
    handed = HANDED["lambda"]()
    run = runs.play(start(tmp_path / "run", handed), 1)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    for name in ("os:system", run.config.recipe):
        record["recipe"], record["recipe_in_python"] = name, False
        (tmp_path / "run" / "run.json").write_text(json.dumps(record))
        with pytest.raises(GameError, match=r"which a file names|is no module:function|is Python's own module"):
            Run.open(tmp_path / "run", device="cpu")
        with pytest.raises((RunError, GameError)):
            Run.open(tmp_path / "run", recipe=lambda shape: 1 / 0, device="cpu")


def test_names_of_functions():
    assert recipe_name("wgan-gp") == ("wgan-gp", False)
    assert recipe_name(runs.failing) == ("support.runs:failing", False)
    name, again = recipe_name(partial(nsgan, networks=SMALL))
    assert (name, again) == ("sparring.recipes.gan:nsgan (partial)", True)
