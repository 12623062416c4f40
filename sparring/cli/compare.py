"""The command that compares recipes, or settings of one recipe, over seeds: ``sparring compare RECIPE ...``.

A flag that no comparison has is a recipe's, and goes to every entry that has it; ``--NAME.flag`` goes to the
recipe NAME only; a varied setting makes an entry of each of its values. What is typed for an entry is read as
``sparring train`` reads it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import product, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import tyro

from sparring._types import Settings
from sparring.cli.console import clock, progress, say, say_data, show_table
from sparring.cli.help import flags
from sparring.cli.options import (
    METRICS,
    Device,
    ImageSize,
    Trust,
    fit_of,
    parse_height_and_width,
    parsed,
    recipe_arguments,
    with_recipe,
)
from sparring.errors import RunError, SparringError
from sparring.recipes.importing import trust
from sparring.recipes.techniques import Techniques
from sparring.training.parent_watch import watch_parent

if TYPE_CHECKING:
    from sparring.data import Dataset
    from sparring.experiments import Budget, Entry, Trial

__all__ = ["Comparison", "compare", "entries", "sorted_flags"]

Group = list[str]  # a flag and its values
Variation = tuple[str, list[str]]  # a flag and its values
NO_TECHNIQUES = Techniques()
TECHNIQUES = {field.name for field in fields(Techniques)}
AXES = ("steps", "kimg", "minutes")
MOST_USED = ("data", "steps", "kimg", "minutes", "seeds", "vary", "metrics", "out", "jobs", "dry_run")


@dataclass(frozen=True)
class Comparison:
    """Train recipes, or one recipe under several settings, with the same budget and several seeds, and compare them.

    Flags of recipes apply to every entry that has them.

    Attributes:
        data: Name of a data set, or path of a folder, zip or array file.
        steps: The budget of every training in steps.
        kimg: The budget in thousands of images.
        minutes: The budget in minutes of training.
        seeds: Seeds of each entry, such as 0-4.
        vary: A setting and its values, such as outcomes=2,5,10, critic.lr=1e-4,2e-4 or packing=1,2. Given several
            times, all combinations are entries.
        eval_every: Part of the budget between two evaluations. Default: a tenth.
        metrics: Names of metrics, with commas between.
        samples: Number of generated samples per evaluation. Default: 2,500 points or 2,000 images.
        techniques: Training techniques around every game.
        out: The comparison's folder; an existing comparison is continued. Default: runs/compare-DATA.
        jobs: Trainings at a time, each in a process with one thread.
        only: Names of the trainings to run, without a report, to share the work between machines. Default: all.
        batch_size: Rows of a batch. Default: 64 images or 256 points.
        grad_accum: Number of parts in which the gradients of a batch are accumulated, to save memory.
        size: Height and width of images in pixels, such as 64 for squares, or 64x48 for 64 high and 48 wide.
            Default: that of the data.
        fit: How pictures of other proportions get the size: crop takes the central part, pad adds a border, stretch
            changes their proportions.
        pad_colour: Colour of the border of --fit pad, a name or #rrggbb.
        channels: 1, 3 or 4. Default: that of the data.
        data_root: Folder of the standard data sets. Default: $SPARRING_DATA.
        mirror: Flip each image horizontally with probability 1/2.
        hold_out: Share of the rows that is held out and used for evaluation, such as 0.1.
        ema_decay: Decay of the averaged weights, which are evaluated; 0 for none.
        precision: fp32, or bf16 for automatic mixed precision.
        device: The device.
        dry_run: Print the trainings and their estimated time, and write nothing.
        trust: Recipes module:function that a run may name.
    """

    data: Annotated[str, tyro.conf.arg(metavar="DATA")]
    steps: int | None = None
    kimg: float | None = None
    minutes: float | None = None
    seeds: str = "0-2"
    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    eval_every: float | None = None
    metrics: Annotated[str, METRICS] = ""
    samples: int | None = None
    techniques: Annotated[Techniques, tyro.conf.arg(name="")] = NO_TECHNIQUES
    out: Path | None = None
    jobs: int = 1
    only: tuple[str, ...] = ()
    batch_size: int | None = None
    grad_accum: int = 1
    size: ImageSize = None
    fit: Literal["crop", "pad", "stretch"] = "crop"
    pad_colour: Annotated[str, tyro.conf.arg(metavar="COLOUR")] = "white"
    channels: int | None = None
    data_root: Path | None = None
    mirror: bool = False
    hold_out: float = 0.0
    ema_decay: float = 0.999
    precision: Literal["fp32", "bf16"] = "fp32"
    device: Device = "auto"
    dry_run: bool = False
    trust: Trust = ()

    def shared(self) -> Settings:
        """Return the arguments of `sparring.Run.create` that all entries share."""
        names = (
            "data",
            "batch_size",
            "grad_accum",
            "channels",
            "data_root",
            "ema_decay",
            "precision",
            "device",
        )
        given = {name: getattr(self, name) for name in (*names, "mirror", "hold_out")}
        return given | {"size": parse_height_and_width(self.size), "fit": fit_of(self.fit, self.pad_colour)}


def compare(words: list[str]) -> None:
    """Train entries over seeds and compare them; the same words again continue.

    Args:
        words: The recipes' names, then flags: those of `Comparison` and those of the recipes.
    """
    watch_parent()
    if not words or words[0] in ("-h", "--help", "--help-all"):
        parsed(Comparison, words or ["--help"], "compare RECIPE [RECIPE ...]", MOST_USED)
    from sparring.data import load
    from sparring.evaluation.evaluator import shortfall_notes
    from sparring.metrics import extractor_for
    from sparring.runs.recipe_args import data_name
    from sparring.training import distributed

    names = list(takewhile(lambda word: not word.startswith("-"), words))
    if not names:
        raise SparringError("Name the recipes first: `sparring compare nsgan wgan-gp --data ring --steps 2000`.")
    common, others = sorted_flags(Comparison, words[len(names) :])
    given: Comparison = parsed(Comparison, common, "compare")
    trust(given.trust)
    budget = _budget(given)
    who = list(entries(Comparison, names, common, others, given.vary))
    form: Settings = {name: given.shared()[name] for name in ("size", "channels", "fit")}
    dataset = load(data_name(names[0], given.data), root=given.data_root, **form)
    made = _trials(given, budget, who, dataset)
    if given.only:
        _train([trial for trial in made if trial.name in given.only] or _unknown_trial(made, given.only[0]), words, 1)
        return
    say_data(dataset, round(given.hold_out * len(dataset)))
    notes = [*_require_playable(made, dataset), *shortfall_notes(*dataset.split(given.hold_out), given.samples)]
    for line in [*notes, *(note for trial in made for note in trial.notes())]:
        say(f"note: {line}")
    if len(dataset.shape) == 3:  # once, and in the cost of no trial
        extractor_for(dataset.split(given.hold_out)[0], device=str(distributed.resolve_device(given.device)))
    if given.dry_run:
        _show_costs(made, given.jobs)
        return
    _train(made, words, given.jobs)
    _publish(made, words)


def _budget(given: Comparison) -> Budget:
    from sparring.experiments import Budget

    axes = [axis for axis in AXES if getattr(given, axis) is not None]
    if len(axes) != 1:
        raise RunError(f"Give one budget, the same for all: --steps, --kimg or --minutes, not {len(axes) or 'none'}.")
    return Budget(axes[0], getattr(given, axes[0]), given.eval_every)  # type: ignore[arg-type]


def _trials(given: Comparison, budget: Budget, who: Sequence[Entry], dataset: Dataset) -> list[Trial]:
    from sparring._io.targets import require_no_overwrite
    from sparring.data import NAMES
    from sparring.data.sources.layouts import data_paths
    from sparring.evaluation.evaluator import get_metrics
    from sparring.experiments import Protocol, trials
    from sparring.experiments.report import FILES
    from sparring.inference.sampling import parse_seeds

    metrics = tuple(name.strip() for name in given.metrics.split(",")) if given.metrics else ()
    get_metrics(metrics)
    protocol = Protocol(budget, given.shared(), dataset.fingerprint, metrics, given.samples)
    out = given.out or Path("runs") / f"compare-{Path(given.data).stem}"
    require_no_overwrite([out / name for name in FILES], [], keep=[] if given.data in NAMES else data_paths(given.data))
    return trials(who, parse_seeds(given.seeds), protocol, out)


def _unknown_trial(made: Sequence[Trial], name: str) -> NoReturn:
    raise RunError(f"There is no trial {name!r}: they are {', '.join(trial.name for trial in made)}.")


def _require_playable(made: Sequence[Trial], dataset: Dataset) -> list[str]:
    """Refuse entries that cannot be built for this data before any training; later failures are recorded per trial.

    Return the differences between the entries that affect the comparison.
    """
    from sparring.data import DataFacts
    from sparring.evaluation.independence import require_independent
    from sparring.evaluation.registry import get_metrics
    from sparring.experiments import inequalities
    from sparring.runs.memory import TRAINED
    from sparring.runs.state import make_game
    from sparring.training.distributed import resolve_device

    where = resolve_device(made[0].protocol.shared["device"])
    metrics = get_metrics(made[0].protocol.metrics) if made[0].protocol.metrics else None
    sizes: dict[str, dict[str, float]] = {}
    facts = DataFacts.of(dataset)
    for who in {trial.entry.label: trial.entry for trial in made}.values():
        try:
            how: Settings = {"techniques": who.techniques, "device": where, "times": TRAINED}
            built = make_game(who.recipe, who.arguments, facts, **how)
            if len(dataset.shape) == 3:
                require_independent(built, "classifier", metrics)
            sizes[who.label] = {
                name: sum(w.numel() for w in net.parameters()) for name, net in built.unwrapped.named_children()
            }
        except SparringError as error:
            raise RunError(f"{who.label} cannot compete: {error}") from error
        except Exception:  # of a user's recipe
            continue
    return inequalities(sizes)


def _train(made: Sequence[Trial], words: Sequence[str], jobs: int) -> None:
    from sparring.experiments import Monitor, run_trials

    closed = sum(trial.is_closed() for trial in made)
    say(f"{len(made)} trials, {closed} closed already; {made[0].protocol.budget} each, in {made[0].folder.parent}")
    command = [sys.executable, "-m", "sparring", "compare", *words]
    start = Monitor(made, lambda *event: None).done
    with progress(done=start, total=len(made)) as show:
        run_trials(made, Monitor(made, show.line), jobs, lambda trial: [*command, "--only", trial.name])


def _publish(made: Sequence[Trial], words: Sequence[str]) -> None:
    from sparring.experiments import collect, save_report
    from sparring.experiments.report import verdicts

    out = made[0].folder.parent.parent
    result = collect(made, shlex.join(["sparring", "compare", *words]))
    page = save_report(result, made, out)
    say()
    for line in verdicts(result):
        say(line)
    say()
    say(f"Everything is in {page}, {out / 'compare.md'} and {out / 'compare.json'}.")


def _show_costs(made: Sequence[Trial], jobs: int) -> None:
    from sparring.experiments import estimate_costs

    costs, rows, total = estimate_costs(made), [], 0.0
    for trial in made:
        cost, before = costs[trial.entry.label], trial.read()
        left = 0.0 if trial.is_closed() else (1 - trial.share()) * (cost.training + cost.evaluation)
        total += left
        state = before["state"] if before else "not begun"
        rows.append(
            [trial.name, str(trial.protocol.budget), state, clock(cost.training), clock(cost.evaluation), clock(left)]
        )
    show_table(["trial", "budget", "state", "training", "evaluation", "left"], rows)
    say()
    say(f"About {clock(total / jobs)} with --jobs {jobs}, on a machine as busy as now.")
    say("This was a dry run: nothing was written.")


def sorted_flags(form: type, words: Sequence[str]) -> tuple[list[str], list[Group]]:
    """Return the words of the comparison, and the flags of recipes.

    Args:
        form: The dataclass of the shared options, with techniques.
        words: Words after the recipes' names.
    """
    own = {flag.name for flag in flags(form)}
    groups = list(grouped(words))
    common = [group for group in groups if _flag(group) in own]
    return [word for group in common for word in group], [group for group in groups if group not in common]


def grouped(words: Sequence[str]) -> Iterator[Group]:
    """Yield each flag with its values.

    >>> list(grouped(["--a", "1", "2", "--b=3", "--c"]))
    [['--a', '1', '2'], ['--b=3'], ['--c']]
    """
    group: Group = []
    for word in words:
        if word.startswith("--") and group:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def entries(
    form: type, names: Sequence[str], common: Sequence[str], groups: Sequence[Group], varied: Sequence[str]
) -> Iterator[Entry]:
    """Yield the entries: every recipe under every combination of the varied settings that it has.

    Args:
        form: The dataclass of the shared options, with techniques.
        names: Of the recipes.
        common: Flags shared by all entries.
        groups: Flags that are the recipes'.
        varied: Each a setting and its values.

    Raises:
        SparringError: If no entry has a flag or a varied setting, or a value does not fit.
    """
    from sparring.experiments import Entry
    from sparring.recipes import recipe
    from sparring.runs.recipe_args import describe_game

    variations = [_variation(text) for text in varied]
    taken = {flag.name for flag in flags(form)}
    known = {name: {flag.name for flag in flags(recipe_arguments(recipe(name), taken))} for name in names}
    forms = {name: with_recipe(form, recipe(name), name) for name in names}
    _require_known(groups, variations, known, lambda words: parsed(forms[names[0]], [*common, *words], "compare"))
    for name in names:
        mine = [word for group in groups for word in _addressed(group, name, known)]
        open_ = [(flag, values) for flag, values in variations if flag in known[name] or flag in TECHNIQUES]
        for chosen in product(*(values for _, values in open_)):
            settings = {flag: value for (flag, _), value in zip(open_, chosen, strict=True)}
            words = [word for flag, value in settings.items() for word in (f"--{flag}", *value.split())]
            filled: Any = parsed(forms[name], [*common, *mine, *words], f"train {name}")
            arguments = {field.name: getattr(filled.arguments, field.name) for field in fields(filled.arguments)}
            label = " ".join([name, *(f"{flag}={value}" for flag, value in settings.items())])
            yield Entry(**describe_game(name, arguments, filled.given.techniques), label=label)


def _flag(group: Group) -> str:
    return group[0].lstrip("-").partition("=")[0].replace("-", "_")


def _addressed(group: Group, name: str, known: dict[str, set[str]]) -> Group:
    """Return a flag as the recipe `name` reads it; nothing if it is for other recipes."""
    flag = _flag(group)
    if flag in known[name]:
        return group
    rest = flag.removeprefix(f"{name.replace('-', '_')}.")
    return [f"--{group[0][len(f'--{name}.') :]}", *group[1:]] if rest != flag and rest in known[name] else []


def _require_known(
    groups: Sequence[Group],
    variations: Sequence[Variation],
    known: dict[str, set[str]],
    read: Callable[[list[str]], object],
) -> None:
    """Refuse flags that no recipe has, with the message of the first recipe, which names the nearest flag."""
    for group in groups:
        if not any(_addressed(group, name, known) for name in known):
            read(group)
            raise SparringError(f"No entry knows {group[0]}: see `sparring train {next(iter(known))} --help`.")
    for flag, values in variations:
        if not any(flag in flags for flags in known.values()):
            read([f"--{flag}", *values[0].split()])
            if flag not in TECHNIQUES:
                raise SparringError(f"--vary {flag}=... varies what must be the same for all: vary a recipe's setting.")


def _variation(text: str) -> Variation:
    """Read a setting and its values.

    >>> _variation("critic.betas=0 0.9,0.5 0.999")
    ('critic.betas', ['0 0.9', '0.5 0.999'])
    >>> _variation("--critic-steps=1,5")
    ('critic_steps', ['1', '5'])
    """
    name, equals, values = text.partition("=")
    found = [value.strip() for value in values.split(",")]
    if not (name.strip() and equals and all(found)):
        raise SparringError(f"--vary {text} cannot be read: write a setting and its values, such as outcomes=2,5,10.")
    return name.strip().lstrip("-").replace("-", "_"), found
