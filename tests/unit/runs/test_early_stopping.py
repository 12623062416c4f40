"""The best checkpoint: chosen by a held-out score of the averaged generator, kept, found again, never by the loss."""

import json

import pytest
import torch

from sparring.cli import main
from sparring.cli.train import _verdict
from sparring.errors import DataError, RunError
from sparring.metrics import train_extractor
from sparring.runs import checkpoint, logs
from sparring.runs.early_stopping import FILE, BestCheckpoint, EarlyStopping
from sparring.runs.run import Run
from sparring.runs.state import load_game
from support.runs import IMAGES, difference, play, quick, start


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    quick(monkeypatch)


EVERY = EarlyStopping(0.016, samples=50)  # every second step of 8 points


def rows(folder):
    return logs.read(folder / FILE)


def script(monkeypatch, values, better="lower"):
    """Replace evaluations by ones with the given scores, in order; record the evaluated games."""
    from sparring.evaluation.evaluator import Evaluation
    from sparring.metrics import Direction, Score

    seen, left = [], list(values)

    def scripted(game, dataset, **how):
        seen.append((game, dataset, how))
        return Evaluation([Score("scripted", left.pop(0), {}, Direction(better))], {})

    monkeypatch.setattr("sparring.runs.early_stopping.evaluate", scripted)
    return seen


def test_evaluations_are_made_at_their_marks_and_record_their_protocol(tmp_path):
    run = play(start(tmp_path / "run"), 6, early_stopping=EVERY)
    found = rows(run.folder)
    assert [row["step"] for row in found] == [2, 4, 6]
    assert {row["score"] for row in found} == {"sliced Wasserstein"}
    best = [row for row in found if row["best"]][-1]
    assert best["value"] == min(row["value"] for row in found)
    kept = [int(path.name) for path in checkpoint.list_checkpoints(run.folder, "best")]
    back = [max(row["step"] for row in found if row["best"] and row["step"] <= step) for step in (5, 6)]
    assert kept == sorted({*back}), "the best one up to each checkpoint, of steps 5 and 6"
    assert kept[-1] == best["step"]


def test_a_mark_between_two_steps_is_evaluated_at_the_second(tmp_path):
    run = play(
        start(tmp_path / "run"), 6, early_stopping=EarlyStopping(0.012, samples=50)
    )  # 12, 24, 36, 48 of 8 points a step
    assert [row["step"] for row in rows(run.folder)] == [2, 3, 5, 6]


def test_fewer_samples_than_requested_are_reported_once_when_the_training_begins(tmp_path):
    run = start(tmp_path / "run")
    half = len(run.training) // 2
    play(run, 2, early_stopping=EarlyStopping(0.016, samples=half + 1))
    notes = [note for note in run.notes if "samples were requested" in note]
    assert len(notes) == 1
    assert f"{half + 1:,} samples were requested and {half:,} are scored" in notes[0]
    exact = play(start(tmp_path / "exact"), 2, early_stopping=EarlyStopping(0.016, samples=100))
    assert not [note for note in exact.notes if "samples were requested" in note]


def test_precision_is_never_noted_without_recall(tmp_path):
    run = play(start(tmp_path / "run"), 2, early_stopping=EarlyStopping(0.016, "precision", samples=50))
    (row,) = rows(run.folder)
    assert row["score"] == "precision"
    assert set(row["beside"]) == {"recall"}
    assert "recall" in _verdict(row)


def test_the_best_is_the_lowest_or_highest_score_so_far_and_never_one_that_is_no_number(tmp_path, monkeypatch):
    script(monkeypatch, [3.0, float("nan"), 2.0, 2.0, 5.0])
    run = play(start(tmp_path / "low"), 10, early_stopping=EVERY)
    assert [row["best"] for row in rows(run.folder)] == [True, False, True, False, False]
    script(monkeypatch, [float("nan"), 3.0])
    run = play(start(tmp_path / "none at first"), 4, early_stopping=EVERY)
    assert [row["best"] for row in rows(run.folder)] == [False, True]
    script(monkeypatch, [3.0, 2.0, 5.0], "higher")
    run = play(start(tmp_path / "high"), 6, early_stopping=EVERY)
    assert [row["best"] for row in rows(run.folder)] == [True, False, True]


