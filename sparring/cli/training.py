"""The commands that train: ``sparring train RECIPE``, whose flags depend on the recipe, and ``sparring resume``."""

from __future__ import annotations

import json
import math
import shlex
import sys
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from sparring.aids import Aids
from sparring.cli.flags import parsed, with_recipe
from sparring.cli.planning import tell
from sparring.cli.screen import say, ticker
from sparring.errors import RunError, SparringError

if TYPE_CHECKING:
    from sparring.run import Run
    from sparring.selection import Judging

__all__ = ["Goal", "Training", "describe", "farewell", "fit", "resume", "train"]

STEPS = 10_000  # unless told
NO_AIDS = Aids()
FOREVER = 10**12  # steps, where images are counted instead
GOAL = "goal.json"  # in the run's folder: how far to go, for a `resume` that does not say


@dataclass(frozen=True)
class Goal:
    """How far a training goes, and what it leaves on its way.

    Attributes:
        steps: Step to end at, counted from the start of the run; 10,000 unless told.
        kimg: Thousands of images to have seen at the end, in place of steps.
        save_every: Steps between two checkpoints; about a tenth of the training unless told.
        picture_every: Steps between two pictures; likewise.
        keep: How many checkpoints stay.
        tensorboard: Write TensorBoard's events, too.
        judge_every: Thousands of images between two judgements of the averaged generator against data that is held
            out; the best checkpoint is kept. None unless told.
        judge: Metric whose first score decides; frechet for images and sliced for points unless told.
        patience: So many judgements without a better score end the training.
    """

    steps: int | None = None
    kimg: float | None = None
    save_every: int | None = None
    picture_every: int | None = None
    keep: int = 2
    tensorboard: bool = False
    judge_every: float | None = None
    judge: str = ""
    patience: int | None = None

    def judging(self) -> Judging | None:
        """Returns when and how the training is judged, if it is."""
        from sparring.selection import Judging

        if self.judge_every is None:
            return None
        return Judging(self.judge_every, self.judge, self.patience)


@dataclass(frozen=True)
class Training:
    """What is asked of every training.

    Attributes:
        data: Name of a data set, path of a folder or zip of images or of an array file; unpaired:PATH or pairs:PATH.
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
        hold_out: Share of the rows that is never trained on, for judges, such as 0.1.
        average: Decay of the averaged weights, which are sampled and scored; 0 for none.
        precision: fp32, or bf16 for automatic mixed precision.
        device: cpu, cuda, cuda:N, mps or auto.
        dry_run: Say what would be done, and do nothing.
        plan: Play a few steps, say what the training would cost, and do nothing else.
    """

    data: str
    goal: Annotated[Goal, arg(name="")] = Goal()
    aids: Aids = NO_AIDS
    out: Path | None = None
    seed: int = 0
    batch: int | None = None
    parts: int = 1
    size: int | None = None
    channels: int | None = None
    data_root: Path | None = None
    mirror: bool = False
    margin: int = 0
    hold_out: float = 0.0
    average: float = 0.999
    precision: Literal["fp32", "bf16"] = "fp32"
    device: str = "auto"
    dry_run: bool = False
    plan: bool = False

    def settings(self) -> dict[str, Any]:
        """Returns what `Run.create` asks for, but for the recipe."""
        beside = ("goal", "out", "dry_run", "plan")
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in beside}


def train(words: list[str]) -> None:
    """Trains a recipe on data; the same words again resume, and a larger --steps extends.

    Args:
        words: The recipe's name, then flags: those of `Training` and those of the recipe.
    """
    if words and words[0] in ("-h", "--help"):
        say("usage: sparring train RECIPE [flags]     sparring train RECIPE --help shows the recipe's own flags, too\n")
        parsed(Training, words, "train RECIPE")
    if not words or words[0].startswith("-"):
        raise SparringError("Name the recipe first: `sparring train RECIPE --data DATA`; `sparring list` shows them.")
    from sparring.recipes import recipe
    from sparring.run import Run

    name, *flags = words
    filled: Any = parsed(with_recipe(Training, recipe(name), name), flags, f"train {name}")
    given: Training = filled.given
    folder = given.out or Path("runs") / f"{name}-{Path(given.data).stem}".replace(":", ".")
    arguments = {field.name: getattr(filled.arguments, field.name) for field in fields(filled.arguments)}
    _require_goal(given.goal)
    if given.dry_run or given.plan:
        with TemporaryDirectory() as nowhere:
            known = folder if (folder / "run.json").exists() else Path(nowhere) / "run"
            describe(run := Run.create(known, name, arguments=arguments, **given.settings()), folder)
            if given.plan:
                tell(run, _aim(given.goal), images=bool(given.goal.kimg))
        say("This was a dry run: nothing was written.")
        return
    run = Run.create(folder, name, arguments=arguments, **given.settings())
    fit(run, given.goal)
    farewell(run)


