"""Loading of data sets by name or path, and the table of names."""

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sparring._io.paths import expand_user
from sparring._io.targets import require_no_overwrite
from sparring._types import Settings
from sparring.data.cache import Progress, cache_folder, legacy_files, open_prepared, prepare_file, prepare_in_cache
from sparring.data.dataset import Dataset
from sparring.data.frames import Frame, Size, Sizes, enlarged, frame_for, height_and_width
from sparring.data.sources import arrays
from sparring.data.sources.digits import digits
from sparring.data.sources.domains import load_domains
from sparring.data.sources.files import Files, open_files
from sparring.data.sources.image_sources import ImageArrays, ImageFiles, SingleImage, Source
from sparring.data.sources.images import require_form
from sparring.data.sources.in_memory import DataLike, from_python
from sparring.data.sources.layouts import KINDS, WHOLE, data_paths, has_two_domains, split_kind
from sparring.data.sources.readable import readable_opener
from sparring.data.sources.stacked import stack_images
from sparring.data.sources.standard import FASHION, MNIST, cifar10
from sparring.data.sources.toy import grid, grid100, mixture9, ring, spiral, swiss_roll
from sparring.data.stream import scale_images
from sparring.errors import DataError

POINTS: dict[str, Callable[[], Dataset]] = {
    "ring": ring,
    "grid": grid,
    "grid100": grid100,
    "mixture9": mixture9,
    "swiss-roll": swiss_roll,
    "spiral": spiral,
}
EMBEDDED: dict[str, Callable[[Size | None, int | None], Dataset]] = {"digits": digits}
STANDARD: dict[str, Callable[[Path], Source]] = {
    "mnist": MNIST.source,
    "fashion-mnist": FASHION.source,
    "cifar10": cifar10,
}
STACKED = {f"stacked-{name}": name for name in ("digits", "mnist", "fashion-mnist")}
NAMES = (*POINTS, *EMBEDDED, *STANDARD, *STACKED)
DOMAIN_PLACES = ("cache", "skip_unreadable")


def load(
    data: DataLike,
    *,
    size: Sizes | Frame | None = None,
    channels: int | None = None,
    fit: str = "crop",
    crop_margin: int = 0,
    root: str | Path | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
    skip_unreadable: bool = False,
) -> Dataset:
    """Load a data set by its name or path, or one that is already in Python.

    Image files are decoded once and then memory-mapped from the cache.

    Args:
        data: One of ``NAMES``; or the path of a folder or zip of images, of a folder inside a zip, of one image, or of
            a ``.npy`` or ``.npz`` file of images ``uint8`` (N, H, W[, C]) or points (N, 2). ``pairs:PATH``,
            ``pictures:PATH``, ``maps:PATH`` and ``unpaired:PATH`` are two domains, see `sparring.data.sources.layouts`;
            ``whole:PATH`` is one image as it is, not cropped to a square. Or an array, a tensor, ``(images, labels)``,
            a list of images, a map-style data set or a ``DataLoader``, see `sparring.data.sources.in_memory`.
        size: Height and width of images in pixels, one number for both or a pair; by default 32 for the named sets,
            the arrays' own, and for image files the largest power of two that fits into the first one, at most 64; of
            a whole image the longer side at most, 250 by default.
        channels: 1, 3 or 4; by default the images' own, and for image files 1 if all are grey, else 3.
        fit: How pictures of other proportions get that size: ``crop`` takes the central part, ``pad`` adds a white
            border, ``pad:black`` or ``pad:#203040`` one of another colour, and ``stretch`` changes their proportions.
            Label maps are fitted alike; their border is of no class. Scores are taken within the border, see
            ``Dataset.content``.
        crop_margin: Pixels by which images are larger than the size; a stream cuts a window of that size out of each,
            at random. Needs a size where images are not in two domains.
        root: Folder of the standard sets; by default ``$SPARRING_DATA``, else the cache.
        cache: Folder of prepared images; by default ``$SPARRING_CACHE``, else ``~/.cache/sparring``.
        progress: Called during preparation with the number of images done and in total.
        skip_unreadable: Skip unreadable image files, see ``Dataset.skipped``. Default: raise an error for the first.

    Raises:
        DataError: If the data cannot be found or used.

    Example:
        >>> ring = load("ring")
        >>> len(ring), ring.shape, len(ring.classes), ring.mixture.deviation
        (100000, (2,), 8, 0.01)
    """
    frame = frame_for(size, fit)
    form: Settings = {"size": frame, "channels": channels, "crop_margin": crop_margin}
    places: Settings = {"root": root, "cache": cache_folder(cache), "skip_unreadable": skip_unreadable}
    named = isinstance(data, str | Path)
    require_form(str(data) if named else f"{type(data).__name__} in Python", frame, channels, crop_margin)
    return _load_named(str(data), form, places, progress) if named else _load_given(data, form, places, progress)


