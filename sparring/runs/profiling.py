"""Estimate of time and memory of a training, from a few steps that are run and thrown away.

The requested settings are run, and alternatives: other batch sizes, the other precision, half and double the
width. Each option runs in a copy of its own. First each runs a warm-up step and one that counts, small batches first,
so that time and memory of larger ones are predicted before they are tried. An option that would not fit into memory, or
would take longer than the time that is left, is left out with that reason. Then the options take turns, one step each,
until the time is over, so that other load of the machine affects all of them equally.

The table shows the median of an option's steps and their quartiles. An option is called faster only if a paired t-test
over the turns finds it faster per image than the requested one. Time and memory of a batch size that was not run are
extrapolated linearly.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from itertools import pairwise

import torch

from sparring._io.memory import free_memory, peak_memory, reset_peak_memory, used_memory
from sparring._types import Settings
from sparring.evaluation.significance import one_sample_t_test
from sparring.runs.config import PRECISIONS, RunConfig
from sparring.runs.performance import release_freed_memory
from sparring.runs.state import TrainState
from sparring.training.trainer import train

__all__ = [
    "BatchProfile",
    "CostEstimate",
    "Option",
    "estimate_cost",
    "estimate_costs",
    "extrapolate_memory",
    "options",
    "p_value",
]

FITS = 0.8  # of the free memory: the rest is for sample grids, evaluations and other processes
WORTH = 1.1  # another option is mentioned if it is this many times as fast
SECONDS = 30.0  # of running steps
TURNS = 15  # largest number of steps of an option
FEW = 4  # steps of an option that is not compared with the requested one
LEVEL = 0.05  # of all tests together


@dataclass(frozen=True)
class Option:
    """Settings of a training to compare.

    Attributes:
        batch: Rows over all processes and accumulation steps.
        precision: ``fp32`` or ``bf16``.
        width: Width of the networks. Default: that of the run.
        work: Expected work and memory per row, in multiples of those of the run's networks.
        stage: Name of the stage, for a game of stages.
        start: First step of the stage.
    """

    batch: int
    precision: str
    width: int | None = None
    work: float = 1.0
    stage: str = ""
    start: int = 0

    @property
    def but_batch(self) -> Option:
        """The option without its batch size."""
        return replace(self, batch=0)


@dataclass(frozen=True)
class BatchProfile:
    """Time and memory of the steps of an option.

    Attributes:
        option: The option.
        parts: Gradient accumulation steps.
        times: Seconds of each step, by its turn.
        images: Rows of a step, over all players.
        memory: Peak in bytes beyond the use before the first step; None where the system does not report it.
        state: Size of a checkpoint in bytes.
    """

    option: Option
    parts: int
    times: dict[int, float]
    images: int
    memory: int | None
    state: int

    @property
    def batch(self) -> int:
        """Rows over all processes and parts."""
        return self.option.batch

    @property
    def seconds(self) -> float:
        """Median of the seconds of a step."""
        return statistics.median(self.times.values())

    @property
    def quartiles(self) -> tuple[float, float]:
        """Lower and upper quartile of the seconds of a step."""
        if len(self.times) < 2:
            return self.seconds, self.seconds
        low, _, high = statistics.quantiles(self.times.values(), n=4, method="inclusive")
        return low, high

    @property
    def speed(self) -> float:
        """Images a second."""
        return self.images / self.seconds


@dataclass(frozen=True)
class CostEstimate:
    """Estimate of time and memory of a training.

    Attributes:
        probes: Profiles of options, in the order in which they began.
        asked: The requested option; for a game of stages at its last stage.
        free: Free memory in bytes; None where the system does not report it.
        left_out: Why options were not run.
    """

    probes: tuple[BatchProfile, ...]
    asked: Option
    free: int | None
    left_out: dict[Option, str] = field(default_factory=dict)

    @property
    def alike(self) -> list[BatchProfile]:
        """Profiles that differ from the requested one by their batch size only, smallest first."""
        found = [probe for probe in self.probes if probe.option.but_batch == self.asked.but_batch]
        return sorted(found, key=lambda probe: probe.batch)

    @property
    def base(self) -> BatchProfile | None:
        """Profile to compare with: the requested one, or that of the largest smaller batch if it was left out."""
        return next((probe for probe in reversed(self.alike) if probe.batch <= self.asked.batch), None)

    def step(self) -> tuple[float, int] | None:
        """Return seconds and images of a requested step, extrapolated from a smaller batch if it was left out."""
        if base := self.base:
            rows = self.asked.batch
            return self.seconds(rows), round(base.images * rows / base.batch)
        return None

    def seconds(self, rows: int) -> float:
        """Extrapolate the time of a step from the two largest batches up to a batch size; from one, in proportion.

        Args:
            rows: Batch size, at least the smallest that was run.
        """
        *smaller, last = (probe for probe in self.alike if probe.batch <= rows)
        whole = last.seconds * rows / last.batch
        if not smaller:
            return whole
        slope = (last.seconds - smaller[-1].seconds) / (last.batch - smaller[-1].batch)
        return min(last.seconds + max(slope, 0.0) * (rows - last.batch), whole)

    def memory(self, rows: float) -> float | None:
        """Extrapolate the peak of memory in bytes to a number of rows in an accumulation step."""
        known = [(probe.batch / probe.parts, probe.memory) for probe in self.alike if probe.memory is not None]
        if len(known) == 1:  # what takes memory without any row is part of the state
            known = [(0, self.alike[0].state), *known]
        return extrapolate_memory(known, rows)

    def parts(self) -> int | None:
        """Return the accumulation steps with which the batch fits into memory, a power of two; None if none fits."""
        parts = 1
        while parts <= self.asked.batch:
            need = self.memory(self.asked.batch / parts)
            if need is None or self.free is None or need <= FITS * self.free:
                return parts
            parts *= 2
        return None

    def comparable(self, option: Option) -> bool:
        """Return whether an option has the same networks and at least a quarter of the requested batch.

        Args:
            option: The option.
        """
        near = self.base is None or option.batch >= self.base.batch // 4
        return near and (option.width, option.stage) == (self.asked.width, self.asked.stage)

    def faster(self) -> list[BatchProfile]:
        """Return the comparable options that are significantly faster per image."""
        if (base := self.base) is None:
            return []
        others = [probe for probe in self.probes if probe is not base and self.comparable(probe.option)]
        sure = [probe for probe in others if len(others) * p_value(base, probe) < LEVEL]
        return [probe for probe in sure if probe.speed > WORTH * base.speed]


def p_value(base: BatchProfile, other: BatchProfile) -> float:
    """Return the one-sided p-value of a paired t-test that another option is faster per image.

    The logarithms of seconds per image are paired by turn. The first turn is left out, since options did not alternate.

    Args:
        base: Profile of one option.
        other: Profile of another.
    """
    turns = sorted((base.times.keys() & other.times.keys()) - {0})
    gains = [math.log((base.times[t] / base.images) / (other.times[t] / other.images)) for t in turns]
    if (test := one_sample_t_test(gains, 0.0)) is None:
        return 1.0
    return test.p / 2 if test.t > 0 else 1 - test.p / 2


def estimate_cost(state: TrainState, *, seconds: float = SECONDS) -> CostEstimate:
    """Run a few steps of a training and of alternatives, in copies.

    Args:
        state: State of the run, which is not changed.
        seconds: Time of running steps.
    """
    *_, last = estimate_costs(state, seconds=seconds)
    return last


def estimate_costs(state: TrainState, *, seconds: float = SECONDS) -> Iterator[CostEstimate]:
    """Yield the estimate after each option that began or was left out, and after each turn; see `estimate_cost`.

    Args:
        state: State of the run, which is not changed.
        seconds: Time of running steps.
    """
    end, free = time.perf_counter() + seconds, free_memory(state.game.device)
    among, asked = options(state)
    trials, left_out = list[_Trial](), dict[Option, str]()

    def known() -> CostEstimate:
        return CostEstimate(tuple(trial.probe() for trial in trials), asked, free, dict(left_out))

    for option in among:
        if asked in left_out and option.but_batch != asked.but_batch and (base := known().base):
            option = replace(option, batch=base.batch)
        why = _refused(option, known(), end - time.perf_counter(), free_memory(state.game.device))
        try:
            if not why:
                trials.append(_Trial(state, option))
        except Exception as error:  # another batch or width may be none that this game can play
            if option == asked:
                raise
            why = str(error).strip().partition("\n")[0] or type(error).__name__
        left_out |= {option: why} if why else {}
        yield known()
    for turn in range(1, TURNS):
        for trial in trials:
            if turn >= FEW and not known().comparable(trial.option):
                continue
            if trial.probe().seconds < end - time.perf_counter():
                trial.play(turn)
        yield known()


def options(state: TrainState) -> tuple[list[Option], Option]:
    """Return the options to run, in their order, and which of them was requested.

    Args:
        state: State of the run, which is not changed.
    """
    config = state.config
    batch, parts, precision = config.batch_size, config.grad_accum, config.precision
    other = next(name for name in PRECISIONS if name != precision)
    if stages := state.game.stages():
        first, last = (
            Option(batch, precision, stage=stage.name, start=stage.start) for stage in (stages[0], stages[-1])
        )
        return list(dict.fromkeys([first, last, replace(last, precision=other)])), last
    asked, width = Option(batch, precision), _width(state)
    least = min(batch, 2 * parts)
    small, half = (max(batch // part // parts * parts, least) for part in (4, 2))
    narrow = [replace(asked, width=max(width // 2, 1), work=0.5)] if width else []
    wide = [replace(asked, width=2 * width, work=4.0)] if width else []
    smaller = [replace(asked, batch=rows) for rows in sorted({least, min(2 * least, batch), small})]
    others = [replace(asked, batch=rows) for rows in (half, 2 * batch)]
    found = [*smaller, asked, replace(asked, precision=other), *narrow, *others, *wide]
    return list(dict.fromkeys(found)), asked


def _width(state: TrainState) -> int | None:
    """Return the width of a run's networks; None where its recipe has none that can be set."""
    if (place := _wide(state.config.arguments)) is None:
        return None
    usual = signature(type(next(state.game.unwrapped.children()))).parameters.get("width")
    return place["width"] or (usual.default if usual and isinstance(usual.default, int) else None)


