"""The parts of a comparison: entries, a common protocol, and one trial for each entry and seed.

OUT/trials/NAME/                an ordinary run folder, with the scores over training in evaluations.jsonl
OUT/trials/NAME.json            settings and outcome of the trial
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from sparring._io.atomic import atomic_write, io_errors
from sparring._io.folder import read
from sparring._types import JsonObject
from sparring.errors import UNREADABLE, RunError
from sparring.runs import config, logs

__all__ = ["Budget", "Entry", "Protocol", "Trial", "trials"]

Axis = Literal["steps", "kimg", "minutes"]
UNITS = {"steps": 1, "kimg": 1000, "minutes": 60}  # counted as steps, images, seconds
COUNTED = {"steps": "step", "kimg": "images", "minutes": "seconds"}  # keys of a row of scores


@dataclass(frozen=True)
class Budget:
    """Length of every trial, and the interval of evaluations.

    Attributes:
        axis: Unit of the budget: training steps, thousands of images, or minutes of training, without evaluations and
            interruptions.
        amount: Number of these units.
        every: Units between two evaluations. Default: a tenth of the amount.
    """

    axis: Axis
    amount: float
    every: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.amount < math.inf:
            raise RunError(f"--{self.axis} is {self.amount:g}: give a number above 0.")
        if self.every is not None and not 0 < self.every <= self.amount:
            raise RunError(f"--eval-every is {self.every:g}: give a part of the {self.amount:g} {self.axis}, above 0.")

    @property
    def interval(self) -> float:
        """Units between two evaluations."""
        return self.every or self.amount / 10

    def marks(self) -> list[float]:
        """Return the positions of the evaluations in steps, images or seconds; the last is the end.

        >>> Budget("kimg", 0.3, 0.1).marks(), Budget("steps", 25, 10).marks(), len(Budget("steps", 25).marks())
        ([100, 200, 300], [10, 20, 25], 9)
        """
        end, each = (UNITS[self.axis] * part for part in (self.amount, self.interval))
        if self.axis != "minutes":
            end, each = math.ceil(end - 1e-6), max(1, math.ceil(each - 1e-6))
        return [min(each * k, end) for k in range(1, math.ceil(end / each - 1e-9) + 1)]

    def position(self, *, step: int, images: int, seconds: float) -> float:
        """Return the position of a training in the unit of the budget.

        Args:
            step: Completed steps.
            images: Images trained on.
            seconds: Seconds of training.
        """
        return {"steps": step, "kimg": images, "minutes": seconds}[self.axis]

    def __str__(self) -> str:
        return f"{self.amount:,g} {self.axis.replace('kimg', 'thousand images')}"


@dataclass(frozen=True)
class Protocol:
    """Settings that all trials of a comparison share.

    Attributes:
        budget: Length of every trial.
        shared: Settings of `sparring.Run.create` other than recipe, arguments, techniques and seed: data, batch, …
        fingerprint: Fingerprint of the data.
        metrics: Names in `sparring.evaluation.evaluator.METRICS`; those suited to the data if there is none.
        samples: Number of evaluated samples. Default: as many as suit the data.
    """

    budget: Budget
    shared: JsonObject
    fingerprint: str
    metrics: tuple[str, ...] = ()
    samples: int | None = None


@dataclass(frozen=True)
class Entry:
    """A recipe with settings, one of those that are compared.

    Attributes:
        recipe: As for `sparring.recipe`.
        arguments: The recipe's, as plain values.
        techniques: Those that are on.
        label: Name in tables and plots.
    """

    recipe: str
    arguments: JsonObject
    techniques: JsonObject
    label: str


@dataclass(frozen=True)
class Trial:
    """One training of a comparison.

    Attributes:
        entry: The recipe and its settings.
        seed: Seed of all random numbers.
        protocol: The common protocol.
        folder: Folder of the run.
    """

    entry: Entry
    seed: int
    protocol: Protocol
    folder: Path

    @property
    def name(self) -> str:
        """Name of the trial, usable as a file name."""
        return self.folder.name

    def settings(self) -> JsonObject:
        """Return every setting that determines the result, without the paths of data and the device."""
        beside = ("data", "data_root", "device")
        return {
            **{key: value for key, value in asdict(self.entry).items() if key != "label"},
            "seed": self.seed,
            **{key: value for key, value in self.protocol.shared.items() if key not in beside},
            "fingerprint": self.protocol.fingerprint,
            "budget": {**asdict(self.protocol.budget), "every": self.protocol.budget.interval},
            "metrics": list(self.protocol.metrics),
            "samples": self.protocol.samples,
        }

    def read(self) -> JsonObject | None:
        """Return the record of the trial, or None if it was not started.

        Raises:
            RunError: If it was started with other settings, or its record cannot be read.
        """
        try:
            before = json.loads(read(self._record))
            old, state = dict(before["settings"]), before["state"]
            gone = float(old["budget"].pop("amount"))
        except FileNotFoundError:
            return None
        except (*UNREADABLE, RunError) as error:
            raise RunError(f"{self._record} cannot be read ({error}): remove it and repeat the command.") from error
        now = json.loads(json.dumps(self.settings()))
        wanted = now["budget"].pop("amount")
        config.require_equal(self.folder, old, now)
        if gone > wanted:
            raise RunError(
                f"{self.folder} was started with {gone:g} {self.protocol.budget.axis}, more than {wanted:g}: "
                "give at least as many, or another --out."
            )
        known: JsonObject | None = before | {"state": "begun"} if gone < wanted and state == "finished" else before
        return known

    def write(self, state: str, error: str = "", **facts: object) -> JsonObject:
        """Write the record of the trial, and return it.

        Args:
            state: begun, finished, diverged or failed.
            error: Reason of a failure.
            facts: Further entries of the record.
        """
        record = {"settings": self.settings(), "state": state, "error": error, **facts}
        with io_errors(self._record):
            self._record.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._record) as file:
                file.write(json.dumps(record, indent=1, ensure_ascii=False).encode(errors="backslashreplace") + b"\n")
        return record

    def rows(self) -> list[JsonObject]:
        """Return the evaluations so far, in order."""
        return logs.read(self.folder / "evaluations.jsonl")

    def notes(self) -> list[str]:
        """Return a note if there are evaluations that cannot be read."""
        notes: list[str] = []
        logs.read(self.folder / "evaluations.jsonl", notes)
        return notes

    def share(self) -> float:
        """Return the used share of the budget at the last evaluation."""
        rows, budget = self.rows(), self.protocol.budget
        return min(1.0, rows[-1][COUNTED[budget.axis]] / budget.marks()[-1]) if rows else 0.0

    def is_closed(self) -> bool:
        """Return whether the trial has finished, or diverged, which would happen again with the same seed."""
        before = self.read()
        return before is not None and before["state"] in ("finished", "diverged")

    @property
    def _record(self) -> Path:
        return self.folder.with_name(f"{self.name}.json")


def trials(entries: Sequence[Entry], seeds: Sequence[int], protocol: Protocol, out: Path) -> list[Trial]:
    """Return all trials, ordered by seed, so that an interrupted comparison has trials of every entry.

    Args:
        entries: Recipes and settings to compare.
        seeds: Seeds of each entry.
        protocol: The common protocol.
        out: Folder of the comparison.

    Raises:
        RunError: If two entries are the same, or a trial was started with other settings.
    """
    made = [
        Trial(who, seed, protocol, out / "trials" / f"{_file_name(who.label)}-{seed}")
        for seed in seeds
        for who in entries
    ]
    names = [trial.name for trial in made]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise RunError(f"The trial {twice} is listed twice: give each recipe, setting and seed once.")
    for trial in made:
        if link := next((path for path in (out / "trials", trial.folder) if path.is_symlink()), None):
            raise RunError(f"{link} is a link, and links in a comparison are not followed: move the folder there.")
        trial.read()
    return made


def _file_name(label: str) -> str:
    """Return a file name for a label.

    >>> _file_name("mygames:mine critic.betas=0 0.9")
    'mygames.mine_critic.betas=0_0.9'
    """
    return re.sub(r"[^\w.+=-]+", "_", label.replace(":", ".").replace("/", "."))
