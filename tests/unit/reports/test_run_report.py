"""A page that needs nothing but itself, and curves beside what theory expects of them."""

import json
import math
import re

import numpy as np
import pytest

from sparring.errors import RunError
from sparring.evaluation.evaluator import evaluate_run
from sparring.metrics import Better, Score
from sparring.reports import run_report
from sparring.runs.run import Run
from sparring.visualization import plots


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder, small = tmp_path_factory.mktemp("runs") / "ring", {"networks": {"width": 8}}
    made = Run.create(folder, "nsgan", data="ring", batch=16, arguments=small)
    for _ in made.fit(6, picture_every=3):
        continue
    evaluate_run(made, samples=100)
    return made


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
    upper, lower = plots.losses(log, {"D": 1.25}).axes
    drawn = {line.get_label(): line for line in upper.lines}
    assert drawn["D/penalty"].get_xdata().tolist() == list(range(1, 51))
    assert drawn["D/penalty"].get_ydata()[25] == pytest.approx(50)
    (theory,) = [line for label, line in drawn.items() if label.startswith("theory")]
    assert set(theory.get_ydata()) == {1.25}
    assert theory.get_linestyle() == "--"
    assert not [line for line in lower.lines if line.get_label().startswith("theory")]
    assert len(lower.lines) == 2  # raw and smoothed


def test_a_term_that_comes_late_is_drawn_from_where_it_comes():
    log = [*lines({"D/a": lambda k: 0.0}, 3), {"step": 4, "terms": {"D/a": 0.0, "D/late": 1.0}}]
    (panel,) = plots.losses(log, {}).axes
    assert [line.get_xdata().tolist() for line in panel.lines if line.get_label() == "D/late"] == [[4]]


def test_a_wild_start_does_not_flatten_the_rest():
    log = lines({"D/a": lambda k: 1000.0 if k < 4 else 1 + 0.1 * (k % 2)}, 50)
    (panel,) = plots.losses(log, {"D": 1.4}).axes
    low, high = panel.get_ylim()
    assert 0.8 < low < 1.0
    assert 1.4 < high < 1.6


def test_theory_comes_from_the_objective_of_the_game(run):
    assert plots.equilibrium(run.game) == {"D": pytest.approx(2 * math.log(2)), "G": pytest.approx(math.log(2))}


def test_without_a_log_there_is_nothing_to_draw():
    with pytest.raises(RunError, match="train the run first"):
        plots.losses([], {})


NO_NUMBERS = [None, "1", math.nan, -math.inf, 1.7e308, 10**400]


@pytest.mark.parametrize("terms", [None, 3, ["D/adversarial"], *({"D/adversarial": value} for value in NO_NUMBERS)])
def test_a_damaged_log_is_not_drawn(terms):
    lines = [{"step": 1, "terms": {"D/adversarial": 1.0}}, {"step": 2, "terms": terms}]
    with pytest.raises(RunError, match=r"step 2 in log\.jsonl are no numbers"):
        plots.losses(lines, {})
    assert plots.losses([lines[0], {"step": 2, "terms": {}}], {}).axes, "a step may have been skipped"
    with pytest.raises(RunError, match="nothing to draw"):
        plots.losses([{"step": 1, "terms": {}}], {})


def test_a_term_without_a_player_has_a_panel_of_its_own():
    assert len(plots.losses([{"step": 1, "terms": {"D": 1.0, "G/adversarial": 2.0}}], {}).axes) == 2


def test_names_of_terms_are_drawn_as_they_are_and_not_as_formulas(tmp_path):
    figure = plots.losses([{"step": step, "terms": {"$D$\x1b/$\\frac{$": 1.0}} for step in (1, 2)], {})
    figure.savefig(tmp_path / "losses.svg", metadata={"Date": None})
    (axes,) = figure.axes
    assert axes.get_title("left") == r"player \$D\$\x1b"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [r"\$D\$\x1b/\$\frac{\$"]


def test_curves_are_also_drawn_as_svg(run, tmp_path):
    text = plots.save_losses(run, tmp_path / "losses.svg").read_text()
    assert "<svg" in text


def test_the_page_tells_everything_and_asks_nothing_of_a_network(run):
    page = run_report.save_report(run).read_text()
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)\s*=\s*\"(?!data:)", page)
    assert "http:" not in page.replace("data:", "")
    assert "https:" not in page
    for words in ("nsgan on ring", "step 6", "step 0", "the data", "loss curves", "reverse KL", "seeded half"):
        assert words in page, words
    assert f"sparring resume {run.folder}" in page
    assert page.count("data:image/png;base64,") == 3 + 1 + 1  # samples, the data, the curves


def test_words_from_outside_cannot_become_markup(run, monkeypatch):
    monkeypatch.setitem(run.record["data"], "name", "<script>alert(1)</script>")
    assert "<script" not in run_report.page(run)


def test_a_table_has_a_row_a_score_and_a_column_a_reference(run):
    found = run_report.evaluation(run.folder)
    heads, rows = run_report.table(found)
    assert heads == ["score", "generated", "95 % interval", "data", "noise", "better"]
    assert [row[0] for row in rows] == ["modes", "high quality", "reverse KL"]
    assert rows[0][2:4] == ["–", "8"]
    low, high = map(float, rows[1][2].split(" to "))
    assert low <= float(rows[1][1]) <= high
    assert rows[2][-1] == "lower"


def test_the_evaluation_says_when_it_was_made(run):
    record = json.loads((run.folder / "evaluation.json").read_text())
    assert (record["step"], record["images"]) == (6, run.images)


def test_a_protocol_names_judge_data_counts_and_seed(run):
    stamp = dict(run_report.evaluation(run.folder).scores[0].stamp)
    line = run_report.protocol(Score("modes", 1.0, stamp, Better.HIGHER))
    assert line.startswith("modes, within 3; 100 real, 100 generated; ring (")
    assert line.endswith("points; seed 0")


def test_a_broken_evaluation_is_refused_with_the_remedy(tmp_path):
    assert run_report.evaluation(tmp_path) is None
    (tmp_path / "evaluation.json").write_text("{")
    with pytest.raises(RunError, match="evaluate the run again"):
        run_report.evaluation(tmp_path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r["scores"][0]["stamp"].pop("dataset"),
        lambda r: r["references"]["data"].pop(),
        lambda r: r["scores"][0].update(value=10**400),
        lambda r: r["scores"][0]["stamp"]["settings"].update(scale=10**400),
    ],
)
def test_an_evaluation_that_cannot_be_shown_is_broken_too(run, tmp_path, spoil):
    record = json.loads((run.folder / "evaluation.json").read_text())
    spoil(record)
    (tmp_path / "evaluation.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="evaluate the run again"):
        run_report.evaluation(tmp_path)


def test_a_run_that_does_not_say_what_made_it_is_reported(run, monkeypatch):
    monkeypatch.setitem(run.record, "made", {})
    assert "sparring unknown, torch unknown, device unknown" in run_report.page(run)
