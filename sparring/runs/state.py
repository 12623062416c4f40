"""State of a training: everything that its next step depends on except its configuration.

A checkpoint holds weights and buffers of the game, averaged networks, optimisers, and positions in data and time. The
first state is a function of the configuration and the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path

import torch
from torch.optim import Optimizer

from sparring._io.memory import total_memory
from sparring._io.paths import expand_user
from sparring._types import Settings
from sparring.abilities import SupportsCaptionLookup, SupportsClassFrequencies
from sparring.data import DataFacts, Dataset, Stream
from sparring.data.prefetch import PrefetchStream
from sparring.errors import GameError, RunError, SparringError
from sparring.game import Game
from sparring.networks.common.perceptual import FitsToData
from sparring.recipes import FACTS
from sparring.recipes.importing import trust as trust_recipes
from sparring.recipes.techniques import Techniques, apply_techniques
from sparring.rng import hash_seed
from sparring.runs import config as configs
from sparring.runs.checkpoint import State, load_by_name
from sparring.runs.config import LIMIT, RunConfig
from sparring.runs.memory import bounded
from sparring.runs.recipe_args import fill_arguments, find_recipe, from_plain
from sparring.runs.recipe_functions import Recipe, handed_over, require_handed_over
from sparring.runs.time_budget import Plan
from sparring.training import distributed
from sparring.training.accumulation import require_divisible
from sparring.training.ema import EMA
from sparring.training.trainer import StepReport

CPU = torch.device("cpu")


@dataclass
class TrainState:
    """State of a training between two steps.

    Attributes:
        config: Configuration of the run.
        dataset: The rows that are trained on.
        game: The game in training.
        optimizers: Its optimisers by player.
        ema: Its averaged weights, if any.
        stream: The batches.
        step: Number of completed steps.
        images: Number of images trained on.
        updates: Number of moves of each player.
        skipped: Number of moves of each player that were skipped because they were not finite.
        rollbacks: Reason of each rollback.
        plan: Time spent and where the training will end, where its length is given as a time.
        seconds: Time spent so far, where the length is given as a time.
    """

    config: RunConfig
    dataset: Dataset
    game: Game
    optimizers: dict[str, Optimizer]
    ema: EMA | None
    stream: Stream | PrefetchStream
    step: int = 0
    images: int = 0
    updates: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    rollbacks: list[str] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)
    seconds: float = 0.0

    @classmethod
    def fresh(cls, config: RunConfig, dataset: Dataset, device: torch.device) -> TrainState:
        """Return the state at step 0.

        Args:
            config: Configuration of the run.
            dataset: The rows to train on.
            device: Device of the training.
        """
        captions = dataset.captions.unique if dataset.captions else ()
        return cls.around(build_game(config, device, captions, dataset), config, dataset)

    @classmethod
    def around(cls, game: Game, config: RunConfig, dataset: Dataset) -> TrainState:
        """Return the state at step 0 of a game that was just built.

        Args:
            game: The game, on its device.
            config: Configuration of the run.
            dataset: The rows to train on.
        """
        ema = prepare(config, game)
        require_divisible(game, config.grad_accum)
        with buildable(config.recipe):
            optimizers = game.players()
            if config.performance:
                config.performance.fuse(optimizers.values())
        batches = open_stream(config, dataset, game.device)
        return cls(config, dataset, game, optimizers, ema, batches, updates=dict.fromkeys(optimizers, 0))

    @property
    def inference_game(self) -> Game:
        """The game to sample and to evaluate: the averaged one, where there is one."""
        return self.ema.game if self.ema else self.game

    @property
    def seed(self) -> int:
        """Seed of the next steps: that of the run, and another one after each rollback."""
        seed = self.config.seed
        return hash_seed(seed, len(self.rollbacks)) if self.rollbacks else seed

    def state_dict(self) -> State:
        """Return the state as tensors, numbers, lists and dicts; of the averaged game only the averaged networks."""
        mean = self.ema and self.ema.game
        return {
            "step": self.step,
            "images": self.images,
            "updates": dict(self.updates),
            "skipped": dict(self.skipped),
            "rollbacks": list(self.rollbacks),
            "plan": self.plan.to_plain(),
            "position": self.stream.position,
            "game": self.game.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "ema": mean and {name: mean.get_submodule(name).state_dict() for name in mean.sampling_networks()},
        }

    def load_state_dict(self, state: State, folder: Path) -> None:
        """Load a state.

        Args:
            state: As returned by `state_dict`.
            folder: The run's folder, for the message.

        Raises:
            RunError: If the state does not fit the game.
        """
        load_networks(folder, state, self.game, self.ema)
        with _fitting(folder):
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            _require_counts(state["step"], state["images"], state["position"], *state["updates"].values())
            _require_counts(*state["skipped"].values())
            self.step, self.images = state["step"], state["images"]
            self.updates = {name: state["updates"][name] for name in self.optimizers}
            self.skipped, self.rollbacks = dict(state["skipped"]), list(state["rollbacks"])
            self.plan = Plan.read(state.get("plan"))
            self.seconds = self.plan.seconds
            self.reseed(state["position"])

    def reseed(self, position: int) -> None:
        """Open the batches again, in the order that the number of rollbacks decides.

        Args:
            position: Number of batches to pass over.
        """
        self.stream = open_stream(replace(self.config, seed=self.seed), self.dataset, self.game.device)
        self.stream.seek(position)

    def count(self, report: StepReport) -> None:
        """Count a step.

        Args:
            report: What the step did.
        """
        self.step = report.step
        self.images += report.images
        for player, moves in report.updates.items():
            self.updates[player] += moves


def make_game(
    recipe: str,
    arguments: Mapping[str, object],
    facts: DataFacts,
    *,
    techniques: Mapping[str, object] | None = None,
    seed: int = 0,
    device: torch.device = CPU,
    times: int = 1,
) -> Game:
    """Build a game on the CPU; its weights are a function of the seed.

    Args:
        recipe: Name of the recipe.
        arguments: Its keyword arguments, as plain values.
        facts: Facts of the data.
        techniques: Training techniques, as plain values. Default: none.
        seed: Decides the weights.
        device: Device on which the game will be.
        times: Memory that the game will take there, in multiples of that of its weights.

    Raises:
        RunError: If the recipe has no such settings.
        GameError: If there is no such recipe, the game cannot be built, or it does not fit into memory.
    """
    function = find_recipe(recipe)
    known, parameters = facts.arguments(), signature(function).parameters
    given = {name: known[name] for name in FACTS if name in known and name in parameters}
    with buildable(recipe), bounded(device, times), torch.random.fork_rng(devices=[]):
        chosen, around = fill_arguments(function, dict(arguments)), from_plain(Techniques, dict(techniques or {}))
        torch.default_generator.manual_seed(hash_seed(seed, -1))
        return apply_techniques(lambda shape: function(**{**given, "shape": shape}, **chosen), given["shape"], around)


def build_game(
    config: RunConfig,
    device: torch.device,
    captions: Sequence[str] = (),
    dataset: Dataset | None = None,
    times: int = 1,
) -> Game:
    """Build the game of a run as it is at step 0.

    Args:
        config: Configuration of the run.
        device: Device of the networks.
        captions: Captions to register, where the game needs them and no checkpoint holds them.
        dataset: Data to fit feature networks and class frequencies to, where no checkpoint holds them.
        times: As for `make_game`.
    """
    parts: Settings = {"techniques": config.techniques, "seed": config.seed, "device": device, "times": times}
    game = make_game(config.recipe, config.arguments, config.data.facts, **parts).to(device)
    if dataset is not None:
        fit_to_data(game, dataset)
    if captions and isinstance(game.unwrapped, SupportsCaptionLookup):
        game.unwrapped.register_captions(captions)
    return game


def fit_to_data(game: Game, dataset: Dataset) -> None:
    """Fit the parts of a game that are fitted once before training: feature networks and class frequencies.

    Args:
        game: Just built, on its device.
        dataset: The rows to train on.
    """
    for part in game.modules():
        if isinstance(part, FitsToData):
            part.fit_to(dataset)
        if isinstance(part, SupportsClassFrequencies) and (counts := dataset.counts()) is not None:
            part.set_class_counts(counts)


def prepare(config: RunConfig, game: Game) -> EMA | None:
    """Apply the performance options of a run to its game, and return its averaged weights, if it has any.

    Args:
        config: Configuration of the run.
        game: Just built, on its device.
    """
    if config.performance:
        config.performance.apply(game)
    return EMA(game, config.ema_decay) if config.ema_decay and game.sampling_networks() else None


@contextmanager
def buildable(recipe: str) -> Iterator[None]:
    """Turn errors of building a recipe of this library into one sentence; other recipes keep their traceback.

    Args:
        recipe: Its name.

    Raises:
        GameError: In place of errors of networks and optimisers about impossible settings.
    """
    try:
        yield
    except SparringError:
        raise
    except Exception as error:
        if ":" in recipe:
            raise
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise GameError(f"The recipe {recipe} cannot be built with these settings ({reason}): change them.") from error


def open_stream(config: RunConfig, dataset: Dataset, device: torch.device) -> Stream | PrefetchStream:
    """Open the batches of a run at position 0, for this rank.

    Args:
        config: Configuration of the run.
        dataset: The rows to train on.
        device: Device of the batches.

    Raises:
        RunError: If the rows of a batch do not fit into the memory of the device.
    """
    _require_room(config.batch_size / distributed.world_size() / config.grad_accum, dataset, device)
    batches = Stream(
        dataset,
        config.batch_size,
        seed=config.seed,
        rank=distributed.rank(),
        world=distributed.world_size(),
        grad_accum=config.grad_accum,
        mirror=config.data.mirror,
        device=device,
    )
    return PrefetchStream(batches) if config.performance and config.performance.prefetch else batches


def _require_room(count: float, dataset: Dataset, device: torch.device) -> None:
    """Refuse a batch that cannot be held, before anything is written for its training."""
    shapes = [dataset.shape, *([dataset.paired_domain.dataset.shape] if dataset.paired_domain else [])]
    need, there = 4 * count * sum(map(math.prod, shapes)), total_memory(device)
    if there is not None and need > there:
        raise RunError(
            f"The rows of a batch take {need / 2**30:,.0f} GiB, and {device} has {there / 2**30:,.0f} GiB of memory: "
            "give a smaller --batch-size, or more --grad-accum."
        )


def default_batch_size(dataset: Dataset) -> int:
    """Return the default batch size of a data set.

    Args:
        dataset: The data.
    """
    if len(dataset.shape) != 3:
        return 256
    return 8 if dataset.paired_domain is not None else 64 if len(dataset) > 1 else 1


def load_networks(folder: Path, state: State, game: Game, ema: EMA | None) -> None:
    """Load the weights of a state, without its optimisers.

    Args:
        folder: The run's folder, for the message.
        state: As returned by `TrainState.state_dict`.
        game: Just built.
        ema: Its averaged weights, if any.

    Raises:
        RunError: If the state does not fit the game.
    """
    with _fitting(folder):
        game.load_state_dict(state["game"])
        if ema is not None:
            for name in game.sampling_networks():
                ema.game.get_submodule(name).load_state_dict(state["ema"][name])


def load_game(
    folder: str | Path,
    *,
    device: str = "auto",
    checkpoint: str = "newest",
    recipe: Recipe | None = None,
    trust: str | Iterable[str] = (),
) -> Game:
    """Load a trained game: averaged weights, evaluation mode, no gradients. The data is not needed.

    Args:
        folder: The run's folder.
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``auto``.
        checkpoint: ``newest``, ``best``, or the step of one that is kept.
        recipe: The function that the run was created with, if it is in no module.
        trust: The run's recipe ``module:function`` if it is outside the library, see `sparring.Run.open`.

    Raises:
        SparringError: If it is no run, its recipe is not trusted, or none of its checkpoints is good.
    """
    trust_recipes(trust)
    folder = expand_user(folder)
    config, (state, _) = configs.read(folder), load_by_name(folder, checkpoint)
    captions = config.data.facts.captions or () if state is None else ()
    name, arguments = config.recipe, config.arguments
    with handed_over(name, require_handed_over(folder, name, config.recipe_in_python, arguments, recipe)):
        game = build_game(config, distributed.resolve_device(device), captions)
    ema = prepare(config, game)
    if state is not None:
        load_networks(folder, state, game, ema)
    return (ema.game if ema else game).eval().requires_grad_(False)


def _require_counts(*counts: object) -> None:
    """Refuse counts other than whole numbers from 0 to the largest of 64 bits."""
    for count in counts:
        if type(count) is not int or not 0 <= count <= LIMIT:
            raise ValueError(f"it counts {str(count)[:40]!r} steps, images or moves")


@contextmanager
def _fitting(folder: Path) -> Iterator[None]:
    """Turn errors of loading a state into one sentence."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RunError(
            f"The checkpoint of {folder} does not fit its recipe ({reason}): use the versions that run.json names."
        ) from error