def _load_named(name: str, form: Settings, places: Settings, progress: Progress | None) -> Dataset:
    """Load a data set by its name or path.

    Args:
        name: As for `load`.
        form: Its ``size``, ``channels`` and ``crop_margin``.
        places: Its ``root``, ``cache`` and ``skip_unreadable``.
        progress: As for `load`.
    """
    size, channels, crop_margin = form["size"], form["channels"], form["crop_margin"]
    cache, (kind, rest) = places["cache"], split_kind(name)
    two: Settings = {**form, "progress": progress, **{key: places[key] for key in DOMAIN_PLACES}}
    if kind in KINDS:
        return load_domains(name, kind, rest, **two)
    if name in STACKED:
        if channels not in (None, 3):
            raise DataError(f"{name} has 3 channels, one for each image of a stack: leave channels out.")
        return stack_images(load(STACKED[name], **{**form, "channels": 1}, **places, progress=progress), name=name)
    stored_size = enlarged(size, crop_margin)
    opening = readable_opener(cache, progress) if places["skip_unreadable"] else open_files
    found = find(name, stored_size, channels, data_root(places["root"], cache), opening)
    if isinstance(found, Dataset):
        return with_crop_margin(found, size, crop_margin)
    with closing(found):
        if type(found) is ImageFiles and has_two_domains(found.files):
            return load_domains(name, "unpaired", rest, **two)
        path = prepare_in_cache(found, stored_size, channels, cache, progress)
        how = found.understood if isinstance(found, ImageFiles) else ()
        ready = open_prepared(name, path, partial(load, name, **form, **places))
        ready = replace(ready, skipped=tuple(found.skipped.values()), understood=how)
        return with_crop_margin(ready, size, crop_margin)


def _load_given(data: object, form: Settings, places: Settings, progress: Progress | None) -> Dataset:
    """Load a data set that is already in Python.

    Args:
        data: As for `load`.
        form: As for `_load_named`.
        places: As for `_load_named`.
        progress: As for `load`.
    """
    size, channels, crop_margin = form["size"], form["channels"], form["crop_margin"]
    stored_size = enlarged(size, crop_margin)
    rows = from_python(data, cache=places["cache"], size=stored_size, channels=channels, progress=progress)
    found = as_requested(rows, stored_size, channels)
    if isinstance(found, Dataset):
        return with_crop_margin(found, size, crop_margin) if crop_margin else found
    if rows is data and (rows.indices is not None or rows.paired_domain is not None):
        raise DataError(f"{rows.name} is a part of a set or a pair of sets: load the set in the size that is needed.")
    path = prepare_in_cache(found, stored_size, channels, places["cache"], progress)
    ready = open_prepared(rows.name, path, partial(_load_given, data, form, places, None))
    return with_crop_margin(replace(ready, understood=rows.understood, skipped=rows.skipped), size, crop_margin)


