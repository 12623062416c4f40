"""Checkpoints: one folder each, there completely or not at all, verified before a byte of them is interpreted.

    RUN/checkpoints/000500/state.pt         weights, averages, optimisers, positions: tensors, numbers, dicts, lists
                           manifest.json    SHA-256 and size of the state, versions; sealed by a SHA-256 of its own

A checkpoint is written to a neighbouring name, flushed, and renamed; a crash at any moment leaves the older ones as
they were. Neither safetensors nor torch's zip notices a flipped bit, so the manifest does. The bytes that are
deserialised are the very bytes that were verified, and ``weights_only=True`` has no way round it: a checkpoint is data,
never code.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from sparring import __version__
from sparring.durable import put, require_room, settle, writing
from sparring.errors import RunError
from sparring.journal import read

State = dict[str, Any]

STATE, MANIFEST = "state.pt", "manifest.json"
PLACE, BEST = "checkpoints", "best"  # where those to go on from are, and the best one
JUDGED = "judged.jsonl"  # names the best one
UNFINISHED = ".tmp-"  # in the name of what is being written or removed


def save(folder: Path, step: int, state: State, *, keep: int | None = 2, place: str = PLACE, every: int = 0) -> Path:
    """Writes the checkpoint of a step, then removes those that it supersedes.

    Args:
        folder: The run's.
        step: Steps completed.
        state: Tensors, numbers, strings, and dicts, lists and tuples of them.
        keep: How many checkpoints stay, this one included; None removes none.
        place: The folder within the run's.
        every: The newest one of a multiple of so many steps stays, too; 0 for none.

    Returns:
        The folder of the checkpoint.

    Raises:
        RunError: If the disk is full or refuses; the older checkpoints are intact.
    """
    checkpoints = folder / place
    path = checkpoints / f"{step:06d}"
    with writing(path):
        checkpoints.mkdir(exist_ok=True)
        _sweep(checkpoints)
        content = _serialised(state)
        require_room(checkpoints, len(content) + 65536)
        unfinished = checkpoints / f"{path.name}{UNFINISHED}{os.getpid()}"
        try:
            _fill(unfinished, step, content)
            _discard(path)  # a broken one of the same step
            unfinished.rename(path)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        settle(checkpoints)
    if keep is not None:
        _retire(folder, step, keep, place, every)
    return path


def load_newest(folder: Path) -> tuple[State | None, list[str]]:
    """Reads the newest good checkpoint.

    Args:
        folder: The run's.

    Returns:
        Its state, or None where none was ever saved; and one sentence for each broken one that was passed over.

    Raises:
        RunError: If there are checkpoints and all of them are broken.
    """
    notes: list[str] = []
    for path in reversed(listed(folder)):
        try:
            return load(path), notes
        except RunError as error:
            if not path.exists():  # the training process has just retired it
                return load_newest(folder)
            notes.append(str(error))
    if notes:
        raise RunError(f"No checkpoint of {folder} can be used: {notes[0]} Start another run, or restore a copy.")
    return None, notes


def load_named(folder: Path, name: str = "newest") -> tuple[State | None, list[str]]:
    """Reads a checkpoint by its name.

    Args:
        folder: The run's.
        name: newest, best, or the step of one that is kept. The best one is the one that ``judged.jsonl`` names.

    Returns:
        As `load_newest`.

    Raises:
        RunError: If there is none of that name, or it is broken.
    """
    if name == "newest":
        return load_newest(folder)
    kept = {path.name.lstrip("0") or "0": path for place in (BEST, PLACE) for path in listed(folder, place)}
    if name == "best":
        return _load_best(folder)
    if name not in kept:
        steps = ", ".join(sorted(kept, key=int)) or "none"
        raise RunError(f"{folder} keeps no checkpoint {name!r}: give newest, best, or one of the steps {steps}.")
    return load(kept[name]), []


def _load_best(folder: Path) -> tuple[State, list[str]]:
    """Reads the best checkpoint."""
    there = {int(path.name): path for path in listed(folder, BEST)}
    if not there:
        raise RunError(f"{folder} has no best checkpoint: train with --judge-every to keep one.")
    step = next((row["step"] for row in reversed(read(folder / JUDGED)) if row.get("best")), None)
    if step is None or step in there:
        return load(there[max(there) if step is None else step]), []
    note = f"The best checkpoint of {folder}, that of step {step}, is gone: that of step {max(there)} is used."
    return load(there[max(there)]), [note]


def load(path: Path) -> State:
    """Verifies and reads one checkpoint.

    Args:
        path: Its folder.

    Raises:
        RunError: If anything about it is not as it was written, or it holds more than data.
    """
    content = _verified(path)
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises RuntimeError, ValueError, UnpicklingError, EOFError, KeyError, ...
        reason = type(error).__name__  # torch's own words recommend to load the file unsafely
        raise RunError(f"The checkpoint {path} is refused: its state is not plain data ({reason}).") from error


def listed(folder: Path, place: str = PLACE) -> list[Path]:
    """Returns the folders of a run's checkpoints, oldest first.

    Args:
        folder: The run's.
        place: The folder within the run's.
    """
    found = [path for path in (folder / place).glob("*") if path.name.isdecimal() and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name))


def sweep(folder: Path) -> None:
    """Removes what dead processes left unfinished; only the process that holds the run's lock may call this.

    Args:
        folder: The run's.
    """
    with writing(folder):
        for place in (PLACE, BEST):
            _sweep(folder / place)


def prune(folder: Path, place: str, steps: set[int]) -> None:
    """Removes all checkpoints but those of some steps; only the process that holds the run's lock may call this.

    Args:
        folder: The run's.
        place: The folder within the run's.
        steps: Which stay.
    """
    with writing(folder / place):
        for path in listed(folder, place):
            if int(path.name) not in steps:
                _discard(path)


def _serialised(state: State) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _fill(unfinished: Path, step: int, content: bytes) -> None:
    """Writes the files of a checkpoint and waits until the disk has them."""
    unfinished.mkdir()
    put(unfinished / STATE, content)
    files = {STATE: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}}
    versions = {"sparring": __version__, "torch": str(torch.__version__)}
    put(unfinished / MANIFEST, _sealed({"step": step, "files": files, "versions": versions}))
    settle(unfinished)


def _sealed(manifest: dict[str, Any]) -> bytes:
    """The one text of a manifest, which ends with its own digest."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    return json.dumps({**manifest, "sha256": digest}, indent=1).encode()


