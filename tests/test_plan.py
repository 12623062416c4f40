"""A plan is measured in turns, leaves the run as it is, ends in time, and advises nothing that may be chance."""

import math
import random
from copy import deepcopy
from dataclasses import replace

import pytest
import scipy.stats

from runs import IMAGES, difference, play, start
from sparring import plan as module
from sparring.cli import main
from sparring.cli.planning import _conclude, advice
from sparring.plan import Option, Plan, Probe, chance, foretold, options, plan, plans
from sparring.state import gathered

MIB = 2**20
WORDS = ["train", "dcgan", "--data", "digits", "--size", "8", "--batch", "4", "--width", "4", "--device", "cpu"]


def option(batch, precision="fp32", **how):
    return Option(batch, precision, **how)


def probe(batch, speed=100.0, memory=MIB, parts=1, turns=15, noise=lambda: 1.0, **how):
    """Steps of a batch at so many images a second, each times a factor."""
    times = {turn: batch / speed * noise() for turn in range(turns)}
    return Probe(option(batch, **how), parts, times, batch, memory, MIB)


@pytest.fixture
def brief(monkeypatch):
    """Two turns."""
    monkeypatch.setattr("sparring.plan.TURNS", 2)


def test_a_plan_measures_what_could_be_chosen_and_leaves_the_run_as_it_is(tmp_path, brief):
    run = start(tmp_path / "run", "dcgan", IMAGES)
    play(run, 2)
    before = deepcopy(gathered(run))
    found = plan(run)
    assert found.asked == option(4)
    said = [(each.batch, each.option.precision, each.option.width) for each in found.probes]
    asked, others = (4, "fp32", None), [(4, "bf16", None), (4, "fp32", 4), (8, "fp32", None), (4, "fp32", 16)]
    assert said == [(2, "fp32", None), asked, *others]
    assert all(list(each.times) == [0, 1] and min(each.times.values()) > 0 for each in found.probes)
    assert all(each.images == each.batch for each in found.probes)
    assert found.base.option == found.asked
    assert not difference(before, gathered(run))
    assert run.step == 2


def test_wider_networks_keep_more_and_narrower_ones_less(tmp_path, brief):
    run = start(tmp_path / "run", "dcgan", IMAGES, arguments={"networks": {"width": 16}})
    sizes = {each.option.width: each.state for each in plan(run).probes}
    assert sizes[8] < sizes[None] < sizes[32]


def test_a_width_that_was_not_given_is_that_of_the_networks(tmp_path):
    run = start(tmp_path / "run", "dcgan", IMAGES, arguments={})
    assert {each.width for each in options(run)[0]} == {None, 32, 128}


def test_a_checkpoint_is_as_large_as_foretold(tmp_path, brief):
    run = start(tmp_path / "run", "dcgan", IMAGES, arguments={"networks": {"width": 64}})
    foretold_bytes = plan(run).base.state
    play(run, 3)
    written = sum(file.stat().st_size for file in (tmp_path / "run" / "checkpoints" / "000003").iterdir())
    assert foretold_bytes == pytest.approx(written, rel=0.05)


def test_a_critic_that_moves_often_draws_as_many_images(tmp_path, brief):
    run = start(tmp_path / "run", "wgan-gp", arguments={"critic_steps": 3, "networks": {"width": 8}})
    assert plan(run).step()[1] == 3 * 8


def test_memory_is_extended_by_its_steepest_line():
    assert foretold([(4, 10), (8, 30), (16, 50)], 32) == 50 + 5 * 16
    assert foretold([(4, 10), (8, 30)], 2) == 0


def test_what_does_not_fit_is_played_in_parts_or_refused():
    small = Plan((probe(16, memory=100), probe(32, memory=200)), option(128), free=500)
    assert small.base.batch == 32
    assert small.parts() == 2  # 64 rows would take 400, and no more than that is used of 500
    assert replace(small, free=499).parts() == 4
    assert replace(small, free=1).parts() is None
    assert "--parts 2" in advice(small)[0]
    assert "--width" in advice(replace(small, free=1))[0]
    assert replace(small, free=None).parts() == 1
    assert Plan(small.probes, option(1), free=None).parts() == 1