def test_the_best_checkpoint_holds_the_weights_of_its_step(tmp_path, monkeypatch):
    script(monkeypatch, [1.0, 2.0, 3.0])
    run, twin = start(tmp_path / "run"), start(tmp_path / "twin")
    play(run, 6, early_stopping=EVERY)
    play(twin, 2)
    assert not difference(load_game(run.folder, checkpoint="best").state_dict(), load_game(twin.folder).state_dict())
    assert difference(load_game(run.folder).state_dict(), load_game(twin.folder).state_dict())
    opened = Run.open(run.folder, device="cpu", checkpoint="best")
    assert opened.step == 2
    assert not difference(opened.game.state_dict(), twin.game.state_dict())


def test_the_average_is_evaluated_against_held_out_rows(tmp_path, monkeypatch):
    seen = script(monkeypatch, [1.0])
    run = start(tmp_path / "run", kind=IMAGES, hold_out=0.1)
    play(run, 4, early_stopping=EarlyStopping(0.016))
    ((game, dataset, how),) = seen
    assert game is run.ema.game
    assert dataset is run.training
    assert how["held_out"] is run.held_out
    assert list(how["metrics"]) == ["frechet"]
    assert not how["references"]


def test_evaluation_does_not_change_the_training(tmp_path):
    run, plain = play(start(tmp_path / "run"), 5, early_stopping=EVERY), play(start(tmp_path / "plain"), 5)
    assert not difference(run.game.state_dict(), plain.game.state_dict())
    assert (run.folder / "log.jsonl").read_bytes() == (plain.folder / "log.jsonl").read_bytes()


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_resumed_run_evaluates_as_an_uninterrupted_one(tmp_path, stop):
    whole = play(start(tmp_path / "whole"), 8, early_stopping=EVERY)
    play(start(tmp_path / "parts"), stop, early_stopping=EVERY)
    parts = play(start(tmp_path / "parts"), 8, early_stopping=EVERY)
    assert (parts.folder / FILE).read_bytes() == (whole.folder / FILE).read_bytes()
    names = [[path.name for path in checkpoint.list_checkpoints(run.folder, "best")] for run in (whole, parts)]
    assert names[0] == names[1]


def test_an_evaluation_beyond_the_checkpoint_is_made_again(tmp_path, monkeypatch):
    run = start(tmp_path / "run")
    reports = run.fit(8, save_every=3, early_stopping=EVERY)
    assert [next(reports).step for _ in range(4)] == [1, 2, 3, 4]
    monkeypatch.setattr("sparring.runs.loop.CheckpointWriter.save", lambda self, **_: None)  # as at kill -9
    reports.close()
    monkeypatch.undo()
    quick(monkeypatch)
    assert [row["step"] for row in rows(run.folder)] == [2, 4]
    again = start(tmp_path / "run")
    assert again.step == 3
    play(again, 8, early_stopping=EVERY)
    whole = play(start(tmp_path / "whole"), 8, early_stopping=EVERY)
    assert rows(run.folder) == rows(whole.folder)


def test_patience_ends_the_training_saved_and_for_good(tmp_path, monkeypatch):
    script(monkeypatch, [2.0, 1.0, 3.0, 3.0, 0.0])
    patient = EarlyStopping(0.016, patience=2)
    run = play(start(tmp_path / "run"), 100, early_stopping=patient)
    assert run.step == 8
    assert run.evaluations[-1]["step"] == 8
    assert [int(path.name) for path in checkpoint.list_checkpoints(run.folder)][-1] == 8
    again = play(start(tmp_path / "run"), 100, early_stopping=patient)
    assert again.step == 8
    longer = play(start(tmp_path / "run"), 10, early_stopping=EarlyStopping(0.016, patience=3))
    assert longer.step == 10


def test_images_are_not_evaluated_against_training_images(tmp_path):
    run = start(tmp_path / "run", kind=IMAGES)
    with pytest.raises(RunError, match="not trained on: hold some out, with --hold-out"):
        play(run, 2, early_stopping=EarlyStopping(0.016))
    with pytest.raises(DataError, match="did you mean 'sliced'"):
        play(start(tmp_path / "ring"), 2, early_stopping=EarlyStopping(0.016, "slicd"))
    for wrong in (
        {"every": 0.0},
        {"every": float("nan")},
        {"every": 1.0, "patience": 0},
        {"every": 1.0, "patience": 10**400},
    ):
        with pytest.raises(RunError):
            EarlyStopping(**wrong)


