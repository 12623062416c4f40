"""A plan is measured in turns, leaves the run as it is, ends in time, and advises nothing that may be chance."""

import math
import random
from copy import deepcopy
from dataclasses import replace

import pytest
import scipy.stats

from sparring.cli import main
from sparring.cli.train import Goal, _conclude, advice
from sparring.runs import profiling as module
from sparring.runs.profiling import (
    BatchProfile,
    CostEstimate,
    Option,
    estimate_cost,
    estimate_costs,
    extrapolate_memory,
    options,
    p_value,
)
from support.runs import IMAGES, difference, play, start

MIB = 2**20
WORDS = ["train", "dcgan", "--data", "digits", "--size", "8", "--batch-size", "4", "--width", "4", "--device", "cpu"]


def option(batch, precision="fp32", **how):
    return Option(batch, precision, **how)


def probe(batch, speed=100.0, memory=MIB, parts=1, turns=15, noise=lambda: 1.0, **how):
    """Return the step times of a batch at a number of images a second, each times a factor."""
    times = {turn: batch / speed * noise() for turn in range(turns)}
    return BatchProfile(option(batch, **how), parts, times, batch, memory, MIB)


@pytest.fixture
def brief(monkeypatch):
    """Two turns."""
    monkeypatch.setattr("sparring.runs.profiling.TURNS", 2)


def test_a_plan_measures_what_could_be_chosen_and_leaves_the_run_as_it_is(tmp_path, brief):
    run = start(tmp_path / "run", "dcgan", IMAGES)
    play(run, 2)
    before = deepcopy(run.state.state_dict())
    found = estimate_cost(run.state)
    assert found.asked == option(4)
    output = [(each.batch, each.option.precision, each.option.width) for each in found.probes]
    requested, others = (4, "fp32", None), [(4, "bf16", None), (4, "fp32", 4), (8, "fp32", None), (4, "fp32", 16)]
    assert output == [(2, "fp32", None), requested, *others]
    assert all(list(each.times) == [0, 1] and min(each.times.values()) > 0 for each in found.probes)
    assert all(each.images == each.batch for each in found.probes)
    assert found.base.option == found.asked
    assert not difference(before, run.state.state_dict())
    assert run.step == 2


def test_wider_networks_keep_more_and_narrower_ones_less(tmp_path, brief):
    run = start(tmp_path / "run", "dcgan", IMAGES, arguments={"networks": {"width": 16}})
    sizes = {each.option.width: each.state for each in estimate_cost(run.state).probes}
    assert sizes[8] < sizes[None] < sizes[32]


def test_a_width_that_was_not_given_is_that_of_the_networks(tmp_path):
    run = start(tmp_path / "run", "dcgan", IMAGES, arguments={})
    assert {each.width for each in options(run.state)[0]} == {None, 32, 128}


def test_a_checkpoint_has_the_predicted_size(tmp_path, brief):
    run = start(tmp_path / "run", "dcgan", IMAGES, arguments={"networks": {"width": 64}})
    predicted = estimate_cost(run.state).base.state
    play(run, 3)
    written = sum(file.stat().st_size for file in (tmp_path / "run" / "checkpoints" / "000003").iterdir())
    assert predicted == pytest.approx(written, rel=0.05)


def test_a_critic_that_moves_often_draws_as_many_images(tmp_path, brief):
    run = start(tmp_path / "run", "wgan-gp", arguments={"critic_steps": 3, "networks": {"width": 8}})
    assert estimate_cost(run.state).step()[1] == 3 * 8


def test_memory_is_extended_by_its_steepest_line():
    assert extrapolate_memory([(4, 10), (8, 30), (16, 50)], 32) == 50 + 5 * 16
    assert extrapolate_memory([(4, 10), (8, 30)], 2) == 0


