"""Checkpoints: one folder each, written atomically, and verified before any byte is interpreted.

    RUN/checkpoints/000500/state.pt         weights, averaged weights, optimisers, positions: tensors and plain values
                           manifest.json    format, SHA-256 and size of the state, versions, identity of the run; sealed

A checkpoint is written to a neighbouring name, flushed, and renamed; a crash at any moment leaves the older ones as
they were. Neither safetensors nor torch's zip format detects a flipped bit, so the manifest holds a checksum. The bytes
that are deserialised are the bytes that were verified, with ``weights_only=True``: a checkpoint is data, never code.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import torch

from sparring import __version__
from sparring._io.atomic import io_errors, require_free_space
from sparring._io.folder import Folder
from sparring._io.memory import physical_memory
from sparring._types import JsonObject
from sparring.errors import UNREADABLE, RunError
from sparring.runs.config import FILE, run_id
from sparring.runs.logs import read

State = JsonObject

FORMAT, READABLE = 1, (1,)  # of manifest.json
STATE, MANIFEST = "state.pt", "manifest.json"
REGULAR, BEST = "checkpoints", "best"  # folders of the checkpoints that training continues from, and of the best one
EVALUATIONS = "evaluations.jsonl"  # names the best one
UNFINISHED = ".tmp-"  # in the name of a checkpoint that is being written or removed
LEFT = re.compile(r"\d{6,}\.tmp-\w+")
LONGEST = 2**20  # bytes of a manifest


def save(
    folder: Path | Folder, step: int, state: State, *, keep: int | None = 2, kind: str = REGULAR, every: int = 0
) -> Path:
    """Write the checkpoint of a step, then remove those that it supersedes.

    Args:
        folder: The run's folder, by its path or open.
        step: Number of completed steps.
        state: Tensors, numbers, strings, and dicts, lists and tuples of them.
        keep: Number of checkpoints to keep, this one included; None keeps all.
        kind: `REGULAR` or `BEST`.
        every: Also keep the newest one at a multiple of this interval; 0 for none.

    Returns:
        The folder of the checkpoint.

    Raises:
        RunError: If the disk is full or refuses; the older checkpoints are intact.
    """
    home, name = Folder.open(folder), f"{step:06d}"
    path = home.path / kind / name
    with io_errors(path):
        run, checkpoints = run_id(home), home.subfolder(kind, make=True)
        _remove_unfinished(checkpoints)
        content = _serialised(state)
        require_free_space(checkpoints.path, len(content) + 65536)
        unfinished = f"{name}{UNFINISHED}{os.getpid()}"
        try:
            _fill(checkpoints.subfolder(unfinished, make=True), step, content, run)
            old = _set_aside(checkpoints, name, run)  # a broken one of the same step
            checkpoints.replace(unfinished, name)
        except BaseException:
            with suppress(OSError):  # the disk may refuse that as well
                _remove(checkpoints, unfinished)
            raise
        checkpoints.fsync()
        if old:
            _remove(checkpoints, old)
    if keep is not None:
        _retire(home, step, keep, kind, every)
    return path


def load_newest(folder: Path | Folder) -> tuple[State | None, list[str]]:
    """Read the newest good checkpoint.

    Args:
        folder: The run's folder, by its path or open.

    Returns:
        Its state, or None where none was ever saved; and one sentence for each broken one that was skipped.

    Raises:
        RunError: If there are checkpoints and all of them are broken.
    """
    if not isinstance(folder, Folder) and not folder.exists():
        return None, []
    home = Folder.open(folder)
    while True:
        notes: list[str] = []
        for name in reversed(_names(home, REGULAR)):
            try:
                return _load(home, REGULAR, name), notes
            except _Gone:  # the training process has just retired it: read again
                break
            except RunError as error:
                notes.append(str(error))
        else:
            if notes:
                what = f"No checkpoint of {home.path} can be used: {notes[0]}"
                raise RunError(f"{what} Start another run, or restore a copy.")
            return None, notes


def load_by_name(folder: Path | Folder, name: str = "newest") -> tuple[State | None, list[str]]:
    """Read a checkpoint by its name.

    Args:
        folder: The run's folder, by its path or open.
        name: newest, best, or the step of one that is kept. The best one is the one that ``evaluations.jsonl`` names.

    Returns:
        As `load_newest`.

    Raises:
        RunError: If there is none of that name, or it is broken.
    """
    home = Folder.open(folder)
    if name == "newest":
        return load_newest(home)
    while True:
        try:
            return _load_best(home) if name == "best" else (_load_step(home, name), [])
        except _Gone:  # the training process has just retired it: read again
            continue


def _load_step(home: Folder, name: str) -> State:
    """Read the checkpoint of a step."""
    kept = {each.lstrip("0") or "0": (kind, each) for kind in (BEST, REGULAR) for each in _names(home, kind)}
    if name not in kept:
        steps = ", ".join(sorted(kept, key=int)) or "none"
        raise RunError(f"{home.path} keeps no checkpoint {name!r}: give newest, best, or one of the steps {steps}.")
    return _load(home, *kept[name])


def _load_best(home: Folder) -> tuple[State, list[str]]:
    """Read the best checkpoint."""
    there = {int(name): name for name in _names(home, BEST)}
    if not there:
        raise RunError(f"{home.path} has no best checkpoint: train with --eval-every to keep one.")
    rows = read(home.path / EVALUATIONS, folder=home)
    step = next((row["step"] for row in reversed(rows) if row.get("best")), None)
    if step is None or step in there:
        return _load(home, BEST, there[max(there) if step is None else step]), []
    note = f"The best checkpoint of {home.path}, that of step {step}, is gone: that of step {max(there)} is used."
    return _load(home, BEST, there[max(there)]), [note]


def load(path: Path, folder: Folder | None = None) -> State:
    """Verify and read one checkpoint.

    Args:
        path: Its folder.
        folder: The run's folder, if that is open. Default: found by the path.

    Raises:
        RunError: If anything about it is not as it was written, it is another run's, or it holds more than data.
    """
    home = Folder.open(path.parent.parent) if folder is None else folder
    return _load(home, path.parent.name, path.name)


class _Gone(RunError):
    """A checkpoint was renamed while it was read."""


def _load(home: Folder, kind: str, name: str) -> State:
    """Verify and read a checkpoint by its kind and name."""
    path = home.path / kind / name
    try:
        checkpoints = home.subfolder(kind)
        inner = checkpoints.subfolder(name)
    except FileNotFoundError as error:
        raise _Gone(f"The checkpoint {path} is broken: {error.strerror}.") from error
    try:
        content = _verified(inner, path, run_id(home))
    except RunError as error:
        if checkpoints.is_same(name, inner):
            raise
        raise _Gone(str(error)) from error
    try:
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return state
    except Exception as error:  # torch raises RuntimeError, ValueError, UnpicklingError, EOFError, KeyError, ...
        reason = type(error).__name__  # torch's own words recommend to load the file unsafely
        raise RunError(f"The checkpoint {path} is refused: its state is not plain data ({reason}).") from error


def last_scheduled(folder: Folder, step: int, every: int) -> tuple[State | None, list[str]]:
    """Read the newest good checkpoint at a multiple of an interval.

    Args:
        folder: The run's folder.
        step: Later checkpoints are skipped.
        every: The interval in steps.

    Returns:
        Its state, or None where there is none yet; and one sentence for each broken one.
    """
    notes: list[str] = []
    for path in reversed(list_checkpoints(folder)):
        if int(path.name) % every == 0 and int(path.name) <= step:
            try:
                return load(path, folder), notes
            except RunError as error:
                notes.append(str(error))
    return None, notes


def list_checkpoints(folder: Path | Folder, kind: str = REGULAR) -> list[Path]:
    """Return the folders of a run's checkpoints, oldest first, without links.

    Args:
        folder: The run's folder, by its path or open.
        kind: `REGULAR` or `BEST`.
    """
    home = Folder.open(folder)
    return [home.path / kind / name for name in _names(home, kind)]


def _names(home: Folder, kind: str) -> list[str]:
    """Return the names of checkpoints, oldest first, from one listing: a rename meanwhile hides none."""
    if home.mode(kind) is None:
        return []
    return sorted((name for name in home.subfolder(kind).folders() if name.isdecimal()), key=int)


def remove_unfinished(folder: Path | Folder) -> None:
    """Remove unfinished checkpoints of dead processes; only the process that holds the run's lock may call this.

    Args:
        folder: The run's folder, by its path or open.
    """
    home = Folder.open(folder)
    for kind in (REGULAR, BEST):
        if home.mode(kind) is not None:
            with io_errors(home.path / kind):
                _remove_unfinished(home.subfolder(kind))


def prune(folder: Path | Folder, kind: str, steps: set[int]) -> None:
    """Remove the checkpoints of a run except those of some steps; only the process that holds its lock may call this.

    Args:
        folder: The run's folder, by its path or open.
        kind: `REGULAR` or `BEST`.
        steps: Steps to keep. A folder without a valid manifest of this run is kept as well.
    """
    home = Folder.open(folder)
    with io_errors(home.path / kind):
        _discard(home, kind, [name for name in _names(home, kind) if int(name) not in steps])


def _serialised(state: State) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _fill(unfinished: Folder, step: int, content: bytes, run: str | None) -> None:
    """Write the files of a checkpoint and wait until they are on the disk."""
    unfinished.write_fsync(STATE, content)
    files = {STATE: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}}
    versions = {"sparring": __version__, "torch": str(torch.__version__)}
    own = {} if run is None else {"run": run}
    unfinished.write_fsync(
        MANIFEST, _sealed({"format": FORMAT, "step": step, "files": files, "versions": versions, **own})
    )
    unfinished.fsync()


def _sealed(manifest: JsonObject) -> bytes:
    """Return the text of a manifest, which ends with its own digest."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    return json.dumps({**manifest, "sha256": digest}, indent=1).encode()


