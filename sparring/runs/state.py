"""The state of a run: everything that its next step depends on besides its record, gathered, judged, and put back.

state = weights and buffers of the game, averaged networks, optimisers, positions in the data and in time
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import Optimizer

from sparring._io.paths import expand_user
from sparring.abilities import SupportsCaptionLookup, SupportsClassFrequencies
from sparring.data import Dataset, Stream
from sparring.data.prefetch import PrefetchStream
from sparring.errors import RunError
from sparring.game import Game
from sparring.networks.common.perceptual import FitsToData
from sparring.recipes.importing import trust as trusted
from sparring.rng import hash_seed
from sparring.runs import config, performance
from sparring.runs.checkpoint import State, load_by_name
from sparring.runs.memory import memory
from sparring.runs.wellformed import MOST
from sparring.training import distributed
from sparring.training.ema import EMA

if TYPE_CHECKING:
    from sparring.runs.run import Run


def untrained(
    settings: config.Record, device: torch.device, said: Sequence[str] = (), dataset: Dataset | None = None
) -> tuple[Game, EMA | None]:
    """Builds the game of a record, and its average if it has one, as they are at step 0.

    Args:
        settings: The record.
        device: Where the networks are to live.
        said: Captions that the game is to know, if it must know them beforehand and no checkpoint tells them.
        dataset: What parts of it are to see, likewise.
    """
    game = built(settings, device, said, dataset)
    return game, laid_out(settings, game)


def built(
    settings: config.Record,
    device: torch.device,
    said: Sequence[str] = (),
    dataset: Dataset | None = None,
    times: int = 1,
) -> Game:
    """Builds the game of a record, laid out as its recipe has it.

    Args:
        settings: The record.
        device: Where the networks are to live.
        said: As for `untrained`.
        dataset: As for `untrained`.
        times: How many times the memory of its weights the game will take, see `sparring.runs.memory`.

    Raises:
        GameError: If that is more than there is.
    """
    game = config.game(settings, device, times).to(device)
    if dataset is not None:
        for part in game.modules():
            if isinstance(part, FitsToData):
                part.fit_to(dataset)
            if isinstance(part, SupportsClassFrequencies) and (counts := dataset.counts()) is not None:
                part.set_class_counts(counts)
    if said and isinstance(game.unwrapped, SupportsCaptionLookup):
        game.unwrapped.register_captions(said)
    return game


def laid_out(settings: config.Record, game: Game) -> EMA | None:
    """Does to a game what makes it fast, and returns its average if it has one.

    Args:
        settings: The record.
        game: Just built.
    """
    if chosen := performance.of(settings, game):
        chosen.put_on(game)
    averaged = settings["ema_decay"] and game.sampling_networks()
    return EMA(game, settings["ema_decay"]) if averaged else None


def optimisers(settings: config.Record, game: Game) -> dict[str, Optimizer]:
    """Builds the players of a run, as they are at step 0.

    Args:
        settings: The record.
        game: That the record describes.
    """
    players = game.players()
    if chosen := performance.of(settings, game):
        chosen.fuse(players.values())
    return players


def stream(settings: config.Record, dataset: Dataset, device: torch.device) -> Stream | PrefetchStream:
    """Opens the batches of a run at position 0, for this rank.

    Args:
        settings: The record.
        dataset: The data that it names.
        device: Where the batches are to go.

    Raises:
        RunError: If not even the rows of a batch fit into the memory of the device.
    """
    _require_room(settings["batch_size"] / distributed.world_size() / settings["grad_accum"], dataset, device)
    batches = Stream(
        dataset,
        settings["batch_size"],
        seed=settings["seed"],
        rank=distributed.rank(),
        world=distributed.world_size(),
        parts=settings["grad_accum"],
        mirror=settings["data"]["mirror"],
        device=device,
    )
    return PrefetchStream(batches) if settings.get("performance", {}).get("ahead") else batches


def _require_room(count: float, dataset: Dataset, device: torch.device) -> None:
    """Refuses a batch that cannot be held, before anything is written for its training."""
    shapes = [dataset.shape, *([dataset.paired_domain.dataset.shape] if dataset.paired_domain else [])]
    need, there = 4 * count * sum(map(math.prod, shapes)), memory(device)
    if there is not None and need > there:
        raise RunError(
            f"The rows of a batch take {need / 2**30:,.0f} GiB, and {device} has {there / 2**30:,.0f} GiB of memory: "
            "give a smaller --batch-size, or more --grad-accum."
        )


def rows(dataset: Dataset) -> int:
    """Returns how many rows a batch has unless told.

    Args:
        dataset: Loaded.
    """
    if len(dataset.shape) != 3:
        return 256
    return 8 if dataset.paired_domain is not None else 64 if len(dataset) > 1 else 1


def form(settings: config.Record, root: str | Path | None = None) -> dict[str, Any]:
    """Returns how to load the data of a run, besides its name.

    Args:
        settings: The run's record.
        root: Where the standard data sets are, if they have moved.
    """
    told = settings["data"]
    known = {"size": told["size"], "channels": told["channels"], "root": root or told["root"]}
    return {**known, "margin": told.get("crop_margin", 0), "skip_bad": told.get("skip_unreadable", False)}


def gathered(run: Run) -> State:
    """Returns the state of a run as tensors, numbers and dicts; of the average only the networks that are its own.

    Args:
        run: Between two steps.
    """
    return {
        "step": run.step,
        "images": run.images,
        "updates": dict(run.updates),
        "skipped": dict(run.skipped),
        "rollbacks": list(run.rollbacks),
        "position": run.stream.position,
        **_networks(run.game, run.players, run.average),
    }


def _networks(game: Game, players: Mapping[str, Optimizer], average: EMA | None) -> State:
    """Returns the weights and what their optimisers remember."""
    mean = average and average.game
    return {
        "game": game.state_dict(),
        "players": {name: player.state_dict() for name, player in players.items()},
        "average": mean and {name: mean.get_submodule(name).state_dict() for name in mean.sampling_networks()},
    }


def beginning(run: Run) -> State:
    """Returns the state that a run had at step 0.

    Args:
        run: Any.
    """
    said = run.dataset.captions.unique if run.dataset.captions else ()
    game, average = untrained(run.record, run.game.device, said, run.training)
    players = optimisers(run.record, game)
    return {
        "step": 0,
        "images": 0,
        "updates": dict.fromkeys(players, 0),
        "position": 0,
        **_networks(game, players, average),
    }


def restore(run: Run, state: State) -> None:
    """Puts a state back.

    Args:
        run: Just built.
        state: As gathered.

    Raises:
        RunError: If the state was made by other code.
    """
    restore_networks(run.folder, state, run.game, run.average)
    with _fitting(run.folder):
        for name, player in run.players.items():
            player.load_state_dict(state["players"][name])
        _require_counts(state["step"], state["images"], state["position"], *state["updates"].values())
        _require_counts(*state.get("skipped", {}).values())
        run.step, run.images, run.updates = (
            state["step"],
            state["images"],
            {name: state["updates"][name] for name in run.players},
        )
        run.skipped, run.rollbacks = dict(state.get("skipped", {})), list(state.get("rollbacks", []))
        reseed(run, state["position"])


def reseed(run: Run, position: int) -> None:
    """Opens the batches of a run anew, in the order that its rollbacks ask for.

    Args:
        run: Its rollbacks are known.
        position: How many batches were read before.
    """
    run.stream = stream({**run.record, "seed": seed(run)}, run.training, run.game.device)
    run.stream.seek(position)


def seed(run: Run) -> int:
    """Returns what decides the draws of a run's next steps: its seed, and another one after each rollback.

    Args:
        run: Any.
    """
    return hash_seed(run.record["seed"], len(run.rollbacks)) if run.rollbacks else run.record["seed"]


def restore_networks(folder: Path, state: State, game: Game, average: EMA | None) -> None:
    """Puts back what sampling needs.

    Args:
        folder: The run's, for the message.
        state: As gathered.
        game: Just built.
        average: Its average, if it has one.

    Raises:
        RunError: If the state was made by other code.
    """
    with _fitting(folder):
        game.load_state_dict(state["game"])
        if average is not None:
            for name in game.sampling_networks():
                average.game.get_submodule(name).load_state_dict(state["average"][name])


def load(
    folder: str | Path, *, device: str = "auto", checkpoint: str = "newest", trust: str | Iterable[str] = ()
) -> Game:
    """Loads what a run learned, ready to be used: averaged weights, evaluation mode, no gradients; needs no data.

    Args:
        folder: The run's.
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``auto``.
        checkpoint: ``newest``, ``best``, or the step of one that is kept.
        trust: The run's recipe ``module:function`` if it is outside the library, see `sparring.Run.open`.

    Raises:
        SparringError: If it is no run, its recipe is not trusted, or none of its checkpoints is good.
    """
    trusted(trust)
    folder = expand_user(folder)
    settings, (state, _) = config.read(folder), load_by_name(folder, checkpoint)
    said = settings["data"]["facts"].get("captions", ()) if state is None else ()
    game, average = untrained(settings, distributed.resolve_device(device), said)
    if state is not None:
        restore_networks(folder, state, game, average)
    return (average.game if average else game).eval().requires_grad_(False)


def _require_counts(*counts: Any) -> None:
    """Refuses what counts nothing: other than whole numbers, below 0, or too large for any training."""
    for count in counts:
        if type(count) is not int or not 0 <= count <= MOST:
            raise ValueError(f"it counts {str(count)[:40]!r} steps, images or moves")


@contextmanager
def _fitting(folder: Path) -> Iterator[None]:
    """Says in one sentence that a checkpoint was made by other code."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RunError(
            f"The checkpoint of {folder} does not fit its recipe ({reason}): use the versions that run.json names."
        ) from error
