"""The state of a run: everything that its next step depends on besides its record, gathered, judged, and put back.

state = weights and buffers of the game, averaged networks, optimisers, positions in the data and in time
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sparring import checkpoint, parallel, record
from sparring.average import Average
from sparring.checkpoint import State, load_named
from sparring.data import Dataset, Stream
from sparring.errors import Diverged, RunError
from sparring.game import Game, Knows

if TYPE_CHECKING:
    from sparring.journal import Log
    from sparring.run import Run


def untrained(settings: record.Record, device: torch.device, said: Sequence[str] = ()) -> tuple[Game, Average | None]:
    """Builds the game of a record, and its average if it has one, as they are at step 0.

    Args:
        settings: The record.
        device: Where the networks are to live.
        said: Captions that the game is to know, if it must know them beforehand and no checkpoint tells them.
    """
    game = record.game(settings).to(device)
    if said and isinstance(game.core, Knows):
        game.core.know(said)
    averaged = settings["average"] and game.sampling()
    return game, Average(game, settings["average"]) if averaged else None


def stream(settings: record.Record, dataset: Dataset, device: torch.device) -> Stream:
    """Opens the batches of a run at position 0, for this rank.

    Args:
        settings: The record.
        dataset: The data that it names.
        device: Where the batches are to go.
    """
    return Stream(
        dataset,
        settings["batch"],
        seed=settings["seed"],
        rank=parallel.rank(),
        world=parallel.world(),
        parts=settings["parts"],
        mirror=settings["data"]["mirror"],
        device=device,
    )


def gathered(run: Run) -> State:
    """Returns the state of a run as tensors, numbers and dicts; of the average only the networks that are its own.

    Args:
        run: Between two steps.
    """
    average = run.average and run.average.game
    return {
        "step": run.step,
        "images": run.images,
        "updates": dict(run.updates),
        "position": run.stream.position,
        "game": run.game.state_dict(),
        "players": {name: player.state_dict() for name, player in run.players.items()},
        "average": average and {name: average.get_submodule(name).state_dict() for name in average.sampling()},
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
        run.stream.seek(state["position"])
        run.step, run.images, run.updates = state["step"], state["images"], dict(state["updates"])


def restore_networks(folder: Path, state: State, game: Game, average: Average | None) -> None:
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
            for name in game.sampling():
                average.game.get_submodule(name).load_state_dict(state["average"][name])


def load(folder: str | Path, *, device: str = "auto", checkpoint: str = "newest") -> Game:
    """Loads what a run learned, ready to be used: averaged weights, evaluation mode, no gradients; needs no data.

    Args:
        folder: The run's.
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``auto``.
        checkpoint: ``newest``, ``best``, or the step of one that is kept.

    Raises:
        SparringError: If it is no run, or none of its checkpoints is good.
    """
    folder = Path(folder)
    settings, (state, _) = record.read(folder), load_named(folder, checkpoint)
    said = settings["data"]["facts"].get("captions", ()) if state is None else ()
    game, average = untrained(settings, parallel.device(device), said)
    if state is not None:
        restore_networks(folder, state, game, average)
    return (average.game if average else game).eval().requires_grad_(False)


class Saved:
    """Saves a run, and knows at which step it did.

    Args:
        run: What to save.
        log: Is settled first, so that no checkpoint is ahead of it, and no diverged step is saved.
        keep: How many checkpoints stay.
    """

    def __init__(self, run: Run, log: Log, keep: int) -> None:
        self.run, self.log, self.keep = run, log, keep
        self.step = run.step

    def save(self, *, alone: bool = False) -> None:
        """Saves the run as it is, unless it is saved already.

        Args:
            alone: Neither compare with the other ranks nor wait for them.

        Raises:
            Diverged: If a term or a weight is not finite.
            RunError: If the ranks drifted apart, or the folder cannot be written.
        """
        run = self.run
        if run.step == self.step:
            return
        self.log.settle()
        require_finite(run)
        if not alone:
            parallel.require_same(run.game)
        if parallel.rank() == 0:
            checkpoint.save(run.folder, run.step, gathered(run), keep=self.keep)
        self.step = run.step
        if not alone:
            parallel.wait()

    def best(self) -> None:
        """Saves the run as its best so far, beside the checkpoints that it goes on from.

        Raises:
            Diverged: If a weight is not finite.
            RunError: If the folder cannot be written.
        """
        require_finite(self.run)
        checkpoint.save(self.run.folder, self.run.step, gathered(self.run), keep=1, place=checkpoint.BEST)

    def __str__(self) -> str:
        if not self.step:
            return f"Nothing was saved in {self.run.folder} yet."
        return f"The checkpoint of step {self.step} in {self.run.folder} is kept."


def require_finite(run: Run) -> None:
    """Refuses to save weights that are lost, before a term tells.

    Args:
        run: About to be saved.

    Raises:
        Diverged: If a weight or statistic of the game or of its average is not finite; the message names it.
    """
    named: dict[str, Any] = {**run.sampler.state_dict(), **run.game.state_dict()}
    floating = {name: tensor for name, tensor in named.items() if tensor.is_floating_point()}
    finite = torch.stack([tensor.isfinite().all() for tensor in floating.values()]).tolist()
    for name, good in zip(floating, finite, strict=True):
        if not good:
            raise Diverged(f"Step {run.step}: {name} is no longer finite; lower the learning rate.")


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
