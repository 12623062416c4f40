"""Nothing inside a run folder is followed if it is a link, and a run that was moved or replaced is not written into."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import nullcontext

import pytest

from sparring._io import folder
from sparring._io.folder import Folder
from sparring.cli import main
from sparring.errors import RunError, SparringError
from sparring.reports.run_report import save_report
from sparring.runs import checkpoint, logs
from sparring.runs.early_stopping import EarlyStopping
from sparring.runs.evaluation import evaluate_run
from sparring.runs.run import Run
from sparring.runs.state import load_game
from sparring.visualization import images
from support import runs
from support.folders import tree
from support.runs import difference, play, start

quick = pytest.fixture(autouse=True)(runs.quick)
EVERY = EarlyStopping(0.016)


@pytest.fixture(params=["handles", "paths"], autouse=True)
def system(request, monkeypatch):
    """A system with handles of folders, and one without, such as Windows."""
    monkeypatch.setattr(folder, "HANDLES", request.param == "handles")
    return request.param


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A run with everything that a training leaves in it."""
    place = tmp_path_factory.mktemp("original") / "run"
    run = play(start(place), 4, early_stopping=EVERY, tensorboard=True)
    evaluate_run(run, samples=20)
    (place / "fit.json").write_text(json.dumps({"steps": 4}))
    save_report(run)
    return place


@pytest.fixture
def made(tmp_path, original):
    """A copy of that run."""
    return shutil.copytree(original, tmp_path / "run")


def linked(path, target):
    """Move a path away and leave a link to it, if it exists."""
    if path.is_dir():
        shutil.copytree(path, target)
        shutil.rmtree(path)
    else:
        shutil.copy(path, target)
        path.unlink()
    path.symlink_to(target)


INSIDE = [
    "run.json",
    "log.jsonl",
    "timing.jsonl",
    "evaluations.jsonl",
    "checkpoints",
    "best",
    "samples",
    "events",
    "checkpoints/000004",
    "checkpoints/000004/state.pt",
    "checkpoints/000004/manifest.json",
]


@pytest.mark.parametrize("name", INSIDE)
def test_training_neither_reads_nor_writes_nor_removes_behind_a_link(tmp_path, made, monkeypatch, name):
    monkeypatch.undo()  # with pictures
    outside = tmp_path / "mine"
    outside.mkdir()
    for number in ("000001", "1", "7.tmp-old"):  # of mine
        (outside / number).mkdir()
        (outside / number / "thesis.tex").write_text("all of it")
    linked(made / name, outside / "copy")
    before = tree(outside)
    passed_over = name.startswith("checkpoints/")
    refused = pytest.raises(RunError, match="is a link, and links in a run folder are not followed")
    with nullcontext() if passed_over else refused:
        play(start(made), 8, early_stopping=EVERY, tensorboard=True)
    assert tree(outside) == before
    assert (made / name).is_symlink() or passed_over, "a link of the user is not removed"


@pytest.mark.parametrize("name", ["losses.png", "report.html", "evaluation.json", "fit.json", "reals.png"])
def test_what_is_written_replaces_a_link_in_its_place(tmp_path, made, monkeypatch, name):
    monkeypatch.undo()
    outside = tmp_path / "mine.txt"
    outside.write_text("all of it")
    (made / name).unlink()
    (made / name).symlink_to(outside)
    words = [
        "train",
        "nsgan",
        "--data",
        "ring",
        "--batch-size",
        "8",
        "--width",
        "8",
        "--latent",
        "8",
        "--device",
        "cpu",
    ]
    main([*words, "--out", str(made), "--steps", "5"])
    main(["evaluate", str(made), "--metrics", "modes", "--samples", "20", "--device", "cpu"])
    main(["report", str(made), "--device", "cpu"])
    assert outside.read_text() == "all of it"


@pytest.mark.parametrize(
    "name", ["samples/000004.png", "reals.png", "walk.gif", "evaluation.json", "log.jsonl", "samples"]
)
def test_a_report_inlines_no_linked_file(tmp_path, made, name):
    secret = tmp_path / "secret"
    secret.write_text("all of it")
    path = made / name
    if path.is_dir():
        shutil.rmtree(path)
        secret = tmp_path / "pictures"
        secret.mkdir()
        (secret / "000004.png").write_text("all of it")
    elif path.exists():
        path.unlink()
    path.symlink_to(secret)
    with pytest.raises(SparringError, match="is a link"):
        save_report(Run.open(made, device="cpu"))


