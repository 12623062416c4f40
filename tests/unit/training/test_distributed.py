"""Two real processes under torchrun train like one: the same weights, one writer, drift found, stops agreed on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sparring.errors import RunError
from sparring.runs import checkpoint
from sparring.runs import logs as journal
from sparring.training import distributed
from support import ranks, runs

quick = pytest.fixture(autouse=True)(runs.quick)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder that two processes leave."""
    folder = tmp_path_factory.mktemp("two")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, "--log-dir", folder / "agent", Path(ranks.__file__), folder],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def seen(two):
    """The values that each of the two processes received."""
    return [json.loads((two / f"rank{rank}.json").read_text()) for rank in (0, 1)]


def state(folder):
    loaded, notes = checkpoint.load_newest(folder)
    assert notes == []
    return loaded


FREE = ("D.head.bias", "D.trunk.3.0.bias")
"""A constant added to a relativistic critic changes nothing: the gradient of these biases is mere rounding where every
unit is active, and Adam makes whole steps of it."""


def distance(one, other, without=()):
    """The largest difference of the weights and averages of two states."""
    pairs = [(one["game"][name], other["game"][name]) for name in one["game"] if name not in without]
    pairs += [(value, other["ema"]["G"][name]) for name, value in one["ema"]["G"].items()]
    return max((first - second).abs().max().item() for first, second in pairs)


@pytest.mark.parametrize("name", ["nsgan", "rasgan", "ralsgan"])
def test_two_processes_are_one_with_the_same_global_batch(two, tmp_path, name):
    alone = ranks.train(tmp_path / "alone", recipe=name)
    without = () if name == "nsgan" else FREE
    assert distance(state(two / name), alone.state.state_dict(), without) < 1e-6
    untrained = ranks.start(tmp_path / "untrained", name)
    assert distance(untrained.state.state_dict(), alone.state.state_dict(), without) > 1e-3, "nothing was trained"


@pytest.mark.parametrize("name", ["nsgan", "wgan-gp"])
def test_two_processes_are_one_that_plays_its_batch_in_two_parts(two, tmp_path, name):
    parts = ranks.train(tmp_path / "parts", recipe=name, grad_accum=2)
    assert distance(state(two / name), parts.state.state_dict()) < 1e-6
    other = ranks.train(tmp_path / "seed", recipe=name, grad_accum=2, seed=1)
    assert distance(state(two / name), other.state.state_dict()) > 1e-3


def test_two_processes_with_two_parts_are_one_with_four(two, tmp_path):
    four = ranks.train(tmp_path / "four", recipe="wgan-gp", grad_accum=4)
    assert distance(state(two / "parts"), four.state.state_dict()) < 1e-6


@pytest.mark.parametrize("name", ranks.TOGETHER)
def test_two_processes_with_two_parts_are_one_with_the_whole_batch(two, tmp_path, name):
    whole = ranks.train(tmp_path / "whole", recipe=name)
    assert distance(state(two / f"{name}-parts"), whole.state.state_dict(), FREE) < 1e-6
    untrained = ranks.start(tmp_path / "untrained", name)
    assert distance(untrained.state.state_dict(), whole.state.state_dict(), FREE) > 1e-3, "nothing was trained"


def test_two_processes_resume_bit_for_bit(two):
    assert runs.difference(state(two / "wgan-gp"), state(two / "stopped")) == ""
    assert (two / "wgan-gp/log.jsonl").read_bytes() == (two / "stopped/log.jsonl").read_bytes()


def test_two_processes_share_one_pool_of_fakes_and_resume_bit_for_bit(two, tmp_path):
    """Else what a critic is shown would depend on the rank, and a checkpoint keeps the first one's history only."""
    alone = ranks.train(tmp_path / "alone", recipe="cyclegan", **ranks.TRANSLATION).state.state_dict()["game"]
    both = state(two / "cyclegan")["game"]
    assert int(both["pool_A.held"]) == 3
    assert max((both[name] - alone[name]).abs().max().item() for name in both if "pool" in name) < 1e-5
    kernels = [name for name in both if both[name].dim() == 4]  # the gradient of a bias before a norm is mere rounding
    assert max((both[name] - alone[name]).abs().max().item() for name in kernels) < 2e-4
    assert runs.difference(state(two / "cyclegan"), state(two / "cyclegan-stopped")) == ""


def test_two_processes_with_batch_norm_and_noise_inside_networks_resume_bit_for_bit(two, tmp_path):
    assert runs.difference(state(two / "fastgan"), state(two / "fastgan-stopped")) == ""
    parts = ranks.train(tmp_path / "parts", recipe="fastgan", grad_accum=2, **ranks.PHOTOGRAPHS).state.state_dict()
    both = state(two / "fastgan")["game"]
    kernels = [name for name in both if both[name].dim() == 4]
    assert max((both[name] - parts["game"][name]).abs().max().item() for name in kernels) < 2e-4


