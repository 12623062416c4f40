"""Settings of a new run that follow its data and length: the rules of `sparring.recipes.sizing`, applied once.

What was chosen is stored in ``run.json`` like any other setting, and its reason beside it under "derived". A run that
exists keeps what is stored, whatever the length is now. Without the rules (``paper``) a batch has 64 images, 8 of two
domains or 256 points, and the averaged weights a decay of 0.999.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

import torch

from sparring._types import JsonObject
from sparring.data import DataFacts, Dataset, Stream
from sparring.errors import RunError, SparringError
from sparring.recipes.sizing import SHORT, Choice, Situation, derive
from sparring.recipes.techniques import Techniques
from sparring.runs import config as configs
from sparring.runs.recipe_args import describe_game, require_names, to_plain
from sparring.runs.recipe_functions import Recipe
from sparring.runs.state import default_batch_size, fit_to_data, make_game
from sparring.training.trainer import train

if TYPE_CHECKING:
    from sparring.runs.loop import FitOptions

__all__ = ["DEFAULTS", "EMA_DECAY", "CreateOptions", "Defaults", "Request", "at", "flatten", "stored_choices"]

Defaults = Literal["data", "paper"]
DEFAULTS: tuple[str, ...] = get_args(Defaults)
EMA_DECAY = 0.999
ROWS, STEPS = 8, 2  # of a batch and of a game, by which its speed is measured


class CreateOptions(TypedDict, total=False):
    """Further keyword arguments of `sparring.Run.create`.

    Attributes:
        begin: Write a new run's folder at once; False leaves that to `sparring.Run.fit`. Default: True.
        defaults: What settings follow that are not given: ``data`` for the data and the length of the training, or
            ``paper`` for the recipe's paper. A run keeps those of its start. Default: data.
        length: End of the training; only steps, images or seconds are read. Default: not known, so rules that need it
            do not apply.
    """

    begin: bool
    defaults: Defaults
    length: FitOptions | None


@dataclass(frozen=True)
class Request:
    """The settings of a requested run that the rules may change.

    Attributes:
        recipe: Name of the recipe.
        arguments: All of its arguments, plain.
        techniques: Techniques that are not at their defaults, plain.
        given: Paths of the arguments and techniques that the user gave.
        batch_size: Rows of a batch. Default: not given.
        ema_decay: Decay of the averaged weights. Default: not given.
        function: The recipe as the user gave it, a name or a function. Default: the name.
    """

    recipe: str
    arguments: JsonObject
    techniques: JsonObject
    given: frozenset[str]
    batch_size: int | None = None
    ema_decay: float | None = None
    function: str | Recipe = ""

    @classmethod
    def of(
        cls,
        recipe: str | Recipe,
        arguments: JsonObject,
        techniques: Techniques | JsonObject,
        batch_size: int | None,
        ema_decay: float | None,
    ) -> Request:
        """Return the request of the arguments of `sparring.Run.create`.

        Args:
            recipe: As the user gave it, like the others.
            arguments: As the user gave them.
            techniques: As the user gave them; of `Techniques` those that are not at their defaults are given.
            batch_size: As the user gave it.
            ema_decay: As the user gave it.
        """
        chosen = techniques.chosen() if isinstance(techniques, Techniques) else techniques
        described = describe_game(recipe, arguments, techniques)
        given = {"arguments": {name: to_plain(name, value) for name, value in arguments.items()}, "techniques": chosen}
        paths = {path for path, _ in flatten(given)}
        paths |= {name for name, value in (("batch_size", batch_size), ("ema_decay", ema_decay)) if value is not None}
        return cls(**described, given=frozenset(paths), batch_size=batch_size, ema_decay=ema_decay, function=recipe)

    def settings(self, dataset: Dataset) -> dict[str, Any]:
        """Return all settings by path, those that were not given at the values of the paper.

        Args:
            dataset: The rows to train on.
        """
        usual = {field.name: field.default for field in fields(Techniques)}
        table: JsonObject = {"arguments": self.arguments, "techniques": {**usual, **self.techniques}}
        table["batch_size"] = default_batch_size(dataset) if self.batch_size is None else self.batch_size
        table["ema_decay"] = EMA_DECAY if self.ema_decay is None else self.ema_decay
        return dict(flatten(table))

    def resolved(self, dataset: Dataset, choices: Mapping[str, Choice]) -> JsonObject:
        """Return the entries of ``run.json`` with the choices.

        Args:
            dataset: The rows to train on.
            choices: By path.
        """
        table: JsonObject = {"arguments": _copy(self.arguments), "techniques": dict(self.techniques)}
        table["batch_size"] = default_batch_size(dataset) if self.batch_size is None else self.batch_size
        table["ema_decay"] = EMA_DECAY if self.ema_decay is None else self.ema_decay
        for path, choice in choices.items():
            *folders, name = path.split(".")
            place = table
            for folder in folders:
                place = place[folder]
            place[name] = choice.value
        return {"recipe": self.recipe, **table, "derived": {path: choice.reason for path, choice in choices.items()}}

    def completed(
        self,
        folder: Path,
        dataset: Dataset,
        held: DataFacts,
        device: torch.device,
        options: CreateOptions,
    ) -> JsonObject:
        """Return the entries of ``run.json``, with the choices of the rules or those that an existing run keeps.

        Args:
            folder: The run's folder, which may exist.
            dataset: The rows to train on.
            held: Facts of the data.
            device: As for `choices`.
            options: What the settings follow.

        Raises:
            RunError: If there are no such defaults, or the folder holds no readable run.
        """
        require_names("run", dict(options), ["begin", "defaults", "length"])
        defaults = options.get("defaults", "data")
        if defaults not in DEFAULTS:
            raise RunError(f"There are no defaults {defaults!r}: give one of {', '.join(DEFAULTS)}.")
        if defaults == "paper":
            return self.resolved(dataset, {})
        before = configs.find(folder)
        if before is not None:
            return self.resolved(dataset, stored_choices(folder, before.to_json(), self.given))
        return self.resolved(dataset, self.choices(dataset, held, options.get("length"), device))

    def choices(
        self, dataset: Dataset, held: DataFacts, length: FitOptions | None, device: torch.device
    ) -> dict[str, Choice]:
        """Return the settings that follow the data and the length of the training.

        Args:
            dataset: The rows to train on.
            held: Facts of the data.
            length: Length of the training. Default: not known.
            device: Device of the training; a time is turned into images by the speed measured on it.
        """
        settings = self.settings(dataset)
        steps = settings.get("arguments.critic_steps")
        situation = Situation(
            tuple(dataset.shape),
            len(dataset),
            settings["batch_size"],
            draws=steps if isinstance(steps, int) else 1,
            steps=None if length is None else length.steps,
            images=None if length is None else length.images,
        )

        def choose(now: Situation) -> dict[str, Choice]:
            return derive(self.recipe, settings, self.given, now, self._counter(dataset, held))

        if length is None or length.seconds is None or len(situation.shape) != 3:
            return choose(situation)
        images = SHORT - 1
        for _ in range(2):
            chosen = choose(replace(situation, images=images))
            speed = self._speed(dataset, held, chosen, device)
            if speed is None:
                break
            images = max(1, round(speed * length.seconds))
        return choose(replace(situation, images=images))

    def _counter(self, dataset: Dataset, held: DataFacts) -> Callable[[Mapping[str, Any]], int | None]:
        """Return what counts parameters, without memory for them where the networks allow it."""

        def count(values: Mapping[str, Any]) -> int | None:
            table = self.resolved(dataset, {path: Choice(value, "") for path, value in values.items()})
            for place in ("meta", "cpu"):
                try:
                    with torch.device(place):
                        game = make_game(self.recipe, table["arguments"], held, techniques=table["techniques"])
                    return sum(parameter.numel() for parameter in game.parameters())
                except (SparringError, NotImplementedError, RuntimeError):
                    continue
            return None

        return count

    def _speed(
        self, dataset: Dataset, held: DataFacts, chosen: Mapping[str, Choice], device: torch.device
    ) -> float | None:
        """Return images a second of a few steps with some settings; None where they cannot be made."""
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            return self._measured(self.resolved(dataset, chosen), dataset, held, device)

    def _measured(self, table: JsonObject, dataset: Dataset, held: DataFacts, device: torch.device) -> float | None:
        rows = min(ROWS, table["batch_size"])
        try:
            game = make_game(self.recipe, table["arguments"], held, techniques=table["techniques"]).to(device)
            fit_to_data(game, dataset)
            start, images = 0.0, 0
            for report in train(game, Stream(dataset, rows, device=device), STEPS + 1):
                report.require_finite()  # waits for the device
                if report.step == 1:
                    start = time.perf_counter()
                else:
                    images += report.images
        except (SparringError, RuntimeError):
            return None
        return images / max(time.perf_counter() - start, 1e-9)


def flatten(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested tables by their dotted paths.

    Args:
        table: With names as keys.
        path: Path of the table.

    >>> dict(flatten({"a": {"b": 1, "c": [2, 3]}}))
    {'a.b': 1, 'a.c': [2, 3]}
    """
    for name, value in table.items():
        where = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            yield from flatten(value, where)
        else:
            yield where, value


def at(table: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path of nested tables.

    Args:
        table: With names as keys.
        path: Dotted.

    Raises:
        KeyError: If there is none.
    """
    for name in path.split("."):
        table = table[name]
    return table


def stored_choices(folder: object, record: Mapping[str, Any], given: frozenset[str]) -> dict[str, Choice]:
    """Return the settings of an existing run that followed its data, those left out that the user gives now.

    Args:
        folder: The run's folder, for the message.
        record: Content of its ``run.json``.
        given: Paths that the user gave.

    Raises:
        RunError: If it names settings that it does not have.
    """
    try:
        return {
            path: Choice(at(record, path), str(why)) for path, why in record["derived"].items() if path not in given
        }
    except (KeyError, TypeError):
        raise RunError(f"{folder} holds reasons for settings that it does not have: restore it from a copy.") from None


def _copy(table: JsonObject) -> JsonObject:
    return {name: _copy(value) if isinstance(value, dict) else value for name, value in table.items()}
