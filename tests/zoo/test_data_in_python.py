"""Data in Python in every form: runs on them, exact resumption, evaluation, batches, held-out rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sparring import load as load_game
from sparring.data import Dataset, Stream, load
from sparring.errors import DataError, RunError
from sparring.evaluation import evaluate
from sparring.inference import sample_seeds
from sparring.metrics import ModuleExtractor
from sparring.runs.evaluation import evaluate_run
from sparring.runs.run import Run
from support import runs
from support.python_data import COUNT, FIRST, KINDS, PIXELS, pets, pictures

SETTINGS = {"batch_size": 4, "device": "cpu", "hold_out": 0.25, "arguments": runs.tiny("nsgan"), "mirror": True}


@pytest.fixture(autouse=True)
def no_grids(monkeypatch):
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)


def start(folder, data, **settings):
    return Run.create(folder, "nsgan", data=data, **{**SETTINGS, **settings})


def extractor():
    return ModuleExtractor(torch.nn.Flatten(), "pixels")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_resumes_exactly_when_the_data_are_handed_over_again(kind, tmp_path):
    straight = runs.play(start(tmp_path / "straight", KINDS[kind]()), 6)
    runs.play(start(tmp_path / "stopped", KINDS[kind]()), 3)
    resumed = runs.play(Run.open(tmp_path / "stopped", data=KINDS[kind](), device="cpu"), 6)
    again = runs.play(start(tmp_path / "stopped", KINDS[kind]()), 6)
    for run in (resumed, again):
        assert not runs.difference(straight.state.state_dict(), run.state.state_dict())
    assert (len(resumed.training), len(resumed.held_out)) == (18, 6)
    assert resumed.held_out.fingerprint == straight.held_out.fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_says_that_the_data_must_be_handed_over_again(kind, tmp_path):
    run = runs.play(start(tmp_path / "run", KINDS[kind]()), 1)
    record = json.loads((tmp_path / "run" / "run.json").read_text())["data"]
    assert record["in_python"] is True
    assert record["fingerprint"] == run.dataset.fingerprint
    assert any(note.startswith(f"The {run.dataset.name} was read as 24 rows of shape (3, 8, 8)") for note in run.notes)
    with pytest.raises(RunError, match=r"are in no file: hand them over again, as in sparring.Run.open\(folder, data="):
        Run.open(tmp_path / "run", device="cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_streams_and_evaluations_take_every_kind(kind, tmp_path):
    given, plain = (Stream(each, 5, seed=3) for each in (KINDS[kind](), Dataset("plain", PIXELS)))
    for _ in range(4):
        assert torch.equal(next(given)[0], next(plain)[0])
    run = start(tmp_path / "run", KINDS[kind](), hold_out=0.0)
    how = {"samples": 12, "extractor": extractor(), "resamples": 0, "seed": 1}
    expected = evaluate(run.inference_game, run.dataset, **how)
    assert evaluate(run.inference_game, KINDS[kind](), **how).scores == expected.scores
    assert evaluate_run(run, **how).scores == expected.scores
    assert evaluate(run.inference_game, KINDS[kind](), held_out=KINDS[kind](), **how).scores


def test_points_are_trained_on(tmp_path):
    points = np.random.default_rng(0).normal(size=(40, 2))
    run = runs.play(Run.create(tmp_path / "run", "nsgan", data=points, batch_size=8, device="cpu"), 2)
    again = Run.open(tmp_path / "run", data=torch.from_numpy(points), device="cpu")
    assert not runs.difference(run.state.state_dict(), again.state.state_dict())


def test_other_data_are_refused(tmp_path):
    runs.play(start(tmp_path / "run", PIXELS), 1)
    other = PIXELS.copy()
    other[0, 0, 0, 0] ^= 1
    for data in (other, (PIXELS, np.zeros(COUNT, int)), "digits"):
        with pytest.raises(RunError, match=r"is not what .* began with"):
            Run.open(tmp_path / "run", data=data, device="cpu")
        with pytest.raises(RunError, match=r"was made with data\.fingerprint"):
            start(tmp_path / "run", data, size=8, channels=3)


def test_another_form_of_the_same_data_continues(tmp_path):
    run = runs.play(start(tmp_path / "run", PIXELS), 1)
    again = Run.open(tmp_path / "run", data=FIRST / 127.5 - 1, device="cpu")
    assert not runs.difference(run.state.state_dict(), again.state.state_dict())


def test_a_file_of_the_same_content_frees_the_run_of_the_process(tmp_path):
    runs.play(start(tmp_path / "run", FIRST), 1)
    np.save(tmp_path / "rows.npy", PIXELS)
    runs.play(Run.open(tmp_path / "run", data=tmp_path / "rows.npy", device="cpu"), 2)
    assert runs.play(Run.open(tmp_path / "run", device="cpu"), 3).step == 3
    runs.play(Run.open(tmp_path / "run", data=PIXELS, device="cpu"), 4)
    start(tmp_path / "run", pictures())
    assert Run.open(tmp_path / "run", device="cpu").config.data.name == str(tmp_path / "rows.npy")


def test_size_channels_and_margin_are_kept(tmp_path):
    run = runs.play(start(tmp_path / "run", pets(), size=8, channels=1, crop_margin=2), 2)
    assert run.dataset.shape == (1, 8, 8)
    again = Run.open(tmp_path / "run", data=pets(), device="cpu")
    assert not runs.difference(run.state.state_dict(), again.state.state_dict())


def test_sampling_needs_no_data(tmp_path):
    run = runs.play(start(tmp_path / "run", PIXELS, ema_decay=0.5), 2)
    game = load_game(tmp_path / "run", device="cpu")
    assert torch.equal(sample_seeds(game, [3]), sample_seeds(run.inference_game, [3]))


def test_nothing_is_written_for_data_that_cannot_be_used(tmp_path):
    for data in ([], PIXELS.astype(int), (PIXELS, ["a"] * COUNT)):
        with pytest.raises(DataError):
            start(tmp_path / "run", data)
    assert not (tmp_path / "run").exists()


def test_a_changed_array_is_noticed_when_the_run_is_opened(tmp_path):
    given = PIXELS.copy()
    runs.play(start(tmp_path / "run", given), 1)
    given[0] = 0
    with pytest.raises(RunError, match="is not what"):
        Run.open(tmp_path / "run", data=given, device="cpu")


def test_loading_twice_gives_the_same_set():
    data = load(PIXELS)
    assert load(data) is data
