"""Successive halving: shares of the budget, who races, and who goes on."""

import math

import pytest

from sparring.experiments.race import RACE, Rung, affordable, beats_noise, ranked, rungs, survivors


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 7, 8])
def test_the_winner_gets_more_than_half_of_the_budget_and_all_shares_make_the_whole(number):
    found, budget = rungs(number, 100.0), 100.0
    marks = [0.0, *(rung.mark for rung in found)]
    spent = sum(
        (after - before) * rung.candidates for before, after, rung in zip(marks, marks[1:], found, strict=False)
    )
    assert spent == pytest.approx(0 if number == 1 else RACE * budget)
    assert budget - spent + marks[-1] > budget / 2
    assert len(found) == math.ceil(math.log2(number))


def test_rungs_halve_the_candidates_and_cost_the_same():
    assert rungs(4, 1000) == [Rung(4, 50.0), Rung(2, 150.0)]
    assert rungs(5, 300) == [Rung(5, 8.0), Rung(3, pytest.approx(64 / 3)), Rung(2, pytest.approx(124 / 3))]


def test_a_small_budget_has_fewer_candidates():
    needs = dict.fromkeys("abcd", 10.0)
    assert [len(affordable(needs, budget)) for budget in (25, 40, 60, 200)] == [1, 1, 2, 4]


def test_candidates_that_are_too_slow_are_left_out_wherever_they_stand():
    assert affordable({"slow": 90.0, "a": 1.0, "b": 1.0}, 100) == ["a", "b"]
    assert affordable({"slow": 61.0, "slower": 70.0}, 100) == ["slow"]
    assert affordable({"slow": 59.0, "fast": 40.0}, 100) == ["slow"]


def test_scores_are_ranked_in_their_direction_and_nan_is_last():
    scores = {"a": 5.0, "b": math.nan, "c": 3.0}
    assert ranked(scores, lower_is_better=True) == ["c", "a", "b"]
    assert ranked(scores, lower_is_better=False) == ["a", "c", "b"]


def test_a_tenth_of_the_way_to_real_data_is_clearly_better_than_noise():
    assert [beats_noise(score, 100.0, 20.0) for score in (92.1, 91.9)] == [False, True]
    assert [beats_noise(score, 0.1, 0.9) for score in (0.17, 0.19)] == [False, True]


def test_the_better_half_goes_on_rounded_up():
    scores = {name: float(place) for place, name in enumerate("edcba")}
    assert survivors(scores, list(scores), lower_is_better=True) == ["e", "d", "c"]
    assert survivors(scores, list(scores), lower_is_better=False) == ["a", "b", "c"]


def test_what_noise_equals_retires_if_another_beats_it_and_stays_if_none_does():
    scores = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    assert survivors(scores, ["a"], lower_is_better=True) == ["a"]
    assert survivors(scores, [], lower_is_better=True) == ["a", "b"]
