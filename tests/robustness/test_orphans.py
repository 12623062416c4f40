"""A process exits with its parent, and a rank that exits in the rendezvous ends the others."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist

from sparring._io.folder import run_lock
from sparring.cli import main
from sparring.errors import RunError
from sparring.experiments import Monitor, run_trials
from sparring.training import distributed, rendezvous
from sparring.training.parent_watch import AGENT, watch_parent
from support import forked, runs
from support.trials import make_trial

WITHIN = 5  # seconds
RING = ["--data", "ring", "--batch-size", "8", "--width", "4", "--device", "cpu", "--seeds", "0"]


def allowed(seconds):
    """Return the seconds, scaled by the load of the machine."""
    return seconds * max(1.0, os.getloadavg()[0] / os.cpu_count())


def until(ready, seconds=60):
    """Wait until something is true, and return how long that took."""
    began = time.monotonic()
    while not ready():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


def free(folder):
    """Whether no process holds the lock of a folder."""
    try:
        with run_lock(folder):
            return True
    except RunError:
        return False


def killed(child):
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


# --- children of a comparison


CHILD = """
import sys, time
from pathlib import Path
from sparring._io.folder import run_lock
from sparring.training.parent_watch import watch_parent
watch_parent()
Path(sys.argv[1]).mkdir(parents=True)
with run_lock(Path(sys.argv[1])):
    Path(sys.argv[1], "held").touch()
    time.sleep(60)
"""


def compare_two(folder):
    made = [make_trial(folder, seed=seed) for seed in range(2)]
    run_trials(made, Monitor(made, print), 2, lambda one: [sys.executable, "-c", CHILD, str(one.folder)])


def test_cells_side_by_side_leave_with_the_process_that_started_them(tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.experiments.workers.cores", lambda: 2)
    folders = [make_trial(tmp_path, seed=seed).folder for seed in range(2)]
    parent = forked.fork(compare_two, tmp_path)
    until(lambda: all((folder / "held").exists() for folder in folders))
    killed(parent)
    assert until(lambda: all(map(free, folders))) < allowed(WITHIN)


@pytest.mark.slow
def test_a_killed_comparison_leaves_no_training_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.experiments.workers.cores", lambda: 2)
    words = ["compare", "nsgan", "rsgan", *RING, "--steps", "1000000", "--jobs", "2", "--out", str(tmp_path / "out")]
    parent = forked.fork(main, words)
    folders = [tmp_path / f"out/trials/{name}-0" for name in ("nsgan", "rsgan")]
    until(lambda: all((folder / "log.jsonl").exists() for folder in folders))
    killed(parent)
    assert until(lambda: all(map(free, folders))) < allowed(WITHIN)


def test_a_process_whose_parent_did_not_name_itself_may_outlive_it(monkeypatch):
    monkeypatch.delenv(AGENT, raising=False)
    monkeypatch.setattr("sparring.training.parent_watch.exit_with_parent", lambda parent: pytest.fail("followed"))
    watch_parent()


def test_the_name_of_the_parent_is_not_passed_on(monkeypatch):
    followed = []
    monkeypatch.setattr("sparring.training.parent_watch.exit_with_parent", followed.append)
    monkeypatch.setenv("SPARRING_PARENT", "17")
    watch_parent()
    assert followed == [17]
    assert "SPARRING_PARENT" not in os.environ


# --- workers of torchrun


def port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def group(rank, world, at):
    """The environment of a rank."""
    return {"RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": at}


def train_long(folder):
    signal.alarm(100)  # should the test fail, this process ends all the same
    runs.play(runs.start(folder, kind=forked.MLP), 10**6, save_every=2, sample_every=10**6)


def agent(folder, at):
    """Start two ranks as torchrun's agent does, and waits for them."""
    ranks = [forked.fork(train_long, folder, **group(rank, 2, at), **{AGENT: "none"}) for rank in range(2)]
    forked.codes(ranks)


def test_workers_leave_with_the_agent_that_started_them(tmp_path):
    parent = forked.fork(agent, tmp_path / "run", port())
    until((tmp_path / "run/checkpoints/000002").exists)
    killed(parent)
    assert until(lambda: free(tmp_path / "run")) < allowed(WITHIN)


@pytest.mark.slow
def test_torchruns_workers_leave_with_it(tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = ["-m", "sparring", "train", "nsgan", "--data", "ring", "--steps", "1000000", "--out", tmp_path / "run"]
    words += ["--batch-size", "8", "--width", "4", "--device", "cpu"]
    with subprocess.Popen([*launcher, "--log-dir", tmp_path / "agent", *words], stderr=subprocess.DEVNULL) as process:
        until((tmp_path / "run/log.jsonl").exists)
        process.kill()
    assert until(lambda: free(tmp_path / "run")) < allowed(WITHIN)


# --- ranks that meet


def join(folder, patience):
    """Join the group, and writes down why not."""
    try:
        distributed.init_process_group(torch.device("cpu"), timedelta(seconds=patience))
    except RunError as error:
        (folder / os.environ["RANK"]).write_text(str(error))
        raise


def arrived(at, *ranks):
    """Wait until ranks wait in the rendezvous."""
    store = dist.TCPStore("127.0.0.1", int(at), wait_for_workers=False, timeout=timedelta(seconds=60))
    roll = dist.PrefixStore("roll/0", store)
    until(lambda: all(roll.add(str(rank), 0) for rank in ranks))


def recorded_error(folder, child, rank):
    """What a rank ended with."""
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3, "with a sentence"
    return (folder / str(rank)).read_text()


@pytest.mark.parametrize(("dying", "staying"), [(1, 0), (0, 1)])
def test_a_rank_that_exits_in_the_rendezvous_ends_the_others(tmp_path, dying, staying, monkeypatch):
    monkeypatch.setattr("sparring.training.rendezvous.ARRIVAL_TIMEOUT", timedelta(seconds=120))  # for the third rank
    at = port()
    children = [forked.fork(join, tmp_path, 120, **group(rank, 3, at)) for rank in range(2)]  # the third never comes
    arrived(at, 0, 1)
    killed(children[dying])
    began = time.monotonic()
    sentence = recorded_error(tmp_path, children[staying], staying)
    assert time.monotonic() - began < allowed(2 * WITHIN)
    assert sentence.startswith("Rank 1 of the training is gone" if dying else "The other processes cannot be reached")


def test_a_rank_that_never_joins_is_named(tmp_path):
    child = forked.fork(join, tmp_path, 1, **group(0, 2, port()))
    assert recorded_error(tmp_path, child, 0).startswith("Rank 1 of the training did not come within 1 s")
    child = forked.fork(join, tmp_path, 1, **group(1, 2, port()))
    assert recorded_error(tmp_path, child, 1).startswith("Rank 0 of the training was not reached at 127.0.0.1:")


def test_all_ranks_name_the_one_that_did_not_come(monkeypatch):
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    place = {"WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    rolls = []
    for rank in (0, 2):
        monkeypatch.setenv("RANK", str(rank))
        rolls.append(rendezvous._Heartbeats(timedelta(seconds=5)))
    for roll in rolls:
        roll._arrival = timedelta(0)
    with pytest.raises(RunError, match="Rank 1 of the training did not come"):
        rolls[0].call()
    with pytest.raises(RunError, match="Rank 1 of the training is gone"):
        rolls[1].call()
