"""Tiny runs, recipes that fail on purpose, and bit-by-bit comparison: shared by the tests of runs."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sparring import RECIPES, data, recipe
from sparring.game import Data, Game, Move, adam
from sparring.networks import MLPCritic, MLPGenerator
from sparring.recipes.gan import nsgan
from sparring.runs.run import Run
from sparring.training.trainer import train

POINTS: dict[str, Any] = {"data": "ring", "batch_size": 8, "device": "cpu"}
IMAGES: dict[str, Any] = {"data": "digits", "size": 8, "batch_size": 4, "device": "cpu"}


SHARED = "SPARRING_TEST_PICTURES"
"""The environment variable with the folder of pictures that this process and the processes it starts read."""


def _scratch() -> Path:
    """The folder of `SHARED`, or a new one that is removed when this process ends."""
    if SHARED not in os.environ:
        os.environ[SHARED] = folder = tempfile.mkdtemp(prefix="sparring-tests-")
        owner = os.getpid()
        atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder))
    return Path(os.environ[SHARED])


SCRATCH = _scratch()


def _folder(name: str, side: int = 32, **parts: tuple[int, int, int]) -> str:
    """A folder of folders of noise, the same in every process; of each how many pictures, below what, and channels."""
    folder = SCRATCH / f"sparring-{name}-{side}"
    draw = np.random.default_rng(0)
    for part, (count, below, channels) in () if folder.exists() else parts.items():
        (folder / part).mkdir(parents=True)
        for index in range(count):
            noise = draw.integers(0, below, (side, side, 1), np.uint8).repeat(channels, 2)
            Image.fromarray(noise.squeeze()).save(folder / part / f"{index}.png")
    return str(folder)


def _captioned() -> str:
    """A folder of five images of noise with captions, the same in every process."""
    folder = Path(_folder("captions", 16, images=(5, 256, 3)))
    captions = ("a red heart", "a blue heart", "one dog", "two dogs", "a cat")
    rows = [json.dumps({"file_name": f"images/{index}.png", "text": text}) for index, text in enumerate(captions)]
    if not (folder / "metadata.jsonl").exists():
        (folder / "metadata.jsonl").write_text("\n".join(rows))
    return str(folder)


PHOTO: dict[str, Any] = {"data": str(Path(__file__).with_name("photo.png")), "device": "cpu"}
_PAIRS = _folder("pairs", 16, a=(5, 256, 3), b=(5, 256, 3))
_MAPS = _folder("maps", 16, images=(5, 256, 3), labels=(5, 3, 1))
UNPAIRED: dict[str, Any] = {
    "data": _folder("two-domains", trainA=(5, 256, 3), trainB=(3, 256, 3)),
    "size": 32,
    "batch_size": 2,
    "device": "cpu",
}
PAIRED: dict[str, Any] = {"data": f"pairs:{_PAIRS}", "size": 16, "batch_size": 2, "device": "cpu"}
MAPPED: dict[str, Any] = {"data": f"pairs:{_MAPS}", "size": 16, "batch_size": 2, "device": "cpu"}
CAPTIONED: dict[str, Any] = {"data": _captioned(), "size": 16, "batch_size": 4, "device": "cpu"}
# What a recipe needs, by the word of its row in the table: data for runs, and the shapes that its game is tried with.
# Further facts of the data and entries of its batches are in test_recipes.py.
KINDS: dict[str, list[dict[str, Any]]] = {
    "points or images": [POINTS, IMAGES],
    "labelled points or images": [POINTS, IMAGES],
    "images": [IMAGES],
    "captioned images": [],
    "unpaired images": [UNPAIRED],
    "one image": [PHOTO],
    "paired images": [PAIRED],
    "images with label maps": [MAPPED],
}
CASES = [(name, kind) for name, row in RECIPES.items() for kind in KINDS[row.needs]]


def quick(monkeypatch):
    """A fixture: few samples, no pictures of them, which are slow, and each data set loaded once."""
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    monkeypatch.setattr("sparring.tasks.generation.POINTS", 16)
    monkeypatch.setattr("sparring.runs.run.load_data", cache(data.load))


SMALL = {"networks": {"latent": 8, "width": 8}, "latent": 8, "width": 8, "units": 8, "cardinality": 2, "generators": 2}
SMALL |= {"blocks": 1, "pool": 3, "rounds": 2, "smallest": 11, "features_size": 64, "head_width": 8, "pixels": 8}


def tiny(name: str) -> dict[str, Any]:
    """Arguments that make a recipe's networks small."""
    return {key: value for key, value in SMALL.items() if key in signature(recipe(name)).parameters}


