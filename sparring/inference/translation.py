"""Translate images of any size between two domains, and whole files and folders of them.

    padding   images are padded to the sizes that the networks accept (reflected at the border), and cropped back
    tiling    images larger than a tile are translated in overlapping tiles, which are blended: memory is bounded

Instance norms normalise each tile by itself, so that colours may differ slightly between tiles; the overlap hides the
seams, a larger tile avoids them. All functions run in evaluation mode and leave the game unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sparring._io.folder import open_atomic
from sparring._io.paths import expand_user
from sparring._io.targets import require_no_overwrite, unique_names
from sparring._types import Settings
from sparring.abilities import SupportsTranslation, require_attention, require_translation
from sparring.data import DataFacts, Dataset
from sparring.data.sources.files import SUFFIXES, Files, FolderFiles, open_files
from sparring.data.sources.images import decode, quiet_pillow
from sparring.data.stream import scale_images
from sparring.errors import DataError
from sparring.game import Game, evaluation_mode
from sparring.inference.tiling import TILE, SizeConstraints, blend_tiles, resolve_overlap, tiles
from sparring.layers.borders import centre_crop, reflect_to
from sparring.visualization.images import STILLS, to_image

__all__ = [
    "OTHER",
    "TRANSLATORS",
    "TranslationJob",
    "attention_heatmap",
    "cycle_strip",
    "evenly_spaced_images",
    "plan_jobs",
    "side_by_side",
    "translate",
    "translate_files",
    "translate_jobs",
]

TRANSLATORS = ("cyclegan", "ganilla", "nicegan", "pix2pix")  # recipes of games that translate, the last one way
BATCH = 8
OTHER = {"A": "B", "B": "A"}
NUM_SHOWN = 8  # images of each domain in the pictures of a training
WRITABLE = (".png", ".jpg", ".jpeg", ".webp")


def translate(game: Game, x: Tensor, to: str, *, tile: int = TILE, overlap: int | None = None) -> Tensor:
    """Return images translated to another domain.

    Args:
        game: A game that translates.
        x: Images (N, C, H, W) in [−1, 1], of any size.
        to: The domain to translate to, A or B.
        tile: Side of the largest image that the networks process at once.
        overlap: Pixels that neighbouring tiles share. Default: 64, or a quarter of smaller tiles.

    Returns:
        Images (N, C', H, W), on the device of x.

    Raises:
        GameError: If the game does not translate.
        DataError: If there is no such domain, or tile and overlap do not fit.
    """
    able, sizes = require_translation(game), SizeConstraints.of(game)
    tile = sizes.tile(tile)
    overlap = resolve_overlap(tile, overlap)
    with evaluation_mode(game):
        made = [_whole(able, rows, to, game.device, sizes, tile, overlap) for rows in x.split(BATCH)]
    return torch.cat(made)


def _whole(
    game: SupportsTranslation, x: Tensor, to: str, device: torch.device, sizes: SizeConstraints, tile: int, overlap: int
) -> Tensor:
    """Return translated images: padded, translated in tiles, and cropped."""
    height, width = x.shape[2:]
    whole = _padded(x, sizes)

    def made(window: tuple[slice, slice]) -> Tensor:
        return game.translate(whole[:, :, *window].to(device), to).to(x)

    size = whole.shape[2], whole.shape[3]
    return centre_crop(blend_tiles(size, tiles(size, tile, overlap, sizes.multiple), made), height, width)


def _padded(x: Tensor, sizes: SizeConstraints) -> Tensor:
    """Return images (N, C, H, W) padded to accepted sizes by reflection about their centre, as networks do."""
    return reflect_to(x, sizes.fit(x.shape[2]), sizes.fit(x.shape[3]))


def attention_heatmap(game: Game, x: Tensor, domain: str) -> Tensor:
    """Return images overlaid with the attention map of a critic, from blue (low) to red (high).

    Args:
        game: A game whose critics have attention maps.
        x: Images (N, C, H, W) in [−1, 1] of the domain.
        domain: Domain of the images, A or B.

    Returns:
        Images (N, 3, H, W) in [−1, 1].

    Raises:
        GameError: If its critics have no attention maps.
    """
    able, whole = require_attention(game), _padded(x, SizeConstraints.of(game))
    with evaluation_mode(game):
        heat = able.attention_map(whole.to(game.device), domain).to(x)
    low, high = heat.amin((2, 3), keepdim=True), heat.amax((2, 3), keepdim=True)
    heat = (heat - low) / (high - low).clamp(min=1e-8)
    heat = centre_crop(interpolate(heat, size=whole.shape[2:], mode="bilinear"), x.shape[2], x.shape[3])
    colours = torch.cat([(1.5 - (4 * heat - peak).abs()).clamp(0, 1) for peak in (3, 2, 1)], 1)
    grey = x[:, :3].mean(1, keepdim=True)
    return 0.5 * grey + 0.5 * (2 * colours - 1)


def cycle_strip(game: Game, dataset: Dataset, count: int = NUM_SHOWN) -> Tensor:
    """Return images, their translations, and these translated back, for A and then for B.

    For games of one direction the third is the true partner instead, if there is one.

    Args:
        game: A game that translates.
        dataset: Two domains of images.
        count: Largest number of images of each domain, evenly spaced.

    Returns:
        Images (rows, columns, C, H, W), 6 columns, or 2 or 3 for games of one direction.
    """
    only = getattr(game, "domain", None)
    columns: list[Tensor] = []
    for to in ("B", "A") if only is None else (only,):
        x = evenly_spaced_images(dataset, OTHER[to], count)
        there = translate(game, x, to)
        columns += [x, there]
        if only is None:
            columns.append(translate(game, there, OTHER[to]))
        elif dataset.paired_domain is not None and dataset.paired_domain.paired:
            columns.append(evenly_spaced_images(dataset, to, count))
    return side_by_side(columns)


def side_by_side(columns: Sequence[Tensor]) -> Tensor:
    """Return images of several columns as rows, with the same number of channels.

    Args:
        columns: Images (N, C, H, W); grey images become colour if others are.

    Returns:
        Images (rows, columns, C, H, W), as many rows as the shortest column has.
    """
    rows, widest = min(map(len, columns)), max(column.shape[1] for column in columns)
    return torch.stack([column[:rows].expand(-1, widest, -1, -1) for column in columns], 1)


def evenly_spaced_images(dataset: Dataset, domain: str, count: int = NUM_SHOWN) -> Tensor:
    """Return images of a domain, evenly spaced over the data.

    Args:
        dataset: Two domains of images.
        domain: A or B.
        count: Largest number of images.

    Raises:
        DataError: If the data does not have two domains of images.
    """
    if dataset.paired_domain is None or dataset.paired_domain.regions is not None:
        raise DataError(f"{dataset.name} does not have two domains of images: give a folder with trainA and trainB.")
    rows = dataset if domain == "A" else dataset.paired_domain.dataset
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)
    return scale_images(rows.rows(places)[0])


def translate_files(
    game: Game,
    facts: DataFacts,
    sources: Sequence[str | Path],
    to: str,
    out: str | Path,
    *,
    strips: bool = False,
    cycle: bool = False,
    heatmaps: bool = False,
    tile: int = TILE,
    overlap: int | None = None,
    protected: Iterable[Path] = (),
) -> Iterator[Path]:
    """Translate image files of any size, one at a time; translations keep the names and folders of their sources.

    Args:
        game: A game that translates.
        facts: Facts of the data that it was trained on.
        sources: Files, folders or zips of images of the other domain.
        to: The domain to translate to, A or B.
        out: Folder of the translations.
        strips: Whether to save each image next to its translation, in the folder ``strips`` of `out`.
        cycle: Whether to add the translation translated back to the strips.
        heatmaps: Whether to save attention heatmaps of the source images, in the folder ``heatmaps`` of `out`.
        tile: As for `translate`.
        overlap: As for `translate`.
        protected: Files and folders that must not be overwritten, in addition to the sources.

    Yields:
        The file of each translation, once it is written.

    Raises:
        SparringError: If the game does not translate, or files cannot be read or written.
    """
    drawn: Settings = {"strips": strips or cycle, "heatmaps": heatmaps}
    with ExitStack() as stack:
        jobs = plan_jobs(stack, sources, expand_user(out))
        targets = [path for job in jobs for path in job.targets(**drawn)]
        require_no_overwrite(targets, sources, keep=protected)
        for job in translate_jobs(game, facts, jobs, to, cycle=cycle, **drawn, tile=tile, overlap=overlap):
            yield job.target


@dataclass(frozen=True)
class TranslationJob:
    """An image file to translate.

    Attributes:
        files: The folder or archive that holds it.
        name: Its name there.
        target: Path of its translation.
        strip: Path of the image next to its translation.
        heatmap: Path of its attention heatmap.
    """

    files: Files
    name: str
    target: Path
    strip: Path
    heatmap: Path

    def targets(self, *, strips: bool, heatmaps: bool) -> list[Path]:
        """Return the paths of the results.

        Args:
            strips: Whether strips are saved.
            heatmaps: Whether heatmaps are saved.
        """
        return [self.target, *([self.strip] if strips else []), *([self.heatmap] if heatmaps else [])]


def plan_jobs(stack: ExitStack, sources: Sequence[str | Path], out: Path) -> list[TranslationJob]:
    """Return a job for every image file of some sources, in order, with unique paths for its results.

    Args:
        stack: Context that closes the sources.
        sources: Files, folders or zips of images.
        out: Folder of the translations.

    Raises:
        DataError: If a source holds no image, or is the folder of the translations.
    """
    places = [_open(stack, source, out) for source in sources]
    found = [(files, name) for files in places for name in _names(files)]
    names = [name for _, name in found]
    results = unique_names([_output_name(name) for name in names], names)
    pictures = unique_names([str(PurePosixPath(name).with_suffix(".png")) for name in results], results)
    return [
        TranslationJob(files, name, out / result, out / "strips" / shown, out / "heatmaps" / shown)
        for (files, name), result, shown in zip(found, results, pictures, strict=True)
    ]


def translate_jobs(
    game: Game,
    facts: DataFacts,
    jobs: Sequence[TranslationJob],
    to: str,
    *,
    strips: bool = False,
    cycle: bool = False,
    heatmaps: bool = False,
    tile: int = TILE,
    overlap: int | None = None,
) -> Iterator[TranslationJob]:
    """Translate the image files of planned jobs, one at a time.

    Args:
        game: A game that translates.
        facts: Facts of the data that it was trained on.
        jobs: Jobs as `plan_jobs` returns them.
        to: As for `translate_files`, as are the others.
        strips: Whether to save each image next to its translation.
        cycle: Whether to add the translation translated back to the strips.
        heatmaps: Whether to save attention heatmaps.
        tile: As for `translate`.
        overlap: As for `translate`.

    Yields:
        Each job, once its results are written.

    Raises:
        SparringError: As for `translate_files`.
    """
    channels = _source_channels(facts, to)
    settings: Settings = {"tile": tile, "overlap": overlap}
    if heatmaps:
        require_attention(game)
    for job in jobs:
        with quiet_pillow():
            content = decode(f"{job.files.title}: {job.name}", job.files.read(job.name), None, channels)
        x = scale_images(torch.from_numpy(content).permute(2, 0, 1)[None])
        row = [x, translate(game, x, to, **settings)]
        if cycle:
            row.append(translate(game, row[1], OTHER[to], **settings))
        if cycle or strips:
            _save(row, job.strip)
        if heatmaps:
            _save([x, attention_heatmap(game, x, OTHER[to])], job.heatmap)
        _save(row[1:2], job.target)
        yield job


def _open(stack: ExitStack, source: str | Path, out: Path) -> Files:
    """Return the files of a source.

    Raises:
        DataError: If there are none, or it is the folder of the translations.
    """
    files = open_files(expand_user(source).absolute())
    if files is None:
        raise DataError(f"{source} is no image, folder or zip: give images to translate.")
    stack.enter_context(closing(files))
    if isinstance(files, FolderFiles) and files.path.resolve() == out.resolve():
        raise DataError(f"The translations would overwrite the images in {source}: give another --out.")
    return files


def _names(files: Files) -> list[str]:
    names = [name for name in files.entries if name.lower().endswith(SUFFIXES)]
    if not names:
        raise DataError(f"{files.title} holds no images: give files that end in {', '.join(SUFFIXES)}.")
    return names


def _output_name(name: str) -> str:
    """Return a file's name, with a suffix that can be written."""
    return name if name.lower().endswith(WRITABLE) else str(PurePosixPath(name).with_suffix(".png"))


def _save(images: Sequence[Tensor], path: Path) -> None:
    """Save images (1, C, H, W) side by side."""
    with open_atomic(path) as file:
        to_image(side_by_side(images)[0], columns=len(images), scale=1).save(
            file, STILLS[path.suffix.lower()], quality=95
        )


def _source_channels(facts: DataFacts, to: str) -> int:
    """Return the number of channels of the images that are translated to a domain.

    Raises:
        DataError: If there is no such domain, or the run was not trained on two domains of images.
    """
    if to not in OTHER:
        raise DataError(f"There is no domain {to!r}: give --to A or --to B.")
    if facts.other is None or facts.regions:
        raise DataError(
            "The run was not trained on two domains of images: "
            f"train {', '.join(TRANSLATORS[:-1])} or {TRANSLATORS[-1]}."
        )
    return (facts.shape if to == "B" else facts.other)[0]