def load_images(sources: Iterable[str | Path], *, shape: Sequence[int], max_images: int | None = None) -> Tensor:
    """Load images of several sources in one shape.

    Args:
        sources: Names, files, folders or zips of images, see `load`.
        shape: Shape of an image, (C, H, W).
        max_images: Number of images to load, the first ones. Default: all.

    Returns:
        Images (N, C, H, W) in [−1, 1], N at least 1.

    Raises:
        DataError: If the shape is not that of images, a source holds points, or there is no image.
    """
    return load_named_images(sources, shape=shape, max_images=max_images)[1]


def load_named_images(
    sources: Iterable[str | Path], *, shape: Sequence[int], max_images: int | None = None
) -> tuple[tuple[str, ...], Tensor]:
    """Load images as `load_images` does, with their names: their paths, or the name of a set and a number.

    Args:
        sources: As for `load_images`.
        shape: As for `load_images`.
        max_images: As for `load_images`.

    Returns:
        N names, and images (N, C, H, W).

    Raises:
        DataError: As for `load_images`.
    """
    from sparring.data.annotations.row_names import row_names  # which imports this module

    if len(shape) != 3:
        raise DataError(f"Images cannot have the shape {tuple(shape)} of points: use a run that was trained on images.")
    names: list[str] = []
    rows: list[Tensor] = []
    for source in sources:
        room = None if max_images is None else max_images - sum(map(len, rows))
        dataset = load(source, size=(shape[1], shape[2]), channels=shape[0])
        if len(dataset.shape) != 3:
            raise DataError(f"{source} holds points, and images are needed: give images.")
        rows.append(scale_images(dataset.rows(np.arange(len(dataset))[:room])[0]))
        names += row_names(source, len(rows[-1]))
    if not sum(map(len, rows)):
        raise DataError("No image is given: name files, folders or zips of images.")
    return tuple(names), torch.cat(rows)


def with_crop_margin(dataset: Dataset, size: Size | None, crop_margin: int) -> Dataset:
    """Return a data set whose rows are crops of its images.

    Args:
        dataset: Images that are larger than the size by the margin.
        size: The requested size.
        crop_margin: The difference in pixels.

    Raises:
        DataError: If no size was requested, or the rows are points.
    """
    if not crop_margin:
        return dataset
    if size is None or len(dataset.shape) != 3:
        raise DataError(f"{dataset.name} cannot be cropped without a size: use images and give --size.")
    return replace(dataset, crop_margin=crop_margin)


def prepare(
    name: str | Path,
    target: str | Path,
    *,
    size: Sizes | None = None,
    channels: int | None = None,
    fit: str = "crop",
    root: str | Path | None = None,
    progress: Progress | None = None,
    skip_unreadable: bool = False,
) -> Path:
    """Decode images once into a ``.npy`` file that ``load`` opens without decoding.

    Args:
        name: As for ``load``, but not points.
        target: Path of the file; ``.npy`` is appended where it is missing.
        size: As for ``load``.
        channels: As for ``load``.
        fit: As for ``load``.
        root: As for ``load``.
        progress: Called with the number of images done and in total.
        skip_unreadable: As for ``load``.

    Returns:
        Path of the file.

    Raises:
        DataError: The data cannot be found or used, or the target cannot be written.
    """
    frame = frame_for(size, fit)
    if split_kind(str(name))[0] in KINDS:
        raise DataError(f"{name} is two domains, which are prepared when they are loaded: train on them by this name.")
    if str(name) in STACKED:
        raise DataError(f"{name} is stacked when it is loaded, and needs no preparing: train on it by its name.")
    target = Path(target) if str(target).endswith(".npy") else Path(f"{target}.npy")
    read = [] if str(name) in NAMES else [*data_paths(str(name)), *legacy_files(Path(name))]
    require_no_overwrite([target], read, flag="TARGET")
    opening = readable_opener(cache_folder(), progress) if skip_unreadable else open_files
    found = find(str(name), frame, channels, data_root(root, cache_folder()), opening)
    with closing(as_source(found) if isinstance(found, Dataset) else found) as source:
        return prepare_file(source, target, frame, channels, progress)


