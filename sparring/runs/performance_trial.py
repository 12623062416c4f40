"""Trial of the performance options on a game of a user, which leaves out those that fail or change its results.

Copies of the game run the first round, and the first of each stage, on a few rows: once without any option, once with
all options that are to be chosen. Terms of every move, all gradients (with second derivatives of penalties), and
samples are compared. Where something fails or differs, each option is tried alone, network by network, and those that
fail or differ are left out. Both runs draw the same random numbers, in full precision; in a lower precision the trial
only tests that the round runs. Rounding can move a rectifier across its kink, which changes a gradient by far more than
rounding, but only by chance: what differs is tried on other rows and random numbers, and is left out if it differs on
all of them.

A network that fails channels-last may only view a tensor in the order of a contiguous one, as ``h.view(len(h), -1)``
does after the last convolution. So the output of the module that finished last before the failure is made contiguous,
and the network is tried again, as long as another module is found. The layers before it then stay channels-last.

Only copies run, and torch's generators are restored, so the training does not depend on whether there was a trial.
Games of this library's recipes are not tried, since tests do so for all of them.

The run without options also tests that networks return values of the expected shape and range
(`sparring.training.output_checks`), with ``--fast off`` as well.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from sparring._types import Settings
from sparring.abilities import SupportsSampling
from sparring.data import Dataset, Stream
from sparring.errors import SparringError
from sparring.game import Data, Game, Move, evaluation_mode
from sparring.layers.upsample_fusion import fused_upsampling
from sparring.objectives.double_backward import plain_double_backward
from sparring.recipes import RECIPES
from sparring.rng import turn_rng
from sparring.runs.config import RunConfig
from sparring.runs.performance import PerformanceOptions
from sparring.training import distributed
from sparring.training.output_checks import OutputChecks
from sparring.training.trainer import Players, trainable_parameters, update

__all__ = ["choose_options", "safe_options", "try_options"]

ROWS = 4  # of a batch of the trial
DRAWS = 3  # of rows and random numbers
TOLERANCE = 1e-3  # of the norm of all numbers of a kind; over our recipes rounding makes at most 3.3e-6
FLOORS = {
    "terms": 1.0,
    "gradients": 1e-6,
    "samples": 1e-6,
    "steps": 1e-12,
}  # smallest scales, on average
PLAIN = PerformanceOptions("off")
NOTHING: Settings = {
    "channels_last": (),
    "fused_optimizers": False,
    "fused_resampling": False,
    "fast_double_backward": False,
    "fused_upsampling": (),
    "contiguous_outputs": (),
}
VIEWS = 8  # outputs of a network that are made contiguous, at most
UNREPEATABLE = (
    "Two plays of the same step differ, so no resume is exact: draw only from torch's generators, and keep what a "
    "round remembers in registered buffers."
)
CHANGES, ELSEWHERE = "results change with it", "it fails in another process"

Numbers = list[tuple[str, list[Tensor]]]
"""Numbers of a run of the game in their order: their kind, and the tensors."""


def choose_options(
    config: RunConfig, setting: str, game: Game, dataset: Dataset
) -> tuple[PerformanceOptions, list[str]]:
    """Return the performance options of a run, and sentences for the user.

    Args:
        config: Configuration of the run; options that it names already are returned as they are.
        setting: A name of `sparring.runs.performance.SETTINGS`.
        game: On its device, as it was built; it is not changed.
        dataset: The rows to train on.

    Raises:
        SparringError: If the game cannot be played; the message names the reason.
    """
    if config.performance is not None:
        return config.performance, []
    chosen = PerformanceOptions.for_game(setting, game)
    if config.recipe in RECIPES:
        return chosen, []
    share = config.batch_size // (distributed.world_size() * config.grad_accum)
    for rows in sorted({min(share, ROWS), share}):
        try:
            return try_options(game, _batches(config, dataset, rows, game.device), chosen, config.autocast)
        except Exception as error:
            if rows < share:  # perhaps they are too few
                continue
            if isinstance(error, SparringError):
                raise
            if chosen != PLAIN:
                return replace(chosen, **NOTHING), [_note("everything", f"the first step fails ({_reason(error)})")]
    return replace(chosen, **NOTHING), []


def try_options(
    game: Game, data: Data, chosen: PerformanceOptions, precision: torch.dtype | None = None
) -> tuple[PerformanceOptions, list[str]]:
    """Return the options that do not fail and change results by rounding only, and sentences for the user.

    The sentences name what was left out and why, and what `sparring.training.output_checks` notes of the game.

    Args:
        game: On its device, as it was built; it is not changed.
        data: Endless batches on the same device, of which a few are used.
        chosen: Options to try.
        precision: Type of mixed precision. Default: full precision.

    Raises:
        Exception: Any exception of the game on the plain path.
    """
    cuda = game.device.type == "cuda"
    exact = torch.backends.cudnn.flags(allow_tf32=False) if cuda else nullcontext()
    with torch.random.fork_rng(devices=[game.device] if cuda else []), exact:
        return _Trial(game, data, precision).judged(chosen)


def safe_options(
    game: Game, data: Data, setting: str, precision: torch.dtype | None = None
) -> tuple[PerformanceOptions, list[str]]:
    """Return the options of a training and sentences for the user, as `try_options`; none if the game fails.

    Args:
        game: On its device, as it was built; it is not changed.
        data: Endless batches on the same device, of which a few are used.
        setting: A name of `sparring.runs.performance.SETTINGS`.
        precision: Type of mixed precision. Default: full precision.
    """
    chosen = PerformanceOptions.for_game(setting, game)
    try:
        return try_options(game, data, chosen, precision)
    except Exception:  # `sparring.check_game` names the broken rule
        return replace(chosen, **NOTHING), []


def _batches(config: RunConfig, dataset: Dataset, rows: int, device: torch.device) -> Data:
    rank, world = distributed.rank(), distributed.world_size()
    seed, mirror = config.seed, config.data.mirror
    return Stream(dataset, rows * world, seed=seed, rank=rank, world=world, mirror=mirror, device=device)


class _Trial:
    """Runs copies of a game and compares their numbers.

    Args:
        game: As for `try_options`, like the others.
        data: Endless batches.
        precision: Type of mixed precision, if any.
    """

    def __init__(self, game: Game, data: Data, precision: torch.dtype | None) -> None:
        self.game, self.precision = game, precision
        self.repeats: bool | None = None  # not known yet
        self.reels = [_Reel(data) for _ in range(DRAWS)]
        self.seen: tuple[str, ...] = ()
        self.expected = {0: self.played(PLAIN, 0, watched=True)}

    def judged(self, chosen: PerformanceOptions) -> tuple[PerformanceOptions, list[str]]:
        """Return the options that stay, and sentences about the others."""
        notes = list(self.seen)
        if chosen == PLAIN:
            return chosen, notes
        if chosen.fused_optimizers and (why := self.agreed(self.steps_differ())):
            chosen = replace(chosen, fused_optimizers=False)
            notes.append(_note("fused optimisers", why))
        if self.objection(chosen):
            chosen, more = self.sorted_out(chosen)
            notes += more
        return chosen, notes if self.repeats is not False else [*notes, UNREPEATABLE]

    def sorted_out(self, chosen: PerformanceOptions) -> tuple[PerformanceOptions, list[str]]:
        """Try each option alone and leave out those that fail."""
        bare, left = (
            replace(chosen, **{**NOTHING, "fused_optimizers": chosen.fused_optimizers}),
            dict[tuple[str, str], list[str]](),
        )
        kept = bare
        for words, alone in _choices(chosen):
            alone, why = self.with_views(alone)
            if why:
                what, _, network = words.partition(" for ")
                left.setdefault((what, why), []).append(network)
            else:
                kept = _both(kept, alone)
        names = {key: ", ".join(filter(None, networks)) for key, networks in left.items()}
        notes = [_note(f"{what} for {names[what, why]}" if names[what, why] else what, why) for what, why in left]
        if why := self.objection(kept):
            kept = bare
            notes.append(_note("everything but fused optimisers", why))
        return kept, notes

    def with_views(self, alone: PerformanceOptions) -> tuple[PerformanceOptions, str]:
        """Return an option, with contiguous outputs if channels-last tensors need them, and why it cannot stay."""
        trial, why = alone, self.objection(alone)
        while why not in ("", CHANGES) and alone.channels_last and len(trial.contiguous_outputs) < VIEWS:
            name = self.last_before_failure(trial)
            if not name or name in trial.contiguous_outputs:
                return alone, why
            trial = replace(trial, contiguous_outputs=(*trial.contiguous_outputs, name))
            if not (again := self.objection(trial)) or again == CHANGES:
                return trial, again
        return alone, why

    def last_before_failure(self, choice: PerformanceOptions) -> str:
        """Return the name of the module that returns last before a failure; empty if that differs by process."""
        modules, returned = dict(self.game.unwrapped.named_modules()), [""]

        with ExitStack() as stack:
            for name, module in modules.items():  # copies of the game have the same hooks
                stack.callback(module.register_forward_hook(_Noted(returned, name)).remove)
            failed = self.compared(choice, 0) not in ("", CHANGES) or self.fails(choice)
        place = list(modules).index(returned[0]) if failed else 0
        alike = distributed.all_reduce_max(place) == -distributed.all_reduce_max(-place)
        return returned[0] if failed and alike else ""

    def objection(self, choice: PerformanceOptions) -> str:
        """Return why options cannot stay, the same in all processes; empty if they can."""
        for draw in range(DRAWS):
            why = self.compared(choice, draw)
            worst = distributed.all_reduce_max(0 if not why else 1 if why == CHANGES else 2)
            if worst == 2:
                return why if why not in ("", CHANGES) else ELSEWHERE
            if worst == 0 or not self.repeatable():
                why = self.agreed(self.fails(choice))
                return why if why and not self.agreed(self.fails(PLAIN)) else ""
        return CHANGES

    def compared(self, choice: PerformanceOptions, draw: int) -> str:
        """Return how options fail, or that they change results; empty if they do neither."""
        if draw not in self.expected:
            self.expected[draw] = self.played(PLAIN, draw)
        try:
            found = self.played(choice, draw)
        except Exception as error:
            return _failure(error)
        return CHANGES if _differ(self.expected[draw], found) else ""

    def repeatable(self) -> bool:
        """Return whether the game gives the same numbers again without options; otherwise nothing can be compared."""
        if self.repeats is None:
            self.repeats = not distributed.all_reduce_max(int(_differ(self.expected[0], self.played(PLAIN, 0))))
        return self.repeats

    def agreed(self, why: str) -> str:
        """Return a reason if any process has one."""
        anywhere = distributed.all_reduce_max(int(bool(why)))
        return why or (ELSEWHERE if anywhere else "")

    def fails(self, choice: PerformanceOptions) -> str:
        """Return how a step fails in mixed precision; empty if it does not."""
        if self.precision is None:
            return ""
        try:
            self.played(choice, 0, self.precision)
        except Exception as error:
            return _failure(error)
        return ""

    def played(
        self, choice: PerformanceOptions, draw: int, precision: torch.dtype | None = None, watched: bool = False
    ) -> Numbers:
        """Run the first step, and the first of each stage, in a copy, and sample."""
        game, reel = copy.deepcopy(self.game), self.reels[draw].rewound()
        conventions = OutputChecks(game) if watched else None
        choice.apply(game)
        game.train()
        players, numbers = game.players(), Numbers()
        draws = _SameDraws()  # type: ignore[no-untyped-call]
        with fused_upsampling(map(game.unwrapped.get_submodule, game.folds)), draws:
            for step in sorted({0, *(stage.start for stage in game.stages())}):
                numbers += _round(game, players, reel, _Moment(draw, step, precision), conventions)
            if isinstance(game, SupportsSampling):
                with _drawing(game, _Moment(draw, 0), 0), _mixed(game, precision), evaluation_mode(game):
                    numbers.append(("samples", [game.sample(3)]))
                if conventions:
                    conventions.sampled(numbers[-1][1][0], self.reels[draw].seen[0])
        self.seen = conventions.notes() if conventions else self.seen
        return numbers

    def steps_differ(self) -> str:
        """Return why the optimisers cannot step by one kernel; empty if they can."""
        plain, fused = (self.stepped(PerformanceOptions("auto", fused_optimizers=how)) for how in (False, True))
        if isinstance(plain, str):  # as it will in any case
            return ""
        return fused if isinstance(fused, str) else CHANGES if _differ(plain, fused) else ""

    def stepped(self, choice: PerformanceOptions) -> Numbers | str:
        """Return by how much each player's step moves its parameters, for gradients of 1, or how it fails."""
        players, numbers = copy.deepcopy(self.game).players(), Numbers()
        choice.fuse(players.values())
        try:
            for player in players.values():
                before = [parameter.detach().clone() for parameter in trainable_parameters(player)]
                for parameter in trainable_parameters(player):
                    parameter.grad = torch.ones_like(parameter)
                player.step()
                pairs = zip(trainable_parameters(player), before, strict=True)
                numbers.append(("steps", [parameter.detach() - old for parameter, old in pairs]))
        except Exception as error:
            return _failure(error)
        return numbers


