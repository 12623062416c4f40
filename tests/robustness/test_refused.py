"""A refused command changes nothing, and of several trainings into one new folder exactly one is made."""

from __future__ import annotations

import json
import os
import time

import pytest

from sparring._io.folder import run_lock
from sparring.cli import main
from sparring.errors import RunError
from sparring.runs import checkpoint
from sparring.runs.config import FILE
from sparring.runs.early_stopping import EarlyStopping
from sparring.runs.run import Run
from support import runs
from support.folders import tree
from support.runs import IMAGES, difference, play, start

quick = pytest.fixture(autouse=True)(runs.quick)


POINTS = ["--data", "ring", "--batch-size", "8", "--width", "8", "--latent", "8", "--device", "cpu"]


TRAIN = ["train", "nsgan", *POINTS, "--steps", "2", "--save-every", "1"]


BAD = {
    "no steps": ["--steps", "0"],
    "no checkpoints": ["--save-every", "0"],
    "no pictures": ["--sample-every", "0"],
    "nothing kept": ["--keep-checkpoints", "0"],
    "no metric": ["--eval-every", "1", "--eval-metric", "slicd"],
    "a metric for images": ["--eval-every", "1", "--eval-metric", "pyramid"],
    "evaluation every 0 steps": ["--eval-every", "0"],
    "no patience": ["--eval-every", "1", "--patience", "0"],
    "patience without evaluation": ["--patience", "1"],
    "two ends": ["--kimg", "1", "--steps", "4"],
    "no remedy": ["--on-nan", "pray"],
    "no TensorBoard": ["--tensorboard"],
    "no flag": ["--stesp", "3"],
    "no device": ["--device", "tpu9"],
}


OTHER = {
    "another seed": ["--seed", "1"],
    "another batch": ["--batch-size", "16"],
    "another width": ["--width", "9"],
    "another average": ["--ema-decay", "0.5"],
    "another precision": ["--precision", "bf16"],
    "other data": ["--data", "grid"],
    "a technique": ["--packing", "2"],
}


@pytest.fixture
def no_tensorboard(monkeypatch):
    monkeypatch.setattr("sparring.runs.logs.find_spec", lambda name: None)


@pytest.mark.parametrize("flags", [*BAD.values(), *OTHER.values()], ids=[*BAD, *OTHER])
def test_a_refused_command_changes_no_byte_of_a_run(tmp_path, capsys, flags, no_tensorboard):
    words = [*TRAIN, "--out", str(tmp_path / "run")]
    assert main(words) == 0
    before = tree(tmp_path)
    assert main([*words, *flags]) == 2
    if flags in BAD.values():
        assert main(["resume", str(tmp_path / "run"), "--steps", "4", *flags]) == 2
    assert tree(tmp_path) == before
    output = capsys.readouterr().err
    assert output.count("\n") <= 2 or "For full helptext" in output


@pytest.mark.parametrize("flags", BAD.values(), ids=BAD)
def test_a_refused_command_makes_no_folder(tmp_path, flags, no_tensorboard):
    assert main([*TRAIN, "--out", str(tmp_path / "run"), *flags]) == 2
    assert tree(tmp_path) == {}


