"""Checkpoints are there completely or not at all, and nothing but what was written is ever read back."""

from __future__ import annotations

import errno
import os
import pickle
import random
import shutil
from pathlib import Path

import pytest
import torch

from sparring._io.folder import Folder, run_lock
from sparring.errors import RunError
from sparring.runs import checkpoint
from support.crashes import die_at, fill, plant, state
from support.runs import difference


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_what_is_saved_is_loaded(tmp_path):
    shared = torch.randn(3, 4)
    saved = {
        "step": 7,
        "players": {
            "D": {"state": {0: {"step": torch.tensor(7.0), "m": shared}}, "param_groups": [{"betas": (0.5, 1)}]}
        },
        "average": None,
        "half": torch.randn(4).bfloat16(),
        "view": shared.T[1:],
    }
    assert checkpoint.save(tmp_path, 7, saved) == tmp_path / "checkpoints/000007"
    loaded, notes = checkpoint.load_newest(tmp_path)
    assert difference(saved, loaded) == ""
    assert notes == []
    assert names(tmp_path) == ["000007"]


def test_nothing_saved_is_no_error(tmp_path):
    assert checkpoint.load_newest(tmp_path) == (None, [])


def test_the_last_ones_stay(tmp_path):
    for step in (1, 2, 3, 1_000_000, 1_000_001):
        checkpoint.save(tmp_path, step, state(step), keep=2)
    assert names(tmp_path) == ["1000000", "1000001"]
    assert checkpoint.load_newest(tmp_path)[0]["step"] == 1_000_001


def test_a_broken_one_is_reported_passed_over_and_replaced(tmp_path):
    fill(tmp_path, 1, 2, 3)
    (tmp_path / "checkpoints/000003/state.pt").unlink()
    loaded, notes = checkpoint.load_newest(tmp_path)
    assert loaded["step"] == 2
    assert len(notes) == 1
    assert "000003 is broken" in notes[0]
    checkpoint.save(tmp_path, 3, state(3), keep=2)
    assert checkpoint.load_newest(tmp_path)[1] == []
    assert names(tmp_path) == ["000002", "000003"]


def test_later_damaged_checkpoints_are_deleted_after_a_rollback(tmp_path):
    fill(tmp_path, 5, 10)
    (tmp_path / "checkpoints/000010/manifest.json").write_text("{}")
    checkpoint.save(tmp_path, 6, state(6), keep=2)
    assert names(tmp_path) == ["000005", "000006", "000010"], "what has no valid manifest is not removed"


def test_all_broken_is_an_error(tmp_path):
    for path in fill(tmp_path, 1, 2).iterdir():
        (path / "state.pt").write_bytes(b"")
    with pytest.raises(RunError, match=r"No checkpoint of .* can be used"):
        checkpoint.load_newest(tmp_path)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """One flipped bit, or a truncation, or a zeroed block."""
    at = rng.randrange(len(content))
    kind = rng.randrange(3)
    if kind == 0:
        return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
    if kind == 1:
        return content[:at]
    return content[:at] + bytes(byte ^ 255 for byte in content[at : at + 64]) + content[at + 64 :]


@pytest.mark.parametrize("file", ["state.pt", "manifest.json"])
def test_every_damage_is_detected(tmp_path, file):
    path = fill(tmp_path, 1) / "000001" / file
    content, rng = path.read_bytes(), random.Random(file)
    for _ in range(500):
        path.write_bytes(damaged(content, rng))
        with pytest.raises(RunError, match="is broken"):
            checkpoint.load(path.parent)
    path.write_bytes(content)
    assert checkpoint.load(path.parent)["step"] == 1