def test_the_run_folder_itself_may_be_reached_by_a_link(tmp_path, made):
    (tmp_path / "latest").symlink_to(made)
    assert play(start(tmp_path / "latest"), 5).step == 5
    assert load_game(tmp_path / "latest", device="cpu") is not None
    assert Run.open(made, device="cpu").step == 5


KINDS = {"a pipe": os.mkfifo, "a folder": os.mkdir}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    "name", ["run.json", "log.jsonl", "evaluations.jsonl", "fit.json", "evaluation.json", "checkpoints/000004/state.pt"]
)
def test_only_regular_files_are_read(made, tmp_path, capsys, monkeypatch, name, make):
    monkeypatch.chdir(tmp_path)  # where samples are written
    (made / name).unlink()
    make(made / name)
    for words in (["sample"], ["report"], ["resume", "--eval-every", "1", "--steps", "6"]):
        code = main([words[0], str(made), *words[1:], "--device", "cpu"])
        assert code in (0, 2)
    output = capsys.readouterr().err
    assert f"{name.split('/')[-1]} is not a regular file" in output or name == "fit.json"


@pytest.mark.parametrize("name", ["run.json", "evaluation.json", "log.jsonl", "checkpoints/000004/manifest.json"])
def test_no_file_is_read_beyond_a_stated_size(made, capsys, name):
    with open(made / name, "ab") as file:
        file.truncate(2**33)  # holes, which no disk stores
    assert main(["report", str(made), "--device", "cpu"]) in (0, 2)
    assert main(["resume", str(made), "--steps", "4", "--device", "cpu"]) in (0, 2)
    assert "may be read" in capsys.readouterr().err


def test_only_checkpoints_of_this_run_are_removed(tmp_path):
    run = play(start(tmp_path / "run"), 4, early_stopping=EVERY)
    other = play(start(tmp_path / "other", seed=1), 1)
    for place in ("checkpoints", "best"):
        (run.folder / place / "000001").mkdir()
        (run.folder / place / "000001/thesis.tex").write_text("all of it")
        (run.folder / place / "000000.tmp-99").mkdir()
        (run.folder / place / "000000.tmp-99/thesis.tex").write_text("all of it")
        shutil.copytree(other.folder / "checkpoints/000001", run.folder / place / "000000")
    (run.folder / "checkpoints/000004/notes.txt").write_text("of this step")
    theirs = {name: kept for name, kept in tree(run.folder).items() if "/00000" in name and name.count("/") == 2}
    theirs = {name: kept for name, kept in theirs.items() if "/000001/" in name or "/000000" in name}
    assert len(theirs) == 8
    play(start(run.folder), 9, early_stopping=EVERY, save_every=1, keep_checkpoints=1)
    after = tree(run.folder)
    assert {name: after.get(name) for name in theirs} == theirs
    assert [kept[0] for name, kept in after.items() if name.endswith("notes.txt")] == [b"of this step"]
    assert not (run.folder / "checkpoints/000004").exists()


def test_a_checkpoint_of_another_run_is_passed_over_and_kept(tmp_path):
    one, other = (play(start(tmp_path / name, seed=seed), 2) for name, seed in (("one", 0), ("other", 1)))
    shutil.copytree(other.folder / "checkpoints/000002", one.folder / "checkpoints/000004")
    before = tree(one.folder / "checkpoints/000004")
    resumed = start(one.folder)
    assert resumed.step == 2
    assert "000004 is of another run than run.json" in resumed.notes[0]
    play(resumed, 6, save_every=1, keep_checkpoints=1)
    names = sorted(path.name for path in (one.folder / "checkpoints").iterdir())
    assert names == ["000004.broken-1", "000006"]
    assert tree(one.folder / "checkpoints/000004.broken-1") == before
    with pytest.raises(RunError, match="is of another run"):
        checkpoint.load(shutil.copytree(other.folder / "checkpoints/000002", one.folder / "best/000009"))


def test_two_runs_of_the_same_settings_have_each_an_identity(tmp_path):
    ids = []
    for name in ("one", "other"):
        run = play(start(tmp_path / name), 1)
        manifest = json.loads((run.folder / "checkpoints/000001/manifest.json").read_text())
        assert manifest["run"] == json.loads((run.folder / "run.json").read_text())["id"]
        ids.append(manifest["run"])
    assert ids[0] != ids[1]
    assert len(ids[0]) == 32