def test_what_does_not_fit_is_accumulated_in_parts_or_refused():
    small = CostEstimate((probe(16, memory=100), probe(32, memory=200)), option(128), free=500)
    assert small.base.batch == 32
    assert small.parts() == 2  # 64 rows would take 400, and no more than that is used of 500
    assert replace(small, free=499).parts() == 4
    assert replace(small, free=1).parts() is None
    assert "--grad-accum 2" in advice(small)[0]
    assert "--width" in advice(replace(small, free=1))[0]
    assert replace(small, free=None).parts() == 1
    assert CostEstimate(small.probes, option(1), free=None).parts() == 1


def test_a_batch_that_was_left_out_is_extended_from_a_smaller_one():
    found = CostEstimate((probe(16), probe(32), probe(32, precision="bf16", speed=300.0)), option(128), free=None)
    assert found.step() == (pytest.approx(1.28), 128)
    assert "--precision bf16 would be 3.0 times as fast." in advice(found)
    assert replace(found, probes=found.probes[:1]).step() == (pytest.approx(1.28), 128)
    costly = replace(found, probes=(replace(probe(16), times={0: 1.0}), replace(probe(32), times={0: 1.2})))
    assert costly.step() == (pytest.approx(1.2 + 0.2 * 96 / 16), 128), "what a step costs without any row is paid once"
    odd = replace(found, probes=(replace(probe(16), times={0: 1.0}), replace(probe(32), times={0: 9.0})))
    assert odd.step() == (pytest.approx(36.0), 128), "never more than in proportion"


def test_the_memory_of_one_batch_is_extended_from_the_state():
    assert CostEstimate((probe(2, memory=3 * MIB),), option(8), free=None).memory(8) == 9 * MIB


def test_another_option_is_named_only_where_it_is_clearly_faster():
    slow, fast, same = probe(32), probe(64, speed=150.0), probe(64, speed=105.0)
    assert CostEstimate((slow, fast), option(32), free=None).faster() == [fast]
    assert CostEstimate((slow, same), option(32), free=None).faster() == []
    assert "--batch-size 64 would be 1.5 times as fast" in advice(CostEstimate((slow, fast), option(32), free=None))[0]
    narrow = probe(32, speed=300.0, width=8)
    assert CostEstimate((slow, narrow), option(32), free=None).faster() == [], "that is another model"


def test_nothing_is_named_on_noise():
    """Options of one speed, with steps that a busy machine stretches up to three times."""
    rng, named = random.Random(0), 0
    for _ in range(400):
        probes = [probe(batch, noise=lambda: rng.uniform(1, 3)) for batch in (16, 32, 64, 128)]
        named += bool(CostEstimate(tuple(probes), option(64), free=None).faster())
    assert named / 400 < 0.05


def test_a_real_gain_is_named_despite_noise():
    rng = random.Random(0)
    noise = lambda: rng.uniform(1, 1.3)  # noqa: E731
    found = CostEstimate((probe(64, noise=noise), probe(128, speed=150.0, noise=noise)), option(64), free=None)
    assert [each.batch for each in found.faster()] == [128]


def test_the_chance_is_that_of_a_paired_t_test():
    rng = random.Random(1)
    slow, fast = (probe(32, speed=speed, turns=6, noise=lambda: rng.uniform(1, 1.3)) for speed in (100.0, 115.0))
    logs = [[math.log(each.times[turn]) for turn in range(1, 6)] for each in (slow, fast)]  # the first does not count
    assert p_value(slow, fast) == pytest.approx(scipy.stats.ttest_rel(*logs, alternative="greater").pvalue)
    assert p_value(fast, slow) == pytest.approx(1 - p_value(slow, fast))
    assert p_value(slow, replace(fast, times={0: 0.1, 1: 0.1})) == 1, "one turn has no spread"


def test_too_few_turns_are_reported():
    one = CostEstimate((probe(32, turns=1), probe(64, speed=900.0, turns=1)), option(32), free=None)
    assert advice(one) == ["Too few steps were measured to compare options: nothing is recommended."]


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
            return BatchProfile(self.option, 1, dict(self.times), self.option.batch, None, MIB)

    return Trial


def test_all_advice_is_printed(capsys):
    _conclude(found := CostEstimate((probe(4, memory=9 * MIB), probe(8, speed=300.0)), option(4), MIB), 30, Goal())
    assert len(advice(found)) == 2
    assert capsys.readouterr().out.splitlines()[-2:] == advice(found)


