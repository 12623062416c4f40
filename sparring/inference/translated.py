"""Image files of any size, translated one at a time; each keeps its name and its place among folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from sparring._io.folder import open_atomic
from sparring._io.paths import expand_user
from sparring._io.targets import unique_names
from sparring.abilities import SupportsAttention
from sparring.data.sources.files import SUFFIXES, Files, FolderFiles, open_files
from sparring.data.sources.images import decode, quiet_pillow
from sparring.data.stream import scale_images
from sparring.errors import DataError, GameError
from sparring.inference.tiling import TILE
from sparring.inference.translation import OTHER, attention_heatmap, side_by_side, translate
from sparring.runs import config
from sparring.runs.outputs import require_outputs
from sparring.runs.state import load
from sparring.visualization.images import STILLS, to_image

__all__ = ["Job", "plan_jobs", "translate_files", "translate_jobs"]

WRITABLE = (".png", ".jpg", ".jpeg", ".webp")


def translate_files(
    run: str | Path,
    sources: Sequence[str | Path],
    to: str,
    out: str | Path,
    *,
    strips: bool = False,
    cycle: bool = False,
    heat: bool = False,
    tile: int = TILE,
    overlap: int | None = None,
    **where: Any,
) -> Iterator[Path]:
    """Translates image files of any size, one at a time, with their names and folders.

    Args:
        run: The run's folder.
        sources: Files, folders or zips of images of the other domain.
        to: The domain, A or B.
        out: Folder of the translations.
        strips: Draw each image beside its translation, too, into the folder strips below `out`.
        cycle: Draw besides what comes back when the translation is translated back, likewise.
        heat: Draw where the critic of the images' own domain looks, into the folder heatmaps below `out`.
        tile: As for `translate`.
        overlap: As for `translate`.
        where: ``checkpoint`` (newest, best, or the step of one that is kept; default: newest) and ``device`` (cpu,
            cuda, cuda:N, mps or auto; default: auto).

    Yields:
        The file of each translation, once it is written.

    Raises:
        SparringError: If the run does not translate, or files cannot be read or written.
    """
    drawn: Any = {"strips": strips or cycle, "heat": heat}
    with ExitStack() as stack:
        jobs = plan_jobs(stack, sources, expand_user(out))
        targets = [path for job in jobs for path in job.targets(**drawn)]
        require_outputs(expand_user(run), targets, sources)
        for job in translate_jobs(run, jobs, to, cycle=cycle, **drawn, tile=tile, overlap=overlap, **where):
            yield job.target


@dataclass(frozen=True)
class Job:
    """An image file that is to be translated.

    Attributes:
        files: Where it is.
        name: What it is called there.
        target: Path of its translation.
        strip: Path of the picture that shows it beside its translation.
        heat: Path of the picture that shows where the critic looks.
    """

    files: Files
    name: str
    target: Path
    strip: Path
    heat: Path

    def targets(self, *, strips: bool, heat: bool) -> list[Path]:
        """Returns the paths of what is written.

        Args:
            strips: Whether strips are drawn.
            heat: Whether it is drawn where the critic looks.
        """
        return [self.target, *([self.strip] if strips else []), *([self.heat] if heat else [])]


def plan_jobs(stack: ExitStack, sources: Sequence[str | Path], out: Path) -> list[Job]:
    """Returns every image file of some sources, in order, with the paths of its results; no two paths are alike.

    Args:
        stack: Closes the sources.
        sources: Files, folders or zips of images.
        out: Folder of the translations.

    Raises:
        DataError: A source holds no image, or is the folder of the translations.
    """
    places = [_opened(stack, source, out) for source in sources]
    found = [(files, name) for files in places for name in _names(files)]
    names = [name for _, name in found]
    results = unique_names([_kept(name) for name in names], names)
    pictures = unique_names([str(PurePosixPath(name).with_suffix(".png")) for name in results], results)
    return [
        Job(files, name, out / result, out / "strips" / shown, out / "heatmaps" / shown)
        for (files, name), result, shown in zip(found, results, pictures, strict=True)
    ]


def translate_jobs(
    run: str | Path,
    jobs: Sequence[Job],
    to: str,
    *,
    strips: bool = False,
    cycle: bool = False,
    heat: bool = False,
    tile: int = TILE,
    overlap: int | None = None,
    checkpoint: str = "newest",
    device: str = "auto",
) -> Iterator[Job]:
    """Translates image files whose results have their paths, one at a time.

    Args:
        run: The run's folder.
        jobs: As `plan_jobs` returns them.
        to: As for `translate_files`, and so the others.
        strips: Draw each image beside its translation.
        cycle: Draw beside both what comes back.
        heat: Draw where the critic looks.
        tile: As for `translate`.
        overlap: As for `translate`.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.

    Yields:
        Each, once its results are written.

    Raises:
        SparringError: As `translate_files`.
    """
    channels, game = _channels(Path(run), to), load(run, device=device, checkpoint=checkpoint)
    how: Any = {"tile": tile, "overlap": overlap}
    if heat and not isinstance(game, SupportsAttention):
        raise GameError(
            f"{type(game.unwrapped).__name__} has no attention to show: leave --heatmaps out, or train nicegan."
        )
    for job in jobs:
        with quiet_pillow():
            content = decode(f"{job.files.title}: {job.name}", job.files.read(job.name), None, channels)
        x = scale_images(torch.from_numpy(content).permute(2, 0, 1)[None])
        row = [x, translate(game, x, to, **how)]
        if cycle:
            row.append(translate(game, row[1], OTHER[to], **how))
        if cycle or strips:
            _save(row, job.strip)
        if heat:
            _save([x, attention_heatmap(game, x, OTHER[to])], job.heat)
        _save(row[1:2], job.target)
        yield job


def _opened(stack: ExitStack, source: str | Path, out: Path) -> Files:
    """The files of a source.

    Raises:
        DataError: There are none, or it is the folder of the translations.
    """
    files = open_files(expand_user(source).absolute())
    if files is None:
        raise DataError(f"{source} is no image, folder or zip: give what is to be translated.")
    stack.enter_context(closing(files))
    if isinstance(files, FolderFiles) and files.path.resolve() == out.resolve():
        raise DataError(f"The translations would take the places of the images in {source}: give another --out.")
    return files


def _names(files: Files) -> list[str]:
    names = [name for name in files.entries if name.lower().endswith(SUFFIXES)]
    if not names:
        raise DataError(f"{files.title} holds no images: give files that end in {', '.join(SUFFIXES)}.")
    return names


def _kept(name: str) -> str:
    """A file's name, with an ending that can be written."""
    return name if name.lower().endswith(WRITABLE) else str(PurePosixPath(name).with_suffix(".png"))


def _save(images: Sequence[Tensor], path: Path) -> None:
    """Saves images (1, C, H, W) side by side."""
    with open_atomic(path) as file:
        to_image(side_by_side(images)[0], columns=len(images), scale=1).save(
            file, STILLS[path.suffix.lower()], quality=95
        )


def _channels(run: Path, to: str) -> int:
    """How many channels the images have that are translated to a domain.

    Raises:
        DataError: If there is no such domain, or the run has not learned from two domains of images.
    """
    facts = config.read(run)["data"]["facts"]
    if to not in OTHER:
        raise DataError(f"There is no domain {to!r}: give --to A or --to B.")
    if "other" not in facts or facts.get("regions"):
        raise DataError(
            f"{run} has not learned from two domains of images: train cyclegan, ganilla, nicegan or pix2pix."
        )
    return int(facts["shape" if to == "B" else "other"][0])