def _manifest(inner: Folder) -> JsonObject:
    """Read the manifest of a checkpoint.

    Raises:
        ValueError: If it was changed, or has another format.
    """
    text = inner.read(MANIFEST, LONGEST)
    manifest: JsonObject = json.loads(text)
    digest = manifest.pop("sha256", None)
    if digest is None or _sealed(manifest) != text:
        raise ValueError("its manifest was changed")
    if manifest.get("format") not in READABLE:
        read = ", ".join(map(str, READABLE))
        raise ValueError(f"its format is {str(manifest.get('format'))[:40]}, and this version reads {read}")
    return manifest


def _verified(inner: Folder, path: Path, run: str | None) -> bytes:
    """Return the bytes of the state if every byte of the checkpoint is as this run wrote it."""
    foreign = False
    try:
        manifest = _manifest(inner)
        foreign = manifest.get("run") != run
        expected = manifest["files"][STATE]
        content = inner.read(STATE, min(int(expected["bytes"]), physical_memory() or sys.maxsize))
        if len(content) != expected["bytes"]:
            raise ValueError(f"{STATE} has {len(content)} bytes instead of {expected['bytes']}")
        if hashlib.sha256(content).hexdigest() != expected["sha256"]:
            raise ValueError(f"{STATE} was changed: its SHA-256 is not that of the manifest")
    except (*UNREADABLE, RunError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        raise RunError(f"The checkpoint {path} is broken: {reason}.") from error
    if foreign:
        raise RunError(f"The checkpoint {path} is of another run than {FILE}: put it back where it came from.")
    return content


def _is_own(checkpoints: Folder, name: str, run: str | None) -> bool:
    """Return whether a folder holds a valid manifest of a run."""
    try:
        manifest = _manifest(checkpoints.subfolder(name))
        return manifest.get("run") == run and manifest.get("step") == int(name)
    except (*UNREADABLE, RunError):
        return False


def _retire(home: Folder, step: int, keep: int, kind: str, every: int) -> None:
    """Remove all but the last `keep` checkpoints up to `step`, and those of steps after a rollback."""
    names = _names(home, kind)
    before = [name for name in names if int(name) <= step]
    stay = before[-keep:] + [name for name in before if every and int(name) % every == 0][-1:]
    with io_errors(home.path / kind):
        _discard(home, kind, [name for name in names if name not in stay])


def _discard(home: Folder, kind: str, names: Sequence[str]) -> None:
    """Remove checkpoints of a run: first their names, atomically, then their files. Those of other runs are kept."""
    if not names:
        return
    checkpoints, run = home.subfolder(kind), run_id(home)
    for name in names:
        if _is_own(checkpoints, name, run) and (old := _set_aside(checkpoints, name, run)):
            _remove(checkpoints, old)


def _set_aside(checkpoints: Folder, name: str, run: str | None) -> str | None:
    """Free a name; return the new name of a checkpoint that may be removed. Those of other runs are kept."""
    if checkpoints.mode(name) is None:
        return None
    own = _is_own(checkpoints, name, run)
    new = f"{name}{UNFINISHED}old{uuid4().hex}" if own else checkpoints.free_name(f"{name}.broken")
    checkpoints.replace(name, new)
    return new if own else None


def _remove(checkpoints: Folder, name: str) -> None:
    """Remove the files of an unfinished or superseded checkpoint, and its folder unless it holds other files."""
    if checkpoints.mode(name) is not None:
        checkpoints.remove_folder(name, (STATE, MANIFEST))


def _remove_unfinished(checkpoints: Folder) -> None:
    """Remove unfinished checkpoints; only the process that holds the run's lock may call this."""
    for name in checkpoints.folders():
        if LEFT.fullmatch(name):
            _remove(checkpoints, name)
