"""A training that is a folder: it can be interrupted at any moment and continues exactly.

    RUN/run.json  log.jsonl  timing.jsonl  reals.png  samples/NNNNNN.png  checkpoints/NNNNNN/  skipped-files.txt

Everything random in a step is a function of (seed, step), the order of the data of (seed, position), the first weights
of the seed; a checkpoint holds the rest: weights, averaged weights, optimisers, positions. So N + M steps with an
interruption between them equal N + M steps bit by bit. Sample grids and checkpoints do not change the training.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack
from uuid import uuid4

import torch
from torch import Tensor
from torch.optim import Optimizer

from sparring._io.atomic import io_errors
from sparring._io.folder import Folder, remove_unfinished
from sparring._io.paths import expand_user
from sparring._types import JsonObject, Settings
from sparring.data import DataLike, Dataset
from sparring.data import load as load_data
from sparring.data.frames import Sizes
from sparring.errors import RunError
from sparring.game import Game
from sparring.inference.sampling import sample
from sparring.recipes.importing import trust as trust_recipes
from sparring.recipes.techniques import Techniques
from sparring.runs import checkpoint as checkpoints
from sparring.runs import config as configs
from sparring.runs.checkpoint import list_checkpoints, load_by_name
from sparring.runs.config import DataConfig, Provenance, RunConfig
from sparring.runs.early_stopping import BestCheckpoint, EarlyStopping
from sparring.runs.loop import FitOptions, FitSettings, RunFiles, fit_loop
from sparring.runs.memory import TRAINED
from sparring.runs.performance import SETTINGS, PerformanceOptions, keep_freed_memory
from sparring.runs.performance_trial import choose_options
from sparring.runs.recipe_args import data_for
from sparring.runs.recipe_functions import Recipe, handed_over, recipe_name, require_handed_over
from sparring.runs.signals import catch_stop_signals
from sparring.runs.sizing import CreateOptions, Request
from sparring.runs.state import TrainState, build_game
from sparring.training import distributed
from sparring.training.accumulation import batch_dependent_layers
from sparring.training.ema import EMA
from sparring.training.finite import require_finite
from sparring.training.trainer import StepReport

if TYPE_CHECKING:
    from sparring.runs.snapshots import Snapshots

SKIPPED = "skipped-files.txt"  # in the run's folder: files of the data that were skipped, and why


class Run:
    """A run folder, opened for training; make one with `Run.create` or `Run.open`.

    Args:
        folder: The folder.
        config: Content of ``run.json``.
        dataset: The data, all of its rows.
        device: Device of the training.
        checkpoint: Which checkpoint, see `open`.
        fast: Which performance options to choose, where the configuration has none.

    Attributes:
        folder: The folder.
        config: Content of ``run.json``.
        dataset: The data, all of its rows.
        training: The rows that are trained on.
        held_out: The rows that are not, if any.
        state: State of the training.
        evaluations: Evaluations during training, see `sparring.runs.early_stopping`.
        notes: Sentences for the user, such as that a broken checkpoint was skipped.
    """

    def __init__(
        self,
        folder: Path,
        config: RunConfig,
        dataset: Dataset,
        device: torch.device,
        checkpoint: str = "newest",
        fast: str = SETTINGS[0],
    ) -> None:
        self.folder, self.dataset = folder, dataset
        self._begun, self._locked, self._fitting = False, False, False
        there = os.path.lexists(folder / configs.FILE)
        self._saved = {path.name for path in list_checkpoints(self.home)} if there else set[str]()
        self.training, self.held_out = dataset.split(config.data.hold_out)
        saved, self.notes = load_by_name(self.home, checkpoint) if there else (None, [])
        captions = dataset.captions.unique if dataset.captions and saved is None else ()
        game = build_game(config, device, captions, self.training if saved is None else None, TRAINED)
        options, notes = choose_options(config, fast, game, self.training)
        self.config = replace(config, performance=options)
        self.state = TrainState.around(game, self.config, self.training)
        self.evaluations: list[JsonObject] = []
        if saved is not None:
            self.state.load_state_dict(saved, folder)
        self.notes += notes + config.provenance.warnings() + skipped_files(dataset) + empty_classes(self.training)
        self.notes += given_data(dataset) if config.data.in_python else []
        self.notes += batch_dependent_layers(game) if config.grad_accum > 1 else []

    @classmethod
    def create(
        cls,
        folder: str | Path,
        recipe: str | Recipe,
        *,
        data: DataLike,
        arguments: JsonObject | None = None,
        techniques: Techniques | JsonObject | None = None,
        size: Sizes | None = None,
        channels: int | None = None,
        fit: str = "crop",
        data_root: str | Path | None = None,
        mirror: bool = False,
        crop_margin: int = 0,
        skip_unreadable: bool = False,
        hold_out: float = 0.0,
        batch_size: int | None = None,
        seed: int = 0,
        grad_accum: int = 1,
        ema_decay: float | None = None,
        precision: str = "fp32",
        fast: str = "auto",
        device: str = "auto",
        **more: Unpack[CreateOptions],
    ) -> Run:
        """Create a run, or continue the one that was created with the same settings.

        Args:
            folder: A new or empty folder, or that of a run with the same settings.
            recipe: A name of `sparring.RECIPES`, ``module:function``, or a function from a shape to a game.
            data: A name or path, or data in Python, which are not stored, see `sparring.data.load`.
            arguments: The recipe's keyword arguments: values, or for dataclasses dicts of their fields.
            techniques: Training techniques around the recipe's game.
            size: Height and width of images, one number for both or a pair.
            channels: Channels of images.
            fit: ``crop``, ``pad``, ``pad:COLOUR`` or ``stretch``, see `sparring.data.load`.
            data_root: Folder of the standard data sets.
            mirror: Flip images at random.
            crop_margin: Pixels by which images are loaded larger; each is cropped at random.
            skip_unreadable: Skip image files that cannot be read. Default: raise an error.
            hold_out: Share of the rows that is never trained on, the same rows for every seed.
            batch_size: Rows over all processes and accumulation. Default: see `defaults`.
            seed: Decides everything random.
            grad_accum: Gradient accumulation steps of a batch, for less memory.
            ema_decay: Decay of the averaged weights, 0 for none. Default: see `defaults`.
            precision: ``fp32``, or ``bf16`` for automatic mixed precision.
            fast: Performance options, ``auto`` or ``off``; results agree to rounding. A run keeps those of its start.
            device: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``auto``.
            more: ``begin``, ``defaults`` and ``length``, see `sparring.runs.sizing.CreateOptions`.

        Raises:
            SparringError: If a setting cannot be used; the message names it and the remedy.
        """
        folder, on = expand_user(folder), distributed.init(device)
        form: Settings = {"size": size, "channels": channels, "fit": fit, "crop_margin": crop_margin, "root": data_root}
        rows = load_data(data_for(recipe, data), skip_unreadable=skip_unreadable, **form)
        form |= {"skip_unreadable": skip_unreadable, "mirror": mirror, "hold_out": hold_out}
        how: JsonObject = {"asked": Request.of(recipe, arguments or {}, techniques or {}, batch_size, ema_decay)}
        how |= {"data": DataConfig.of(rows, in_python=not isinstance(data, str | Path), **form), "precision": precision}
        return cls._reconciled(folder, how | {"seed": seed, "grad_accum": grad_accum}, rows, on, fast, more)

    @classmethod
    def _reconciled(
        cls, folder: Path, chosen: JsonObject, dataset: Dataset, device: torch.device, fast: str, more: CreateOptions
    ) -> Run:
        """Return the requested run, which may exist already."""
        if fast not in SETTINGS:
            raise RunError(f"There is no --fast {fast}: give one of {', '.join(SETTINGS)}.")
        request, data = chosen.pop("asked"), chosen["data"]
        with handed_over(request.recipe, request.function):
            chosen |= request.completed(folder, dataset.split(data.hold_out)[0], data.facts, device, more)
            chosen |= {"recipe_in_python": recipe_name(request.function)[1], "performance": None}
            asked = RunConfig(**chosen, provenance=Provenance.now(device), id=uuid4().hex)
            config = configs.reconcile(folder, asked)
            run = cls(folder, config, dataset, device, fast=fast)
        run._begun = config is not asked
        if run.performance.setting != fast:
            run.notes.append(f"The run was made with --fast {run.performance.setting} and keeps it.")
        if more.get("begin", True) and not run._begun:
            with run.lock():
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
        data: DataLike | None = None,
        recipe: Recipe | None = None,
        trust: str | Iterable[str] = (),
    ) -> Run:
        """Open a run at a checkpoint.

        Args:
            folder: The run's folder.
            device: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``auto``.
            data_root: Folder of the standard data sets, if it has moved.
            checkpoint: ``newest``, ``best``, or the step of one that is kept. Training continues from the newest only.
            data: The place of the data, if it has moved; `fit` records it. Or the data, if they are in Python. Default:
                where they were.
            recipe: The function that the run was created with, if it is in no module. Default: the recipe by its name.
            trust: The run's recipe ``module:function`` if it is outside the library: otherwise a name in a file is not
                imported. It stays trusted in this process. Default: none.

        Raises:
            SparringError: If it is no run, none of its checkpoints is good, or its data is absent or has changed.
        """
        trust_recipes(trust)
        folder, config = expand_user(folder), configs.read(expand_user(folder))
        where, arguments = distributed.init(device), config.arguments
        given = require_handed_over(folder, config.recipe, config.recipe_in_python, arguments, recipe)
        place = configs.require_data(folder, config) if data is None else data
        with configs.moved_data(folder, place):
            dataset = load_data(data_for(config.recipe, place), **config.data.load_kwargs(data_root))
        configs.require_same_data(folder, config, dataset)
        config = replace(config, data=configs.relocated(config.data, data, dataset))
        with handed_over(config.recipe, given):
            run = cls(folder, config, dataset, where, checkpoint)
        run._begun = True
        return run

    @property
    def game(self) -> Game:
        """The game in training."""
        return self.state.game

    @property
    def inference_game(self) -> Game:
        """The game to sample and to evaluate: the averaged one, where there is one."""
        return self.state.inference_game

    def sample(self, n: int, *, seed: int = 0, truncation: float = 1.0) -> Tensor:
        """Return samples of `inference_game`, see `sparring.inference.sample`.

        Args:
            n: Number of samples.
            seed: Decides all of them.
            truncation: Below 1 more typical samples, above 1 more varied ones.

        Returns:
            Samples (n, *shape), images in [−1, 1], on the run's device.
        """
        return sample(self.inference_game, n, seed=seed, truncation=truncation)

    @property
    def optimizers(self) -> dict[str, Optimizer]:
        """The optimisers by player."""
        return self.state.optimizers

    @property
    def ema(self) -> EMA | None:
        """The averaged weights, if any."""
        return self.state.ema

    @property
    def performance(self) -> PerformanceOptions:
        """The performance options."""
        assert self.config.performance is not None  # chosen when the game was built
        return self.config.performance

    @property
    def step(self) -> int:
        """Number of completed steps."""
        return self.state.step

    @property
    def images(self) -> int:
        """Number of images trained on."""
        return self.state.images

    @property
    def seconds(self) -> float:
        """Time of training, where its length is given as a time."""
        return self.state.seconds

    @property
    def updates(self) -> dict[str, int]:
        """Number of moves of each player."""
        return self.state.updates

    @property
    def skipped(self) -> dict[str, int]:
        """Number of moves of each player that were skipped because they were not finite."""
        return self.state.skipped

    @property
    def rollbacks(self) -> list[str]:
        """Reason of each rollback."""
        return self.state.rollbacks

    def fit(self, steps: int | None = None, **options: Unpack[FitSettings]) -> Iterator[StepReport]:
        """Train up to a step and yield the report of each step.

        Ctrl-C and SIGTERM end the step, save a checkpoint, and raise `Stopped`; leaving the loop also saves one.

        Args:
            steps: The step to end at, counted from the start of the run. Default: ``images`` or ``seconds`` end it.
            options: Other attributes of `sparring.runs.loop.FitOptions`, such as ``save_every``, ``sample_every``,
                ``keep_checkpoints``, ``early_stopping`` and ``on_nonfinite``.

        Raises:
            Diverged: If the training is not finite and the policy allows no further rollback; the last good checkpoint
                stays.
            RunError: If the folder cannot be written, or another process trains in it.
            Stopped: After a signal.
        """
        return self.train(FitOptions(steps, **options))

    def train(self, options: FitOptions) -> Iterator[StepReport]:
        """Train and yield the report of each step, as `fit`.

        Args:
            options: Options of the training.
        """
        self.require(options)
        with ExitStack() as stack:
            signal = stack.enter_context(catch_stop_signals(ignore_repeated=distributed.world_size() > 1))
            if self.performance.keep_freed_memory:
                keep_freed_memory()
            stack.enter_context(self.lock())
            if self._fitting:
                raise RunError(f"{self.folder} is being trained by this process: end that training first.")
            self._fitting = True
            stack.callback(setattr, self, "_fitting", False)
            files = RunFiles(self.folder, self.home if distributed.rank() == 0 else None, self._saved, self.notes)
            self.evaluations = []

            def open_evaluation(save: Callable[[], None]) -> BestCheckpoint:
                assert options.early_stopping is not None
                best = BestCheckpoint(options.early_stopping, self.state, self.held_out, files.path, files.home, save)
                self.notes += best.notes
                self.evaluations = best.rows
                return best

            watch = open_evaluation if options.early_stopping else None
            draw = self._write_samples
            yield from fit_loop(self.state, files, options, signal, write_samples=draw, open_evaluation=watch)

    def require(self, options: FitOptions) -> None:
        """Refuse options that this run cannot have, before anything is written.

        Args:
            options: Options of `fit`.

        Raises:
            SparringError: If one cannot be used; the message names it and the remedy.
        """
        if options.early_stopping:
            options.early_stopping.require(self.state, self.held_out)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from training in the folder; create or complete it first.

        What another process may have written since the run was opened is read again first. Nothing is written if it is
        another run, or the same one that was trained further.

        Raises:
            RunError: If another process trains in the folder, or it holds something else than the run.
        """
        if self._locked or distributed.rank() > 0:
            yield
            return
        with io_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with self.home.run_lock():
            if not self.home.is_in_place():
                raise RunError(f"{self.folder} was moved or replaced since it was opened: run the command again.")
            self._initialise_folder()
            self._locked = True
            try:
                yield
            finally:
                self._locked = False

    def judge(self, options: EarlyStopping) -> JsonObject:
        """Evaluate at the present step as evaluations during training do, and keep the checkpoint if it is the best.

        Args:
            options: The metric and the number of samples.

        Returns:
            The row of ``evaluations.jsonl``; that of an earlier call at this step if there is one.

        Raises:
            SparringError: If no rows are held out, the game cannot sample, or the folder cannot be written.
        """
        with self.lock():
            save = partial(self._save_best, self.state.step)
            with closing(BestCheckpoint(options, self.state, self.held_out, self.folder, self.home, save)) as best:
                if not best.rows or best.rows[-1]["step"] != self.step:
                    best.record(self.state)
                self.evaluations = best.rows
                return best.rows[-1]

    def _save_best(self, step: int) -> None:
        require_finite(step, {**self.inference_game.state_dict(), **self.game.state_dict()})
        checkpoints.save(self.home, step, self.state.state_dict(), keep=None, kind=checkpoints.BEST)

    def save_samples(self) -> None:
        """Save ``samples/NNNNNN.png`` from fixed seeds, if the game can sample; the training does not change."""
        if distributed.rank() == 0:
            configs.require_same_run(self.home, self.config)
            self._snapshots.samples(self.inference_game, self.step)

    def _write_samples(self, state: TrainState, report: StepReport) -> None:
        self.save_samples()

    @cached_property
    def _snapshots(self) -> Snapshots:
        from sparring.runs.snapshots import Snapshots  # plots are costly to import, and not every process draws

        return Snapshots(self.home, self.dataset)

    @cached_property
    def home(self) -> Folder:
        """The folder, open: files are written into it even if another one takes its path."""
        return Folder.open(self.folder)

    def _initialise_folder(self) -> None:
        """Create or complete the folder: ``run.json`` first, since it makes the folder a run."""
        if {path.name for path in list_checkpoints(self.home)} - self._saved:
            raise RunError(f"{self.folder} was trained further since it was opened: run the same command again.")
        self.config = self.state.config = configs.store(self.home, self.config, begun=self._begun)
        self._begun = True
        remove_unfinished(self.home)
        checkpoints.remove_unfinished(self.home)
        if self.dataset.skipped and self.home.mode(SKIPPED) is None:
            with io_errors(self.folder / SKIPPED), self.home.atomic_write(SKIPPED) as file:
                file.writelines(f"{sentence}\n".encode() for sentence in self.dataset.skipped)
        if self.home.mode(configs.REALS) is None:
            self._snapshots.reals()


