"""Configuration of a run, stored as ``run.json``: recipe, arguments, data and seed, enough to build the game again.

The file names its format. Each format has one reader, which checks every entry before it is used.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import torch

from sparring import __version__
from sparring._io.atomic import io_errors
from sparring._io.folder import Folder
from sparring._io.paths import expand_user
from sparring._types import JsonObject, Settings
from sparring.data import NAMES, DataFacts, Dataset
from sparring.data.frames import Sizes, frame_for, plain_size
from sparring.data.sources.layouts import absolute_name, data_paths
from sparring.errors import DataError, RunError
from sparring.runs.performance import PerformanceOptions
from sparring.runs.recipe_args import to_plain
from sparring.training import distributed

FORMAT = 1
FILE = "run.json"
REALS, SAMPLES = "reals.png", "samples"  # a grid of real rows, and the folder of sample grids
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}
IDENTITY = ("fingerprint", "mirror", "hold_out", "crop_margin")  # entries of data that decide what a run computes
LIMIT = 2**63 - 1  # of the size of a number

Device = torch.device
T = TypeVar("T")


@dataclass(frozen=True)
class Provenance:
    """Software and hardware that made a run. They affect its rounding only.

    Attributes:
        sparring: Version of this library.
        torch: Version of PyTorch.
        python: Version of Python.
        device: Device of the training.
        threads: Threads of PyTorch on the CPU.
        processes: Number of processes.
        time: Time of creation in UTC, in the ISO format.
        command: Command line of the process.
    """

    sparring: str
    torch: str
    python: str
    device: str
    threads: int
    processes: int
    time: str
    command: tuple[str, ...]

    @classmethod
    def now(cls, device: str | Device) -> Provenance:
        """Return the provenance of a run that is made now.

        Args:
            device: Device of the training.
        """
        return cls(
            sparring=__version__,
            torch=str(torch.__version__),
            python=platform.python_version(),
            device=str(device),
            threads=torch.get_num_threads(),
            processes=distributed.world_size(),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            command=tuple(sys.argv),
        )

    def warnings(self) -> list[str]:
        """Return a sentence for each difference to this process that changes rounding."""
        here = {"torch": str(torch.__version__), "threads": torch.get_num_threads()}
        return [
            f"The run was made with {name} {getattr(self, name)} and continues with {value}: "
            "its numbers will agree to rounding only."
            for name, value in here.items()
            if getattr(self, name) != value
        ]


@dataclass(frozen=True)
class DataConfig:
    """Data of a run: how to load it, and the facts that networks need.

    Attributes:
        name: A name of the catalogue, or a path; of data that were handed over in Python, what they were.
        fingerprint: SHA-256 of the content.
        facts: Facts of the rows that are trained on.
        size: Side of square images, or height and width. Default: as they are.
        channels: Channels of images. Default: as they are.
        fit: How pictures of other proportions get the size: crop, pad, pad:COLOUR or stretch.
        root: Folder of the standard data sets. Default: ``$SPARRING_DATA``.
        mirror: Flip images at random.
        hold_out: Share of the rows that is not trained on.
        crop_margin: Pixels by which images are loaded larger; each is cropped at random.
        skip_unreadable: Skip image files that cannot be read.
        in_python: The data were handed over in Python, and must be handed over again to open the run.
    """

    name: str
    fingerprint: str
    facts: DataFacts
    size: int | tuple[int, int] | None = None
    channels: int | None = None
    fit: str = "crop"
    root: str | None = None
    mirror: bool = False
    hold_out: float = 0.0
    crop_margin: int = 0
    skip_unreadable: bool = False
    in_python: bool = False

    def __post_init__(self) -> None:
        try:
            frame_for(self.size, self.fit)
        except DataError as error:
            raise ValueError(f"its data cannot be loaded: {error}") from error

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        *,
        root: str | Path | None = None,
        hold_out: float = 0.0,
        size: Sizes | None = None,
        **how: Any,
    ) -> DataConfig:
        """Return the configuration of loaded data.

        Args:
            dataset: The data, all of its rows.
            root: Folder of the standard data sets.
            hold_out: Share of the rows that is not trained on.
            size: Height and width of images.
            how: Other attributes.
        """
        facts = DataFacts.of(dataset.split(hold_out)[0])
        where = None if root is None else os.path.abspath(expand_user(root))
        name = dataset.name if how.get("in_python") else locate(dataset)
        return cls(name, dataset.fingerprint, facts, root=where, hold_out=hold_out, size=plain_size(size), **how)

    def load_kwargs(self, root: str | Path | None = None) -> JsonObject:
        """Return the arguments of `sparring.data.load` but for the name.

        Args:
            root: Folder of the standard data sets, if it has moved.
        """
        known = {"size": self.size, "channels": self.channels, "root": root or self.root}
        known["fit"] = self.fit
        return {**known, "crop_margin": self.crop_margin, "skip_unreadable": self.skip_unreadable}


@dataclass(frozen=True)
class RunConfig:
    """Configuration of a run.

    Attributes:
        recipe: A name of `sparring.RECIPES`, or ``module:function``.
        arguments: All keyword arguments of the recipe, as plain values.
        techniques: Training techniques that are not at their defaults.
        data: The data.
        batch_size: Rows of a batch over all processes and accumulation steps.
        seed: Decides everything random.
        grad_accum: Gradient accumulation steps of a batch.
        ema_decay: Decay of the averaged weights, 0 for none.
        precision: A name of `PRECISIONS`.
        performance: Performance options; None until the game is built for the first time.
        provenance: Software and hardware.
        id: Identity of the run, which its checkpoints repeat.
        derived: Reasons of the settings that followed the data and the length of the training, by path
            (`sparring.runs.sizing`).
        recipe_in_python: The recipe is a function that must be handed over again to open the run.

    Raises:
        RunError: If a number is out of range; the message names it.
    """

    recipe: str
    arguments: JsonObject
    techniques: JsonObject
    data: DataConfig
    batch_size: int
    seed: int
    grad_accum: int
    ema_decay: float
    precision: str
    performance: PerformanceOptions | None
    provenance: Provenance
    id: str
    derived: JsonObject = field(default_factory=dict)
    recipe_in_python: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise RunError(f"The seed {self.seed} is negative: give 0 or more.")
        require_counts(grad_accum=self.grad_accum)
        if not 0 <= self.ema_decay < 1:
            raise RunError(f"ema_decay cannot be {self.ema_decay}: give a number from 0 (no average) to below 1.")
        if self.precision not in PRECISIONS:
            raise RunError(f"There is no precision {self.precision!r}: give one of {', '.join(PRECISIONS)}.")

    @property
    def autocast(self) -> torch.dtype | None:
        """Type of automatic mixed precision, None for full precision."""
        return PRECISIONS[self.precision]

    def to_json(self) -> JsonObject:
        """Return the content of ``run.json`` as plain values."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        data = {each.name: getattr(self.data, each.name) for each in fields(self.data)}
        values["data"] = {**data, "facts": self.data.facts.to_json()}
        return {"format": FORMAT, **to_plain("run", values)}


