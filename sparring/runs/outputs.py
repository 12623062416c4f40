"""Checks of the paths that a command writes: they may not replace its inputs, files of the run, or its data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sparring._io.targets import require_no_overwrite
from sparring.data import NAMES
from sparring.data.sources.layouts import data_paths
from sparring.errors import DataError
from sparring.runs import config
from sparring.visualization import images, video

__all__ = ["belongings", "require_film", "require_outputs", "require_picture"]

OWN = ("run.json", "fit.json", "log.jsonl", "timing.jsonl", "evaluations.jsonl", "reals.png", "skipped-files.txt")
FOLDERS = ("samples", "checkpoints", "best", "events")


def belongings(run: Path) -> list[Path]:
    """Return the files and folders of a run, and those of its data.

    Args:
        run: The run's folder.

    Raises:
        RunError: If it is no run.
    """
    name = config.read(run).data.name
    return [*(run / own for own in (*OWN, *FOLDERS)), *([] if name in NAMES else data_paths(name))]


def require_outputs(
    run: Path, targets: Iterable[Path], read: Iterable[str | Path] = (), *, flag: str = "--out"
) -> None:
    """Refuse results that would replace inputs of a command, files of the run, or its data.

    Args:
        run: The run's folder.
        targets: Paths of all results.
        read: Inputs of the command.
        flag: The flag that gives the paths, for the message.

    Raises:
        DataError: If one would, or would replace a file that belongs to another run.
        RunError: If the folder is no run.
    """
    paths = list(targets)
    for target in paths:
        for folder in target.absolute().parents:
            inner = target.absolute().relative_to(folder).parts[0]
            if inner in (*OWN, *FOLDERS) and (folder / config.FILE).exists():
                raise DataError(f"{target} belongs to the run {folder}, and would be overwritten: give another {flag}.")
    sources = [path for each in read for path in data_paths(str(each))]
    require_no_overwrite(paths, sources, keep=belongings(run), flag=flag)


def require_picture(run: Path, target: Path, read: Iterable[str | Path] = (), *, flag: str = "--out") -> None:
    """Refuse a path for an image, as `require_outputs` does, and one whose ending names no format.

    Args:
        run: The run's folder.
        target: Path of the image.
        read: Inputs of the command.
        flag: The flag that gives the path, for the message.
    """
    images.require_image_format(target)
    require_outputs(run, [target], read, flag=flag)


def require_film(run: Path, target: Path, read: Iterable[str | Path] = ()) -> None:
    """Refuse a path for an animation, as `require_outputs` does, and one whose ending names no format.

    Args:
        run: The run's folder.
        target: Path of the animation.
        read: Inputs of the command.
    """
    video.require_video_format(target)
    require_outputs(run, [target], read)
