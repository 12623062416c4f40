"""What makes a run fast: equal to the plain path to rounding, chosen once, kept, and equal to the bit with itself."""

import json
import subprocess
import sys
from collections import deque
from dataclasses import replace
from itertools import repeat

import pytest
import torch
from torch import nn

from sparring import Run, recipe
from sparring.cli import main
from sparring.data import Dataset, Stream
from sparring.data.prefetch import PrefetchStream
from sparring.errors import DataError, RunError
from sparring.games.gan import GAN
from sparring.objectives import NonSaturating
from sparring.recipes.options import Networks
from sparring.runs.performance import PerformanceOptions
from sparring.runs.state import TrainState
from sparring.training.ema import EMA
from sparring.training.trainer import train
from support.runs import IMAGES, POINTS, difference, play, start

AUTO, OFF = "auto", "off"
RESIDUAL = Networks("resnet", latent=8, width=8)


def played(name, setting, steps=3, **arguments):
    """Weights and averages of a game in double precision after a few steps."""
    torch.manual_seed(0)
    game = recipe(name)((1, 32, 32), **arguments)
    chosen, players = PerformanceOptions.for_game(setting, game), game.players()
    chosen.apply(game)
    chosen.fuse(players.values())
    average = EMA(game)
    x = torch.rand(4, 1, 32, 32) * 2 - 1
    terms = [report.scalars() for report in train(game, repeat((x,)), steps, players=players, ema=average)]
    return {**game.state_dict(), **{f"average.{n}": t for n, t in average.game.state_dict().items()}}, terms


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("dcgan", {"networks": Networks(latent=8, width=8)}),
        ("sngan", {"networks": RESIDUAL}),
        ("wgan-gp", {"networks": RESIDUAL, "critic_steps": 2}),
        ("wgan", {"networks": Networks(latent=8, width=8), "critic_steps": 2}),
        ("r3gan", {"width": 16, "latent": 8}),
        ("stylegan2", {"width": 8, "latent": 8}),
    ],
)
def test_auto_and_off_give_the_same_weights_to_rounding(name, arguments):
    """In double precision, relative to the largest weight: 1e-8, where one step of Adam moves weights by 1e-4."""
    torch.set_default_dtype(torch.float64)
    try:
        (fast, terms), (plain, others) = played(name, AUTO, **arguments), played(name, OFF, **arguments)
    finally:
        torch.set_default_dtype(torch.float32)
    for key, weight in plain.items():
        assert torch.allclose(fast[key], weight, rtol=1e-8, atol=1e-8), key
    for mine, theirs in zip(terms, others, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def layouts(network):
    """Whether each convolution's weight is channels-last, and not contiguous as well."""
    weights = [p for p in network.parameters() if p.dim() == 4 and not (p.size(1) == 1 or p.shape[2:] == (1, 1))]
    return {w.is_contiguous(memory_format=torch.channels_last) and not w.is_contiguous() for w in weights}


def steps(players, how):
    return {group[how] for player in players.values() for group in player.param_groups}


def test_off_is_the_plain_path_and_auto_is_not(tmp_path):
    fast = start(tmp_path / "fast", "sngan", IMAGES, size=16, arguments={"networks": {"network": "resnet", "width": 8}})
    plain = start(
        tmp_path / "plain",
        "sngan",
        IMAGES,
        size=16,
        arguments={"networks": {"network": "resnet", "width": 8}},
        fast="off",
    )
    assert (layouts(fast.game), layouts(plain.game)) == ({True}, {False})
    assert (layouts(fast.ema.game.G), layouts(plain.ema.game.G)) == ({True}, {False})
    assert (steps(fast.optimizers, "fused"), steps(plain.optimizers, "fused")) == ({True}, {False})
    folded = [{layer.fused for layer in run.game.modules() if hasattr(layer, "fused")} for run in (fast, plain)]
    assert folded == [{True}, {False}]
    assert plain.performance == PerformanceOptions("off")
    assert not difference(dict(fast.game.state_dict()), dict(plain.game.state_dict()))  # the same beginning


def test_what_was_chosen_is_stored_and_printed(tmp_path, capsys):
    words = ["train", "dcgan", "--data", "digits", "--size", "16", "--width", "8", "--batch-size", "4"]
    folder = tmp_path / "run"
    main([*words, "--steps", "1", "--device", "cpu", "--out", str(folder)])
    assert "fast: auto (channels-last G, D; fused optimisers" in capsys.readouterr().out
    recorded = json.loads((folder / "run.json").read_text())["performance"]
    assert recorded | {"keep_freed_memory": True} == {
        "setting": "auto",
        "channels_last": ["G", "D"],
        "fused_optimizers": True,
        "fused_resampling": False,  # there is nothing to fold in DCGAN
        "prefetch": False,
        "keep_freed_memory": True,
        "contiguous_outputs": [],
        "fast_double_backward": True,
        "fused_upsampling": [],  # nor in a sequence of another's
    }
    main([*words, "--steps", "1", "--device", "cpu", "--out", str(tmp_path / "off"), "--fast", "off"])
    assert "fast: off (none)" in capsys.readouterr().out


@pytest.mark.parametrize("setting", ["auto", "off"])
def test_a_resumed_run_keeps_its_choice_and_is_equal_to_the_bit(tmp_path, setting):
    other = {"auto": "off", "off": "auto"}[setting]
    straight = play(start(tmp_path / "straight", "dcgan", IMAGES, size=16, fast=setting), 4)
    play(start(tmp_path / "stopped", "dcgan", IMAGES, size=16, fast=setting), 2)
    resumed = Run.open(tmp_path / "stopped", device="cpu")
    assert resumed.performance == straight.performance
    assert steps(resumed.optimizers, "fused") == {setting == "auto"}
    assert layouts(resumed.game) == {setting == "auto"}
    play(resumed, 3)
    again = start(tmp_path / "stopped", "dcgan", IMAGES, size=16, fast=other)  # requests the other one
    assert again.performance.setting == setting
    assert f"was made with --fast {setting}" in again.notes[-1]
    assert not difference(straight.state.state_dict(), play(again, 4).state.state_dict())
    assert steps(again.optimizers, "fused") == {setting == "auto"}


def test_a_rollback_to_the_beginning_stays_on_the_plain_path(tmp_path):
    run = start(tmp_path / "run", fast="off")
    groups = [
        group
        for player in TrainState.fresh(run.config, run.training, run.game.device).state_dict()["optimizers"].values()
        for group in player["param_groups"]
    ]
    assert {group["fused"] for group in groups} == {False}


def test_there_is_no_other_setting(tmp_path):
    with pytest.raises(RunError, match="no --fast very: give one of auto, off"):
        start(tmp_path / "run", fast="very")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "broken",
    [
        [],
        {},
        None,
        {"setting": "very"},
        {"fused_optimizers": "yes"},
        {"channels_last": [1]},
        {"fused_upsampling": [1]},
        {"fused_upsampling": "G"},
        {"contiguous_outputs": "D.body"},
        {"more": True},
    ],
)
def test_a_broken_choice_is_one_sentence(tmp_path, broken):
    start(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    whole = isinstance(broken, list) or not broken
    path.write_text(json.dumps({**record, "performance": broken if whole else {**record["performance"], **broken}}))
    with pytest.raises(RunError, match=r"performance|networks|fast"):
        Run.open(tmp_path / "run", device="cpu")


def plain_adam(network):
    return torch.optim.Adam(network.parameters(), lr=1e-4)


def unfused_adam(network):
    return torch.optim.Adam(network.parameters(), lr=1e-4, foreach=True)


class Maker(nn.Sequential):
    latent = 4


def written(norm, optimiser=plain_adam):
    """A game as a user would write it: contiguous, plain optimisers."""
    G = Maker(nn.Unflatten(1, (4, 1, 1)), nn.ConvTranspose2d(4, 8, 4), norm(8), nn.Conv2d(8, 3, 3, padding=1))
    D = nn.Sequential(nn.Conv2d(3, 8, 4), nn.Flatten(0))
    return GAN(G, D, NonSaturating(), critic=optimiser, generator=optimiser)


def test_games_of_users_become_fast_where_that_is_safe():
    batch, single = written(nn.BatchNorm2d), written(lambda channels: nn.GroupNorm(1, channels))
    assert PerformanceOptions.for_game("auto", batch).channels_last == ("G", "D")
    assert PerformanceOptions.for_game("auto", single).channels_last == ()
    players = batch.players()
    PerformanceOptions.for_game("auto", batch).fuse(players.values())
    assert steps(players, "fused") == {True}
    next(train(batch, repeat((torch.zeros(2, 3, 4, 4),)), 1, players=players))
    recorded = written(nn.BatchNorm2d, unfused_adam)
    players = recorded.players()
    PerformanceOptions.for_game("auto", recorded).fuse(players.values())
    assert steps(players, "fused") == {None}  # the user's own setting


def rows(count=10):
    return Dataset("rows", torch.arange(2.0 * count).view(count, 2).numpy())


def test_batches_made_ahead_are_the_same_in_the_same_order():
    plain, ahead = Stream(rows(), batch_size=4, seed=1), PrefetchStream(Stream(rows(), batch_size=4, seed=1))
    for position in range(1, 8):
        assert torch.equal(next(plain)[0], next(ahead)[0])
        assert ahead.position == plain.position == position  # though the next one is made already
    for batches in (plain, ahead):
        batches.seek(2)
    assert ahead.position == 2
    assert torch.equal(next(plain)[0], next(ahead)[0])


def test_an_error_in_prefetching_is_raised_on_request(monkeypatch):
    ahead = PrefetchStream(Stream(rows(), batch_size=4))
    next(ahead)

    def fails(*_):
        raise DataError("gone")

    monkeypatch.setattr(Dataset, "rows", fails)
    with pytest.raises(DataError, match="gone"):  # the next batch may have been made before
        deque((next(ahead) for _ in range(2)), maxlen=0)


def test_a_run_whose_batches_are_made_ahead_is_equal_to_the_bit_also_after_a_stop(tmp_path):
    straight = play(start(tmp_path / "straight", "wgan-gp", POINTS), 4)
    folder = tmp_path / "ahead"
    start(folder, "wgan-gp", POINTS)
    path = folder / "run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "performance": {**record["performance"], "prefetch": True}}))
    play(Run.open(folder, device="cpu"), 2)
    run = Run.open(folder, device="cpu")
    assert isinstance(run.state.stream, PrefetchStream)
    assert not difference(straight.state.state_dict(), play(run, 4).state.state_dict())


FAULTS = """
import resource, sys, torch
from sparring.runs.performance import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt  # importing torch takes tens of thousands
for _ in range(40):
    torch.empty(2**24).fill_(1.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not PerformanceOptions.for_game("auto", written(nn.Identity)).keep_freed_memory, reason="the C library is not glibc"
)
def test_freed_memory_is_kept():
    faults = [
        int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True).stdout)
        for how in ("give back", "keep")
    ]
    assert faults[0] - faults[1] > 20 * 2**26 / 4096  # half of what forty tensors of 64 MiB take, at least


def test_a_training_keeps_freed_memory_where_that_was_chosen(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr("sparring.runs.run.keep_freed_memory", lambda: kept.append(True))
    run = start(tmp_path / "run")
    run.config = replace(run.config, performance=replace(run.performance, keep_freed_memory=True))
    play(run, 1)
    assert kept == [True]
    plain = start(tmp_path / "plain")
    plain.config = replace(plain.config, performance=replace(plain.performance, keep_freed_memory=False))
    play(plain, 1)
    assert kept == [True]
