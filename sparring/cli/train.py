"""The commands that train: ``sparring train RECIPE``, whose flags depend on the recipe, and ``sparring resume``."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from sparring.cli.console import say, say_data, ticker, warn
from sparring.cli.estimate import tell
from sparring.cli.goals import FILE, FOREVER, USUAL, Goal, finish, remembered, require
from sparring.cli.options import Trust, parsed, with_recipe
from sparring.errors import SparringError
from sparring.recipes.importing import trust
from sparring.recipes.techniques import Aids

if TYPE_CHECKING:
    from sparring.runs.run import Run

__all__ = ["Goal", "Training", "describe", "farewell", "fit", "resume", "train"]

NO_AIDS = Aids()


@dataclass(frozen=True)
class Training:
    """What is asked of every training.

    Attributes:
        data: Name of a data set, path of a folder or zip of images or of an array file; unpaired:PATH, pairs:PATH,
            pictures:PATH or maps:PATH.
        goal: How far.
        aids: Training aids around the recipe's game.
        out: The run's folder; runs/RECIPE-DATA unless told. One that holds this run already is gone on with.
        seed: Decides everything random.
        batch: Rows of a batch over all processes; 64 images, 8 of two domains or 256 points unless told.
        parts: Play each batch in so many parts, for less memory.
        size: Height and width of images.
        channels: 1, 3 or 4.
        data_root: Where the standard data sets are; $SPARRING_DATA unless told.
        mirror: Flip every second image, on average, left to right.
        margin: Load images larger by so many pixels than the size, and cut a window out of each at random.
        bad_images: What to do with image files that cannot be read: error, or skip them and name them.
        hold_out: Share of the rows that is never trained on, for judges, such as 0.1.
        average: Decay of the averaged weights, which are sampled and scored; 0 for none.
        precision: fp32, or bf16 for automatic mixed precision.
        fast: Whatever makes a step faster here and changes it by rounding only: auto, or off for the plain path.
        device: cpu, cuda, cuda:N, mps or auto.
        dry_run: Say what would be done, and do nothing.
        plan: Play a few steps, say what the training would cost, and do nothing else.
        trust: A recipe module:function outside the library that a run may name; may be given several times.
    """

    data: str
    goal: Annotated[Goal, arg(name="")] = USUAL
    aids: Aids = NO_AIDS
    out: Path | None = None
    seed: int = 0
    batch: int | None = None
    parts: int = 1
    size: int | None = None
    channels: int | None = None
    data_root: Path | None = None
    mirror: bool = False
    margin: Annotated[int, arg(name="crop-margin")] = 0  # recipes have margins of their own
    bad_images: Literal["error", "skip"] = "error"
    hold_out: float = 0.0
    average: float = 0.999
    precision: Literal["fp32", "bf16"] = "fp32"
    fast: Literal["auto", "off"] = "auto"
    device: str = "auto"
    dry_run: bool = False
    plan: bool = False
    trust: Trust = ()

    def settings(self) -> dict[str, Any]:
        """Returns what `Run.create` asks for, but for the recipe."""
        beside = ("goal", "out", "dry_run", "plan", "bad_images", "trust")
        asked = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in beside}
        return {**asked, "skip_bad": self.bad_images == "skip"}


def train(words: list[str]) -> None:
    """Trains a recipe on data; the same words again resume, and a larger --steps extends.

    Args:
        words: The recipe's name, then flags: those of `Training` and those of the recipe.
    """
    if words and words[0] in ("-h", "--help"):
        say("usage: sparring train RECIPE [flags]     sparring train RECIPE --help shows the recipe's own flags, too")
        say()
        parsed(Training, words, "train RECIPE")
    if not words or words[0].startswith("-"):
        raise SparringError("Name the recipe first: `sparring train RECIPE --data DATA`; `sparring list` shows them.")
    from sparring.recipes import recipe
    from sparring.runs.run import Run

    name, *flags = words
    filled: Any = parsed(with_recipe(Training, recipe(name), name), flags, f"train {name}")
    given: Training = filled.given
    folder = given.out or Path("runs") / f"{name}-{Path(given.data).stem}".replace(":", ".")
    arguments = {field.name: getattr(filled.arguments, field.name) for field in fields(filled.arguments)}
    require(given.goal)
    trust(given.trust)
    if given.dry_run or given.plan:
        with TemporaryDirectory() as nowhere:
            known = folder if (folder / "run.json").exists() else Path(nowhere) / "run"
            describe(run := Run.create(known, name, arguments=arguments, begin=False, **given.settings()), folder)
            if given.plan:
                tell(run, finish(given.goal, run), images=bool(given.goal.kimg))
        say("This was a dry run: nothing was written.")
        return
    run = Run.create(folder, name, arguments=arguments, begin=False, **given.settings())
    fit(run, given.goal)
    farewell(run)


def resume(
    run: Annotated[Positional[Path], arg(metavar="RUN")],
    goal: Annotated[Goal, arg(name="")] = USUAL,
    data: str | None = None,
    data_root: Path | None = None,
    device: str = "auto",
) -> None:
    """Goes on with a run where it stopped, to the bit: with the goal it had before, unless told anew.

    Args:
        run: The run's folder.
        goal: How far.
        data: Where the data is now, if it has moved; its content must be the same. The new place is recorded.
        data_root: Where the standard data sets are, if they have moved.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.runs.run import Run

    opened = Run.open(run, device=device, data=data, data_root=data_root)
    goal = remembered(opened.home, goal)
    require(goal)
    fit(opened, goal)
    farewell(opened)