def as_source(dataset: Dataset) -> Source:
    """Return a data set that needs no decoding as a source of images.

    Args:
        dataset: Of images.

    Raises:
        DataError: If the set holds points.
    """
    if len(dataset.shape) != 3:
        raise DataError(f"{dataset.name} holds points, which need no preparing: load it as it is.")

    def read() -> tuple[np.ndarray, np.ndarray | None]:
        return dataset.all_rows(), dataset.labels

    return ImageArrays(dataset.name, dataset.fingerprint, read, dataset.classes, captions=dataset.captions)


def data_root(root: str | Path | None, cache: Path) -> Path:
    """Return the folder of the standard sets: the argument, else ``$SPARRING_DATA``, else the cache.

    Args:
        root: A folder, or None.
        cache: Folder of the cache.
    """
    return expand_user(root or os.environ.get("SPARRING_DATA") or cache / "data")


def find(
    name: str,
    size: Size | None,
    channels: int | None,
    root: Path,
    opening: Callable[[Path], Files | None] = open_files,
) -> Dataset | Source:
    """Return a data set, or a source of images that must be prepared.

    Args:
        name: As for ``load``.
        size: As for ``load``.
        channels: As for ``load``.
        root: Folder of the standard sets.
        opening: Function that opens folders and archives.

    Raises:
        DataError: If there is no such data, or it cannot have the requested size or channels.
    """
    require_form(name, size, channels)
    if name in POINTS:
        return as_requested(POINTS[name](), size, channels)
    if name in EMBEDDED:
        return EMBEDDED[name](size, channels)
    if name in STANDARD:
        return STANDARD[name](root)
    kind, rest = split_kind(name)
    path = expand_user(rest).absolute()
    try:
        path.exists()  # raises an OSError for paths that cannot be accessed
    except OSError as error:
        words = f"{rest[:60]} cannot be accessed ({error.strerror}): give another path, or the name of a data set."
        raise DataError(words) from error
    if kind != WHOLE and path.is_file() and path.suffix in arrays.SUFFIXES:
        return as_requested(arrays.open_array(name, path), size, channels)
    files = opening(path)
    if files is None:
        raise DataError(f"{rest} is no image file: give the path of one.") if kind == WHOLE else not_found(name)
    return SingleImage(files) if kind == WHOLE else ImageFiles(files)


def as_requested(dataset: Dataset, size: Size | None, channels: int | None) -> Dataset | Source:
    """Return the set itself if its rows have the requested form, otherwise a source of images.

    Args:
        dataset: Points or images.
        size: Height and width, or None for any.
        channels: Number of channels, or None for any.

    Raises:
        DataError: If a size or channels are requested for points.
    """
    if size is None and channels is None:
        return dataset
    if len(dataset.shape) != 3:
        raise DataError(f"{dataset.name} holds points, which have neither size nor channels: leave both out.")
    now_channels, *now_size = dataset.shape
    fits = size is None or tuple(now_size) == height_and_width(size)
    return dataset if fits and channels in (None, now_channels) else as_source(dataset)


def not_found(name: str) -> DataError:
    """Return the error for a name that is neither in the catalogue nor a path.

    Args:
        name: As given.
    """
    path = Path(name)
    if path.is_file():
        return DataError(f"{name} is no image, zip, .npy or .npz file: give one of these, or a folder of images.")
    if path.name != name or path.suffix:
        return DataError(
            f"{name} does not exist: give the path of a folder, zip or array file, or one of {catalogue()}."
        )
    near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)[0]
    return DataError(
        f"{name} is neither a known data set nor a path: did you mean {near}, or another of {catalogue()}?"
    )


def catalogue() -> str:
    """Return the names of the catalogue in one line."""
    return ", ".join(NAMES)