def test_a_batch_that_was_left_out_is_extended_from_a_smaller_one():
    found = Plan((probe(16), probe(32), probe(32, precision="bf16", speed=300.0)), option(128), free=None)
    assert found.step() == (pytest.approx(1.28), 128)
    assert "--precision bf16 would be 3.0 times as fast." in advice(found)
    assert replace(found, probes=found.probes[:1]).step() == (pytest.approx(1.28), 128)
    costly = replace(found, probes=(replace(probe(16), times={0: 1.0}), replace(probe(32), times={0: 1.2})))
    assert costly.step() == (pytest.approx(1.2 + 0.2 * 96 / 16), 128), "what a step costs without any row is paid once"
    odd = replace(found, probes=(replace(probe(16), times={0: 1.0}), replace(probe(32), times={0: 9.0})))
    assert odd.step() == (pytest.approx(36.0), 128), "never more than in proportion"


def test_the_memory_of_one_batch_is_extended_from_the_state():
    assert Plan((probe(2, memory=3 * MIB),), option(8), free=None).memory(8) == 9 * MIB


def test_another_option_is_named_only_where_it_is_clearly_faster():
    slow, fast, same = probe(32), probe(64, speed=150.0), probe(64, speed=105.0)
    assert Plan((slow, fast), option(32), free=None).faster() == [fast]
    assert Plan((slow, same), option(32), free=None).faster() == []
    assert "--batch 64 would be 1.5 times as fast" in advice(Plan((slow, fast), option(32), free=None))[0]
    narrow = probe(32, speed=300.0, width=8)
    assert Plan((slow, narrow), option(32), free=None).faster() == [], "that is another model"


def test_nothing_is_named_on_noise():
    """Options of one speed, with steps that a busy machine stretches up to three times."""
    rng, named = random.Random(0), 0
    for _ in range(400):
        probes = [probe(batch, noise=lambda: rng.uniform(1, 3)) for batch in (16, 32, 64, 128)]
        named += bool(Plan(tuple(probes), option(64), free=None).faster())
    assert named / 400 < 0.05


def test_a_real_gain_is_named_despite_noise():
    rng = random.Random(0)
    noise = lambda: rng.uniform(1, 1.3)  # noqa: E731
    found = Plan((probe(64, noise=noise), probe(128, speed=150.0, noise=noise)), option(64), free=None)
    assert [each.batch for each in found.faster()] == [128]


def test_the_chance_is_that_of_a_paired_t_test():
    rng = random.Random(1)
    slow, fast = (probe(32, speed=speed, turns=6, noise=lambda: rng.uniform(1, 1.3)) for speed in (100.0, 115.0))
    logs = [[math.log(each.times[turn]) for turn in range(1, 6)] for each in (slow, fast)]  # the first does not count
    assert chance(slow, fast) == pytest.approx(scipy.stats.ttest_rel(*logs, alternative="greater").pvalue)
    assert chance(fast, slow) == pytest.approx(1 - chance(slow, fast))
    assert chance(slow, replace(fast, times={0: 0.1, 1: 0.1})) == 1, "one turn says nothing"


def test_too_few_turns_are_said():
    one = Plan((probe(32, turns=1), probe(64, speed=900.0, turns=1)), option(32), free=None)
    assert advice(one) == ["Too few steps were played to compare options: nothing is recommended."]


def test_quartiles_and_medians():
    found = replace(probe(10), times=dict(enumerate((1.0, 2.0, 3.0, 4.0, 100.0))))
    assert (found.seconds, found.quartiles, found.speed) == (3, (2, 4), 10 / 3)


class Clock:
    """A clock by which a row of a batch takes a second."""

    now = 0.0

    def perf_counter(self):
        return self.now


def trial_by(clock):
    """A trial whose steps take a second by the row and unit of work."""

    class Trial:
        def __init__(self, run, option):
            self.option, self.times = option, {}
            clock.now += option.batch * option.work
            self.play(0)

        def play(self, turn):
            clock.now += self.option.batch * self.option.work
            self.times[turn] = self.option.batch * self.option.work

        def probe(self):
            return Probe(self.option, 1, dict(self.times), self.option.batch, None, MIB)

    return Trial


