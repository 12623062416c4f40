"""A plan is measured, leaves the run as it is, and foretells what does not fit before it is tried."""

from copy import deepcopy
from dataclasses import replace

import pytest

from runs import IMAGES, difference, play, start
from sparring.cli import main
from sparring.cli.planning import advice
from sparring.plan import Plan, Probe, foretold, plan
from sparring.state import gathered

MIB = 2**20


def probe(batch, speed=100.0, memory=MIB, parts=1):
    return Probe(batch, parts, batch / speed, batch, memory, MIB)


def test_a_plan_measures_steps_and_leaves_the_run_as_it_is(tmp_path):
    run = start(tmp_path / "run", "dcgan", IMAGES)
    play(run, 2)
    before = deepcopy(gathered(run))
    found = plan(run, seconds=0)
    assert [each.batch for each in found.probes] == [1, 2, 4, 8]
    assert all(each.seconds > 0 and each.images == each.batch for each in found.probes)
    assert found.asked == found.probes[2]
    assert not difference(before, gathered(run))
    assert run.step == 2


def test_a_checkpoint_is_as_large_as_foretold(tmp_path):
    run = start(tmp_path / "run", "dcgan", IMAGES, arguments={"networks": {"width": 64}})
    foretold_bytes = plan(run, seconds=0).probes[0].state
    play(run, 3)
    written = sum(file.stat().st_size for file in (tmp_path / "run" / "checkpoints" / "000003").iterdir())
    assert foretold_bytes == pytest.approx(written, rel=0.05)


def test_a_critic_that_moves_often_draws_as_many_images(tmp_path):
    run = start(tmp_path / "run", "wgan-gp", arguments={"critic_steps": 3, "networks": {"width": 8}})
    found = plan(run, seconds=0)
    assert found.asked.images == 3 * 8


def test_memory_is_extended_by_its_steepest_line():
    assert foretold([(4, 10), (8, 30), (16, 50)], 32) == 50 + 5 * 16
    assert foretold([(4, 10), (8, 30)], 2) == 0


def test_what_does_not_fit_is_played_in_parts_or_refused():
    small = Plan((probe(16, memory=100), probe(32, memory=200)), 128, free=500)
    assert small.asked is None
    assert small.parts() == 2  # 64 rows would take 400, and no more than that is used of 500
    assert replace(small, free=499).parts() == 4
    assert replace(small, free=1).parts() is None
    assert "--parts 2" in advice(small)[0]
    assert "--width" in advice(replace(small, free=1))[0]
    assert replace(small, free=None).parts() == 1


def test_another_batch_is_named_only_where_it_is_clearly_faster():
    slow, fast, same = probe(32), probe(64, speed=150.0), probe(64, speed=105.0)
    assert Plan((slow, fast), 32, free=None).faster() == fast
    assert Plan((slow, same), 32, free=None).faster() is None
    assert "--batch 64 would be 1.5 times as fast" in advice(Plan((slow, fast), 32, free=None))[0]


def test_the_command_plans_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sparring.plan.WARM", 1)
    monkeypatch.setattr("sparring.plan.plan.__kwdefaults__", {"seconds": 0})
    words = ["train", "dcgan", "--data", "digits", "--size", "8", "--batch", "4", "--width", "4", "--device", "cpu"]
    assert main([*words, "--steps", "30", "--out", str(tmp_path / "run"), "--plan"]) == 0
    told = capsys.readouterr().out
    assert "for 30 steps of 4 images" in told
    assert not (tmp_path / "run").exists()
    assert main([*words, "--kimg", "0.1", "--out", str(tmp_path / "run"), "--plan"]) == 0
    assert "for 25 steps of 4 images" in capsys.readouterr().out