def parse(record: object) -> RunConfig:
    """Return the configuration that the content of ``run.json`` describes.

    Args:
        record: As read from JSON.

    Raises:
        ValueError: If it has another format, or an entry is missing, unknown, or of another type.
        RunError: If a number is out of range.
    """
    if not isinstance(record, dict):
        raise ValueError("it is no table")
    number = record.get("format")
    reader = READERS.get(number) if type(number) is int else None
    if reader is None:
        raise ValueError(f"its format is {str(number)[:40]}, and this version reads {', '.join(map(str, READERS))}")
    return reader({name: value for name, value in record.items() if name != "format"})


def _format_1(record: JsonObject) -> RunConfig:
    config = _read(RunConfig, record)
    if config.performance is None:
        raise ValueError("it has no performance")
    return config


READERS: dict[int, Callable[[JsonObject], RunConfig]] = {1: _format_1}


def read(folder: Path | Folder) -> RunConfig:
    """Read the configuration of a run.

    Args:
        folder: The run's folder.

    Raises:
        RunError: If it is no run folder, or its ``run.json`` cannot be read.
    """
    place = folder.path if isinstance(folder, Folder) else expand_user(folder)
    try:
        return parse(json.loads(Folder.open(folder if isinstance(folder, Folder) else place).read(FILE)))
    except FileNotFoundError:
        raise RunError(
            f"{place} is no run folder, it has no {FILE}: give a folder that `sparring train` made."
        ) from None
    except (OSError, ValueError, RecursionError, RunError) as error:
        raise RunError(f"{place / FILE} cannot be read ({error}): restore it from a copy.") from error


def facts(folder: Path | Folder) -> DataFacts:
    """Return the facts of the data that a run trains on.

    Args:
        folder: The run's folder.

    Raises:
        RunError: If it is no run folder, or its ``run.json`` cannot be read.
    """
    return read(folder).data.facts


