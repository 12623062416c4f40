"""The same seed gives the same bytes, and observing a training does not change it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from sparring import load
from sparring.abilities import SupportsSampling
from sparring.evaluation.evaluator import evaluate
from sparring.inference.sampling import sample_seeds
from support import runs
from support.runs import CASES, difference, play, start

quick = pytest.fixture(autouse=True)(runs.quick)
POINTLESS = "this game draws its samples from other images"


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path):
    tiny = ["--batch-size", "8", "--size", "8", "--width", "4", "--latent", "4", "--device", "cpu"]
    files = ("log.jsonl", "checkpoints/000003/state.pt", "samples/000003.png", "reals.png")
    seen = []
    for folder, salt in (("one", "1"), ("other", "2")):
        command = [sys.executable, "-m", "sparring", "train", "dcgan", "--data", "digits", *tiny, "--steps", "3"]
        here = {**os.environ, "PYTHONHASHSEED": salt, "OMP_NUM_THREADS": "1"}
        out = tmp_path / folder
        subprocess.run([*command, "--out", str(out)], env=here, check=True, capture_output=True)
        seen.append([(out / file).read_bytes() for file in files])
    assert [one == other for one, other in zip(*seen, strict=True)] == [True] * len(files)


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}-{kind['data'].split('/')[-1]}" for name, kind in CASES])
def test_seeds_one_by_one_are_the_seeds_of_a_batch(tmp_path, name, kind):
    play(start(tmp_path / "run", name, kind), 1)
    game = load(tmp_path / "run", device="cpu")
    if not isinstance(game, SupportsSampling):
        pytest.skip(POINTLESS)
    together = sample_seeds(game, [3, 11, 2])
    alone = torch.cat([sample_seeds(game, [seed]) for seed in (3, 11, 2)])
    assert (together - alone).abs().max() < 1e-6
    assert not torch.equal(alone[0], alone[1])


@pytest.mark.parametrize("kind", [runs.POINTS, runs.IMAGES], ids=["points", "images"])
def test_evaluation_on_or_off_gives_the_same_weights(tmp_path, kind, monkeypatch):
    monkeypatch.undo()  # with pictures
    straight = play(start(tmp_path / "straight", kind=kind), 6, sample_every=100)
    run = start(tmp_path / "watched", kind=kind)
    for report in run.fit(6, sample_every=1, save_every=1):
        report.scalars()
        if report.step in (2, 5):
            how = {"metrics": None} if kind is runs.POINTS else {"metrics": _memory()}
            evaluate(run.inference_game, run.training, samples=20, **how)
            sample_seeds(run.inference_game, [1, 2])
    assert difference(straight.state.state_dict(), run.state.state_dict()) == ""
    assert (straight.folder / "log.jsonl").read_bytes() == (run.folder / "log.jsonl").read_bytes()


def _memory():
    from sparring.evaluation.registry import get_metrics

    return get_metrics(["sliced"])