@pytest.mark.parametrize("what", ["moved", "replaced", "linked", "overwritten"])
def test_a_training_never_writes_into_the_folder_that_takes_its_place(tmp_path, monkeypatch, what):
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", images.save_grid)
    other = play(start(tmp_path / "other", seed=1), 2, save_every=2)
    run, away = start(tmp_path / "run"), tmp_path / "away"

    def swap():
        if what == "overwritten":
            shutil.copytree(other.folder, run.folder, dirs_exist_ok=True)
            return
        run.folder.rename(away)
        if what == "replaced":
            shutil.copytree(other.folder, run.folder)
        if what == "linked":
            run.folder.symlink_to(other.folder)

    def train():
        for report in run.fit(8, save_every=2, sample_every=3):
            if report.step == 3:
                swap()
                before.update(tree(run.folder))

    before: dict = {}
    with pytest.raises(RunError, match=r"its folder is missing|holds another run than when it was opened"):
        train()
    if what == "overwritten":
        ours = {"log.jsonl", "timing.jsonl"}
        assert {k: v for k, v in tree(run.folder).items() if k not in ours} == {
            k: v for k, v in before.items() if k not in ours
        }
        return
    assert tree(run.folder) == before
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    resumed = play(start(away), 8, save_every=2)
    straight = play(start(tmp_path / "straight"), 8, save_every=2)
    assert difference(resumed.state.state_dict(), straight.state.state_dict()) == ""
    assert (away / "log.jsonl").read_bytes() == (straight.folder / "log.jsonl").read_bytes()


def test_a_run_that_was_replaced_before_it_is_trained_is_refused(tmp_path):
    other = play(start(tmp_path / "other", seed=1), 2)
    run = play(start(tmp_path / "run"), 2)
    run.folder.rename(tmp_path / "away")
    other.folder.rename(tmp_path / "run")
    before = tree(tmp_path)
    for write in (lambda: play(run, 4), lambda: evaluate_run(run, samples=20), lambda: save_report(run)):
        with pytest.raises(RunError, match=r"was moved or replaced|its folder is missing"):
            write()
    assert tree(tmp_path) == before


def test_a_reader_beside_a_training_always_finds_a_checkpoint(tmp_path):
    """One checkpoint is kept, so each is renamed away as soon as its successor is there."""
    for step in (1, 2):
        checkpoint.save(tmp_path, step, {"step": step}, keep=1)
    writer = os.fork()
    if not writer:
        for step in range(3, 120):
            checkpoint.save(tmp_path, step, {"step": step}, keep=1)
        os._exit(0)
    looks, last = 0, 0
    while os.waitpid(writer, os.WNOHANG)[0] == 0:
        state, notes = checkpoint.load_newest(tmp_path)
        assert notes == []
        assert state["step"] >= last
        last, looks = state["step"], looks + 1
    assert looks > 10
    assert last > 50


def test_an_unfinished_file_that_is_being_written_is_not_swept(tmp_path, system):
    home = Folder.open(tmp_path)
    (tmp_path / f".old.json.{'0' * 32}.tmp").write_text("half")
    with home.atomic_write("evaluation.json") as file:
        file.write(b"whole")
        if system == "handles":
            folder.remove_unfinished(tmp_path)
    assert (tmp_path / "evaluation.json").read_bytes() == b"whole"
    folder.remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.json"]


def test_a_journal_with_an_endless_line_is_read_in_bounded_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "LONGEST", 100)
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 1}\n' + b"x" * 1000 + b'\n{"step": 2}\n')
    assert [line["step"] for line in logs.read(tmp_path / "log.jsonl")] == [1, 2]


@pytest.mark.parametrize("name", ["trials/nsgan-0", "trials", "trials/nsgan-0.json", "trials/nsgan-0/samples"])
def test_a_comparison_follows_no_link(tmp_path, name, capsys):
    out = tmp_path / "out"
    words = ["compare", "nsgan", "rsgan", "--data", "ring", "--batch-size", "8", "--width", "8", "--device", "cpu"]
    words += ["--seeds", "0", "--samples", "20", "--metrics", "modes", "--eval-every", "1", "--out", str(out)]
    assert main([*words, "--steps", "1"]) == 0
    (out / "trials/nsgan-0/samples").mkdir(exist_ok=True)
    linked(out / name, tmp_path / "mine")
    before = tree(tmp_path / "mine") if (tmp_path / "mine").is_dir() else (tmp_path / "mine").read_bytes()
    capsys.readouterr()
    assert main([*words, "--steps", "2"]) == 2
    assert "is a link" in capsys.readouterr().err
    assert (tree(tmp_path / "mine") if (tmp_path / "mine").is_dir() else (tmp_path / "mine").read_bytes()) == before
