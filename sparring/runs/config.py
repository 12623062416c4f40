"""What a run is, as ``run.json``: the recipe, its arguments, the data and the seed; enough to build the game again."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from sparring import __version__
from sparring._io.atomic import io_errors
from sparring._io.folder import Folder
from sparring._io.paths import expand_user
from sparring.data import NAMES, DataFacts, Dataset
from sparring.data.sources.layouts import absolute_name, data_paths
from sparring.errors import DataError, GameError, RunError, SparringError
from sparring.game import Game
from sparring.recipes import FACTS
from sparring.recipes.importing import trust
from sparring.recipes.techniques import Techniques, apply_techniques
from sparring.rng import hash_seed
from sparring.runs.memory import bounded
from sparring.runs.recipe_args import built, declared, plain, recorded, settings
from sparring.runs.wellformed import require_record
from sparring.training import distributed

Record = dict[str, Any]

CPU = torch.device("cpu")
FILE = "run.json"
REALS, SAMPLES = "reals.png", "samples"  # also in the run's folder: a picture, and a folder of pictures
PRECISIONS = ("fp32", "bf16")
IDENTITY = ("fingerprint", "mirror", "hold_out", "crop_margin")  # of data: where it is makes no difference


def read(folder: Path | Folder) -> Record:
    """Reads the record of a run.

    Args:
        folder: The run's.

    Raises:
        RunError: If it is no run folder, or its record cannot be read.
    """
    place = folder.path if isinstance(folder, Folder) else expand_user(folder)
    try:
        record = json.loads(Folder.open(folder if isinstance(folder, Folder) else place).read(FILE))
        require_record(record)
        sensible(**{name: record[name] for name in ("seed", "grad_accum", "ema_decay", "precision")})
        return record
    except FileNotFoundError:
        raise RunError(
            f"{place} is no run folder, it has no {FILE}: give a folder that `sparring train` made."
        ) from None
    except (OSError, ValueError, RecursionError, RunError) as error:
        raise RunError(f"{place / FILE} cannot be read ({error}): restore it from a copy.") from error


def facts(folder: str | Path | Folder) -> DataFacts:
    """Return the facts of the data that a run trains on.

    Args:
        folder: The run's folder.

    Raises:
        RunError: If it is no run folder, or its record cannot be read.
    """
    data = read(folder if isinstance(folder, Folder) else Path(folder))["data"]
    known = data["facts"]
    names = data.get("names") or [str(number) for number in range(known["classes"])]
    values = {"shape": known["shape"], "class_names": names}
    values |= {name: known[name] for name in ("captions", "other", "paired", "instances") if name in known}
    values |= {"vocabulary": data["words"]} if "words" in data else {}
    return DataFacts.from_json(values | ({"regions": data["regions"]} if "regions" in data else {}))


def write(folder: Path | Folder, record: Record) -> None:
    """Writes the record of a run, atomically.

    Args:
        folder: The run's.
        record: What to write.
    """
    home = Folder.open(folder)
    with io_errors(home.path / FILE), home.atomic_write(FILE) as file:
        file.write(json.dumps(record, indent=1).encode() + b"\n")


def play(recipe: str, arguments: Record, techniques: Techniques | Record) -> Record:
    """Describes the game: the recipe, all its arguments, and those techniques that are not at their defaults.

    Args:
        recipe: The recipe's name, which the user gives.
        arguments: As given to `sparring.Run.create`.
        techniques: As given to `sparring.Run.create`.
    """
    trust(recipe)
    given = techniques if isinstance(techniques, Techniques) else built(Techniques, techniques)
    return {"recipe": recipe, "arguments": recorded(recipe, arguments), "techniques": given.chosen()}


def data(
    dataset: Dataset,
    *,
    size: int | None,
    channels: int | None,
    root: str | Path | None,
    mirror: bool,
    hold_out: float = 0.0,
    crop_margin: int = 0,
    skip_unreadable: bool = False,
) -> Record:
    """Describes the data: where it is, what it holds, what its classes are called, and what a recipe asks of it.

    Args:
        dataset: Loaded with the following.
        size: As given to `sparring.data.load`.
        channels: As given to `sparring.data.load`.
        root: As given to `sparring.data.load`.
        mirror: Whether images are flipped at random.
        hold_out: Share of the rows that are not trained on; not mentioned where it is 0.
        crop_margin: As given to `sparring.data.load`; likewise, as is `skip_unreadable`.
        skip_unreadable: As given to `sparring.data.load`.
    """
    place = None if root is None else os.path.abspath(expand_user(root))
    found: Record = {"name": named(dataset), "size": size, "channels": channels, "root": place, "mirror": mirror}
    chosen = {"hold_out": hold_out, "crop_margin": crop_margin, "skip_unreadable": skip_unreadable}
    found |= {setting: value for setting, value in chosen.items() if value}
    found |= {} if dataset.captions is None else {"words": list(dataset.captions.vocabulary)}
    if dataset.paired_domain and dataset.paired_domain.regions:
        found["regions"] = plain("regions", dataset.paired_domain.regions)
    numbered = dataset.classes == tuple(map(str, range(len(dataset.classes))))
    found |= {} if numbered else {"names": list(dataset.classes)}
    return {**found, "fingerprint": dataset.fingerprint, "facts": plain("facts", dataset.split(hold_out)[0].facts())}


def named(dataset: Dataset) -> str:
    """Returns the name of a data set, or where it is, from whatever folder it is loaded again.

    Args:
        dataset: Any.
    """
    return dataset.name if dataset.name in NAMES else absolute_name(dataset.name)


def made(device: torch.device) -> Record:
    """Describes where, when and how a run was made, and gives it an identity: no part of what it computes.

    Args:
        device: Where it trains.
    """
    return {"provenance": _circumstances(device), "id": uuid4().hex}


def _circumstances(device: torch.device) -> Record:
    """Describes where, when and how a run was made, which decides how it rounds."""
    return {
        "sparring": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "processes": distributed.world_size(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
    }


def changes(record: Record) -> list[str]:
    """Says what has changed since the run was made and makes it go on equal to rounding only, not bit by bit.

    Args:
        record: The run's.
    """
    made, now = record["provenance"], {"torch": str(torch.__version__), "threads": torch.get_num_threads()}
    return [
        f"The run was made with {name} {made[name]} and goes on with {value}: its numbers will agree to rounding only."
        for name, value in now.items()
        if made.get(name, value) != value
    ]


def game(record: Record, device: torch.device = CPU, times: int = 1) -> Game:
    """Builds the game of a record on the CPU, its weights a function of the seed.

    Args:
        record: As read or written here.
        device: Where it is to live.
        times: How many times the memory of its weights it will take there.

    Raises:
        RunError: If the recipe is none, or has no such settings.
        GameError: If it cannot be built with them, or does not fit into memory.
    """
    function = declared(record["recipe"])
    told = record["data"]["facts"]
    known = {**told, **{name: tuple(told[name]) for name in ("shape", "other") if name in told}}
    facts = {name: known[name] for name in FACTS if name in known and name in signature(function).parameters}
    with buildable(record["recipe"]), bounded(device, times), torch.random.fork_rng(devices=[]):
        chosen, techniques = settings(function, record["arguments"]), built(Techniques, record.get("techniques", {}))
        torch.default_generator.manual_seed(hash_seed(record["seed"], -1))
        return apply_techniques(
            lambda shape: function(**{**facts, "shape": shape}, **chosen), facts["shape"], techniques
        )


@contextmanager
def buildable(recipe: str) -> Iterator[None]:
    """Says in one sentence that a recipe of ours cannot be built; a user's own keeps its traceback.

    Args:
        recipe: Its name.

    Raises:
        GameError: In place of whatever networks and optimisers say of settings that they cannot have.
    """
    try:
        yield
    except SparringError:
        raise
    except Exception as error:
        if ":" in recipe:
            raise
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise GameError(f"The recipe {recipe} cannot be built with these settings ({reason}): change them.") from error


def require_equal(folder: Path, old: Record, new: Record) -> None:
    """Refuses to go on with a run under other settings than those it began with.

    Args:
        folder: The run's.
        old: Its record.
        new: What it is asked to be.

    Raises:
        RunError: If they differ; the message names the first difference.
    """
    before, now = dict(_decisive(old)), dict(_decisive(new))
    for name in [*now, *before]:
        if before.get(name) != now.get(name):
            raise RunError(
                f"{folder} was made with {name} = {before.get(name)}, not {now.get(name)}: "
                "repeat its settings to go on with it, or give another folder."
            )


def agreed(folder: Path | Folder, record: Record) -> Record:
    """Returns the record of a run that is asked for, perhaps again; nothing is written.

    Args:
        folder: The run's.
        record: What it is asked to be.

    Raises:
        RunError: If it is another run, or there are other things in the folder.
    """
    try:
        require_record({name: part for name, part in record.items() if name != "performance"})  # what is not known yet
    except ValueError as error:
        raise RunError(f"A run cannot have these settings ({error}): give others.") from error
    before = found(folder)
    if before is None:
        return record
    require_equal(folder.path if isinstance(folder, Folder) else folder, before, record)
    return {**before, "data": {**record["data"], "facts": before["data"]["facts"]}}


def found(folder: Path | Folder) -> Record | None:
    """Reads the record of a run, or returns None if the folder is new or empty.

    Args:
        folder: Of a run, or for one.

    Raises:
        RunError: If the record cannot be read, or there are other things in the folder.
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