class _Noted:
    """A forward hook that notes the name of its module when the module returns, also in copies of it.

    Args:
        returned: One name, which is replaced.
        name: Name of the module.
    """

    def __init__(self, returned: list[str], name: str) -> None:
        self.returned, self.name = returned, name

    def __call__(self, module: nn.Module, inputs: object, output: object) -> None:
        self.returned[0] = self.name

    def __deepcopy__(self, memo: object) -> _Noted:
        return self


class _Moment(NamedTuple):
    """Seed, number and precision of a step."""

    seed: int
    step: int
    precision: torch.dtype | None = None


def _round(game: Game, players: Players, data: Data, now: _Moment, conventions: OutputChecks | None) -> Numbers:
    """Run one step without updates; return the terms and, of each first turn, the gradients."""
    numbers, moves_of_round, turn = Numbers(), game.round(data, now.step), 0
    moved: set[tuple[str, ...]] = set()
    while True:
        watching = conventions.watching() if conventions else nullcontext()
        with (
            _drawing(game, now, turn),
            _mixed(game, now.precision),
            plain_double_backward(game.plain_double_backward),
            watching,
        ):
            moves = next(moves_of_round, ())
        moves = (moves,) if isinstance(moves, Move) else moves
        if not moves:
            return numbers
        numbers.append(("terms", [term.detach() for move in moves for term in move.terms.values()]))
        kinds = tuple(f"{move.player}/{term}" for move in moves for term in move.terms)
        if kinds not in moved:
            update(moves, players, step=False)
            numbers += [("gradients", _gradients(trainable_parameters(players[move.player]))) for move in moves]
            moved.add(kinds)
        turn += 1


