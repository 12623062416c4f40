"""Checkpoints: one folder each, there completely or not at all, verified before a byte of them is interpreted.

    RUN/checkpoints/000500/state.pt         weights, averages, optimisers, positions: tensors, numbers, dicts, lists
                           manifest.json    SHA-256 and size of the state, versions, identity of the run; sealed

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
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from sparring import __version__
from sparring._io.atomic import io_errors, require_free_space
from sparring._io.folder import Folder
from sparring.data.readahead import total_memory
from sparring.errors import UNREADABLE, RunError
from sparring.runs.config import FILE, identity
from sparring.runs.logs import read

State = dict[str, Any]

STATE, MANIFEST = "state.pt", "manifest.json"
PLACE, BEST = "checkpoints", "best"  # where those to go on from are, and the best one
JUDGED = "evaluations.jsonl"  # names the best one
UNFINISHED = ".tmp-"  # in the name of what is being written or removed
LEFT = re.compile(r"\d{6,}\.tmp-\w+")
LONGEST = 2**20  # bytes of a manifest


def save(
    folder: Path | Folder, step: int, state: State, *, keep: int | None = 2, place: str = PLACE, every: int = 0
) -> Path:
    """Writes the checkpoint of a step, then removes those that it supersedes.

    Args:
        folder: The run's, by its path or open.
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
    home, name = Folder.open(folder), f"{step:06d}"
    path = home.path / place / name
    with io_errors(path):
        run, checkpoints = identity(home), home.subfolder(place, make=True)
        _sweep(checkpoints)
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
        _retire(home, step, keep, place, every)
    return path


def load_newest(folder: Path | Folder) -> tuple[State | None, list[str]]:
    """Reads the newest good checkpoint.

    Args:
        folder: The run's, by its path or open.

    Returns:
        Its state, or None where none was ever saved; and one sentence for each broken one that was passed over.

    Raises:
        RunError: If there are checkpoints and all of them are broken.
    """
    if not isinstance(folder, Folder) and not folder.exists():
        return None, []
    home = Folder.open(folder)
    while True:
        notes: list[str] = []
        for name in reversed(_names(home, PLACE)):
            try:
                return _load(home, PLACE, name), notes
            except _Gone:  # the training process has just retired it: look again
                break
            except RunError as error:
                notes.append(str(error))
        else:
            if notes:
                what = f"No checkpoint of {home.path} can be used: {notes[0]}"
                raise RunError(f"{what} Start another run, or restore a copy.")
            return None, notes


def load_by_name(folder: Path | Folder, name: str = "newest") -> tuple[State | None, list[str]]:
    """Reads a checkpoint by its name.

    Args:
        folder: The run's, by its path or open.
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
        except _Gone:  # the training process has just retired it: look again
            continue


def _load_step(home: Folder, name: str) -> State:
    """Reads the checkpoint of a step."""
    kept = {each.lstrip("0") or "0": (place, each) for place in (BEST, PLACE) for each in _names(home, place)}
    if name not in kept:
        steps = ", ".join(sorted(kept, key=int)) or "none"
        raise RunError(f"{home.path} keeps no checkpoint {name!r}: give newest, best, or one of the steps {steps}.")
    return _load(home, *kept[name])


def _load_best(home: Folder) -> tuple[State, list[str]]:
    """Reads the best checkpoint."""
    there = {int(name): name for name in _names(home, BEST)}
    if not there:
        raise RunError(f"{home.path} has no best checkpoint: train with --eval-every to keep one.")
    rows = read(home.path / JUDGED, folder=home)
    step = next((row["step"] for row in reversed(rows) if row.get("best")), None)
    if step is None or step in there:
        return _load(home, BEST, there[max(there) if step is None else step]), []
    note = f"The best checkpoint of {home.path}, that of step {step}, is gone: that of step {max(there)} is used."
    return _load(home, BEST, there[max(there)]), [note]


def load(path: Path, folder: Folder | None = None) -> State:
    """Verifies and reads one checkpoint.

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


def _load(home: Folder, place: str, name: str) -> State:
    """Verifies and reads a checkpoint by its place in a run's folder."""
    path = home.path / place / name
    try:
        checkpoints = home.subfolder(place)
        inner = checkpoints.subfolder(name)
    except FileNotFoundError as error:
        raise _Gone(f"The checkpoint {path} is broken: {error.strerror}.") from error
    try:
        content = _verified(inner, path, identity(home))
    except RunError as error:
        if checkpoints.is_same(name, inner):
            raise
        raise _Gone(str(error)) from error
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises RuntimeError, ValueError, UnpicklingError, EOFError, KeyError, ...
        reason = type(error).__name__  # torch's own words recommend to load the file unsafely
        raise RunError(f"The checkpoint {path} is refused: its state is not plain data ({reason}).") from error