def resume(
    run: Annotated[Positional[Path], arg(metavar="RUN")],
    goal: Annotated[Goal, arg(name="")] = Goal(),
    data_root: Path | None = None,
    device: str = "auto",
) -> None:
    """Goes on with a run where it stopped, to the bit: with the goal it had before, unless told anew.

    Args:
        run: The run's folder.
        goal: How far.
        data_root: Where the standard data sets are, if they have moved.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.run import Run

    opened = Run.open(run, device=device, data_root=data_root)
    goal = _remembered(opened.folder, goal)
    _require_goal(goal)
    fit(opened, goal)
    farewell(opened)


def fit(run: Run, goal: Goal) -> None:
    """Trains a run up to its goal, showing how it goes.

    Args:
        run: Opened.
        goal: How far.
    """
    from sparring import parallel
    from sparring.pictures import opened

    if parallel.rank() > 0:
        for _ in _reports(run, goal):
            continue
        return
    describe(run, run.folder)
    with opened(run.folder / GOAL) as file:
        file.write(json.dumps(asdict(goal)).encode())
    images, aim = bool(goal.kimg), _aim(goal)
    start = run.images if images else run.step
    if start >= aim:
        say(f"It is there already, at step {run.step}: give a larger --{'kimg' if images else 'steps'} to go on.")
        return
    try:
        with ticker(start, aim) as show:
            for report in _reports(run, goal):
                show.tick(report, run.images if images else run.step)
                if run.judged and run.judged[-1]["step"] == run.step:
                    say(_verdict(run.judged[-1]))
        if (run.images if images else run.step) < aim:
            say(f"Patience is at its end: {goal.patience} judgements in vain; a larger --patience goes on.")
    except SystemExit:
        print(f"Stopped at step {run.step} and saved: the same command goes on.", file=sys.stderr)
        raise


def describe(run: Run, folder: Path) -> None:
    """Says what is trained, with how many parameters, on what, and where it goes.

    Args:
        run: Opened.
        folder: Where it goes.
    """
    from sparring.report import parameters

    record, device = run.record, run.game.device
    players = ", ".join(f"{name} ({type(player).__name__})" for name, player in run.players.items())
    counts = ", ".join(f"{name} {parameters(network):,}" for name, network in run.game.core.named_children())
    say(f"{record['recipe']}: {type(run.game.core).__name__}, players {players}, parameters {counts}")
    if aids := record.get("aids"):
        say("aids: " + ", ".join(f"{name} {value}" for name, value in aids.items()))
    held = f", {len(run.held_out):,} of them held out" if run.held_out else ""
    say(f"data: {run.dataset.name}, {len(run.dataset):,} rows of shape {tuple(run.dataset.shape)}{held}")
    say(f"batch {record['batch']}, seed {record['seed']}, {record['precision']} on {device}")
    say(f"folder: {folder}" + (f", from step {run.step}" if run.step else ""))
    for note in run.notes:
        print(f"note: {note}", file=sys.stderr)


def farewell(run: Run) -> None:
    """Says where the pictures are and what to type next.

    Args:
        run: Trained.
    """
    from sparring import parallel
    from sparring.report import commands
    from sparring.selection import best

    if parallel.rank() > 0:
        return
    if found := best(run.judged):
        say(f"\nThe best checkpoint, `--checkpoint best`, is that of {_verdict(found | {'best': False})}")
    say(f"\nPictures are in {run.folder / 'samples'}. What to type next:")
    for line in commands(run.folder, run.step):
        say(f"  {line}")


def _verdict(row: dict[str, Any]) -> str:
    """Returns a judgement as a sentence."""
    return f"step {row['step']}: {row['score']} {row['value']:.4g}{', the best so far' if row['best'] else ''}"


def _reports(run: Run, goal: Goal) -> Any:
    """Yields the reports of a run up to its goal."""
    names = ("save_every", "picture_every", "keep", "tensorboard")
    pace: Any = {name: getattr(goal, name) for name in names} | {"judging": goal.judging()}
    if not goal.kimg:
        yield from run.fit(_aim(goal), **pace)
        return
    with closing(run.fit(FOREVER, **pace)) as reports:  # type: ignore[type-var]  # closing it saves
        for report in reports:
            yield report
            if run.images >= _aim(goal):
                return


def _aim(goal: Goal) -> int:
    """Returns where to end, in images where they are counted, else in steps."""
    return math.ceil(goal.kimg * 1000) if goal.kimg else goal.steps or STEPS


def _require_goal(goal: Goal) -> None:
    if goal.steps is not None and goal.kimg is not None:
        raise RunError("Both --steps and --kimg say how far to go: give one of them.")
    if goal.judge_every is None and (goal.judge or goal.patience is not None):
        raise RunError("--judge and --patience need to know when to judge: give --judge-every, in thousands of images.")
    for name in ("steps", "kimg"):
        value = getattr(goal, name)
        if value is not None and not 0 < value < FOREVER:
            raise RunError(f"--{name} is {value}: give a number above 0.")


def _remembered(folder: Path, goal: Goal) -> Goal:
    """Returns what is asked of a run, and of what is not, what it was last given."""
    asked = {name: value for name, value in asdict(goal).items() if value != getattr(Goal(), name)}
    far = {"steps", "kimg"} & set(asked)
    try:
        before = json.loads((folder / GOAL).read_bytes())
        return Goal(**{**before, **(dict.fromkeys(("steps", "kimg")) if far else {}), **asked})
    except (OSError, ValueError, TypeError):
        if far:
            return goal
        where = shlex.quote(str(folder))
        raise RunError(f"{folder} does not say how far to go: `sparring resume {where} --steps N`.") from None