def settle(folder: Folder, record: Record, *, begun: bool) -> Record:
    """Writes the record of a new run, or where the data is now, once nobody else can write; returns what holds.

    Args:
        folder: The run's; only the process that holds its lock may call this.
        record: What it is asked to be.
        begun: Whether the record was read from the folder before.

    Raises:
        RunError: If it is another run now, or there are other things in the folder.
    """
    before = found(folder)
    if before is None and begun:
        raise RunError(f"{folder.path} has lost its {FILE} since it was opened: restore it from a copy.")
    if before is None:
        write(folder, record)
        return record
    if begun and before.get("id") != record.get("id"):
        raise RunError(f"{folder.path} holds another run than when it was opened: give the folder of the run.")
    now = agreed(folder, record)
    if not begun:
        raise RunError(f"{folder.path} was made by another process in the meantime: run the same command again.")
    if now != before:
        write(folder, now)
    return now


def identity(folder: Folder) -> str | None:
    """Returns the identity of a run, which its checkpoints repeat; None if it has none, as runs of earlier versions.

    Args:
        folder: The run's; one without a record has no identity.

    Raises:
        RunError: If its record cannot be read.
    """
    return None if folder.mode(FILE) is None else read(folder).get("id")


def require_own(folder: Folder, record: Record) -> None:
    """Refuses to write into another run than the one that was opened.

    Args:
        folder: The run's.
        record: Its record.

    Raises:
        RunError: If the folder holds another run now.
    """
    with io_errors(folder.path):
        folder.require_in_place()
    if identity(folder) != record.get("id"):
        raise RunError(f"{folder.path} holds another run than when it was opened: nothing is written into that one.")