def test_the_log_covers_the_whole_batch(two, tmp_path):
    alone = ranks.train(tmp_path / "alone", recipe="rasgan")
    logs = [(folder / "log.jsonl").read_text().splitlines() for folder in (two / "rasgan", alone.folder)]
    assert len(logs[0]) == len(logs[1]) == ranks.STEPS
    for one, other in zip(*(map(json.loads, log) for log in logs), strict=True):
        assert one["images"] == other["images"]
        assert one["updates"] == other["updates"]
        assert one["terms"] == pytest.approx(other["terms"], rel=1e-5)


def numbers(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("name", "turns", "parts"), [("nsgan", 1, 1), ("wgan-gp", 5, 1), ("parts", 5, 2)])
def test_the_log_counts_what_a_step_exchanges_and_the_timing_how_long_it_took(two, name, turns, parts):
    game = ranks.Run.open(two / name, device="cpu").game
    expected = 4 * (turns * numbers(game.D) + numbers(game.G))
    log, timing = journal.read(two / name / "log.jsonl"), journal.read(two / name / "timing.jsonl")
    assert [line["allreduce_bytes"] for line in log] == [expected] * ranks.STEPS, (
        "parts must not be exchanged one by one"
    )
    timed = [line for line in timing if "allreduce_bytes" in line]
    assert timed
    assert all(line["allreduce_bytes"] == expected for line in timed)
    assert all(0 < line["allreduce_seconds"] < line["seconds"] for line in timed)


def test_a_single_process_exchanges_nothing(tmp_path):
    alone = ranks.train(tmp_path / "alone", 2, recipe="nsgan")
    lines = journal.read(alone.folder / "log.jsonl") + journal.read(alone.folder / "timing.jsonl")
    assert lines
    assert not any({"allreduce_bytes", "allreduce_seconds"} & set(line) for line in lines)


def test_an_exchange_averages_counts_its_bytes_and_the_waiting_for_who_is_late(seen):
    for rank, each in enumerate(seen):
        exchange = each["exchange"]
        assert exchange["gradients"] == [[0.5] * 3, [0.5] * 2], "a missing gradient counts as zero"
        assert exchange["variance"] == [1.5, 1.5]
        assert (exchange["bytes"], exchange["times"]) == (4 * 5 + 4 * 4, 2)
        assert exchange["seconds"] > (0 if rank else 0.2)


def test_the_ranks_agree(seen):
    for each in seen:
        assert (each["world"], each["largest"], each["mean"]) == (2, 1, [0.0, 2.0])


def test_a_drift_of_one_bit_is_found_and_named_on_every_rank(two, seen):
    for each in seen:
        assert each["drift"].startswith("Rank 1 drifted: its D.")
        assert "nothing was saved" in each["drift"]
    assert not (two / "drift/checkpoints").exists()


def test_statistics_must_agree_and_other_buffers_need_not(seen):
    for each in seen:
        assert "its 1.running_var differs from rank 0's (1 tensors differ)" in each["statistics"]


def test_a_signal_to_one_stops_both_at_the_same_step(two, seen):
    assert [each["stop"] for each in seen] == [[3, 143], [3, 143]]
    assert state(two / "stop")["step"] == 3


def test_divergence_on_one_rank_stops_both(two, seen):
    assert seen[0]["diverge"] == seen[1]["diverge"]
    assert seen[0]["diverge"].startswith("Diverged: Step 3: the term D/adversarial became nan")
    assert state(two / "diverge")["step"] == 2


def test_a_batch_that_cannot_be_shared_is_one_sentence(seen):
    for each in seen:
        assert "cannot be divided equally among 2 process(es)" in each["unequal"]


def test_alone_everything_is_trivial():
    distributed.init_process_group(torch.device("cpu"))
    assert (distributed.world_size(), distributed.rank(), distributed.all_reduce_max(3)) == (1, 0, 3)
    distributed.require_identical_replicas(torch.nn.Linear(2, 2))


def test_missing_rendezvous_is_one_sentence(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RunError, match=r"cannot be reached .*start them with torchrun"):
        distributed.init_process_group(torch.device("cpu"))


def test_two_processes_agree_on_what_the_game_cannot_bear(two):
    """Each tries the game on rows of its own; a critic that views its features gets contiguous ones in both."""
    chosen = json.loads((two / "viewed/run.json").read_text())["performance"]
    assert chosen["channels_last"] == ["G", "D"]
    assert [name.partition(".")[0] for name in chosen["contiguous_outputs"]] == ["D"]
    assert state(two / "viewed")["step"] == 1  # which is saved only if both hold the same weights
