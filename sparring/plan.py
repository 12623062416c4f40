"""What a training will cost, before it begins: a few steps are played and thrown away.

Time and memory of a step are measured at several batch sizes, smallest first, so that a batch that would not fit is
foretold by the smaller ones and never tried. What is shown is measured; only memory beyond the largest batch played is
extended along a straight line.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from sparring.record import Record
from sparring.run import Run
from sparring.session import PRECISIONS
from sparring.state import optimisers, stream, untrained
from sparring.trainer import train

__all__ = ["Plan", "Probe", "plan"]

FITS = 0.8  # of the free memory: the rest is for pictures, judges and whatever else the machine does
WORTH = 1.1  # times as many images a second make another batch worth a word
WARM = 2  # steps before the clock runs
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Probe:
    """What steps of one batch size cost.

    Attributes:
        batch: Rows over all processes and parts.
        parts: In which the batch is played.
        seconds: Of a step.
        images: Rows that a step draws, every player's together.
        memory: Bytes at the peak beyond what was held before any step; None where the system does not tell.
        state: Bytes of what a checkpoint keeps.
    """

    batch: int
    parts: int
    seconds: float
    images: int
    memory: int | None
    state: int

    @property
    def speed(self) -> float:
        """Images a second."""
        return self.images / self.seconds


@dataclass(frozen=True)
class Plan:
    """What a training will cost.

    Attributes:
        probes: What was played, smallest batch first; the one that was asked for is among them unless it does not fit.
        batch: The batch that was asked for.
        free: Bytes of memory that were free; None where the system does not tell.
    """

    probes: tuple[Probe, ...]
    batch: int
    free: int | None

    @property
    def asked(self) -> Probe | None:
        """The steps of the batch that was asked for, unless it does not fit."""
        return next((probe for probe in self.probes if probe.batch == self.batch), None)

    def memory(self, rows: float) -> float | None:
        """Foretells the bytes at the peak of a step with so many rows in a part."""
        known = [(probe.batch / probe.parts, probe.memory) for probe in self.probes if probe.memory is not None]
        return foretold(known, rows)

    def parts(self) -> int | None:
        """Returns in how many parts the batch fits into memory, at least 1; None if no power of two does."""
        parts = 1
        while parts <= self.batch:
            need = self.memory(self.batch / parts)
            if need is None or self.free is None or need <= FITS * self.free:
                return parts
            parts *= 2
        return None

    def faster(self) -> Probe | None:
        """Returns the batch that was seen to be clearly faster by the image than the one asked for, if any."""
        best = max(self.probes, key=lambda probe: probe.speed)
        return best if self.asked and best.speed > WORTH * self.asked.speed else None


def plan(run: Run, *, seconds: float = 3.0) -> Plan:
    """Plays a few steps at a quarter of the batch to its double, in copies; the run is left as it is.

    Args:
        run: As it would be trained.
        seconds: How long to play each batch; at least three steps are.
    """
    asked, parts, device = run.record["batch"], run.record["parts"], run.game.device
    free, held = _free(device), _held(device)
    probes: list[Probe] = []
    for batch in sorted({max(asked // 4 // parts, 1) * parts, max(asked // 2 // parts, 1) * parts, asked, 2 * asked}):
        known = [(probe.batch, probe.memory) for probe in probes if probe.memory is not None]
        need = foretold(known, batch)
        if need is not None and free is not None and need > FITS * free:
            break
        probes.append(_probe(run, {**run.record, "batch": batch}, seconds, held))
    return Plan(tuple(probes), asked, free)


def foretold(known: Sequence[tuple[float, int]], rows: float) -> float | None:
    """Extends memory to other numbers of rows: between and beyond what is known, by its steepest straight line.

    Args:
        known: Rows and bytes, in ascending order of rows.
        rows: To tell for.

    Returns:
        Bytes, or None where nothing is known.

    >>> foretold([(16, 100), (32, 180)], 64), foretold([(16, 100)], 8), foretold([], 8)
    (340.0, 50.0, None)
    """
    if not known:
        return None
    slopes = [(b - a) / (y - x) for (x, a), (y, b) in pairwise(known)] or [known[0][1] / known[0][0]]
    last, most = known[-1]
    return max(most + max(slopes) * (rows - last), 0.0)


def _probe(run: Run, settings: Record, seconds: float, held: int | None) -> Probe:
    """Plays fresh copies of game and players."""
    device, parts = run.game.device, settings["parts"]
    game, average = untrained(settings, device)
    players, batches = optimisers(settings, game), stream(settings, run.training, device)
    how: Any = {"seed": settings["seed"], "parts": parts, "precision": PRECISIONS[settings["precision"]]}
    _forget_peak(device)
    times, images, begun = 0, 0, 0.0
    for report in train(game, batches, 10**9, players=players, average=average, **how):
        report.scalars()  # waits for the device
        if report.step > WARM:
            times, images = times + 1, images + report.images
            if times > WARM and time.perf_counter() - begun >= seconds:
                break
        elif report.step == WARM:
            begun = time.perf_counter()
    spent, peak = time.perf_counter() - begun, _peak(device)
    kept = [game.state_dict(), *(player.state_dict() for player in players.values())]
    kept += [average.game.get_submodule(name).state_dict() for name in game.sampling()] if average else []
    memory = None if peak is None or held is None else max(peak - held, 0)
    return Probe(settings["batch"], parts, spent / times, round(images / times), memory, _bytes(kept))


def _held(device: torch.device) -> int | None:
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else _status("VmRSS")


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            CLEAR.write_text("5")


def _peak(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _status("VmHWM")


def _free(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    return None


def _status(name: str) -> int | None:
    """Returns a line of what Linux tells of this process, in bytes."""
    with suppress(OSError, StopIteration):
        return next(int(line.split()[1]) * 1024 for line in STATUS.read_text().splitlines() if line.startswith(name))
    return None


def _bytes(state: object) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in _tensors(state))


def _tensors(state: object) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict):
        for part in state.values():
            yield from _tensors(part)
    elif isinstance(state, (list, tuple)):
        for part in state:
            yield from _tensors(part)