def skipped_files(dataset: Dataset, most: int = 3) -> list[str]:
    """Return sentences about files that were skipped, the first few by name and the rest by number.

    Args:
        dataset: The data.
        most: How many are named.
    """
    notes = [f"Skipped: {sentence}" for sentence in dataset.skipped[:most]]
    rest = len(dataset.skipped) - most
    return [*notes, f"Skipped: {rest} more, all of them named in {SKIPPED}."] if rest > 0 else notes


def given_data(dataset: Dataset) -> list[str]:
    """Return a sentence about how data that were handed over in Python were read.

    Args:
        dataset: The data.
    """
    read = ", ".join([f"{len(dataset):,} rows of shape {dataset.shape}", *dataset.understood])
    return [f"The {dataset.name} was read as {read}."]


def empty_classes(dataset: Dataset, most: int = 10) -> list[str]:
    """Return a sentence about classes without images, if any: they are never sampled.

    Args:
        dataset: The rows that are trained on.
        most: How many are named.
    """
    counts = dataset.counts()
    names = [] if counts is None else [dataset.classes[k] for k in (counts == 0).nonzero().flatten().tolist()]
    if not names:
        return []
    named = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    are = "class {} has" if len(names) == 1 else "classes {} have"
    they = "it is" if len(names) == 1 else "they are"
    return [f"The {are.format(named)} no images in {dataset.name}: {they} never sampled."]
