"""The verdict: by metrics of both quality and variety, and never for an entry that does not clearly beat noise."""

import numpy as np
import pytest
import scipy.stats

from sparring.evaluation.significance import holm
from sparring.experiments.verdict import criteria, verdict
from sparring.metrics import Direction, Score

UP, DOWN = Direction.HIGHER, Direction.LOWER
WAYS = {"Fréchet distance": DOWN, "FID": DOWN, "kernel distance": DOWN, "precision": UP, "recall": UP}
WAYS |= {"modes": UP, "high quality": UP, "reverse KL": DOWN, "path length": DOWN, "density": UP, "coverage": UP}
REAL = {"Fréchet distance": 7.6, "FID": 7.6, "kernel distance": 1.0, "precision": 0.88, "recall": 0.88}
REAL |= {"modes": 8.0, "high quality": 0.99, "reverse KL": 0.0, "path length": 3.0, "density": 1.0, "coverage": 0.9}
NOISE = {"Fréchet distance": 1395.0, "FID": 1395.0, "kernel distance": 500.0, "precision": 0.63, "recall": 0.001}
NOISE |= {"modes": 8.0, "high quality": 0.02, "reverse KL": 0.0, "path length": 0.0, "density": 0.1, "coverage": 0.0}


def verdict_of(rows, intervals=None):
    """The verdict over entries' seeds, each a row of scores."""
    names = list(next(iter(rows.values()))[0])
    score = lambda name, value: Score(name, value, {}, WAYS[name], (intervals or {}).get(name))  # noqa: E731
    references = {"data": [score(n, REAL[n]) for n in names], "noise": [score(n, NOISE[n]) for n in names]}
    return verdict(criteria(references["noise"], references), rows)


def seeds(spread=0.01, count=3, **means):
    """Rows of an entry's seeds, around means."""
    steps = np.linspace(-spread, spread, count) if count > 1 else [0.0]
    return [{name.replace("_", " "): mean * (1 + step) for name, mean in means.items()} for step in steps]


def distance(mean, **how):
    return [{"Fréchet distance": row["x"]} for row in seeds(x=mean, **how)]


def test_worse_than_noise_is_never_best():
    found = verdict_of({"a": distance(2187.0), "b": distance(3000.0)})
    assert found["best"] is None
    assert found["beats noise"] == []
    assert found["sentence"].startswith("None clearly beats noise: by Fréchet distance a scores 2,187 ± ")
    assert "noise 1,395, and no entry is better than that." in found["sentence"]


def test_better_than_noise_only_by_chance_is_not_best():
    found = verdict_of({"a": distance(900.0, spread=0.8), "b": distance(3000.0)})
    assert (found["leader"], found["best"], found["above noise"]) == ("a", None, ["a"])
    assert "and 3 seeds show no significant difference." in found["sentence"]


def test_one_seed_allows_no_verdict():
    found = verdict_of({"a": distance(60.0, count=1), "b": distance(300.0, count=1)})
    assert found["best"] is None
    assert "one seed allows no test: give two --seeds or more" in found["sentence"]


def test_the_best_beats_noise_and_every_other():
    found = verdict_of({"a": distance(300.0), "b": distance(60.0), "c": distance(200.0)})
    assert (found["best"], found["beaten"], found["not significant"]) == ("b", ["a", "c"], [])
    start = "Best is b: by Fréchet distance, 60 ± 0.6, it clearly beats noise (1,395) and differs significantly from a"
    start += " and c."
    assert found["sentence"] == start


def test_contestants_without_a_significant_difference_share_the_lead():
    found = verdict_of({"a": distance(60.0), "b": distance(60.2), "c": distance(500.0)})
    assert (found["leader"], found["best"]) == ("a", None)
    assert (found["beaten"], found["not significant"]) == (["c"], ["b"])
    assert found["sentence"].startswith("No single best: by Fréchet distance a leads")
    assert found["sentence"].endswith("but does not differ significantly from b.")


def test_a_steady_contestant_that_beats_noise_leads_before_one_that_does_so_by_chance():
    found = verdict_of({"lucky": distance(500.0, spread=1.2), "steady": distance(600.0)})
    assert (found["leader"], found["beats noise"]) == ("steady", ["steady"])


def test_precision_is_nothing_without_recall():
    sharp = seeds(precision=0.9935, recall=0.07)
    fair = seeds(precision=0.6, recall=0.5)
    found = verdict_of({"sharp": sharp, "fair": fair})
    assert (found["by"], found["best"]) == ("precision and recall", "fair")
    assert "0.6 ± 0.006 and 0.5 ± 0.005" in found["sentence"]
    means = [0.6 / 0.88, 0.5 / 0.88]
    noise = [0.63 / 0.88, 0.001 / 0.88]
    assert found["noise"] == pytest.approx(2 / sum(1 / part for part in noise))
    assert 2 / sum(1 / part for part in means) > found["noise"]
    found = verdict_of({"sharp": seeds(density=3.0, coverage=0.01), "fair": seeds(density=0.8, coverage=0.7)})
    assert (found["by"], found["best"]) == ("density and coverage", "fair")


def test_modes_and_quality_are_evaluated_together_and_balance_is_not_a_criterion():
    collapsed = seeds(modes=1.0, high_quality=0.99, reverse_KL=2.0)
    spread = seeds(modes=8.0, high_quality=0.7, reverse_KL=0.1)
    found = verdict_of({"collapsed": collapsed, "spread": spread})
    assert (found["by"], found["best"]) == ("high quality and modes", "spread")


def test_a_score_of_one_side_decides_nothing():
    found = verdict_of({"a": [{"path length": 1.0}] * 2})
    assert (found["by"], found["best"]) == (None, None)
    assert found["sentence"].startswith("No verdict: no metric here (path length) covers both quality and variety")


def test_the_interval_of_noise_counts():
    rows = {"a": seeds(precision=0.7, recall=0.01)}
    assert verdict_of(rows)["beats noise"] == ["a"]
    assert verdict_of(rows, {"recall": (0.0, 0.02)})["beats noise"] == []


def test_the_first_criterion_decides_and_the_others_are_listed():
    rows = {
        "a": seeds(FID=50.0, precision=0.5, recall=0.4),
        "b": seeds(FID=80.0, precision=0.6, recall=0.5),
    }
    found = verdict_of(rows)
    assert (found["by"], found["best"]) == ("FID", "a")
    assert found["sentence"].endswith(" By precision and recall b leads.")
    other = verdict_of({label: [dict(reversed(row.items())) for row in seeds] for label, seeds in rows.items()})
    assert (other["by"], other["best"]) == ("precision and recall", "b")


def test_the_test_against_noise_is_the_t_test_adjusted_for_all():
    rows = {"a": distance(1300.0, spread=0.02), "b": distance(1350.0, spread=0.02), "c": distance(1500.0)}
    raw = [scipy.stats.ttest_1samp([row["Fréchet distance"] for row in rows[name]], 1395.0).pvalue for name in rows]
    assert list(verdict_of(rows)["p"].values()) == pytest.approx(holm(raw), abs=1e-6)


def test_a_contestant_without_finished_seeds_is_left_out():
    found = verdict_of({"a": distance(60.0), "lost": []})
    assert found["best"] == "a"
    nothing = verdict_of({"a": [{"Fréchet distance": float("nan")}] * 2})
    assert (nothing["best"], nothing["leader"]) == (None, "")
