"""The demo: what it leaves, and that a classifier of the other half of the digits reads what it generates."""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.cli import demo as demo_command
from sparring.cli import main
from sparring.cli.demo import ARGUMENTS, HOLD_OUT, READ, SHOWN, demo, read_digits, save_digits, save_walks
from sparring.games.conditional import ConditionalGAN
from sparring.metrics import train_extractor
from sparring.runs.run import Run


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose samples of class k are grey: k / 10 everywhere."""

    def grey(self, n, *, noise=None, label=None, truncation=None):
        return (self.class_of(noise) / 10).view(-1, 1, 1, 1).expand(-1, 1, 16, 16)

    monkeypatch.setattr(ConditionalGAN, "sample", grey)
    return Run.create(tmp_path / "run", "cgan", data="digits", size=16, arguments=ARGUMENTS, hold_out=HOLD_OUT)


def reading(monkeypatch, predict):
    """Replace the training of the reader; return the data that it is given."""
    given = []

    def trained(dataset, **settings):
        given.append(dataset)
        return SimpleNamespace(predict=predict, name="scripted")

    monkeypatch.setattr("sparring.metrics.extractors.classifier.train_extractor", trained)
    return given


def test_the_demo_leaves_everything_it_names(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.evaluation.evaluator.extractor_for", partial(train_extractor, steps=1))
    monkeypatch.setattr(demo_command, "FRAMES", 3)
    monkeypatch.setattr(demo_command, "READER_STEPS", 1)
    threads, out = torch.get_num_threads(), tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--steps", "2"]) == 0
    output = capsys.readouterr().out
    named = [line.split()[0] for line in output.splitlines() if line.startswith(f"  {out}")]
    assert len(named) == 8
    for name in named:
        assert Path(name).exists(), name
    assert "Fréchet distance" in output
    assert "of 1,000 generated digits are read as their class" in output
    assert "of 899 real digits are" in output
    with Image.open(out / "walk.gif") as film:
        assert film.n_frames == 3
    assert "image/gif" in (out / "report.html").read_text()
    assert torch.get_num_threads() == threads


def test_the_picture_has_a_row_for_each_class(run):
    with Image.open(save_digits(run, run.folder / "digits.png")) as picture:
        pixels = np.asarray(picture, np.int64)
    rows = np.linspace(0, pixels.shape[0], 10, endpoint=False).astype(int) + 8
    columns = np.linspace(0, pixels.shape[1], SHOWN, endpoint=False).astype(int) + 8
    expected = np.rint((np.arange(10) / 10 + 1) * 127.5)[:, None].repeat(SHOWN, 1)
    assert np.abs(pixels[np.ix_(rows, columns)] - expected).max() <= 1


def test_the_film_has_a_column_for_each_class(run, monkeypatch):
    monkeypatch.setattr(demo_command, "FRAMES", 2)
    with Image.open(save_walks(run, run.folder / "walk.gif")) as film:
        pixels = np.asarray(film.convert("L"), np.int64)
    columns = np.linspace(0, pixels.shape[1], 10, endpoint=False).astype(int) + 8
    expected = np.rint((np.arange(10) / 10 + 1) * 127.5)
    assert np.abs(pixels[8, columns] - expected).max() <= 4, "up to the palette of a GIF"


def test_the_reader_learns_from_the_half_that_the_game_never_sees(run, monkeypatch):
    given = reading(monkeypatch, lambda x: torch.zeros(len(x), dtype=torch.int64))
    read_digits(run, 0)
    (dataset,) = given
    seen, unseen = set(run.training.indices.tolist()), set(dataset.indices.tolist())
    assert (len(seen), len(unseen), len(seen & unseen)) == (899, 898, 0)


def test_a_digit_is_right_if_it_is_read_as_the_class_that_was_requested(run, monkeypatch):
    reading(monkeypatch, lambda x: (10 * x.mean((1, 2, 3))).round().long().clamp(0, 9))
    assert read_digits(run, 0)[0] == "100.0% of 1,000 generated digits are read as their class"
    reading(monkeypatch, lambda x: torch.full((len(x),), 3))
    generated, real = read_digits(run, 0)
    threes = int((run.training.labels[run.training.indices] == 3).sum())
    assert generated == "10.0% of 1,000 generated digits are read as their class"
    assert real.startswith(f"{threes / 899:.1%} of 899 real digits are")
    record = json.loads((run.folder / "reader.json").read_text())
    assert record["trained_on"] == 898
    assert record["generated"]["images"] == [READ] * 10
    assert record["generated"]["right"] == [0, 0, 0, READ, 0, 0, 0, 0, 0, 0]
    assert record["real"]["right"] == [0, 0, 0, threes, 0, 0, 0, 0, 0, 0]


@pytest.mark.slow
def test_nineteen_digits_in_twenty_are_read_as_their_class(tmp_path):
    demo(tmp_path / "demo", seed=3)
    record = json.loads((tmp_path / "demo/reader.json").read_text())
    assert record["generated"]["accuracy"] >= 0.95
    assert min(record["generated"]["right"]) >= 0.8 * READ
    assert record["real"]["accuracy"] >= 0.95, "the reader can read"
