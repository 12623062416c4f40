"""A training that is a folder: it can be stopped at any moment, and goes on as if nothing had happened.

    RUN/run.json  log.jsonl  timing.jsonl  reals.png  samples/NNNNNN.png  checkpoints/NNNNNN/  skipped-files.txt

Everything random in a step is a function of (seed, step), the data's order of (seed, position), the first weights of
the seed; a checkpoint holds the rest: weights, averages, optimisers, positions. Hence N + M steps with a stop between
them are, bit for bit, N + M steps. Pictures and checkpoints leave no trace in the training.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sparring._io.atomic import io_errors
from sparring._io.folder import Folder, remove_unfinished
from sparring._io.paths import expand_user
from sparring.data import Dataset
from sparring.data import load as load_data
from sparring.errors import RunError
from sparring.game import Game
from sparring.recipes.importing import trust as trusted
from sparring.recipes.techniques import Techniques
from sparring.runs import checkpoint as checkpoints
from sparring.runs import config
from sparring.runs import performance as fast
from sparring.runs.checkpoint import listed, load_by_name
from sparring.runs.early_stopping import EarlyStopping
from sparring.runs.loop import PRECISIONS, FitOptions, played
from sparring.runs.memory import TRAINED
from sparring.runs.performance_trial import decided
from sparring.runs.recipe_args import suited
from sparring.runs.recovery import STOP, NonFinitePolicy
from sparring.runs.signals import wishes
from sparring.runs.state import built, form, laid_out, optimisers, restore, rows, stream
from sparring.training import distributed
from sparring.training.accumulation import batch_dependent_layers, require_divisible
from sparring.training.trainer import StepReport

BAD = "skipped-files.txt"  # in the run's folder: files of the data that were left out, and why

if TYPE_CHECKING:
    from sparring.runs.snapshots import Snapshots


class Run:
    """A run folder, opened for training; make one with `Run.create` or `Run.open`.

    Args:
        folder: Where it is, or will be.
        settings: What ``run.json`` holds.
        dataset: The data that it names.
        device: Where to train.
        name: Which checkpoint, see `open`.

    Attributes:
        folder: Where it is.
        record: What ``run.json`` holds.
        dataset: The data.
        training: What of it is trained on.
        held_out: What is not, if any.
        game: The game in training.
        players: Its optimisers.
        fast: What it does to be fast; None if it was made before that could be chosen.
        average: Its averaged weights, if any.
        stream: The batches.
        known: Names of the checkpoints that were there when it was opened, or that it saved.
        step: Steps completed.
        images: Images seen.
        updates: Moves of each player.
        skipped: Those of them that were not made, because they were not finite.
        rollbacks: Why the training went back, each time that it did.
        judged: Judgements on the way, see `sparring.runs.early_stopping`.
        notes: What deserves a sentence to the user, such as a broken checkpoint that was passed over.
    """

    def __init__(
        self, folder: Path, settings: config.Record, dataset: Dataset, device: torch.device, name: str = "newest"
    ) -> None:
        self.folder, self.record, self.dataset = folder, settings, dataset
        self._begun, self._held, self._training = False, False, False
        there = os.path.lexists(folder / config.FILE)
        self.known = {path.name for path in listed(self.home)} if there else set()
        self.training, self.held_out = dataset.split(settings["data"].get("hold_out", 0.0))
        state, self.notes = load_by_name(self.home, name) if there else (None, [])
        said = dataset.captions.unique if dataset.captions and state is None else ()
        self.game = built(settings, device, said, self.training if state is None else None, TRAINED)
        settings, notes = decided(settings, self.game, self.training, PRECISIONS[settings["precision"]])
        self.average = laid_out(settings, self.game)
        require_divisible(self.game, settings["grad_accum"])
        with config.buildable(settings["recipe"]):
            self.players = optimisers(settings, self.game)
        self.fast = fast.of(settings, self.game)
        if self.fast:
            self.record = {**settings, "performance": self.fast.plain()}
        self.stream = stream(self.record, self.training, device)
        self.step, self.images, self.updates = 0, 0, dict.fromkeys(self.players, 0)
        self.skipped: dict[str, int] = {}
        self.rollbacks: list[str] = []
        self.judged: list[dict[str, Any]] = []
        if state is not None:
            restore(self, state)
        self.notes += notes + config.changes(settings) + passed_over(dataset) + without_images(self.training)
        self.notes += batch_dependent_layers(self.game) if settings["grad_accum"] > 1 else []

    @classmethod
    def create(
        cls,
        folder: str | Path,
        recipe: str,
        *,
        data: str | Path,
        arguments: dict[str, Any] | None = None,
        techniques: Techniques | dict[str, Any] | None = None,
        size: int | None = None,
        channels: int | None = None,
        data_root: str | Path | None = None,
        mirror: bool = False,
        crop_margin: int = 0,
        skip_unreadable: bool = False,
        hold_out: float = 0.0,
        batch_size: int | None = None,
        seed: int = 0,
        grad_accum: int = 1,
        ema_decay: float = 0.999,
        precision: str = "fp32",
        fast: str = "auto",
        device: str = "auto",
        begin: bool = True,
    ) -> Run:
        """Makes a run, or goes on with the one that was made with the same settings.

        Args:
            folder: A new or empty folder, or that of a run with the same settings.
            recipe: A name of `sparring.RECIPES`, or ``module:function``.
            data: A name or path, see `sparring.data.load`.
            arguments: The recipe's keyword arguments: values, or for dataclasses dicts of their fields.
            techniques: Training techniques around the recipe's game.
            size: Height and width of images.
            channels: Channels of images.
            data_root: Where the standard data sets are.
            mirror: Flip images at random.
            crop_margin: Pixels by which images are larger; a window is cut out of each at random.
            skip_unreadable: Skip image files that cannot be read. Default: raise an error.
            hold_out: Share of the rows that is never trained on, the same rows for every seed.
            batch_size: Rows over all processes and accumulation. Default: 64 images, 8 of two domains, 256 points.
            seed: Decides everything random.
            grad_accum: Gradient accumulation steps of a batch, for less memory.
            ema_decay: Decay of the averaged weights, 0 for none.
            precision: ``fp32``, or ``bf16`` for automatic mixed precision.
            fast: ``auto``, or ``off`` for the plain path, which is equal to rounding; a run keeps what it began with.
            device: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``auto``.
            begin: Write a new run's folder at once; False leaves that to `fit`.

        Raises:
            SparringError: If anything given cannot be used; the message names it and the remedy.
        """
        folder, where = expand_user(folder), distributed.init(device)
        form: Any = {"size": size, "channels": channels, "root": data_root}
        beside: Any = {"crop_margin": crop_margin, "skip_unreadable": skip_unreadable}
        dataset = load_data(suited(recipe, data), **form, margin=crop_margin, skip_bad=skip_unreadable)
        settings = config.play(recipe, arguments or {}, techniques or {})
        settings |= {"data": config.data(dataset, **form, **beside, mirror=mirror, hold_out=hold_out)}
        settings |= {"batch_size": rows(dataset) if batch_size is None else batch_size}
        settings |= config.sensible(seed, grad_accum, ema_decay, precision, fast)
        return cls._agreed(folder, settings | config.made(where), dataset, where, begin)

    @classmethod
    def _agreed(cls, folder: Path, asked: config.Record, dataset: Dataset, where: torch.device, begin: bool) -> Run:
        """Returns the run that is asked for, which may be there already."""
        settings = config.agreed(folder, asked)
        run = cls(folder, settings, dataset, where)
        run._begun, setting = settings is not asked, asked["performance"]["setting"]
        if run.fast and run.fast.setting != setting:
            run.notes.append(f"The run was made with --fast {run.fast.setting} and goes on so, equal bit by bit.")
        if begin and not run._begun:
            with run.alone():
                pass
        return run

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        device: str = "auto",
        data_root: str | Path | None = None,
        checkpoint: str = "newest",
        data: str | Path | None = None,
        trust: str | Iterable[str] = (),
    ) -> Run:
        """Opens a run at a checkpoint, unless told its newest good one.

        Args:
            folder: The run's.
            device: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``auto``.
            data_root: Where the standard data sets are, if they have moved.
            checkpoint: ``newest``, ``best``, or the step of one that is kept; to look at, not to train from.
            data: Where the data is now, if it has moved; `fit` records it. Default: where it was.
            trust: The run's recipe ``module:function`` if it is outside the library: a name in a file is not imported
                without. It stays trusted in this process. Default: none.

        Raises:
            SparringError: If it is no run, none of its checkpoints is good, or its data is absent or has changed.
        """
        trusted(trust)
        folder, settings = expand_user(folder), config.read(expand_user(folder))
        where = distributed.init(device)
        place = settings["data"]["name"] if data is None else data
        with config.there(folder, place):
            dataset = load_data(suited(settings["recipe"], place), **form(settings, data_root))
        config.require_data(folder, settings, dataset)
        settings["data"]["name"] = config.named(dataset)
        run = cls(folder, settings, dataset, where, checkpoint)
        run._begun = True
        return run

    @property
    def inference_game(self) -> Game:
        """The game to sample and to score: the averaged one, where there is one."""
        return self.average.game if self.average else self.game

    def fit(
        self,
        steps: int,
        *,
        save_every: int | None = None,
        sample_every: int | None = None,
        keep_checkpoints: int = 2,
        tensorboard: bool = False,
        early_stopping: EarlyStopping | None = None,
        on_nonfinite: NonFinitePolicy = STOP,
    ) -> Iterator[StepReport]:
        """Trains up to step `steps`, and yields the report of each step.

        Ctrl-C and SIGTERM end the step, save, and raise `Stopped`; leaving the loop saves, too.

        Args:
            steps: The step to end at, counted from the start of the run.
            save_every: Steps between two checkpoints, see `default_interval` unless told.
            sample_every: Steps between two grids of samples, likewise.
            keep_checkpoints: Number of checkpoints to keep.
            tensorboard: Write TensorBoard's events, too.
            early_stopping: Judge on the way, keep the best checkpoint, and perhaps end before `steps`.
            on_nonfinite: Policy for terms, gradients or weights that are not finite, see `sparring.runs.recovery`.

        Raises:
            Diverged: If one does and the remedy is at its end; the last good checkpoint stays.
            RunError: If the folder cannot be written, or another process trains in it.
            Stopped: After a signal.
        """
        conduct = conducted(
            steps, save_every, sample_every, keep_checkpoints, tensorboard, early_stopping, on_nonfinite
        )
        conduct.require(self)
        with ExitStack() as stack:
            wish = stack.enter_context(wishes(patient=distributed.world_size() > 1))
            if self.fast and self.fast.keeping:
                fast.keep_memory()
            stack.enter_context(self.alone())
            if self._training:
                raise RunError(f"{self.folder} is being trained by this process: end that training first.")
            self._training = True
            stack.callback(setattr, self, "_training", False)
            yield from played(self, conduct, wish)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes from training in the folder, and makes it, or completes it, before anything else.

        What another process may have written in the meantime is read again first; nothing is written if it is another
        run, or the same one that was trained further.

        Raises:
            RunError: If another process trains in the folder, or it holds something else than the run.
        """
        if self._held or distributed.rank() > 0:
            yield
            return
        with io_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with self.home.run_lock():
            if not self.home.is_in_place():
                raise RunError(f"{self.folder} was moved or replaced since it was opened: run the command again.")
            self._settle()
            self._held = True
            try:
                yield
            finally:
                self._held = False

    def picture(self) -> None:
        """Draws ``samples/NNNNNN.png`` from fixed seeds, if the game can sample; the training does not notice."""
        if distributed.rank() == 0:
            config.require_own(self.home, self.record)
            self._snapshots.samples(self.inference_game, self.step)

    @cached_property
    def _snapshots(self) -> Snapshots:
        from sparring.runs.snapshots import Snapshots  # plots are costly to import, and not every process draws

        return Snapshots(self.home, self.dataset)

    @cached_property
    def home(self) -> Folder:
        """The folder, open: what is written goes into it also if another one takes its path."""
        return Folder.open(self.folder)

    def _settle(self) -> None:
        """Makes or completes the folder: the record first, since it is what makes it a run."""
        if {path.name for path in listed(self.home)} - self.known:
            raise RunError(f"{self.folder} was trained further since it was opened: run the same command again.")
        self.record = config.settle(self.home, self.record, begun=self._begun)
        self._begun = True
        remove_unfinished(self.home)
        checkpoints.sweep(self.home)
        if self.dataset.skipped and self.home.mode(BAD) is None:
            with io_errors(self.folder / BAD), self.home.atomic_write(BAD) as file:
                file.writelines(f"{sentence}\n".encode() for sentence in self.dataset.skipped)
        if self.home.mode(config.REALS) is None:
            self._snapshots.reals()