def write(folder: Path | Folder, config: RunConfig) -> None:
    """Write the configuration of a run atomically.

    Args:
        folder: The run's folder.
        config: The configuration.
    """
    home = Folder.open(folder)
    with io_errors(home.path / FILE), home.atomic_write(FILE) as file:
        file.write(json.dumps(config.to_json(), indent=1).encode() + b"\n")


def locate(dataset: Dataset) -> str:
    """Return the name of a data set, or its path in a form that holds in any working directory.

    Args:
        dataset: The data.
    """
    return dataset.name if dataset.name in NAMES else absolute_name(dataset.name)


def require_equal(folder: Path, old: Mapping[str, object], new: Mapping[str, object]) -> None:
    """Refuse to continue with other settings than those of the start.

    Args:
        folder: The folder, for the message.
        old: The settings of the start, as plain values.
        new: The requested settings, as plain values.

    Raises:
        RunError: If they differ; the message names the first difference.
    """
    before, now = dict(_decisive(old)), dict(_decisive(new))
    for name in [*now, *before]:
        if before.get(name) != now.get(name):
            raise RunError(
                f"{folder} was made with {name} = {before.get(name)}, not {now.get(name)}: "
                "repeat its settings to continue it, or give another folder."
            )


def reconcile(folder: Path | Folder, config: RunConfig) -> RunConfig:
    """Return the configuration of a requested run, new or existing; nothing is written.

    Args:
        folder: The run's folder.
        config: The requested configuration.

    Raises:
        RunError: If the folder holds another run, or other files.
    """
    try:
        _read(RunConfig, {name: value for name, value in config.to_json().items() if name != "format"})
    except ValueError as error:
        raise RunError(f"A run cannot have these settings ({error}): give others.") from error
    before = find(folder)
    if before is None:
        return config
    require_equal(folder.path if isinstance(folder, Folder) else folder, before.to_json(), config.to_json())
    found = config.data if before.data.in_python or not config.data.in_python else before.data
    return replace(before, data=replace(found, facts=before.data.facts))


def find(folder: Path | Folder) -> RunConfig | None:
    """Read the configuration of a run; return None if the folder is new or empty.

    Args:
        folder: A folder of a run, or for one.

    Raises:
        RunError: If ``run.json`` cannot be read, or the folder holds other files.
    """
    try:
        home = Folder.open(folder)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise RunError(f"{folder} is a file: give the name of a new folder.") from None
    names = home.names()
    if FILE in names:
        return read(home)
    if any(not name.startswith(".") for name in names):
        raise RunError(f"{home.path} holds files but no run: give a new or an empty folder.")
    return None


def store(folder: Folder, config: RunConfig, *, begun: bool) -> RunConfig:
    """Write the configuration of a new run, or the new place of its data; return the configuration that holds.

    Args:
        folder: The run's folder; only the process that holds its lock may call this.
        config: The requested configuration.
        begun: Whether the configuration was read from the folder before.

    Raises:
        RunError: If the folder holds another run now, or other files.
    """
    before = find(folder)
    if before is None and begun:
        raise RunError(f"{folder.path} has lost its {FILE} since it was opened: restore it from a copy.")
    if before is None:
        write(folder, config)
        return config
    if begun and before.id != config.id:
        raise RunError(f"{folder.path} holds another run than when it was opened: give the folder of the run.")
    now = reconcile(folder, config)
    if not begun:
        raise RunError(f"{folder.path} was made by another process in the meantime: run the same command again.")
    if now != before:
        write(folder, now)
    return now


def run_id(folder: Folder) -> str | None:
    """Return the identity of a run, which its checkpoints repeat; None for a folder without ``run.json``.

    Args:
        folder: The run's folder.

    Raises:
        RunError: If ``run.json`` cannot be read.
    """
    return None if folder.mode(FILE) is None else read(folder).id


def require_same_run(folder: Folder, config: RunConfig) -> None:
    """Refuse to write into another run than the one that was opened.

    Args:
        folder: The run's folder.
        config: The configuration of the run that was opened.

    Raises:
        RunError: If the folder holds another run now.
    """
    with io_errors(folder.path):
        folder.require_in_place()
    if run_id(folder) != config.id:
        raise RunError(f"{folder.path} holds another run than when it was opened: nothing is written into that one.")


def relocated(config: DataConfig, data: object, dataset: Dataset) -> DataConfig:
    """Return the configuration of data after they were loaded from another place.

    Args:
        config: The configuration.
        data: The place, or the data themselves, as given to `sparring.Run.open`; None for the place that it names.
        dataset: The data that were loaded.
    """
    if not isinstance(data, (str, Path)) and (data is not None or config.in_python):
        return config
    return replace(config, name=locate(dataset), in_python=False)