def _wide(arguments: Settings) -> Settings | None:
    """Return the settings that have a width, those of the recipe or those of its networks."""
    places = (arguments, arguments.get("networks"))
    return next((place for place in places if isinstance(place, dict) and "width" in place), None)


def _refused(option: Option, found: CostEstimate, left: float, free: int | None) -> str:
    """Return why an option is left out; empty if it is not."""
    if not any(probe.batch <= option.batch for probe in found.alike):
        return ""
    need = found.memory(option.batch / found.alike[0].parts)
    if need is not None and free is not None and option.work * need > FITS * free:
        return f"it would take about {option.work * need / 2**30:,.1f} GiB, and {free / 2**30:,.1f} GiB are free"
    step = option.work * found.seconds(option.batch)
    return f"a step would take about {step:,.0f} s, longer than is planned for" if 2 * step > left else ""


def extrapolate_memory(known: Sequence[tuple[float, int]], rows: float) -> float | None:
    """Extrapolate memory to another number of rows with the steepest slope of the known points.

    Args:
        known: Rows and bytes, in ascending order of rows.
        rows: Number of rows.

    Returns:
        Bytes, or None if unknown.

    >>> extrapolate_memory([(16, 100), (32, 180)], 64), extrapolate_memory([(16, 100)], 8), extrapolate_memory([], 8)
    (340.0, 50.0, None)
    """
    if not known:
        return None
    slopes = [(b - a) / (y - x) for (x, a), (y, b) in pairwise(known)] or [known[0][1] / known[0][0]]
    last, most = known[-1]
    return max(most + max(slopes) * (rows - last), 0.0)