def fit(run: Run, goal: Goal) -> None:
    """Trains a run up to its goal, showing how it goes.

    Args:
        run: Opened.
        goal: How far.
    """
    from sparring.runs.run import conducted
    from sparring.training import distributed

    conducted(*_pace(run, goal)).require(run)
    if distributed.rank() > 0:
        for _ in _reports(run, goal):
            continue
        return
    with run.alone():
        _fit(run, goal)


def _fit(run: Run, goal: Goal) -> None:
    """Trains a run that no other process can train."""
    from sparring.visualization.images import opened

    describe(run, run.folder)
    told = len(run.notes)
    with opened(run.folder / FILE, run.home) as file:
        file.write(json.dumps(asdict(goal)).encode())
    images, aim = bool(goal.kimg), finish(goal, run)
    start = run.images if images else run.step
    if start >= aim:
        say(f"It is there already, at step {run.step}: give a larger --{'kimg' if images else 'steps'} to go on.")
        return
    try:
        with ticker(start, aim, run.game.stages()) as show:
            for report in _reports(run, goal):
                told = pass_on(run, told)
                show.tick(report, run.images if images else run.step)
                if run.judged and run.judged[-1]["step"] == run.step:
                    say(_verdict(run.judged[-1]))
        if (run.images if images else run.step) < aim:
            say(f"Patience is at its end: {goal.patience} judgements in vain; a larger --patience goes on.")
    except SystemExit:
        warn(f"Stopped at step {run.step} and saved: the same command goes on.")
        raise


def describe(run: Run, folder: Path) -> None:
    """Says what is trained, with how many parameters, on what, and where it goes.

    Args:
        run: Opened.
        folder: Where it goes.
    """
    from sparring.reports.run_report import parameters

    record, device = run.record, run.game.device
    players = ", ".join(f"{name} ({type(player).__name__})" for name, player in run.players.items())
    counts = ", ".join(
        f"{name} {parameters(network):,}" for name, network in run.game.core.named_children() if parameters(network)
    )
    say(f"{record['recipe']}: {type(run.game.core).__name__}, players {players}, parameters {counts}")
    if aids := record.get("aids"):
        say("aids: " + ", ".join(f"{name} {value}" for name, value in aids.items()))
    say_data(run.dataset, len(run.held_out) if run.held_out else 0)
    if stages := run.game.stages():
        last = stages[-1]
        say(f"stages: {len(stages)}, from {stages[0].name} to {last.name}; {last.end:,} steps in all")
    say(f"batch {record['batch']}, seed {record['seed']}, {record['precision']} on {device}")
    if run.fast:
        say(f"fast: {run.fast}")
    say(f"folder: {folder}" + (f", from step {run.step}" if run.step else ""))
    pass_on(run)


def pass_on(run: Run, told: int = 0) -> int:
    """Passes on what deserves a sentence, and returns how many there were.

    Args:
        run: Opened.
        told: How many were passed on before.
    """
    for note in run.notes[told:]:
        warn(f"note: {note}")
    return len(run.notes)


def farewell(run: Run) -> None:
    """Says where the pictures are and what to type next.

    Args:
        run: Trained.
    """
    from sparring.reports.run_report import commands
    from sparring.runs.early_stopping import best
    from sparring.training import distributed

    if distributed.rank() > 0:
        return
    if run.skipped:
        counts = ", ".join(f"{count} of {player}" for player, count in run.skipped.items())
        say()
        say(f"Moves that were skipped because they were not finite: {counts}.")
    if found := best(run.judged):
        say()
        say(f"The best checkpoint, `--checkpoint best`, is that of {_verdict(found | {'best': False})}")
    say()
    say(f"Pictures are in {run.folder / 'samples'}. What to type next:")
    for line in commands(run):
        say(f"  {line}")


def _verdict(row: dict[str, Any]) -> str:
    """Returns a judgement as a sentence."""
    beside = ", ".join(f"{name} {value:.4g}" for name, value in row.get("beside", {}).items())
    scores = f"{row['score']} {row['value']:.4g}" + (f" ({beside})" if beside else "")
    return f"step {row['step']}: {scores}{', the best so far' if row['best'] else ''}"


def _pace(run: Run, goal: Goal) -> tuple[Any, ...]:
    """Returns the arguments of `Run.fit`."""
    from sparring.runs import recovery

    steps = FOREVER if goal.kimg else finish(goal, run)
    pace = goal.save_every, goal.picture_every, goal.keep, goal.tensorboard
    return (steps, *pace, goal.judging(), recovery.named(goal.on_nan))


def _reports(run: Run, goal: Goal) -> Any:
    """Yields the reports of a run up to its goal."""
    steps, *rest = _pace(run, goal)
    names = ("save_every", "picture_every", "keep", "tensorboard", "judging", "remedy")
    pace: Any = dict(zip(names, rest, strict=True))
    if not goal.kimg:
        yield from run.fit(steps, **pace)
        return
    with closing(run.fit(steps, **pace)) as reports:  # type: ignore[type-var]  # closing it saves
        for report in reports:
            yield report
            if run.images >= finish(goal, run):
                return
