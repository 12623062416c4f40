"""Welch's test, Holm's adjustment and spreads over seeds."""

import math

import numpy as np
import pytest
import scipy.stats

from sparring.evaluation.significance import Spread, holm, spread, summary_over_training, welch_t_test

# -- what is measured


def test_welch_is_scipys_test_with_its_sign():
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = (rng.normal(rng.uniform(-9, 9), rng.uniform(0.01, 4), rng.integers(2, 9)) for _ in range(2))
        ours, theirs = welch_t_test(a.tolist(), b.tolist()), scipy.stats.ttest_ind(a, b, equal_var=False)
        assert ours.t == pytest.approx(theirs.statistic, rel=1e-10)
        assert ours.freedom == pytest.approx(theirs.df, rel=1e-10)
        assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)


def test_welch_by_hand():
    found = welch_t_test([1.0, 3.0], [4.0, 8.0])  # variances 2 and 8: t = −4 / √(1 + 4), ν = 25 / (1 + 16)
    assert found.t == pytest.approx(-4 / math.sqrt(5))
    assert found.freedom == pytest.approx(25 / 17)
    found = welch_t_test([0.0, 2.0], [3.0, 5.0])  # t = −3 / √2, ν = 2, where p = 1 − |t| / √(2 + t²)
    assert found.p == pytest.approx(1 - 3 / math.sqrt(13))
    assert welch_t_test([0.0, 2.0], [0.0, 2.0]).p == 1


@pytest.mark.parametrize(("a", "b"), [([1.0], [1.0, 2.0]), ([1.0, 1.0], [2.0, 2.0]), ([math.inf, 1.0], [1.0, 2.0])])
def test_the_test_is_omitted_where_it_cannot_be_significant(a, b):
    assert welch_t_test(a, b) is None
    assert welch_t_test(b, a) is None


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_spreads_by_hand():
    assert spread([1.0, 2.0, 6.0]).mean == 3
    assert spread([1.0, 2.0, 6.0]).deviation == pytest.approx(math.sqrt(7))  # (4 + 1 + 9) / 2
    assert spread([4.0]).deviation is None
    assert spread([]) == Spread(None, None, 0)
    assert summary_over_training([5.0, 1.0, 3.0]) == {"min": 1, "max": 5, "mean": 3, "SD": 2}
    assert math.isnan(summary_over_training([5.0])["SD"])
