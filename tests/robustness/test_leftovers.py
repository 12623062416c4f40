"""What a killed process left unfinished is removed at the next use of its folder, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparring._io import atomic
from sparring._io.atomic import atomic_write, remove_stale
from sparring.data import load
from sparring.visualization import images

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process of its own")
LEFT = f".x.png.{'0' * 32}.tmp"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Reset the folders that this process has checked."""
    monkeypatch.setattr(atomic, "_cleaned", set())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def dying(work) -> None:
    """Run a function in a process that kills itself in the middle of it."""
    child = os.fork()
    if not child:
        try:
            atomic._cleaned.clear()
            work()
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it was not killed"


def half(target: Path) -> None:
    with atomic_write(target) as file:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


@needs_fork
def test_the_next_result_in_a_folder_removes_what_a_killed_process_left(tmp_path):
    dying(lambda: half(tmp_path / "x.png"))
    assert len(names(tmp_path)) == 1
    images.save_image(Image.new("L", (2, 2)), tmp_path / "y.png")
    assert names(tmp_path) == ["y.png"]


@needs_fork
def test_a_preparation_that_was_killed_leaves_nothing_in_the_cache_once_it_is_repeated(tmp_path):
    (tmp_path / "set").mkdir()
    for index in range(3):
        Image.fromarray(np.full((4, 4), index, np.uint8)).save(tmp_path / "set" / f"{index}.png")

    def interrupt(done, total):
        os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(2):
        dying(lambda: load(tmp_path / "set", cache=tmp_path / "cache", progress=interrupt))
        assert len(names(tmp_path / "cache")) == 1
    load(tmp_path / "set", cache=tmp_path / "cache")
    (left,) = names(tmp_path / "cache")
    assert left.endswith(".npy")


WRITER = """
import sys
from pathlib import Path
from sparring._io.atomic import atomic_write
with atomic_write(Path(sys.argv[1])) as file:
    file.write(b"whole")
    file.flush()
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_what_a_living_process_writes_is_left_alone_and_removed_once_that_is_dead(tmp_path):
    command = [sys.executable, "-c", WRITER, tmp_path / "x.png"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as kept, subprocess.Popen(command, **pipes) as killed:
        assert kept.stdout.readline() == killed.stdout.readline() == b"begun\n"
        with atomic_write(tmp_path / "y.png") as file:
            file.write(b"other")
        assert len(names(tmp_path)) == 3
        killed.kill()
        killed.wait()
        atomic._cleaned.clear()
        remove_stale(tmp_path)
        assert len(names(tmp_path)) == 2
        kept.stdin.close()
        assert kept.wait() == 0
    assert names(tmp_path) == ["x.png", "y.png"]
    assert (tmp_path / "x.png").read_bytes() == b"whole"


def test_files_of_other_names_links_and_folders_stay(tmp_path):
    for name in ("notes.tmp", ".notes.tmp", f".x.{'g' * 32}.tmp", f"x.{'0' * 32}.tmp", "mine.png"):
        (tmp_path / name).write_text("the user's own")
    (tmp_path / f".link.{'0' * 32}.tmp").symlink_to(tmp_path / "mine.png")
    (tmp_path / f".folder.{'0' * 32}.tmp").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / f".pipe.{'0' * 32}.tmp")
    before = names(tmp_path)
    (tmp_path / LEFT).write_bytes(b"half")
    with atomic_write(tmp_path / "y.png"):
        pass
    assert names(tmp_path) == sorted([*before, "y.png"])
    (tmp_path / LEFT).write_bytes(b"half")
    with atomic_write(tmp_path / "y.png"):
        pass
    assert LEFT in names(tmp_path), "each folder is checked once a process"


def test_a_folder_that_cannot_be_read_is_no_error(tmp_path):
    remove_stale(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    remove_stale(tmp_path / "file")
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "nowhere" / "x.png"):
        pass


def test_a_file_that_is_swept_before_it_is_claimed_is_begun_again(tmp_path, monkeypatch):
    real, swept = atomic.mark_in_use, []

    def late(descriptor):
        if len(swept) < 3:
            swept.extend(tmp_path.glob(".*.tmp"))
            swept[-1].unlink()
        return real(descriptor)

    monkeypatch.setattr(atomic, "mark_in_use", late)
    with atomic_write(tmp_path / "x.png") as file:
        file.write(b"whole")
    assert len(swept) == 3
    assert names(tmp_path) == ["x.png"]
    assert (tmp_path / "x.png").read_bytes() == b"whole"


@pytest.mark.parametrize("trouble", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_and_the_file_before(tmp_path, trouble):
    (tmp_path / "x.png").write_bytes(b"before")

    def fail():
        with atomic_write(tmp_path / "x.png") as file:
            file.write(b"half")
            raise trouble

    with pytest.raises(trouble):
        fail()
    assert names(tmp_path) == ["x.png"]
    assert (tmp_path / "x.png").read_bytes() == b"before"


@needs_fork
def test_many_processes_that_write_into_one_folder_at_once_lose_nothing(tmp_path):
    children = []
    for number in range(8):
        child = os.fork()
        if not child:
            code = 1
            try:
                for turn in range(20):
                    atomic._cleaned.clear()
                    with atomic_write(tmp_path / f"{number}-{turn}") as file:
                        file.write(b"whole")
                        time.sleep(0.001)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert len(names(tmp_path)) == 160
    assert all(path.read_bytes() == b"whole" for path in tmp_path.iterdir())