def require_data(folder: Path, config: RunConfig) -> str:
    """Return the place of a run's data.

    Args:
        folder: The run's folder.
        config: Its configuration.

    Raises:
        RunError: If they were handed over in Python.
    """
    if config.data.in_python:
        raise RunError(
            f"The data of {folder} ({config.data.name}) are in no file: hand them over again, as in "
            "sparring.Run.open(folder, data=images)."
        )
    return config.data.name


@contextmanager
def moved_data(folder: Path, place: object) -> Iterator[None]:
    """Add the remedy to the error of loading a run's data from a place that does not exist.

    Args:
        folder: The run's folder.
        place: Name or path of its data, or the data, which are loaded in this context.

    Raises:
        DataError: In place of that of loading, if there is no such place.
    """
    try:
        yield
    except DataError as error:
        if (
            not isinstance(place, str | Path)
            or str(place) in NAMES
            or any(path.exists() for path in data_paths(str(place)))
        ):
            raise
        raise DataError(
            f"{error} If the data of {folder} has moved, give its place: sparring resume {folder} --data PLACE"
        ) from error


def require_same_data(folder: Path, config: RunConfig, dataset: Dataset) -> None:
    """Refuse to continue with other data than those of the start.

    Args:
        folder: The run's folder.
        config: Its configuration.
        dataset: The data that was loaded.

    Raises:
        RunError: If the content differs.
    """
    if config.data.fingerprint != dataset.fingerprint:
        raise RunError(
            f"The data {dataset.name} is not what {folder} began with (its fingerprint differs): "
            "give the same data, or another folder for another run."
        )


def require_counts(**counts: int) -> None:
    """Refuse counts below 1.

    Args:
        counts: By the name of their settings.

    Raises:
        RunError: If one is below 1.
    """
    for name, count in counts.items():
        if count < 1:
            raise RunError(f"{name} cannot be {count}: give 1 or more.")


def _decisive(value: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every setting that decides what a run computes, by its dotted name."""
    for name, part in value.items():
        where = f"{path}.{name}" if path else name
        if where in ("format", "provenance", "performance", "id", "derived") or (
            path == "data" and name not in IDENTITY
        ):
            continue
        if isinstance(part, dict):
            yield from _decisive(part, where)
        else:
            yield where, part


def _read(kind: type[T], values: object, place: str = "") -> T:
    """Return the dataclass that a table describes; every entry must be of the type of its field."""
    if not isinstance(values, dict):
        raise ValueError(f"its {place.rstrip('.')} is no table")
    known: Settings = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]  # T is a dataclass
    for name, each in known.items():
        if name not in values and each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f"it has no {place}{name}")
    if unknown := values.keys() - known.keys():
        raise ValueError(f"it has an unknown entry {place}{min(unknown)[:40]}")
    hints = get_type_hints(kind)
    made = kind(**{name: _entry(f"{place}{name}", hints[name], value) for name, value in values.items()})
    if isinstance(made, DataConfig):
        for name, path in (("name", made.name), ("root", made.root or "")):
            _require_path(f"{place}{name}", path)
    return made


def _entry(name: str, hint: object, value: object) -> object:
    """Return the value of an entry, or refuse one of another type."""
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        kinds = [each for each in get_args(hint) if each is not type(None)]
        (hint,) = [each for each in kinds if (get_origin(each) is tuple) == isinstance(value, list)] or kinds[:1]
    if hint is DataFacts:
        return DataFacts.from_json(value)
    if is_dataclass(hint) and isinstance(hint, type):
        return _read(hint, value, f"{name}.")
    if hint == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ValueError(f"its {name} is no list of texts")
        return tuple(value)
    if hint == tuple[int, int]:
        if not isinstance(value, list) or len(value) != 2 or not all(type(each) is int for each in value):
            raise ValueError(f"its {name} is no pair of whole numbers")
        return tuple(value)
    kind: Any = get_origin(hint) or hint
    if not isinstance(value, (int, float) if kind is float else kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"its {name} cannot be {str(value)[:40]!r}")
    if kind in (int, float) and not -LIMIT <= value <= LIMIT:
        raise ValueError(f"its {name} is out of range")
    return value


def _require_path(name: str, value: str) -> None:
    """Refuse a text that no path can hold."""
    try:
        possible = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise ValueError(f"its {name} cannot be {value[:40]!r}")