def test_a_plan_ends_in_time_and_reports_what_it_omitted(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("sparring.runs.profiling.time", clock)

    monkeypatch.setattr("sparring.runs.profiling._Trial", trial_by(clock))
    run = start(tmp_path / "run", "dcgan", {**IMAGES, "batch_size": 32})
    found = estimate_cost(run.state, seconds=40)
    assert clock.now <= 40
    assert found.asked in found.left_out
    assert "a step would take about 32 s" in found.left_out[found.asked]
    assert (found.base.batch, found.step()) == (8, (32, 32))
    assert found.left_out.keys() >= {Option(16, "fp32"), Option(64, "fp32")}
    tried = {each.option for each in found.probes} | found.left_out.keys()
    assert Option(8, "bf16") in tried, "what could be chosen is compared at the largest batch that was played"


def test_only_what_is_compared_takes_all_turns(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("sparring.runs.profiling.time", clock)
    monkeypatch.setattr("sparring.runs.profiling._Trial", trial_by(clock))
    found = estimate_cost(start(tmp_path / "run", "dcgan", {**IMAGES, "batch_size": 32}).state, seconds=1e6)
    turns = {each.option: len(each.times) for each in found.probes}
    assert {turns[each] for each in turns if found.comparable(each)} == {module.TURNS}
    assert {turns[each] for each in turns if not found.comparable(each)} == {module.FEW}


def test_an_option_that_the_game_cannot_play_is_left_out_with_its_reason(tmp_path, brief):
    run = start(tmp_path / "run", "dcgan", {**IMAGES, "batch_size": 8}, techniques={"packing": 4})
    found = estimate_cost(run.state)
    assert found.base.option == found.asked
    assert any(each.batch == 2 for each in found.left_out)


def test_rows_come_as_they_are_measured(tmp_path, brief):
    run = start(tmp_path / "run", "dcgan", IMAGES)
    seen = [len(found.probes) for found in estimate_costs(run.state)]
    assert seen[:3] == [1, 2, 3]


def test_ctrl_c_leaves_what_was_measured_and_a_clear_ending(tmp_path, capsys, monkeypatch, brief):
    class Interrupted(module._Trial):
        def __init__(self, run, option):
            if option.precision == "bf16":
                raise KeyboardInterrupt
            super().__init__(run, option)

    monkeypatch.setattr(module, "_Trial", Interrupted)
    assert main([*WORDS, "--steps", "30", "--out", str(tmp_path / "run"), "--estimate"]) == 130
    output = capsys.readouterr().out
    assert "batch 4, fp32: " in output
    assert "Stopped.\n" in output
    assert "for 30 steps of 4 images" in output
    assert not (tmp_path / "run").exists()


def test_ctrl_c_before_the_first_row_is_reported(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sparring.runs.profiling.options", lambda run: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main([*WORDS, "--steps", "30", "--out", str(tmp_path / "run"), "--estimate"]) == 130
    assert "Stopped before anything was measured." in capsys.readouterr().out


def test_a_game_of_stages_is_planned_at_its_first_and_its_last(tmp_path, brief):
    from support.runs import PHOTO

    run = start(tmp_path / "run", "singan", PHOTO)
    found = estimate_cost(run.state)
    assert found.base.option == found.asked
    assert found.asked.start == run.game.stages()[-1].start
    assert len(found.probes) == 3


def test_the_command_plans_and_writes_nothing(tmp_path, capsys, brief):
    assert main([*WORDS, "--steps", "30", "--out", str(tmp_path / "run"), "--estimate"]) == 0
    output = capsys.readouterr().out
    assert "for 30 steps of 4 images" in output
    assert "batch 4, bf16" in output
    assert "batch 4, fp32, width 8" in output
    assert not (tmp_path / "run").exists()
    assert main([*WORDS, "--kimg", "0.1", "--out", str(tmp_path / "run"), "--estimate"]) == 0
    assert "for 25 steps of 4 images" in capsys.readouterr().out