@contextmanager
def there(folder: Path, place: str | Path) -> Iterator[None]:
    """Says what to do where the data of a run is no longer in its place.

    Args:
        folder: The run's.
        place: The name or place of its data, which is loaded in this context.

    Raises:
        DataError: In place of that of loading, if there is no such place.
    """
    try:
        yield
    except DataError as error:
        if str(place) in NAMES or any(path.exists() for path in data_paths(str(place))):
            raise
        raise DataError(
            f"{error} If the data of {folder} has moved, give its place: sparring resume {folder} --data PLACE"
        ) from error


def require_data(folder: Path, record: Record, dataset: Dataset) -> None:
    """Refuses to go on with other data than the run began with.

    Args:
        folder: The run's.
        record: Its record.
        dataset: What was loaded.

    Raises:
        RunError: If their content differs.
    """
    if record["data"]["fingerprint"] != dataset.fingerprint:
        raise RunError(
            f"The data {dataset.name} is not what {folder} began with (its fingerprint differs): "
            "give the same data, or another folder for another run."
        )


def sensible(seed: int, grad_accum: int, ema_decay: float, precision: str, fast: str = "auto") -> Record:
    """Returns these settings, or refuses numbers that no run can have.

    Args:
        seed: 0 or more.
        grad_accum: 1 or more.
        ema_decay: From 0 to below 1.
        precision: A name of `PRECISIONS`.
        fast: A name of `sparring.runs.performance.SETTINGS`; what it chooses is seen when the game is built.

    Raises:
        RunError: If one is out of range; the message names it.
    """
    if seed < 0:
        raise RunError(f"The seed {seed} is negative: give 0 or more.")
    require_counts(grad_accum=grad_accum)
    if not 0 <= ema_decay < 1:
        raise RunError(f"The averaged weights cannot decay by {ema_decay}: give a number from 0 (none) to below 1.")
    if precision not in PRECISIONS:
        raise RunError(f"There is no precision {precision!r}: give one of {', '.join(PRECISIONS)}.")
    return {
        "seed": seed,
        "grad_accum": grad_accum,
        "ema_decay": ema_decay,
        "precision": precision,
        "performance": {"setting": fast},
    }


def require_counts(**counts: int) -> None:
    """Refuses counts below 1.

    Args:
        counts: By the name of their settings.

    Raises:
        RunError: If one is below 1.
    """
    for name, count in counts.items():
        if count < 1:
            raise RunError(f"{name} cannot be {count}: give 1 or more.")


def _decisive(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every setting that decides what a run computes, by its dotted name."""
    for name, part in value.items():
        where = f"{path}.{name}" if path else name
        if where in ("provenance", "performance", "id") or (path == "data" and name not in IDENTITY):
            continue
        if isinstance(part, dict):
            yield from _decisive(part, where)
        else:
            yield where, part
