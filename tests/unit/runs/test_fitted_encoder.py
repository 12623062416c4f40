"""An encoder is fitted to the generator of a finished run, and resumes without it."""

from __future__ import annotations

import pytest

from sparring.data import load_images
from sparring.errors import GameError
from sparring.inference.encoding import (
    reconstruct,
)
from sparring.runs.fitted_encoder import fitted_encoder
from sparring.runs.state import load_game
from support.runs import IMAGES, difference, play, start


def test_an_encoder_fitted_to_a_run_resumes_and_needs_nothing_from_it_but_tensors(runs_, tmp_path):
    arguments = {"of": str(runs_ / "dcgan"), "width": 4}
    name = "sparring.runs.fitted_encoder:fitted_encoder"
    straight = play(start(tmp_path / "straight", name, IMAGES, arguments=arguments), 4)
    play(start(tmp_path / "stopped", name, IMAGES, arguments=arguments), 2)
    resumed = play(start(tmp_path / "stopped", name, IMAGES, arguments=arguments), 4)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    of = load_game(runs_ / "dcgan", device="cpu")
    assert difference(dict(of.state_dict()), dict(straight.game.game.state_dict())) == ""
    assert reconstruct(
        load_game(tmp_path / "straight", device="cpu"), load_images(["digits"], shape=(1, 8, 8), max_images=2)
    ).shape


def test_runs_that_no_encoder_fits_are_refused(runs_, tmp_path):
    with pytest.raises(GameError, match="samples of shape"):
        fitted_encoder((1, 16, 16), of=str(runs_ / "dcgan"))
    once = start(
        tmp_path / "once", "sparring.runs.fitted_encoder:fitted_encoder", IMAGES, arguments={"of": str(runs_ / "dcgan")}
    )
    with pytest.raises(GameError, match="is a fitted encoder"):
        fitted_encoder((1, 8, 8), of=str(once.folder))
