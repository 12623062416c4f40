"""A page that needs nothing but itself, and curves beside what theory expects of them."""

import json
import math
import re
from dataclasses import replace

import pytest

from sparring.errors import RunError
from sparring.metrics import Direction, Score
from sparring.reports import run_report
from sparring.reports.run_report import equilibrium, save_losses
from sparring.runs.evaluation import evaluate_run
from sparring.runs.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder, small = tmp_path_factory.mktemp("runs") / "ring", {"networks": {"width": 8}}
    made = Run.create(folder, "nsgan", data="ring", batch_size=16, arguments=small)
    for _ in made.fit(6, sample_every=3):
        continue
    evaluate_run(made, samples=100)
    return made


def test_theory_comes_from_the_objective_of_the_game(run):
    assert equilibrium(run.game) == {"D": pytest.approx(2 * math.log(2)), "G": pytest.approx(math.log(2))}


def test_curves_are_also_drawn_as_svg(run, tmp_path):
    text = save_losses(run, tmp_path / "losses.svg").read_text()
    assert "<svg" in text


def test_the_page_is_complete_and_self_contained(run):
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
    data = replace(run.config.data, name="<script>alert(1)</script>")
    monkeypatch.setattr(run, "config", replace(run.config, data=data))
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


def test_the_evaluation_records_its_time(run):
    record = json.loads((run.folder / "evaluation.json").read_text())
    assert (record["step"], record["images"]) == (6, run.images)


def test_a_protocol_names_extractor_data_counts_and_seed(run):
    stamp = dict(run_report.evaluation(run.folder).scores[0].protocol)
    line = run_report.protocol(Score("modes", 1.0, stamp, Direction.HIGHER))
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
        lambda r: r["scores"][0]["protocol"].pop("dataset"),
        lambda r: r["references"]["data"].pop(),
        lambda r: r["scores"][0].update(value=10**400),
        lambda r: r["scores"][0]["protocol"]["settings"].update(scale=10**400),
    ],
)
def test_an_evaluation_that_cannot_be_shown_is_broken_too(run, tmp_path, spoil):
    record = json.loads((run.folder / "evaluation.json").read_text())
    spoil(record)
    (tmp_path / "evaluation.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="evaluate the run again"):
        run_report.evaluation(tmp_path)