def test_all_advice_is_printed(capsys):
    _conclude(found := Plan((probe(4, memory=9 * MIB), probe(8, speed=300.0)), option(4), MIB), 30, False)
    assert len(advice(found)) == 2
    assert capsys.readouterr().out.splitlines()[-2:] == advice(found)


def test_a_plan_ends_in_time_and_says_what_it_left_out(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("sparring.plan.time", clock)

    monkeypatch.setattr("sparring.plan._Trial", trial_by(clock))
    run = start(tmp_path / "run", "dcgan", {**IMAGES, "batch": 32})
    found = plan(run, seconds=40)
    assert clock.now <= 40
    assert found.asked in found.left_out
    assert "a step would take about 32 s" in found.left_out[found.asked]
    assert (found.base.batch, found.step()) == (8, (32, 32))
    assert found.left_out.keys() >= {Option(16, "fp32"), Option(64, "fp32")}
    tried = {each.option for each in found.probes} | found.left_out.keys()
    assert Option(8, "bf16") in tried, "what could be chosen is compared at the largest batch that was played"


def test_only_what_is_compared_takes_all_turns(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("sparring.plan.time", clock)
    monkeypatch.setattr("sparring.plan._Trial", trial_by(clock))
    found = plan(start(tmp_path / "run", "dcgan", {**IMAGES, "batch": 32}), seconds=1e6)
    turns = {each.option: len(each.times) for each in found.probes}
    assert {turns[each] for each in turns if found.comparable(each)} == {module.TURNS}
    assert {turns[each] for each in turns if not found.comparable(each)} == {module.FEW}


def test_an_option_that_the_game_cannot_play_is_left_out_with_its_reason(tmp_path, brief):
    run = start(tmp_path / "run", "dcgan", {**IMAGES, "batch": 8}, aids={"packing": 4})
    found = plan(run)
    assert found.base.option == found.asked
    assert any(each.batch == 2 for each in found.left_out)


def test_rows_come_as_they_are_measured(tmp_path, brief):
    run = start(tmp_path / "run", "dcgan", IMAGES)
    seen = [len(found.probes) for found in plans(run)]
    assert seen[:3] == [1, 2, 3]


def test_ctrl_c_leaves_what_was_measured_and_a_clear_ending(tmp_path, capsys, monkeypatch, brief):
    class Interrupted(module._Trial):
        def __init__(self, run, option):
            if option.precision == "bf16":
                raise KeyboardInterrupt
            super().__init__(run, option)

    monkeypatch.setattr(module, "_Trial", Interrupted)
    assert main([*WORDS, "--steps", "30", "--out", str(tmp_path / "run"), "--plan"]) == 130
    said = capsys.readouterr().out
    assert "batch 4, fp32: " in said
    assert "Stopped.\n" in said
    assert "for 30 steps of 4 images" in said
    assert not (tmp_path / "run").exists()


def test_ctrl_c_before_the_first_row_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sparring.plan.options", lambda run: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main([*WORDS, "--steps", "30", "--out", str(tmp_path / "run"), "--plan"]) == 130
    assert "Stopped before anything was measured." in capsys.readouterr().out


def test_a_game_of_stages_is_planned_at_its_first_and_its_last(tmp_path, brief):
    from runs import PHOTO

    run = start(tmp_path / "run", "singan", PHOTO)
    found = plan(run)
    assert found.base.option == found.asked
    assert found.asked.start == run.game.stages()[-1].start
    assert len(found.probes) == 3


def test_the_command_plans_and_writes_nothing(tmp_path, capsys, brief):
    assert main([*WORDS, "--steps", "30", "--out", str(tmp_path / "run"), "--plan"]) == 0
    said = capsys.readouterr().out
    assert "for 30 steps of 4 images" in said
    assert "batch 4, bf16" in said
    assert "batch 4, fp32, width 8" in said
    assert not (tmp_path / "run").exists()
    assert main([*WORDS, "--kimg", "0.1", "--out", str(tmp_path / "run"), "--plan"]) == 0
    assert "for 25 steps of 4 images" in capsys.readouterr().out
