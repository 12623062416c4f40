"""Commands whose output is not read, closed, or cannot be written go on to their end."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sparring.cli import main
from sparring.runs import logs
from support import runs

quick = pytest.fixture(autouse=True)(runs.quick)
STEPS = 12
RING = [
    "--data",
    "ring",
    "--batch-size",
    "8",
    "--width",
    "8",
    "--latent",
    "8",
    "--device",
    "cpu",
    "--sample-every",
    "100",
]


def unread():
    """A pipe whose reader is gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def full():
    return os.open("/dev/full", os.O_WRONLY)


def played(words, streams):
    """Run a command in a child whose streams were replaced, or closed where there is None; returns its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        signal.alarm(60)
        for number, make in streams.items():
            os.close(number)
            if make:
                os.dup2(make(), number)
            stream = make and io.TextIOWrapper(io.FileIO(number, "w", closefd=False), line_buffering=True)
            setattr(sys, {1: "stdout", 2: "stderr"}[number], stream)
        code = main(words)
    finally:
        os._exit(code)


BROKEN = {
    "standard output unread": {1: unread},
    "standard error unread": {2: unread},
    "both unread": {1: unread, 2: unread},
    "standard output closed": {1: None},
    "standard error closed": {2: None},
    "both closed": {1: None, 2: None},
}


@pytest.mark.parametrize("streams", BROKEN.values(), ids=BROKEN)
def test_a_training_whose_output_is_not_read_reaches_its_end(tmp_path, monkeypatch, streams):
    monkeypatch.setattr("sparring.cli.console.EVERY", {True: 0.0, False: 0.0})  # a line each step
    out = str(tmp_path / "run")
    assert played(["train", "nsgan", *RING, "--out", out, "--steps", str(STEPS)], streams) == 0
    assert [line["step"] for line in logs.read(tmp_path / "run/log.jsonl")] == list(range(1, STEPS + 1))
    assert json.loads((tmp_path / "run/run.json").read_text())["recipe"] == "nsgan"
    if len(streams) == 1:
        return
    sample = ["sample", out, "--out", str(tmp_path / "a.png")]
    assert [played(words, streams) for words in (sample, ["list"], ["--version"])] == [0, 0, 0]
    assert (tmp_path / "a.png").exists()
    assert played(["sample", str(tmp_path / "absent")], streams) == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_output_that_cannot_be_written_is_reported_and_costs_no_step(tmp_path):
    out = str(tmp_path / "run")
    assert played(["train", "nsgan", *RING, "--out", out, "--steps", "3"], {1: full}) == 2
    assert len(logs.read(tmp_path / "run/log.jsonl")) == 3


def test_a_reader_that_leaves_after_the_first_line_leaves_the_training_whole(tmp_path):
    words = [sys.executable, "-m", "sparring", "train", "nsgan", *RING, "--steps", "40", "--out", str(tmp_path / "run")]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = subprocess.Popen(words, env=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert command.stdout.readline().startswith("nsgan: GAN")
    command.stdout.close()
    assert command.stderr.read() == ""
    assert command.wait() == 0
    command.stderr.close()
    assert len(logs.read(tmp_path / "run/log.jsonl")) == 40