def _verified(path: Path) -> bytes:
    """Returns the bytes of the state if every byte of the checkpoint is as it was written."""
    try:
        text = (path / MANIFEST).read_bytes()
        manifest = json.loads(text)
        digest = manifest.pop("sha256", None)
        if digest is None or _sealed(manifest) != text:
            raise ValueError("its manifest was changed")
        content = (path / STATE).read_bytes()
        expected = manifest["files"][STATE]
        if len(content) != expected["bytes"]:
            raise ValueError(f"{STATE} has {len(content)} bytes instead of {expected['bytes']}")
        if hashlib.sha256(content).hexdigest() != expected["sha256"]:
            raise ValueError(f"{STATE} was changed: its SHA-256 is not that of the manifest")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RunError(f"The checkpoint {path} is broken: {reason}.") from error
    return content


def _retire(folder: Path, step: int, keep: int, place: str, every: int) -> None:
    """Removes all but the last `keep` checkpoints up to `step`; later ones were passed over, or gone back from."""
    paths = listed(folder, place)
    before = [path for path in paths if int(path.name) <= step]
    stay = before[-keep:] + [path for path in before if every and int(path.name) % every == 0][-1:]
    with writing(folder / place):
        for path in paths:
            if path not in stay:
                _discard(path)


def _discard(path: Path) -> None:
    """Removes a checkpoint: first its name, at once, then its files."""
    if path.exists():
        shutil.rmtree(path.rename(path.with_name(f"{path.name}{UNFINISHED}old")))


def _sweep(checkpoints: Path) -> None:
    """Removes what crashes left behind; only the process that holds the run's lock may call this."""
    for path in checkpoints.glob(f"*{UNFINISHED}*"):
        shutil.rmtree(path)