def start(folder, name: str = "nsgan", kind: dict[str, Any] = POINTS, **settings: Any) -> Run:
    """The command that makes a run, and that resumes it."""
    return Run.create(folder, name, **{"arguments": tiny(name), **kind, **settings})


def play(run: Run, steps: int, **settings: Any) -> Run:
    """Train up to `steps`."""
    for _ in run.fit(steps, **settings):
        continue
    return run


def difference(one: Any, other: Any, path: str = "") -> str:
    """Name the first place where two states differ in any bit; empty if nowhere."""
    if isinstance(one, Tensor):
        same = isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
        return "" if same else path
    if isinstance(one, dict):
        if list(one) != list(other):
            return f"{path}: {list(one)} against {list(other)}"
        return next((found for key in one if (found := difference(one[key], other[key], f"{path}/{key}"))), "")
    if isinstance(one, (list, tuple)):
        if len(one) != len(other):
            return path
        pairs = enumerate(zip(one, other, strict=True))
        return next((found for i, (a, b) in pairs if (found := difference(a, b, f"{path}/{i}"))), "")
    return "" if type(one) is type(other) and one == other else f"{path}: {one!r} against {other!r}"


class Failing(Game):
    """A game whose critic's term, or weight, stops being finite at a step."""

    def __init__(self, at: int, weight: bool) -> None:
        super().__init__()
        self.G, self.D = MLPGenerator((2,), 2, 4), MLPCritic((2,), 4)
        self.at, self.weight = at, weight

    def players(self) -> dict[str, torch.optim.Optimizer]:
        return {"D": adam(self.D, lr=1e-3)}

    def round(self, data: Data, step: int) -> Iterator[Move]:
        x, *_ = next(data)
        score = self.D(x).mean()
        yield Move("D", healthy=score * 0, score=score * (torch.nan if step == self.at and not self.weight else 1))
        if step == self.at and self.weight:
            self.D.head.bias.data.fill_(torch.inf)


def failing(shape: tuple[int, ...], *, at: int = 3, weight: bool = False) -> Failing:
    """A recipe that diverges after `at` good steps."""
    return Failing(at, weight)


class Sleepy(Failing):
    """A game whose fourth step takes a minute."""

    def round(self, data: Data, step: int) -> Iterator[Move]:
        if step == 3:
            Path(os.environ["ASLEEP"]).touch()
            time.sleep(60)
        yield from super().round(data, step)


def sleepy(shape: tuple[int, ...]) -> Sleepy:
    """A recipe with one long step."""
    return Sleepy(-1, False)


def unannounced(shape, *, seed=0):
    """A function without a return annotation."""
    return nsgan(shape)


def after_a_stop(build: Callable[[], Game], batches: Callable[[], Data]) -> str:
    """Name the first place where a game that was stopped after two of four steps differs from one that was not."""
    straight, stopped, resumed = build(), build(), build()
    for _ in train(straight, batches(), 4):
        continue
    data, players, fresh = batches(), stopped.players(), resumed.players()
    for _ in train(stopped, data, 2, players=players):
        continue
    resumed.load_state_dict(stopped.state_dict())
    for name, player in fresh.items():
        player.load_state_dict(players[name].state_dict())
    for _ in train(resumed, data, 4, start=2, players=fresh):
        continue
    return difference(dict(straight.state_dict()), dict(resumed.state_dict()))
