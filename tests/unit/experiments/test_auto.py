"""Automatic training: who races, who goes on, what is saved, what is said, and what happens when a candidate fails."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

import sparring
from sparring.cli import main
from sparring.data import Dataset
from sparring.errors import Diverged, RunError
from sparring.experiments import auto as module
from sparring.experiments.auto import AutoTraining, Budget, _anneal
from sparring.experiments.auto_journal import Journal
from sparring.experiments.auto_report import verdict
from sparring.recipes.importing import trust
from sparring.runs.checkpoint import load_by_name
from sparring.runs.run import Run
from support import auto_runs, runs
from support.auto_runs import FAILING, ROWS, played, training
from support.runs import difference

quick = pytest.fixture(autouse=True)(runs.quick)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    auto_runs.small(monkeypatch)


def rows(folder, event=None):
    found = [json.loads(line) for line in (folder / "auto.jsonl").read_text().splitlines()]
    return [row for row in found if event in (None, row["event"])]


def test_the_budget_of_steps_is_used_and_most_of_it_by_the_winner(tmp_path):
    played(tmp_path / "auto", 60)
    assert [row["candidates"] for row in rows(tmp_path / "auto", "plan")] == [["slow", "quick", "other"]]
    ends = {row["candidate"]: row["at"] for row in rows(tmp_path / "auto", "score")}
    assert sum(ends.values()) == 60
    assert max(ends.values()) > 30
    assert [len(row["survivors"]) for row in rows(tmp_path / "auto", "halved")] == [2, 1]
    assert [row["until"] for row in rows(tmp_path / "auto", "segment")][-1] == max(ends.values())


def test_the_better_half_of_each_rung_goes_on(tmp_path):
    played(tmp_path / "auto", 60)
    for row in rows(tmp_path / "auto", "halved"):
        scores = {s["candidate"]: s["value"] for s in rows(tmp_path / "auto", "score") if s["rung"] == row["rung"]}
        worst_of_those_who_stay = max(scores[name] for name in row["survivors"])
        assert all(scores[name] >= worst_of_those_who_stay for name in row["retired"])
        assert {*row["survivors"], *row["retired"]} == set(scores)


def test_the_best_run_is_the_one_with_the_best_score_at_its_step(tmp_path):
    found = played(tmp_path / "auto", 60)
    best = min(rows(tmp_path / "auto", "score"), key=lambda row: row["value"])
    run = found.best_run()
    assert (run.folder.name, run.step) == (best["candidate"], best["at"])
    said = json.loads((tmp_path / "auto" / "best.json").read_text())
    assert (said["run"], said["step"], said["value"]) == (f"candidates/{best['candidate']}", best["at"], best["value"])
    assert said["command"].startswith(f"sparring sample {tmp_path / 'auto' / 'candidates' / best['candidate']}")


def test_the_winners_rates_fall_to_zero_at_the_end_and_not_before_the_finish(tmp_path):
    played(tmp_path / "auto", 60)
    name = rows(tmp_path / "auto", "segment")[-1]["candidate"]
    lines = [json.loads(line) for line in (tmp_path / "auto/candidates" / name / "log.jsonl").read_text().splitlines()]
    start, end = rows(tmp_path / "auto", "segment")[0]["start"], lines[-1]["step"]
    factors = {line["step"]: line.get("anneal", 1.0) for line in lines}
    assert all(factors[step] == 1.0 for step in range(1, start + 1))
    assert factors[end] == pytest.approx(1 / (_anneal(start, end) * end))


def test_a_stop_after_any_row_ends_like_an_undisturbed_training(tmp_path, monkeypatch):
    """The process dies when a row is to be written; the next one reads the rows that are there."""
    played(tmp_path / "straight", 48)
    add, deaths = Journal.add, 0

    class Death(BaseException):
        pass

    def dying(self, event, **facts):
        nonlocal deaths
        if len(self.rows) == deaths + 1:
            deaths += 1
            raise Death
        return add(self, event, **facts)

    monkeypatch.setattr(Journal, "add", dying)
    finished = False
    while not finished:
        try:
            played(tmp_path / "stopped", 48)
            finished = True
        except Death:
            assert deaths < 60
    assert deaths > 10
    ends = [
        load_by_name(tmp_path / name / json.loads((tmp_path / name / "best.json").read_text())["run"], "best")[0]
        for name in ("straight", "stopped")
    ]
    assert difference(*ends) == ""
    scores = [
        [(row["candidate"], row["at"], row["value"]) for row in rows(tmp_path / name, "score")]
        for name in ("straight", "stopped")
    ]
    assert scores[0] == scores[1]


def test_the_same_call_again_changes_nothing_and_a_larger_budget_goes_on(tmp_path):
    played(tmp_path / "auto", 48)
    before = (tmp_path / "auto" / "auto.jsonl").read_bytes()
    played(tmp_path / "auto", 48)
    assert (tmp_path / "auto" / "auto.jsonl").read_bytes() == before
    played(tmp_path / "auto", 72)
    assert (tmp_path / "auto" / "auto.jsonl").read_bytes().startswith(before)
    ends = {row["candidate"]: row["at"] for row in rows(tmp_path / "auto", "score")}
    assert sum(ends.values()) == 72


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "was made with seed = 0, not 1"),
        ({"steps": 40}, "was started with 48 steps, more than 40"),
        ({"data": "grid"}, "was made with data = ring, not grid"),
    ],
)
def test_other_settings_are_refused(tmp_path, change, words):
    played(tmp_path / "auto", 48)
    with pytest.raises(RunError, match=words):
        played(tmp_path / "auto", **{"steps": 48, **change})


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(RunError, match="holds other files"):
        played(tmp_path, 48)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_candidate_that_diverges_is_out_with_the_reason_and_the_others_go_on(tmp_path, monkeypatch):
    trust("support.runs:failing")
    auto_runs.small(monkeypatch, FAILING, *ROWS[1:])
    found = played(tmp_path / "auto", 60)
    (out,) = rows(tmp_path / "auto", "out")
    assert out["candidate"] == "failing"
    assert "the term D/score became nan" in out["why"]
    assert found.best_run().folder.name != "failing"
    page = (tmp_path / "auto" / "auto.html").read_text()
    assert "out: " in page


class Trouble:
    """Makes the training of one candidate raise an error from a step on."""

    def __init__(self, monkeypatch, name, error, step=0):
        real = Run.train

        def train(run, options):
            if run.folder.name == name and run.step >= step:
                raise error
            return real(run, options)

        monkeypatch.setattr(Run, "train", train)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("17 GiB"), "there is not enough memory (17 GiB)"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "there is not enough memory (CUDA out of memory"),
        (ZeroDivisionError("by nothing"), "ZeroDivisionError: by nothing"),
    ],
)
def test_a_candidate_that_runs_out_of_memory_or_fails_is_out_and_the_others_go_on(tmp_path, monkeypatch, error, words):
    Trouble(monkeypatch, "quick", error)
    played(tmp_path / "auto", 60)
    (out,) = rows(tmp_path / "auto", "out")
    assert (out["candidate"], words in out["why"]) == ("quick", True)
    assert {row["candidate"] for row in rows(tmp_path / "auto", "score")} == {"slow", "other"}


def test_if_the_winner_fails_the_next_best_is_trained_in_its_place(tmp_path, monkeypatch):
    played(tmp_path / "first", 60)
    winner = rows(tmp_path / "first", "segment")[0]["candidate"]
    start = rows(tmp_path / "first", "segment")[0]["start"]
    Trouble(monkeypatch, winner, Diverged("Step 30: a term is not finite."), start)
    found = played(tmp_path / "second", 60)
    segments = [row["candidate"] for row in rows(tmp_path / "second", "segment")]
    assert segments[0] == winner
    assert segments[-1] != winner
    assert sum({row["candidate"]: row["at"] for row in rows(tmp_path / "second", "score")}.values()) == 60
    assert found.is_out(winner)


def test_if_all_candidates_fail_their_reasons_are_said(tmp_path, monkeypatch):
    trust("support.runs:failing")
    auto_runs.small(monkeypatch, FAILING)
    with pytest.raises(RunError, match=r"No candidate can be trained on ring \(failing: "):
        played(tmp_path / "auto", 60)


def test_what_does_not_beat_noise_is_not_crowned(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "beats_noise", lambda *_: False)
    found = training(tmp_path / "auto", 48)
    found.play()
    with found._opened():
        said = verdict(found)
    assert said[0].startswith("No candidate is clearly better than noise: the best is ")
    assert ">chosen<" not in (tmp_path / "auto" / "auto.html").read_text()


def test_the_page_and_the_newest_grid_are_there(tmp_path, monkeypatch):
    monkeypatch.undo()
    auto_runs.small(monkeypatch)
    found = played(tmp_path / "auto", 48)
    assert (tmp_path / "auto" / "newest.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "auto" / "auto.html").read_text()
    with found._opened():
        assert verdict(found)[0].startswith("Chosen: ") == (">chosen<" in page)
    for words in ("What was tried", "Side by side", "Scores over time", "Next steps", "--steps 96", "2 records"):
        assert words in page
    assert "http" not in page.replace("http-equiv", "")


def test_time_counts_training_and_scoring_and_slow_candidates_do_not_race(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MIN_STEPS", 10**7)
    found = AutoTraining(tmp_path / "auto", replaced(training(tmp_path / "x", 1).settings, Budget("seconds", 4.0)))
    found.play()
    assert len(rows(tmp_path / "auto", "plan")[0]["candidates"]) == 1
    with found._opened():
        assert found.spent() > 2
    overhead = sum(row["overhead"] for row in rows(tmp_path / "auto"))
    timing = [
        json.loads(path.read_text().splitlines()[-1])["seconds"] for path in (tmp_path / "auto").rglob("timing.jsonl")
    ]
    with found._opened():
        assert found.spent() == pytest.approx(overhead + sum(timing), abs=0.5)


def replaced(settings, budget):
    from dataclasses import replace

    return replace(settings, budget=budget)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Give one budget: hours, minutes or steps, not none"),
        ({"hours": 1, "steps": 5}, "not 2"),
        ({"minutes": 0}, "--minutes is 0: give a number above 0"),
        ({"hours": float("inf")}, "--hours is inf"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(given, words):
    with pytest.raises(RunError, match=words):
        Budget.of(**given)
    assert (Budget.of(hours=2), Budget.of(minutes=3), Budget.of(steps=4)) == (
        Budget("seconds", 7200),
        Budget("seconds", 180),
        Budget("steps", 4),
    )


def test_unknown_candidates_are_refused_with_those_that_suit(tmp_path):
    with pytest.raises(RunError, match="no candidate 'nogan' for this data: those that suit are slow, quick, other"):
        training(tmp_path, only=("nogan",))


def test_a_broken_image_is_skipped_and_said(tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    photos = tmp_path / "photos"
    photos.mkdir()
    draw = torch.Generator().manual_seed(0)
    for name in range(48):
        pixels = torch.randint(0, 256, (8, 8, 3), dtype=torch.uint8, generator=draw).numpy()
        Image.fromarray(pixels).save(photos / f"{name:02}.png")
    (photos / "bad.png").write_bytes(b"no image")
    words = [
        "auto",
        str(photos),
        "--steps",
        "12",
        "--out",
        str(tmp_path / "auto"),
        "--only",
        "quick",
        "--device",
        "cpu",
    ]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "1 file cannot be read, bad.png" in said
    assert "Proposed: --size 8" in said
    assert f"sparring sample {tmp_path / 'auto' / 'candidates' / 'quick'} --checkpoint best" in said
    assert f"sparring auto {photos} --out {tmp_path / 'auto'} --only quick --steps 24" in said
    assert said.splitlines()[-1] == f"Everything is in {tmp_path / 'auto' / 'auto.html'}."
    shutil.rmtree(tmp_path / "auto" / "candidates" / "quick" / "samples")
    assert main(words) == 0


def test_python_returns_the_run(tmp_path):
    seen = []
    run = sparring.auto("ring", steps=24, out=tmp_path / "auto", samples=50, device="cpu", progress=seen.append)
    assert isinstance(run, Run)
    assert seen[-1].total == 24
    assert 0 < seen[0].done <= seen[-1].done <= 24
    assert "finish 3 of 3" in seen[-1].stage


def test_too_few_rows_are_refused(tmp_path, monkeypatch):
    import numpy as np

    few = Dataset("few", np.zeros((39, 2), np.float32))
    monkeypatch.setattr(module, "load_data", lambda *_, **__: few)
    with pytest.raises(RunError, match="has 39 rows, too few"):
        training(tmp_path)
