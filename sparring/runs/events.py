"""TensorBoard's events of a run: the log's lines, once more, for those who look there (the extra `tensorboard`)."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from sparring._io.folder import Folder
from sparring.errors import RunError

FOLDER = "events"


def require() -> None:
    """Refuses to write events without TensorBoard.

    Raises:
        RunError: If it is not installed.
    """
    if find_spec("tensorboard") is None:
        raise RunError("TensorBoard is not installed: pip install 'sparring[tensorboard]'.")


class Events:
    """Writes every term of every player under its name, against the step; a resumed run purges what lies ahead.

    Args:
        folder: The run's.
        step: Steps completed.

    Raises:
        RunError: If TensorBoard is not installed, or the folder of the events is a link.
    """

    def __init__(self, folder: Path | Folder, step: int) -> None:
        require()
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        place = Folder.open(folder).subfolder(FOLDER, make=True)
        name = f"events.out.tfevents.{time.time_ns() // 10**9:010d}.{socket.gethostname()}.{os.getpid()}.{uuid4().hex}"
        self._file = place.open_to_append(name)
        self._records = RecordWriter(self._file)
        self._add(step=step + 1, file_version="brain.Event:2")
        self._add(step=step + 1, session_log=SessionLog(status=SessionLog.START))  # purges

    def write(self, lines: list[dict[str, Any]]) -> None:
        """Adds lines of the log."""
        for line in lines:
            for name, value in line["terms"].items():
                summary = self._summary(value=[self._summary.Value(tag=name, simple_value=value)])
                self._add(step=line["step"], summary=summary)
        self._file.flush()

    def settle(self) -> None:
        """Waits until the disk has every event."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file; what a full disk refused before is not tried again."""
        with suppress(OSError):
            self._file.close()

    def _add(self, **what: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **what).SerializeToString())