def test_a_checkpoint_is_found_by_its_name_or_refused_with_those_that_are(tmp_path):
    run = play(start(tmp_path / "run"), 6, save_every=2, keep_checkpoints=3)
    assert load_game(run.folder, checkpoint="4") is not None
    with pytest.raises(RunError, match="one of the steps 2, 4, 6"):
        load_game(run.folder, checkpoint="5")
    with pytest.raises(RunError, match="train with --eval-every"):
        load_game(run.folder, checkpoint="best")
    two, six = (load_game(run.folder, checkpoint=name).state_dict() for name in ("2", "newest"))
    assert difference(two, six)


def test_a_broken_best_checkpoint_is_refused(tmp_path):
    run = play(start(tmp_path / "run"), 4, early_stopping=EVERY)
    path = checkpoint.list_checkpoints(run.folder, "best")[-1]
    assert int(path.name) == [row["step"] for row in rows(run.folder) if row["best"]][-1]
    content = bytearray((path / "state.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (path / "state.pt").write_bytes(content)
    with pytest.raises(RunError, match="broken"):
        load_game(run.folder, checkpoint="best")


def test_the_command_line_evaluates_reports_and_uses_the_best(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sparring.evaluation.evaluator.extractor_for", lambda data, device: train_extractor(data, steps=1, side=8)
    )
    out = tmp_path / "run"
    words = [
        "train",
        "nsgan",
        "--data",
        "digits",
        "--size",
        "8",
        "--batch-size",
        "8",
        "--steps",
        "4",
        "--out",
        str(out),
    ]
    words += ["--width", "8", "--latent", "8", "--hold-out", "0.2", "--eval-every", "0.016"]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "359 of them held out" in output
    assert "step 2: Fréchet distance" in output
    assert "The best checkpoint, `--checkpoint best`, is that of step" in output
    picture = tmp_path / "best.png"
    assert main(["sample", str(out), "--checkpoint", "best", "--seeds", "0-3", "--out", str(picture)]) == 0
    assert picture.exists()
    assert main(["train", "nsgan", "--data", "ring", "--patience", "3", "--out", str(tmp_path / "other")]) == 2
    assert "give --eval-every" in capsys.readouterr().err


def test_the_command_line_reports_early_stopping_and_resume_keeps_it(capsys, tmp_path, monkeypatch):
    script(monkeypatch, [1.0, 2.0, 0.5, 3.0])
    out = str(tmp_path / "run")
    words = ["train", "nsgan", "--data", "ring", "--batch-size", "8", "--steps", "20", "--out", out, "--width", "8"]
    assert main([*words, "--eval-every", "0.016", "--patience", "1"]) == 0
    assert "Early stopping: no improvement in 1 evaluations" in capsys.readouterr().out
    assert main(["resume", out, "--device", "cpu"]) == 0
    assert "Early stopping" in capsys.readouterr().out
    assert main(["resume", out, "--steps", "8", "--patience", "2", "--device", "cpu"]) == 0
    output = capsys.readouterr().out
    assert "step 6: scripted 0.5, the best so far" in output
    assert [row["step"] for row in rows(tmp_path / "run")] == [2, 4, 6, 8]


def test_every_rank_ends_together_when_patience_does():
    """Patience is evaluated from rows that every rank has, not from a file that only the first writes."""
    selection = BestCheckpoint.__new__(BestCheckpoint)
    selection.options, selection.rows = EarlyStopping(1.0, patience=1), [{"best": True}, {"best": False}]
    assert selection.should_stop
    selection.rows.append({"best": True})
    assert not selection.should_stop
    assert torch.distributed.is_initialized() is False


def test_evaluations_are_plain_json(tmp_path):
    run = play(start(tmp_path / "run"), 2, early_stopping=EVERY)
    (line,) = (run.folder / FILE).read_text().splitlines()
    assert set(json.loads(line)) == {"step", "images", "score", "value", "better", "best"}
