"""Disks that are full, read-only, forbidden or gone while a training writes: one clear error, nothing saved is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sparring.cli import main
from sparring.errors import RunError
from sparring.runs import checkpoint, logs
from support import runs
from support.disks import fill, small_disk
from support.runs import difference, play, start

quick = pytest.fixture(autouse=True)(runs.quick)
disk = pytest.fixture(small_disk)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def interrupted(folder: Path, at: int, trouble: Callable[[], object], steps: int = 12, every: int = 4) -> str:
    """Train, cause a disk error after a step, and return its message."""
    run = start(folder)

    def train() -> None:
        for report in run.fit(steps, save_every=every, sample_every=100):
            if report.step == at:
                trouble()

    with pytest.raises(RunError) as refused:
        train()
    message = str(refused.value)
    assert "\n" not in message
    return message


def require_intact(folder: Path, tmp_path: Path, step: int, steps: int = 12) -> None:
    """The checkpoint of a step is good, nothing lies about, and the same command ends like an undisturbed training."""
    assert [path.name for path in folder.rglob("*.tmp*")] == []
    opened = start(folder)
    assert (opened.step, opened.notes) == (step, [])
    straight = play(start(tmp_path / "straight"), steps, save_every=4)
    assert difference(straight.state.state_dict(), play(opened, steps, save_every=4).state.state_dict()) == ""
    assert (folder / "log.jsonl").read_bytes() == (tmp_path / "straight/log.jsonl").read_bytes()


@pytest.mark.parametrize("leave", [0, 8192])
def test_a_disk_that_is_full(disk, tmp_path, leave):
    message = interrupted(disk / "run", 6, lambda: fill(disk, leave))
    assert "is too full for a checkpoint: it needs 0." in message
    (disk / "filler").unlink()
    require_intact(disk / "run", tmp_path, 4)


def test_a_disk_that_is_full_despite_reported_free_space(disk, tmp_path, monkeypatch):
    """Others write at the same time, or a quota is not reported."""
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "require_free_space", lambda *_: None)
        message = interrupted(disk / "run", 6, lambda: fill(disk, 16384))
    assert "000008 cannot be written (No space left on device): free space" in message
    assert message.endswith("files saved before are intact.")
    (disk / "filler").unlink()
    require_intact(disk / "run", tmp_path, 4)


def test_a_log_that_does_not_fit(disk, tmp_path):
    """The file keeps what it could not write, and must not stumble over it when it is closed."""
    message = interrupted(disk / "run", 6, lambda: fill(disk), steps=120, every=100)
    assert "log.jsonl cannot be written (No space left on device)" in message
    (disk / "filler").unlink()
    assert len(logs.read(disk / "run/log.jsonl")) > 6
    require_intact(disk / "run", tmp_path, 0)


def test_a_disk_that_becomes_read_only(disk, tmp_path):
    folder = disk / "run"
    play(start(folder), 4, save_every=4)
    remount(disk, "ro")
    with pytest.raises(RunError, match=r"log\.jsonl cannot be written \(Read-only file system\)"):
        play(start(folder), 12, save_every=4)
    with pytest.raises(RunError, match=r"cannot be written \(Read-only file system\)"):
        start(disk / "other")
    assert start(folder).step == 4, "reading needs no writing"
    remount(disk, "rw")
    require_intact(folder, tmp_path, 4)


def test_a_folder_that_is_forbidden(tmp_path):
    folder, user = tmp_path / "run", os.geteuid()

    def forbid() -> None:
        for path in (folder, folder / "checkpoints"):
            path.chmod(0o555)
        if user == 0:  # whom nothing is forbidden
            os.seteuid(65534)

    try:
        message = interrupted(folder, 6, forbid)
    finally:
        os.seteuid(user)
        for path in (folder, folder / "checkpoints"):
            path.chmod(0o755)
    assert "cannot be written (Permission denied)" in message
    require_intact(folder, tmp_path, 4)


def test_a_folder_that_is_removed(tmp_path):
    message = interrupted(tmp_path / "run", 6, lambda: shutil.rmtree(tmp_path / "run"))
    assert "because its folder is missing: restore it and run the same command again, or start another run." in message
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_moved_and_put_back(tmp_path):
    folder, away = tmp_path / "run", tmp_path / "away"
    assert "its folder is missing" in interrupted(folder, 6, lambda: folder.rename(away))
    away.rename(folder)
    require_intact(folder, tmp_path, 4)


def test_parts_that_are_removed_are_made_again(tmp_path, monkeypatch):
    monkeypatch.undo()  # with pictures
    run = start(tmp_path / "run")
    for report in run.fit(8, save_every=2, sample_every=2):
        if report.step == 3:
            shutil.rmtree(run.folder / "checkpoints")
            shutil.rmtree(run.folder / "samples")
    assert [path.name for path in checkpoint.list_checkpoints(run.folder)] == ["000006", "000008"]
    assert sorted(path.name for path in (run.folder / "samples").iterdir()) == [f"{k:06d}.png" for k in (4, 6, 8)]


def test_the_command_line_prints_the_error_once(disk, capsys):
    words = [
        "train",
        "nsgan",
        "--data",
        "ring",
        "--batch-size",
        "8",
        "--network",
        "mlp",
        "--width",
        "8",
        "--device",
        "cpu",
    ]
    words += ["--out", str(disk / "run"), "--save-every", "2", "--sample-every", "100"]
    assert main([*words, "--steps", "2"]) == 0
    fill(disk)
    capsys.readouterr()
    assert main([*words, "--steps", "4"]) == 2
    output = capsys.readouterr().err
    assert output.startswith("sparring: ")
    assert output.count("\n") == 1
    (disk / "filler").unlink()
    assert main([*words, "--steps", "4"]) == 0


def test_what_dead_processes_left_is_swept(tmp_path):
    folder = tmp_path / "run"
    play(start(folder), 2, save_every=2)
    for name in ("000003.tmp-4711", "000001.tmp-old"):
        (folder / "checkpoints" / name).mkdir()
        (folder / "checkpoints" / name / "state.pt").write_bytes(b"half")
    (folder / f".run.json.{'0' * 32}.tmp").write_bytes(b"half")
    (folder / "samples").mkdir(exist_ok=True)
    (folder / "samples" / f".000002.png.{'a' * 32}.tmp").write_bytes(b"half")
    for name in ("notes.tmp", ".notes.tmp"):
        (folder / name).write_text("the user's own")
    play(start(folder), 4, save_every=2)
    assert sorted(path.name for path in folder.rglob("*tmp*")) == [".notes.tmp", "notes.tmp"]
