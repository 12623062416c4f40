"""The commands that train: ``sparring train RECIPE``, whose flags depend on the recipe, and ``sparring resume``."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from tyro.conf import Positional, arg

from sparring._io.folder import Folder
from sparring._types import JsonObject
from sparring.cli.console import clock, progress, say, say_data, show_table, warn
from sparring.cli.options import (
    Device,
    ImageSize,
    Trust,
    fit_of,
    flag_of,
    given_values,
    parse_height_and_width,
    parsed,
    with_recipe,
)
from sparring.errors import RunError, SparringError
from sparring.recipes.importing import trust
from sparring.recipes.techniques import Techniques

if TYPE_CHECKING:
    from sparring.runs.config import RunConfig
    from sparring.runs.early_stopping import EarlyStopping
    from sparring.runs.loop import FitOptions
    from sparring.runs.profiling import BatchProfile, CostEstimate, Option
    from sparring.runs.run import Run

__all__ = ["Goal", "Training", "advice", "describe", "farewell", "fit", "resume", "train"]

STEPS = 10_000  # default
LONGEST = 10**12  # steps, thousands of images, minutes or hours
LENGTHS = ("steps", "kimg", "minutes", "hours")
FILE = "fit.json"  # in the run's folder: the length of the training, for `resume`


@dataclass(frozen=True)
class Goal:
    """The length of a training, and its outputs.

    Attributes:
        steps: Step at which to end, counted from the start of the run. Default: 10,000, or all stages.
        kimg: Thousands of images at which to end, instead of steps.
        minutes: Minutes of training at which to end, instead of steps. The time between a stop and the same command
            again does not count.
        hours: Hours of training at which to end, instead of steps.
        save_every: Steps between checkpoints. Default: about a tenth of the training.
        sample_every: Steps between grids of samples. Default: about a tenth of the training.
        keep_checkpoints: Number of checkpoints that are kept.
        tensorboard: Write TensorBoard events.
        eval_every: Thousands of images between evaluations of the averaged generator against held-out data; the best
            checkpoint is kept. Default: no evaluation.
        eval_metric: Metric whose first score selects the best checkpoint. Default: frechet for images, sliced for
            points.
        patience: Number of evaluations without improvement after which training stops. Default: never.
        anneal: Share of the training, counted from its end, over which all learning rates fall linearly to zero, such
            as 0.3; 0 for none. Default: from the data.
        on_nan: Policy for a loss, gradient or weight that is not finite. stop: stop; rollback:N: roll back to the last
            scheduled checkpoint with a new random stream, at most N times; skip: skip the update and count it.
    """

    steps: int | None = None
    kimg: float | None = None
    minutes: float | None = None
    hours: float | None = None
    save_every: int | None = None
    sample_every: int | None = None
    keep_checkpoints: int = 2
    tensorboard: bool = False
    eval_every: float | None = None
    eval_metric: str = ""
    patience: int | None = None
    on_nan: str = "stop"
    anneal: float | None = None

    @property
    def seconds(self) -> float | None:
        """Time at which to end, if it is given."""
        if self.hours is not None:
            return 3600 * self.hours
        return None if self.minutes is None else 60 * self.minutes

    def judging(self) -> EarlyStopping | None:
        """Return the settings of evaluation during training, or None without it."""
        from sparring.runs.early_stopping import EarlyStopping

        if self.eval_every is None:
            return None
        return EarlyStopping(self.eval_every, self.eval_metric, self.patience)


USUAL = Goal()


def finish(goal: Goal, run: Run) -> float:
    """Return the end of a training: seconds or images if they are given, else steps.

    Args:
        goal: The length of the training.
        run: The run; by default all stages of its game are played.
    """
    if goal.seconds is not None:
        return goal.seconds
    usual = max((stage.end for stage in run.game.stages()), default=STEPS)
    return math.ceil(goal.kimg * 1000) if goal.kimg else goal.steps or usual


def reached(goal: Goal, run: Run) -> float:
    """Return how far a training is, in the unit of `finish`.

    Args:
        goal: The length of the training.
        run: The run.
    """
    return run.seconds if goal.seconds is not None else run.images if goal.kimg else run.step


def require(goal: Goal) -> None:
    """Refuse a length that cannot be trained.

    Args:
        goal: As given.

    Raises:
        RunError: With the flag and the remedy.
    """
    from sparring.runs.recovery import NonFinitePolicy

    NonFinitePolicy.parse(goal.on_nan)
    given = [f"--{name}" for name in LENGTHS if getattr(goal, name) is not None]
    if len(given) > 1:
        raise RunError(f"{' and '.join(given)} all set the length of the training: give one of them.")
    if goal.eval_every is None and (goal.eval_metric or goal.patience is not None):
        raise RunError("--eval-metric and --patience need an interval: give --eval-every, in thousands of images.")
    if goal.anneal is not None and not 0 <= goal.anneal <= 1:
        raise RunError(f"--anneal is {goal.anneal}: give a share of the training, from 0 to 1.")
    for name in LENGTHS:
        value = getattr(goal, name)
        if value is not None and not 0 < value < LONGEST:
            raise RunError(f"--{name} is {value}: give a number above 0.")


def remembered(folder: Path | Folder, goal: Goal) -> Goal:
    """Return the length of a training; settings that are not given are read from the run.

    Args:
        folder: The run's.
        goal: As given.

    Raises:
        RunError: If the length is neither given nor recorded.
    """
    asked = {name: value for name, value in asdict(goal).items() if value != getattr(Goal(), name)}
    far = set(LENGTHS) & set(asked)
    try:
        before = _wellformed(json.loads(Folder.open(folder).read(FILE)))
        return Goal(**{**before, **(dict.fromkeys(LENGTHS) if far else {}), **asked})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        if far:
            return goal
        path = folder.path if isinstance(folder, Folder) else folder
        where = shlex.quote(str(path))
        raise RunError(f"{path} holds no length of the training: use `sparring resume {where} --steps N`.") from None


def _wellformed(goal: JsonObject) -> JsonObject:
    """Return a recorded length if each of its values has the type of its flag."""
    hints = get_type_hints(Goal)
    for name, value in goal.items():
        kinds = get_args(hints[name]) or (hints[name],)
        whole = type(value) is int and float in kinds
        if type(value) not in kinds and not whole:
            raise TypeError(name)
    return goal


NO_TECHNIQUES = Techniques()
MOST_USED = (
    "data",
    "out",
    "size",
    "steps",
    "batch_size",
    "width",
    "seed",
    "eval_every",
    "device",
    "estimate",
)  # the flags that --help shows


@dataclass(frozen=True)
class Training:
    """Train a recipe on data, into a run folder. The same command resumes; a larger --steps extends the training.

    Attributes:
        data: Name of a data set, or path of a folder, zip or array file; unpaired:PATH, pairs:PATH, pictures:PATH or
            maps:PATH for several domains.
        goal: Length of the training.
        techniques: Training techniques around the recipe's game.
        out: The run's folder; an existing run with the same settings is resumed. Default: runs/RECIPE-DATA.
        seed: Seed of everything random.
        defaults: Settings that are not given. data: those that follow the data and the length of the training, see
            docs/how-to/settings.md; paper: those of the recipe's paper.
        batch_size: Rows of a batch, over all processes. Default: 64 images, 8 of two domains, 256 points, or from the
            data.
        grad_accum: Number of parts in which the gradients of a batch are accumulated, to save memory.
        size: Height and width of images in pixels, such as 64 for squares, or 64x48 for 64 high and 48 wide.
            Default: that of the data.
        fit: How pictures of other proportions get the size: crop takes the central part, pad adds a border, stretch
            changes their proportions.
        pad_colour: Colour of the border of --fit pad, a name or #rrggbb.
        channels: 1, 3 or 4. Default: that of the data.
        data_root: Folder of the standard data sets. Default: $SPARRING_DATA.
        mirror: Flip each image horizontally with probability 1/2.
        crop_margin: Pixels by which images are larger than the size before a random crop.
        skip_unreadable: Skip image files that cannot be read, and list them. Default: they are an error.
        hold_out: Share of the rows that is held out for evaluation, such as 0.1.
        ema_decay: Decay of the averaged weights, which are sampled and evaluated; 0 for none. Default: from the data,
            else 0.999.
        precision: fp32, or bf16 for automatic mixed precision.
        fast: Performance options, which change results by rounding only: auto, or off.
        device: The device.
        dry_run: Print what would be trained, and write nothing.
        estimate: Measure a few steps, print time and memory of the training, and write nothing.
        trust: Recipes module:function that a run may name.
    """

    data: Annotated[str, arg(metavar="DATA")]
    goal: Annotated[Goal, arg(name="")] = USUAL
    techniques: Annotated[Techniques, arg(name="")] = NO_TECHNIQUES
    out: Path | None = None
    seed: int = 0
    defaults: Literal["data", "paper"] = "data"
    batch_size: int | None = None
    grad_accum: int = 1
    size: ImageSize = None
    fit: Literal["crop", "pad", "stretch"] = "crop"
    pad_colour: Annotated[str, arg(metavar="COLOUR")] = "white"
    channels: int | None = None
    data_root: Path | None = None
    mirror: bool = False
    crop_margin: Annotated[int, arg(name="random-crop")] = 0
    skip_unreadable: bool = False
    hold_out: float = 0.0
    ema_decay: float | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    fast: Literal["auto", "off"] = "auto"
    device: Device = "auto"
    dry_run: bool = False
    estimate: bool = False
    trust: Trust = ()

    def settings(self) -> JsonObject:
        """Return the arguments of `Run.create`, without the recipe, its arguments and techniques."""
        beside = ("goal", "techniques", "out", "pad_colour", "dry_run", "estimate", "trust")
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in beside}
        return given | {"size": parse_height_and_width(self.size), "fit": fit_of(self.fit, self.pad_colour)}


def train(words: list[str]) -> None:
    """Train a recipe on data; the same words again resume, and a larger --steps extends.

    Args:
        words: The recipe's name, then flags: those of `Training` and those of the recipe.
    """
    if words and words[0] in ("-h", "--help", "--help-all"):
        parsed(Training, words, "train RECIPE", MOST_USED)
    if not words or words[0].startswith("-"):
        raise SparringError("Name the recipe first: `sparring train RECIPE --data DATA`; `sparring list` shows them.")
    from sparring.recipes import recipe
    from sparring.runs.run import Run

    name, *flags = words
    filled: Any = parsed(with_recipe(Training, recipe(name), name), flags, f"train {name}", MOST_USED)
    given: Training = filled.given
    folder = given.out or Path("runs") / f"{name}-{Path(given.data).stem}".replace(":", ".")
    require(given.goal)
    trust(given.trust)
    settings = given.settings() | {
        "arguments": given_values(filled.arguments, flags),
        "techniques": given_values(given.techniques, flags),
        "length": _length(given.goal),
    }
    if given.dry_run or given.estimate:
        with TemporaryDirectory() as nowhere:
            known = folder if (folder / "run.json").exists() else Path(nowhere) / "run"
            run = Run.create(known, name, begin=False, **settings)
            describe(run, folder, written=False)
            if given.estimate:
                tell(run, given.goal)
        say("This was a dry run: nothing was written.")
        return
    run = Run.create(folder, name, begin=False, **settings)
    fit(run, annealed(given.goal, run, given.defaults))
    farewell(run)


def resume(
    run: Annotated[Positional[Path], arg(metavar="RUN")],
    goal: Annotated[Goal, arg(name="")] = USUAL,
    data: str | None = None,
    data_root: Path | None = None,
    device: Device = "auto",
) -> None:
    """Resume a run where it stopped, bit by bit. Default: to the end that it was given before.

    Args:
        run: The run's folder.
        goal: Length of the training.
        data: New place of the data if it has moved; its content must be the same. The new place is recorded.
        data_root: New folder of the standard data sets if they have moved.
        device: The device.
    """
    from sparring.runs.run import Run

    opened = Run.open(run, device=device, data=data, data_root=data_root)
    goal = remembered(opened.home, goal)
    require(goal)
    fit(opened, goal)
    farewell(opened)


def fit(run: Run, goal: Goal) -> None:
    """Train a run to its end, and show the progress.

    Args:
        run: Opened.
        goal: Length of the training.
    """
    from sparring.training import distributed

    run.require(_fit_options(run, goal))
    if distributed.rank() > 0:
        for _ in run.train(_fit_options(run, goal)):
            continue
        return
    with run.lock():
        _fit(run, goal)


def _fit(run: Run, goal: Goal) -> None:
    """Train a run that is locked by this process."""
    from sparring._io.folder import open_atomic
    from sparring.runs.early_stopping import patience_ended

    describe(run, run.folder)
    printed = len(run.notes)
    with open_atomic(run.folder / FILE, run.home) as file:
        file.write(json.dumps(asdict(goal)).encode())
    aim, start = finish(goal, run), reached(goal, run)
    if start >= aim:
        say(_already(run, goal))
        return
    before = run.step
    try:
        with progress(done=start, total=aim, keep=True) as show:
            images_before = run.images
            for report in run.train(_fit_options(run, goal)):
                printed = pass_on(run, printed)
                position = reached(goal, run)
                if show.due(position):
                    speed = (run.images - images_before) / show.seconds
                    head = f"step {report.step}{_stage(run, report.step)}  {speed:,.0f} img/s"
                    terms = "  ".join(f"{name} {value:.4f}" for name, value in report.scalars().items())
                    show.update(position, head=head, tail=terms)
                if run.evaluations and run.evaluations[-1]["step"] == run.step:
                    say(_verdict(run.evaluations[-1]))
        if run.step == before:
            say(_already(run, goal))
        early = goal.patience is not None and patience_ended(run.evaluations, goal.patience)
        if early and reached(goal, run) < aim:
            say(f"Early stopping: no improvement in {goal.patience} evaluations. Increase --patience to continue.")
    except SystemExit:
        warn(f"Stopped at step {run.step} and saved: the same command resumes.")
        raise


def derived(config: RunConfig) -> list[str]:
    """Return a line for each setting that followed the data: its flag, its value, and the reason.

    Args:
        config: Configuration of the run.
    """
    from sparring.runs.sizing import at

    record, lines = config.to_json(), dict[str, list[str]]()
    for path, reason in config.derived.items():
        value = at(record, path)
        words = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        lines.setdefault(str(reason), []).append(f"{flag_of(path)} {words}")
    return [f"from the data: {', '.join(settings)} ({reason})" for reason, settings in lines.items()]


def annealed(goal: Goal, run: Run, defaults: str) -> Goal:
    """Return the length of a training with its share of annealing, which a run keeps.

    Args:
        goal: As given.
        run: The run.
        defaults: ``data`` or ``paper``.
    """
    from sparring.recipes.sizing import annealed_share

    if goal.anneal is not None:
        return goal
    try:
        before = _wellformed(json.loads(Folder.open(run.folder).read(FILE)))["anneal"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        before = None
    choice = annealed_share(run.config.recipe, run.config.data.facts.shape) if defaults == "data" else None
    share = before if before is not None else choice.value if choice else 0.0
    if choice and share and not run.step:
        run.notes.append(f"--anneal {share:g}: {choice.reason}.")
    return replace(goal, anneal=share)


def _length(goal: Goal) -> FitOptions:
    """Return the end of a training, which settings follow; without one, the usual number of steps."""
    from sparring.runs.loop import FitOptions

    if goal.seconds is not None:
        return FitOptions(seconds=goal.seconds)
    if goal.kimg:
        return FitOptions(images=math.ceil(goal.kimg * 1000))
    return FitOptions(steps=goal.steps or STEPS)


def _already(run: Run, goal: Goal) -> str:
    """Return that a run has reached the end of its length."""
    flag = next((name for name in LENGTHS if getattr(goal, name) is not None), "steps")
    spent = f", after {clock(run.seconds)} of training" if goal.seconds is not None else ""
    return f"The run is already at step {run.step}{spent}: give a larger --{flag} to continue."


def _stage(run: Run, step: int) -> str:
    """Return the stage of a step and how much of it is over; nothing if the game has no stages."""
    stages = run.game.stages()
    for stage in stages:
        if step <= stage.end or stage is stages[-1]:
            return f"  {stage.name}, {min(1.0, (step - stage.start) / (stage.end - stage.start)):.0%} of it"
    return ""


def describe(run: Run, folder: Path, *, written: bool = True) -> None:
    """Print the game, its parameters, its data and the run's folder.

    Args:
        run: Opened.
        folder: The run's folder.
        written: Whether the folder is written.
    """
    from sparring.reports.run_report import parameters

    config, device = run.config, run.game.device
    players = ", ".join(f"{name} ({type(player).__name__})" for name, player in run.optimizers.items())
    counts = ", ".join(
        f"{name} {parameters(network):,}"
        for name, network in run.game.unwrapped.named_children()
        if parameters(network)
    )
    say(f"{config.recipe}: {type(run.game.unwrapped).__name__}, players {players}, parameters {counts}")
    if techniques := config.techniques:
        say("techniques: " + ", ".join(f"{name} {value}" for name, value in techniques.items()))
    say_data(run.dataset, len(run.held_out) if run.held_out else 0)
    if stages := run.game.stages():
        last = stages[-1]
        say(f"stages: {len(stages)}, from {stages[0].name} to {last.name}; {last.end:,} steps in all")
    say(f"batch {config.batch_size}, seed {config.seed}, {config.precision} on {device}")
    say(f"fast: {run.performance}")
    for line in derived(config):
        say(line)
    note = f", from step {run.step}" if run.step else ""
    say(f"folder: {folder}{note if written else f'{note}, not written'}")
    pass_on(run)


def pass_on(run: Run, printed: int = 0) -> int:
    """Print the notes of a run, and return their number.

    Args:
        run: Opened.
        printed: Number of notes that were printed before.
    """
    for note in run.notes[printed:]:
        warn(f"note: {note}")
    return len(run.notes)


def farewell(run: Run) -> None:
    """Print where the samples are, and the next commands.

    Args:
        run: Trained.
    """
    from sparring.reports.next_steps import commands
    from sparring.runs.early_stopping import best
    from sparring.training import distributed

    if distributed.rank() > 0:
        return
    if run.skipped:
        counts = ", ".join(f"{count} of {player}" for player, count in run.skipped.items())
        say()
        say(f"Updates that were skipped because they were not finite: {counts}.")
    if found := best(run.evaluations):
        say()
        say(f"The best checkpoint, `--checkpoint best`, is that of {_verdict(found | {'best': False})}")
    say()
    say(f"Samples are in {run.folder / 'samples'}. Next steps:")
    for line in commands(run):
        say(f"  {line}")


def _verdict(row: JsonObject) -> str:
    """Return an evaluation as a line of text."""
    beside = ", ".join(f"{name} {value:.4g}" for name, value in row.get("beside", {}).items())
    scores = f"{row['score']} {row['value']:.4g}" + (f" ({beside})" if beside else "")
    return f"step {row['step']}: {scores}{', the best so far' if row['best'] else ''}"


def _fit_options(run: Run, goal: Goal) -> FitOptions:
    """Return the options of a training."""
    from sparring.runs.loop import FitOptions
    from sparring.runs.recovery import NonFinitePolicy

    return FitOptions(
        None if goal.kimg or goal.seconds is not None else round(finish(goal, run)),
        images=round(finish(goal, run)) if goal.kimg else None,
        seconds=goal.seconds,
        anneal=goal.anneal or 0.0,
        save_every=goal.save_every,
        sample_every=goal.sample_every,
        keep_checkpoints=goal.keep_checkpoints,
        tensorboard=goal.tensorboard,
        early_stopping=goal.judging(),
        on_nonfinite=NonFinitePolicy.parse(goal.on_nan),
    )


def tell(run: Run, goal: Goal) -> None:
    """Measure steps of a run, and of alternatives, in copies, and print the cost of the training.

    Each row is printed when it was first measured; at the end, or at Ctrl-C, the medians of all.

    Args:
        run: As it would be trained; it is left as it is.
        goal: Length of the training.

    Raises:
        KeyboardInterrupt: After Ctrl-C, once the results so far are printed.
    """
    from sparring.runs.profiling import SECONDS, estimate_costs

    say(f"Measuring steps for about {SECONDS:g} s; Ctrl-C ends this with the results so far.")
    found: CostEstimate | None = None
    try:
        for later in estimate_costs(run.state):
            for line in _news(found, later):
                say(line)
            found = later
    except KeyboardInterrupt:
        say("Stopped." if found and found.probes else "Stopped before anything was measured.")
        if found and found.probes:
            _conclude(found, finish(goal, run), goal)
        raise
    if found:
        _conclude(found, finish(goal, run), goal)


def _news(before: CostEstimate | None, now: CostEstimate) -> list[str]:
    """Return lines on the options begun or left out since."""
    begun = now.probes[len(before.probes) if before else 0 :]
    lines = [
        f"{_named(it.option)}: {_milliseconds(it.seconds)} a step, {it.speed:,.1f} images/s, {_size(it.memory)}"
        for it in begun
    ]
    known = before.left_out if before else {}
    return lines + [f"{_named(option)}: left out, {why}" for option, why in now.left_out.items() if option not in known]


def _conclude(found: CostEstimate, aim: float, goal: Goal) -> None:
    """Print the medians of all steps, the time of the whole training, and advice."""
    say()
    say("Medians of the steps in turns, and their quartiles:")
    show_table(["", "steps", "a step", "quartiles", "images/s", "memory"], [_row(probe) for probe in found.probes])
    if step := found.step():
        seconds, rows = step
        rounds = math.ceil(aim / seconds if goal.seconds is not None else aim / rows if goal.kimg else aim)
        base = found.base
        more = f", extended from batch {base.batch}" if base and base.batch != found.asked.batch else ""
        most = "at most " if found.asked.stage else ""
        say(
            f"Time: {most}about {clock(rounds * seconds)} for {rounds:,} steps of {rows:,} images{more}, "
            "without samples and evaluations."
        )
    say(f"A checkpoint takes about {_size(found.probes[0].state)}; --keep-checkpoints sets how many are kept.")
    for line in advice(found):
        say(line)


def advice(found: CostEstimate) -> list[str]:
    """Return a sentence for each option that costs less, or that is needed to fit into memory.

    Args:
        found: The measurements.
    """
    lines, parts = [], found.parts()
    if parts is None:
        lines.append("No part of this batch fits into memory: use smaller images or a smaller --width.")
    elif parts > 1:
        lines.append(f"The batch does not fit into memory ({_size(found.free)} are free): use --grad-accum {parts}.")
    base = found.base
    for better in sorted(found.faster(), key=lambda probe: -probe.speed):
        assert base is not None
        times = better.speed / base.speed
        if better.option.precision != found.asked.precision:
            lines.append(f"--precision {better.option.precision} would be {times:.1f} times as fast.")
        elif base.option == found.asked:
            lines.append(
                f"--batch-size {better.batch} would be {times:.1f} times as fast by the image, but is another "
                "training: the gradients of an update change, so rates may have to follow."
            )
    if not lines:
        several = base is not None and len(base.times) > 2 and len(found.probes) > 1
        few = "Too few steps were measured to compare options: nothing is recommended."
        lines.append("No option is faster beyond the spread of the steps." if several else few)
    return lines


def _named(option: Option) -> str:
    width = f", width {option.width}" if option.width else ""
    stage = f", {option.stage}" if option.stage else ""
    return f"batch {option.batch:,}, {option.precision}{width}{stage}"


def _row(probe: BatchProfile) -> list[str]:
    low, high = map(_milliseconds, probe.quartiles)
    named = _named(probe.option)
    return [
        named,
        str(len(probe.times)),
        _milliseconds(probe.seconds),
        f"{low} to {high}",
        f"{probe.speed:,.1f}",
        _size(probe.memory),
    ]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.3g} ms" if seconds < 0.1 else f"{1000 * seconds:,.0f} ms"


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