def test_images_without_reference_rows_are_refused_before_a_folder_is_made(tmp_path):
    words = ["train", "nsgan", "--data", "digits", "--size", "8", "--steps", "2", "--eval-every", "1"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert tree(tmp_path) == {}
    few = ["--hold-out", "0.004", "--out", str(tmp_path / "few")]
    assert main([*words, *few]) == 2
    assert tree(tmp_path) == {}
    run = start(tmp_path / "run", kind=IMAGES)
    before = tree(tmp_path)
    with pytest.raises(RunError, match="hold some out"):
        play(run, 2, early_stopping=EarlyStopping(1.0))
    assert tree(tmp_path) == before


def test_a_folder_with_other_files_is_left_unchanged(tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    before = tree(tmp_path)
    assert main([*TRAIN, "--out", str(tmp_path)]) == 2
    assert main([*TRAIN, "--out", str(tmp_path / "thesis.tex")]) == 2
    assert main(["resume", str(tmp_path), "--steps", "3"]) == 2
    assert tree(tmp_path) == before


def test_what_is_trained_by_another_process_is_left_alone(tmp_path, capsys):
    words = [*TRAIN, "--out", str(tmp_path / "run")]
    assert main(words) == 0
    before = tree(tmp_path)
    capsys.readouterr()
    with run_lock(tmp_path / "run"):
        for command in (
            [*words, "--steps", "9", "--keep-checkpoints", "5"],
            ["resume", str(tmp_path / "run"), "--steps", "9"],
        ):
            assert main(command) == 2
            assert "is being trained by another process" in capsys.readouterr().err
        assert tree(tmp_path) == before
        assert Run.open(tmp_path / "run", device="cpu").step == 2, "reading needs no lock"
    (tmp_path / "new").mkdir()
    with run_lock(tmp_path / "new"):
        assert main([*TRAIN, "--out", str(tmp_path / "new")]) == 2
        with pytest.raises(RunError, match="another process"):
            start(tmp_path / "new")
        assert tree(tmp_path / "new") == {}


def test_a_dry_run_of_a_run_that_is_there_changes_nothing(tmp_path, monkeypatch):
    import numpy as np

    np.save(tmp_path / "here.npy", np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32))
    words = ["train", "nsgan", "--batch-size", "8", "--width", "8", "--steps", "1", "--out", str(tmp_path / "run")]
    assert main([*words, "--data", str(tmp_path / "here.npy")]) == 0
    os.rename(tmp_path / "here.npy", tmp_path / "there.npy")
    before = tree(tmp_path)
    assert main([*words, "--data", str(tmp_path / "there.npy"), "--dry-run"]) == 0
    with run_lock(tmp_path / "run"):
        assert main([*words, "--data", str(tmp_path / "there.npy")]) == 2
    assert tree(tmp_path) == before
    assert main([*words, "--data", str(tmp_path / "there.npy")]) == 0
    assert "there.npy" in (tmp_path / "run" / FILE).read_text()


def test_a_run_that_was_trained_further_since_it_was_opened_is_not_trained_from_before(tmp_path):
    play(start(tmp_path / "run"), 2)
    early = start(tmp_path / "run")
    play(start(tmp_path / "run"), 4)
    before = tree(tmp_path)
    with pytest.raises(RunError, match="trained further since it was opened"):
        play(early, 6)
    assert tree(tmp_path) == before


def test_one_run_is_not_trained_twice_at_once(tmp_path):
    run = start(tmp_path / "run")
    reports = run.fit(4)
    next(reports)
    with pytest.raises(RunError, match="is being trained"):
        play(run, 4)
    reports.close()
    assert play(run, 4).step == 4


def test_of_trainings_into_one_new_folder_one_is_made_and_the_others_are_refused(tmp_path):
    straight = {seed: play(start(tmp_path / f"straight{seed}", seed=seed), 5) for seed in (1, 2, 3)}
    winners = []
    for number in range(6):
        folder, go = tmp_path / f"race{number}", time.time() + 0.3
        children = {}
        for seed in straight:
            if not (child := os.fork()):
                code = 1
                try:
                    time.sleep(max(0.0, go - time.time()))
                    play(start(folder, seed=seed), 5)
                    code = 0
                except RunError:
                    code = 2
                finally:
                    os._exit(code)
            children[seed] = child
        codes = {seed: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for seed, child in children.items()}
        made = json.loads((folder / FILE).read_text())["seed"]
        assert codes == {seed: 0 if seed == made else 2 for seed in straight}
        one, other = (checkpoint.load_newest(each)[0] for each in (folder, straight[made].folder))
        assert difference(one, other) == ""
        assert (folder / "log.jsonl").read_bytes() == (straight[made].folder / "log.jsonl").read_bytes()
        winners.append(made)


@pytest.mark.parametrize("name", ["reals.png", "skipped-files.txt"])
def test_what_a_kill_at_the_start_left_out_is_made(tmp_path, monkeypatch, name):
    monkeypatch.undo()  # with pictures
    data = tmp_path / "data"
    data.mkdir()
    from PIL import Image

    for number in range(8):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(data / f"{number}.png")
    (data / "bad.png").write_bytes(b"no picture")
    kind = {"data": str(data), "size": 8, "batch_size": 4, "device": "cpu", "skip_unreadable": True}
    run = play(start(tmp_path / "run", kind=kind), 1)
    content = (run.folder / name).read_bytes()
    (run.folder / name).unlink()
    play(start(tmp_path / "run", kind=kind), 2)
    assert (run.folder / name).read_bytes() == content
