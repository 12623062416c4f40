"""Forecasts of scores: exact on a power law, with the interval of least squares beside it."""

import math

import numpy as np
import pytest

from sparring.experiments.extrapolation import forecast, quantile


def test_a_power_law_is_continued_exactly_from_either_side():
    times = [100, 200, 400, 1600]
    falling = forecast(times, [10 + 50 * t**-0.5 for t in times], 10.0, 10_000)
    assert falling.value == pytest.approx(10.5)
    assert falling.exponent == pytest.approx(0.5)
    assert falling.interval == pytest.approx((10.5, 10.5))
    rising = forecast(times, [0.9 - 2 * t**-0.5 for t in times], 0.9, 10_000)
    assert rising.value == pytest.approx(0.88)


def test_the_interval_is_that_of_a_new_observation():
    """By hand for four points: residuals ±.1 about a flat line, s² = .04 / 2, t = 4.303."""
    times, residuals = [1.0, math.e, math.e**2, math.e**3], np.array([0.1, -0.1, -0.1, 0.1])
    found = forecast(times, np.exp(residuals), 0.0, math.e**4)
    width = 4.303 * math.sqrt(0.02) * math.sqrt(1 + 1 / 4 + 2.5**2 / 5)
    assert found.exponent == pytest.approx(0, abs=1e-12)
    assert np.log(found.interval) == pytest.approx([-width, width])


def test_the_interval_covers_new_scores_about_as_often_as_it_says():
    draw, inside = np.random.default_rng(0), 0
    times = np.geomspace(10, 100, 8)
    for _ in range(400):
        scores = np.exp(3 - 0.7 * np.log(times) + 0.1 * draw.standard_normal(8))
        low, high = forecast(times, scores, 0.0, 200).interval
        inside += low <= np.exp(3 - 0.7 * np.log(200) + 0.1 * draw.standard_normal()) <= high
    assert 0.92 <= inside / 400 <= 0.98


def test_scores_beyond_the_limit_are_left_out_and_three_are_too_few():
    times = [1, 2, 4, 8, 16]
    scores = [12.0, 11.0, 10.5, 9.0, math.nan]
    assert forecast(times, scores, 10.0, 32) is None
    scores = [12.0, 11.0, 10.5, 9.0, 10.125]
    assert forecast(times, scores, 10.0, 32).value == pytest.approx(10.0625)


@pytest.mark.parametrize(("freedom", "value"), [(1, 12.706), (2, 4.303), (15, 2.131), (16, 2.120), (30, 2.042)])
def test_quantiles_of_students_t_are_those_of_tables(freedom, value):
    assert quantile(freedom) == pytest.approx(value, abs=1e-3)