def _drawing(game: Game, now: _Moment, turn: int) -> AbstractContextManager[None]:
    rank, world = distributed.rank(), distributed.world_size()
    return turn_rng(now.seed, now.step, turn, shard=rank, num_shards=world, device=game.device)


def _mixed(game: Game, precision: torch.dtype | None) -> AbstractContextManager[object]:
    return torch.autocast(game.device.type, dtype=precision, enabled=precision is not None)


class _Reel:
    """Endless batches that can be read again from the start."""

    def __init__(self, data: Data) -> None:
        self.data: Data = data
        self.seen: list[tuple[Tensor, ...]] = []

    def rewound(self) -> Iterator[tuple[Tensor, ...]]:
        place = 0
        while True:
            if place == len(self.seen):
                self.seen.append(next(self.data))
            yield tuple(part.clone() for part in self.seen[place])
            place += 1


class _SameDraws(TorchDispatchMode):
    """Draws random numbers, such as those of dropout, in the order of a contiguous tensor in any memory layout."""

    def __torch_dispatch__(
        self,
        function: torch._ops.OpOverload,
        types: object,
        args: Sequence[Tensor] = (),
        kwargs: Settings | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in function.tags:
            return function(*args, **kwargs)
        given = tree_map_only(Tensor, lambda each: each.contiguous(), args)
        drawn = function(*given, **kwargs)
        if function._schema.is_mutable and given[0] is not args[0]:
            return args[0].copy_(drawn)
        return args[0] if function._schema.is_mutable else drawn


def _choices(chosen: PerformanceOptions) -> Iterator[tuple[str, PerformanceOptions]]:
    """Yield each option in words and alone."""
    for name in chosen.channels_last:
        yield f"channels-last for {name}", PerformanceOptions("auto", channels_last=(name,))
    for name in chosen.fused_upsampling:
        yield f"fused resampling for {name}", PerformanceOptions("auto", fused_upsampling=(name,))
    if chosen.fused_resampling:
        yield "fused resampling", PerformanceOptions("auto", fused_resampling=True)
    if chosen.fast_double_backward:
        yield "fast double backward", PerformanceOptions("auto", fast_double_backward=True)


def _both(one: PerformanceOptions, other: PerformanceOptions) -> PerformanceOptions:
    """Return the union of two sets of options."""
    return replace(
        one,
        channels_last=one.channels_last + other.channels_last,
        fused_upsampling=one.fused_upsampling + other.fused_upsampling,
        contiguous_outputs=tuple(dict.fromkeys(one.contiguous_outputs + other.contiguous_outputs)),
        fused_resampling=one.fused_resampling or other.fused_resampling,
        fast_double_backward=one.fast_double_backward or other.fast_double_backward,
    )


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    """Take the gradients of parameters."""
    gradients = [torch.zeros(()) if each.grad is None else each.grad.clone() for each in parameters]
    for parameter in parameters:
        parameter.grad = None
    return gradients


def _differ(expected: Numbers, found: Numbers) -> bool:
    """Return whether numbers differ by more than rounding."""
    if [(kind, len(each)) for kind, each in expected] != [(kind, len(each)) for kind, each in found]:
        return True
    return not all(_alike(kind, ours, theirs) for (kind, ours), (_, theirs) in zip(expected, found, strict=True))


def _alike(kind: str, expected: list[Tensor], found: list[Tensor]) -> bool:
    if [each.shape for each in expected] != [each.shape for each in found]:
        return False
    ours, theirs = (torch.cat([each.flatten().float() for each in side]) for side in (expected, found))
    finite = ours.isfinite()
    if not torch.equal(finite, theirs.isfinite()):
        return False
    ours, theirs = ours[finite], theirs[finite]
    size = max(ours.norm().item(), FLOORS[kind] * len(ours) ** 0.5)
    return bool((ours - theirs).norm().item() <= TOLERANCE * size)


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200].rstrip(".") or type(error).__name__


def _failure(error: Exception) -> str:
    return f"it fails with it ({_reason(error)})"


def _note(words: str, why: str) -> str:
    return f"--fast auto leaves out {words}: {why}."