class Payload:
    """What a foreign checkpoint may hold: code that runs when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_malicious_state_is_refused_and_not_run(tmp_path):
    bait = tmp_path / "bait"
    torch.save({"step": Payload(f"touch {bait}")}, tmp_path / "evil.pt")
    plain = pickle.dumps({"step": Payload(f"touch {bait}")})
    for content in ((tmp_path / "evil.pt").read_bytes(), plain):
        plant(tmp_path, content)
        with pytest.raises(RunError, match="refused: its state is not plain data"):
            checkpoint.load(tmp_path / "checkpoints/000001")
    assert not bait.exists()
    pickle.loads(plain)
    assert bait.exists(), "the payload is harmless, so this test proves nothing"


@pytest.mark.parametrize("size", [float("inf"), float("nan"), -1, 10**400, "x", None])
def test_a_manifest_of_an_impossible_size_is_one_error(tmp_path, size):
    plant(tmp_path, b"")
    files = {"state.pt": {"bytes": size, "sha256": ""}}
    manifest = checkpoint._sealed({"format": 1, "step": 1, "files": files, "versions": {}})
    (tmp_path / "checkpoints/000001/manifest.json").write_bytes(manifest)
    with pytest.raises(RunError, match="is broken"):
        checkpoint.load(tmp_path / "checkpoints/000001")


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"PK\x03\x04", bytes(range(256)) * 4, b"\x80\x05]."])
def test_every_unreadable_state_is_one_error(tmp_path, content):
    plant(tmp_path, content)
    with pytest.raises(RunError):
        checkpoint.load_newest(tmp_path)


def refuse(monkeypatch, place: str, number: int, call: int = 1):
    """Lets the given call of a function fail with an error of the system, and all before it succeed."""
    owner, _, name = place.rpartition(".")
    owner = {"os": os, "Folder": Folder}[owner]
    real, calls = getattr(owner, name), []

    def failing(*given, **named):
        calls.append(name)
        if len(calls) == call:
            raise OSError(number, os.strerror(number))
        return real(*given, **named)

    monkeypatch.setattr(owner, name, failing)
    return calls


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize(
    ("place", "call"),
    [
        ("Folder.write_fsync", 1),
        ("Folder.write_fsync", 2),
        ("os.fsync", 1),
        ("os.fsync", 2),
        ("os.mkdir", 1),
        ("os.replace", 1),
    ],
)
def test_a_refusing_disk_leaves_the_last_checkpoint_intact(tmp_path, monkeypatch, place, call, number):
    fill(tmp_path, 1)
    with monkeypatch.context() as patch:
        calls = refuse(patch, place, number, call)
        with pytest.raises(RunError, match=rf"000002 cannot be written \({os.strerror(number)}\): free space"):
            checkpoint.save(tmp_path, 2, state(2))
        assert len(calls) >= call
    assert names(tmp_path) == ["000001"]
    assert difference(checkpoint.load_newest(tmp_path)[0], state(1)) == ""
    checkpoint.save(tmp_path, 2, state(2))
    assert names(tmp_path) == ["000001", "000002"]


def test_a_full_disk_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    fill(tmp_path, 1)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(RunError, match=r"needs 0\.1 MB and 0\.0 MB are free"):
        checkpoint.save(tmp_path, 2, state(2))
    assert names(tmp_path) == ["000001"]


def test_death_at_any_phase_leaves_a_good_checkpoint(tmp_path):
    seen = set()
    for call in range(1, 30):
        folder = tmp_path / str(call)
        folder.mkdir()
        fill(folder, 1, 2)
        child = os.fork()
        if not child:
            die_at(call)
            checkpoint.save(folder, 3, state(3), keep=2)
            os._exit(0)
        finished = os.waitpid(child, 0)[1] == 0
        loaded, notes = checkpoint.load_newest(folder)
        assert notes == []
        assert difference(loaded, state(loaded["step"])) == ""
        seen.add((finished, loaded["step"]))
        checkpoint.save(folder, 4, state(4), keep=2)
        assert names(folder)[-1] == "000004"
        assert len(names(folder)) == 2, "what the dead process left is swept"
        if finished:
            break
    assert seen == {(False, 2), (False, 3), (True, 3)}


def test_one_process_at_a_time(tmp_path):
    with run_lock(tmp_path):
        child = os.fork()
        if not child:
            try:
                with run_lock(tmp_path):
                    os._exit(0)
            except RunError as error:
                os._exit(7 if "another process" in str(error) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with run_lock(tmp_path):
        pass


def test_one_that_is_retired_while_it_is_read_is_no_error(tmp_path, monkeypatch):
    fill(tmp_path, 1, 2)
    real, once = checkpoint._verified, []

    def overtaken(*given):
        if not once:
            once.append(given)
            checkpoint.save(tmp_path, 3, state(3), keep=1)
        return real(*given)

    monkeypatch.setattr(checkpoint, "_verified", overtaken)
    loaded, notes = checkpoint.load_newest(tmp_path)
    assert (loaded["step"], notes) == (3, [])