def listed(folder: Path | Folder, place: str = PLACE) -> list[Path]:
    """Returns the folders of a run's checkpoints, oldest first; links are none.

    Args:
        folder: The run's, by its path or open.
        place: The folder within the run's.
    """
    home = Folder.open(folder)
    return [home.path / place / name for name in _names(home, place)]


def _names(home: Folder, place: str) -> list[str]:
    """Returns the names of checkpoints, oldest first, in one look: a rename meanwhile hides none."""
    if home.mode(place) is None:
        return []
    return sorted((name for name in home.subfolder(place).folders() if name.isdecimal()), key=int)


def sweep(folder: Path | Folder) -> None:
    """Removes what dead processes left unfinished; only the process that holds the run's lock may call this.

    Args:
        folder: The run's, by its path or open.
    """
    home = Folder.open(folder)
    for place in (PLACE, BEST):
        if home.mode(place) is not None:
            with io_errors(home.path / place):
                _sweep(home.subfolder(place))


def prune(folder: Path | Folder, place: str, steps: set[int]) -> None:
    """Removes the checkpoints of a run but those of some steps; only the process that holds its lock may call this.

    Args:
        folder: The run's, by its path or open.
        place: The folder within the run's.
        steps: Which stay. A folder without a valid manifest of this run stays, too.
    """
    home = Folder.open(folder)
    with io_errors(home.path / place):
        _discard(home, place, [name for name in _names(home, place) if int(name) not in steps])


def _serialised(state: State) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _fill(unfinished: Folder, step: int, content: bytes, run: str | None) -> None:
    """Writes the files of a checkpoint and waits until the disk has them."""
    unfinished.write_fsync(STATE, content)
    files = {STATE: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}}
    versions = {"sparring": __version__, "torch": str(torch.__version__)}
    own = {} if run is None else {"run": run}
    unfinished.write_fsync(MANIFEST, _sealed({"step": step, "files": files, "versions": versions, **own}))
    unfinished.fsync()


def _sealed(manifest: dict[str, Any]) -> bytes:
    """The one text of a manifest, which ends with its own digest."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    return json.dumps({**manifest, "sha256": digest}, indent=1).encode()


def _manifest(inner: Folder) -> dict[str, Any]:
    """Reads the manifest of a checkpoint; a ValueError says that it was changed."""
    text = inner.read(MANIFEST, LONGEST)
    manifest = json.loads(text)
    digest = manifest.pop("sha256", None)
    if digest is None or _sealed(manifest) != text:
        raise ValueError("its manifest was changed")
    return manifest


def _verified(inner: Folder, path: Path, run: str | None) -> bytes:
    """Returns the bytes of the state if every byte of the checkpoint is as it was written, by this run."""
    foreign = False
    try:
        manifest = _manifest(inner)
        foreign = manifest.get("run") != run
        expected = manifest["files"][STATE]
        content = inner.read(STATE, min(int(expected["bytes"]), total_memory()))
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
    """Tells whether a folder holds a valid manifest of a run."""
    try:
        manifest = _manifest(checkpoints.subfolder(name))
        return manifest.get("run") == run and manifest.get("step") == int(name)
    except (*UNREADABLE, RunError):
        return False


def _retire(home: Folder, step: int, keep: int, place: str, every: int) -> None:
    """Removes all but the last `keep` checkpoints up to `step`; later ones were passed over, or gone back from."""
    names = _names(home, place)
    before = [name for name in names if int(name) <= step]
    stay = before[-keep:] + [name for name in before if every and int(name) % every == 0][-1:]
    with io_errors(home.path / place):
        _discard(home, place, [name for name in names if name not in stay])


def _discard(home: Folder, place: str, names: Sequence[str]) -> None:
    """Removes checkpoints of a run: first their names, at once, then their files. What is not its own stays."""
    if not names:
        return
    checkpoints, run = home.subfolder(place), identity(home)
    for name in names:
        if _is_own(checkpoints, name, run) and (old := _set_aside(checkpoints, name, run)):
            _remove(checkpoints, old)


def _set_aside(checkpoints: Folder, name: str, run: str | None) -> str | None:
    """Frees a name; returns the new name of a checkpoint that may be removed. What is not the run's own is kept."""
    if checkpoints.mode(name) is None:
        return None
    own = _is_own(checkpoints, name, run)
    new = f"{name}{UNFINISHED}old{uuid4().hex}" if own else checkpoints.free_name(f"{name}.broken")
    checkpoints.replace(name, new)
    return new if own else None


def _remove(checkpoints: Folder, name: str) -> None:
    """Removes the files of an unfinished or superseded checkpoint, and its folder unless it holds anything else."""
    if checkpoints.mode(name) is not None:
        checkpoints.remove_folder(name, (STATE, MANIFEST))


def _sweep(checkpoints: Folder) -> None:
    """Removes what crashes left behind; only the process that holds the run's lock may call this."""
    for name in checkpoints.folders():
        if LEFT.fullmatch(name):
            _remove(checkpoints, name)