class _Trial:
    """A copy of the training at step 0 that runs an option."""

    def __init__(self, state: TrainState, option: Option) -> None:
        device, config = state.game.device, _config(state.config, option)
        release_freed_memory()
        used = used_memory(device)
        self._state = TrainState.fresh(config, state.dataset, device)
        self.option, self._parts = option, config.grad_accum
        self._steps = train(
            self._state.game,
            self._state.stream,
            10**9,
            start=option.start,
            seed=config.seed,
            players=self._state.optimizers,
            ema=self._state.ema,
            grad_accum=config.grad_accum,
            precision=config.autocast,
        )
        self._times: dict[int, float] = {}
        reset_peak_memory(device)
        next(self._steps).scalars()  # warms up
        self.play(0)
        peak = peak_memory(device)
        self._memory = None if peak is None or used is None else max(peak - used, 0)

    def play(self, turn: int) -> None:
        """Run a step."""
        begun = time.perf_counter()
        report = next(self._steps)
        report.scalars()  # waits for the device
        self._times[turn], self._images = time.perf_counter() - begun, report.images

    def probe(self) -> BatchProfile:
        """Return time and memory of its steps so far."""
        kept = {
            name: value for name, value in self._state.state_dict().items() if name in ("game", "optimizers", "ema")
        }
        return BatchProfile(self.option, self._parts, dict(self._times), self._images, self._memory, _bytes(kept))


def _config(config: RunConfig, option: Option) -> RunConfig:
    """Return the configuration of a run that trains by an option."""
    arguments = config.arguments
    if option.width and (place := _wide(arguments)) is not None:
        wide = {**place, "width": option.width}
        arguments = wide if place is arguments else {**arguments, "networks": wide}
    return replace(config, arguments=arguments, batch_size=option.batch, precision=option.precision)


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
