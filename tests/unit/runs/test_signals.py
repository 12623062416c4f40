"""A real process, a real signal: saved and gone within a step and two seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sparring.runs import checkpoint
from sparring.runs import signals as stopping
from support import forked, runs

FORKED = Path(forked.__file__)


def test_sigterm_saves_and_ends_a_real_process(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, FORKED, "train", tmp_path]
    log, deadline = tmp_path / "run/log.jsonl", time.monotonic() + 120
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not (log.exists() and log.read_bytes().count(b"\n") > 5):
            assert process.poll() is None, process.stderr.read()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
        took = time.monotonic() - began
        assert process.stderr.read() == ""
    crowd = max(1.0, os.getloadavg()[0] / os.cpu_count())  # processes to a processor: other processes may share them
    assert took < 2.5 * crowd, f"{took:.2f} s"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    state, notes = checkpoint.load_newest(tmp_path / "run")
    assert state["step"] == lines[-1]["step"] == len(lines)
    assert notes == []


def test_a_second_signal_leaves_at_once(monkeypatch):
    left = []
    monkeypatch.setattr(os, "_exit", left.append)
    with stopping.catch_stop_signals() as stop_signal:
        signal.raise_signal(signal.SIGINT)
        assert (stop_signal.signal, left) == (signal.SIGINT, [])
        signal.raise_signal(signal.SIGTERM)
    assert left == [143]


def test_under_torchrun_the_echo_of_a_signal_is_passed_over(monkeypatch):
    monkeypatch.setattr(os, "_exit", lambda code: pytest.fail("left before saving"))
    with stopping.catch_stop_signals(ignore_repeated=True) as stop_signal:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert stop_signal.signal == signal.SIGINT


def test_who_listened_before_listens_again():
    before = [signal.getsignal(number) for number in stopping.SIGNALS]
    with pytest.raises(ZeroDivisionError), stopping.catch_stop_signals():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in stopping.SIGNALS] == before


def test_outside_the_main_thread_signals_are_not_handled():
    seen = []

    def work():
        with stopping.catch_stop_signals() as stop_signal:
            seen.append(stop_signal.signal)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0]


def test_stopped_is_an_exit():
    assert stopping.Stopped(signal.SIGTERM).code == 143
    assert issubclass(stopping.Stopped, SystemExit)


def sleep(folder: Path) -> None:
    """What the process does that is to be stopped."""
    runs.play(runs.start(folder, "support.runs:sleepy"), 9, save_every=1)


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)])
def test_a_second_signal_ends_a_real_process_in_the_middle_of_its_step(tmp_path, signals):
    child = forked.fork(sleep, tmp_path / "run", ASLEEP=str(tmp_path / "asleep"))
    deadline = time.monotonic() + 60
    while not (tmp_path / "asleep").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(child, signals[0])
    time.sleep(0.2)
    assert os.waitpid(child, os.WNOHANG) == (0, 0), "the first signal waits for the step"
    began = time.monotonic()
    os.kill(child, signals[1])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signals[1]
    assert time.monotonic() - began < max(1.0, os.getloadavg()[0] / os.cpu_count())
    assert checkpoint.load_newest(tmp_path / "run")[0]["step"] == 3