def passed_over(dataset: Dataset, most: int = 3) -> list[str]:
    """Says what of some data was left out, the first few by name and the rest by number.

    Args:
        dataset: Loaded.
        most: How many are named.
    """
    notes = [f"Passed over: {sentence}" for sentence in dataset.skipped[:most]]
    rest = len(dataset.skipped) - most
    return [*notes, f"Passed over: {rest} more, all of them named in {BAD}."] if rest > 0 else notes


def without_images(dataset: Dataset, most: int = 10) -> list[str]:
    """Says which classes have no images, if any: games draw no sample of them.

    Args:
        dataset: What is trained on.
        most: How many are named.
    """
    counts = dataset.counts()
    names = [] if counts is None else [dataset.classes[k] for k in (counts == 0).nonzero().flatten().tolist()]
    if not names:
        return []
    named = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    are = "class {} has" if len(names) == 1 else "classes {} have"
    they = "it is" if len(names) == 1 else "they are"
    return [f"The {are.format(named)} no images in {dataset.name}: {they} never drawn."]


def conducted(
    steps: int,
    save_every: int | None = None,
    sample_every: int | None = None,
    keep_checkpoints: int = 2,
    tensorboard: bool = False,
    early_stopping: EarlyStopping | None = None,
    on_nonfinite: NonFinitePolicy = STOP,
) -> FitOptions:
    """Returns how a training is conducted; the arguments are those of `Run.fit`."""
    saving, drawing = (default_interval(steps) if each is None else each for each in (save_every, sample_every))
    return FitOptions(steps, saving, drawing, keep_checkpoints, tensorboard, early_stopping, on_nonfinite)


def default_interval(steps: int) -> int:
    """Returns a tenth of `steps`, rounded up to 1, 2 or 5 times a power of ten, at most 1000.

    >>> [default_interval(steps) for steps in (3, 25, 600, 4000, 10**6)]
    [1, 5, 100, 500, 1000]
    """
    rounds = (1, 2, 5, 10, 20, 50, 100, 200, 500)
    return next((each for each in rounds if each * 10 >= steps), 1000)
