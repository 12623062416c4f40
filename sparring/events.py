"""TensorBoard's events of a run: the log's lines, once more, for those who look there (the extra `tensorboard`)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
        RunError: If TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        require()
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / FOLDER), purge_step=step + 1)

    def write(self, lines: list[dict[str, Any]]) -> None:
        """Adds lines of the log."""
        for line in lines:
            for name, value in line["terms"].items():
                self._writer.add_scalar(name, value, line["step"])

    def settle(self) -> None:
        """Hands everything to the system."""
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()
