"""Ends of a training: steps or images, and learning rates that fall to zero towards them."""

from __future__ import annotations

import pytest

from sparring.errors import RunError
from sparring.runs import logs
from sparring.runs.loop import FitOptions
from support import runs
from support.runs import difference, play, start

quick = pytest.fixture(autouse=True)(runs.quick)
HALVED = {"techniques": {"schedule": "linear", "schedule_steps": 20}}


def rates(run, steps, stop=None, **options):
    """Trains to `steps`, or leaves the training after step `stop`; returns the rate of D in each step."""
    found = []
    for report in run.fit(steps, **options):
        found.append(run.optimizers["D"].param_groups[0]["lr"] / 2e-4)
        if report.step == stop:
            break
    return found


def factors(folder):
    return [line.get("anneal") for line in logs.read(folder / "log.jsonl")]


def test_annealed_rates_fall_linearly_to_zero_at_the_end_and_the_factor_is_logged(tmp_path):
    expected = [1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    run = start(tmp_path / "run")
    assert rates(run, 10, anneal=0.4) == pytest.approx(expected)
    assert factors(tmp_path / "run") == pytest.approx(expected)
    assert not any("rates" in note for note in run.notes)


def test_annealing_multiplies_the_schedule_of_the_game_and_of_a_technique(tmp_path):
    found = rates(start(tmp_path / "run", **HALVED), 8, anneal=0.5)
    assert found == pytest.approx([1, 0.95, 0.9, 0.85, 0.8, 0.75 * 0.75, 0.7 * 0.5, 0.65 * 0.25])
    assert factors(tmp_path / "run") == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_a_training_without_annealing_keeps_its_bits_and_its_log(tmp_path):
    plain, still = play(start(tmp_path / "plain"), 4), play(start(tmp_path / "still"), 4, anneal=0.0)
    assert difference(plain.state.state_dict(), still.state.state_dict()) == ""
    assert factors(tmp_path / "plain") == [None] * 4
    falling = play(start(tmp_path / "falling"), 4, anneal=0.5)
    assert difference(plain.state.state_dict(), falling.state.state_dict()) != ""


def test_an_annealed_training_resumes_bit_for_bit(tmp_path):
    straight = play(start(tmp_path / "straight"), 8, anneal=0.75)
    rates(start(tmp_path / "stopped"), 8, stop=5, anneal=0.75)
    resumed = play(start(tmp_path / "stopped"), 8, anneal=0.75)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    assert (tmp_path / "straight/log.jsonl").read_bytes() == (tmp_path / "stopped/log.jsonl").read_bytes()
    assert not any("rates" in note for note in resumed.notes)


def test_a_continued_training_says_that_its_rates_rise_again(tmp_path):
    play(start(tmp_path / "run"), 4, anneal=0.5)
    run = start(tmp_path / "run")
    assert rates(run, 8, anneal=0.5) == pytest.approx([1, 0.75, 0.5, 0.25])
    rise = "Up to step 4 the learning rates had fallen to 0.5 of their values; with the new end they continue at 1."
    assert rise in run.notes


def test_images_end_a_training_and_anneal_it(tmp_path):
    run = start(tmp_path / "run", "wgan-gp", arguments={**runs.tiny("wgan-gp"), "critic_steps": 2})  # 16 images a step
    reports = list(run.fit(images=70, anneal=0.8))
    assert [report.step for report in reports] == [1, 2, 3, 4, 5]
    assert factors(tmp_path / "run") == pytest.approx([1, 54 / 56, 38 / 56, 22 / 56, 6 / 56])
    assert {path.name for path in (tmp_path / "run/checkpoints").iterdir()} == {"000005"}
    assert list(start(tmp_path / "run", "wgan-gp", arguments=run.config.arguments).fit(images=70)) == []


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(RunError, match=r"anneal cannot be .*: give a share of the training, from 0 to 1"):
        FitOptions(10, anneal=share)
    assert FitOptions(10, anneal=1.0).anneal == 1
