"""Loss curves: one panel a player, the running mean of each term, and the value at equilibrium."""

import math

import numpy as np
import pytest

from sparring.errors import RunError
from sparring.visualization import plots


def lines(terms, count=50):
    return [{"step": step + 1, "terms": {name: f(step) for name, f in terms.items()}} for step in range(count)]


def test_the_running_mean_is_centred_and_keeps_constants():
    x = np.arange(20.0)
    assert plots.smoothed(x, 5)[2:-2] == pytest.approx(x[2:-2])
    assert plots.smoothed(np.ones(7), 101) == pytest.approx(np.ones(7))
    assert plots.smoothed(x, 1) == pytest.approx(x)
    assert plots.smoothed(x, 5)[0] == pytest.approx(1.0)


def test_each_player_has_a_panel_with_its_terms_and_its_theory():
    log = lines({"D/adversarial": lambda k: k, "D/penalty": lambda k: 2 * k, "G/adversarial": lambda k: -k})
    upper, lower = plots.plot_losses(log, {"D": 1.25}).axes
    drawn = {line.get_label(): line for line in upper.lines}
    assert drawn["D/penalty"].get_xdata().tolist() == list(range(1, 51))
    assert drawn["D/penalty"].get_ydata()[25] == pytest.approx(50)
    (theory,) = [line for label, line in drawn.items() if label.startswith("theory")]
    assert set(theory.get_ydata()) == {1.25}
    assert theory.get_linestyle() == "--"
    assert not [line for line in lower.lines if line.get_label().startswith("theory")]
    assert len(lower.lines) == 2  # raw and smoothed


def test_a_term_that_starts_late_is_drawn_from_its_first_step():
    log = [*lines({"D/a": lambda k: 0.0}, 3), {"step": 4, "terms": {"D/a": 0.0, "D/late": 1.0}}]
    (panel,) = plots.plot_losses(log, {}).axes
    assert [line.get_xdata().tolist() for line in panel.lines if line.get_label() == "D/late"] == [[4]]


def test_a_wild_start_does_not_flatten_the_rest():
    log = lines({"D/a": lambda k: 1000.0 if k < 4 else 1 + 0.1 * (k % 2)}, 50)
    (panel,) = plots.plot_losses(log, {"D": 1.4}).axes
    low, high = panel.get_ylim()
    assert 0.8 < low < 1.0
    assert 1.4 < high < 1.6


def test_without_a_log_there_is_nothing_to_draw():
    with pytest.raises(RunError, match="train the run first"):
        plots.plot_losses([], {})


NO_NUMBERS = [None, "1", math.nan, -math.inf, 1.7e308, 10**400]


@pytest.mark.parametrize("terms", [None, 3, ["D/adversarial"], *({"D/adversarial": value} for value in NO_NUMBERS)])
def test_a_damaged_log_is_not_drawn(terms):
    lines = [{"step": 1, "terms": {"D/adversarial": 1.0}}, {"step": 2, "terms": terms}]
    with pytest.raises(RunError, match=r"step 2 in log\.jsonl are no numbers"):
        plots.plot_losses(lines, {})
    assert plots.plot_losses([lines[0], {"step": 2, "terms": {}}], {}).axes, "a step may have been skipped"
    with pytest.raises(RunError, match="nothing to draw"):
        plots.plot_losses([{"step": 1, "terms": {}}], {})


def test_a_term_without_a_player_has_a_panel_of_its_own():
    assert len(plots.plot_losses([{"step": 1, "terms": {"D": 1.0, "G/adversarial": 2.0}}], {}).axes) == 2


def test_names_of_terms_are_drawn_as_they_are_and_not_as_formulas(tmp_path):
    figure = plots.plot_losses([{"step": step, "terms": {"$D$\x1b/$\\frac{$": 1.0}} for step in (1, 2)], {})
    figure.savefig(tmp_path / "losses.svg", metadata={"Date": None})
    (axes,) = figure.axes
    assert axes.get_title("left") == r"player \$D\$\x1b"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [r"\$D\$\x1b/\$\frac{\$"]
