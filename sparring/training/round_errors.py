"""Errors of a game's own code: one sentence with the game, the line and the remedy, in place of a bare traceback.

A critic that returns a tuple, an in-place operation, a wrong shape: the exception that torch raises becomes the cause
of a `RoundError`. Faults of the machine (no memory, a failing device or process, files) and of this library's own games
pass unchanged.
"""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from sparring.errors import RoundError
from sparring.game import Game, Move
from sparring.training.distributed import is_peer_failure

OURS = Path(__file__).parents[1]
LIBRARIES = (Path(torch.__file__).parent, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")))
CAUGHT = (TypeError, ValueError, AttributeError, NameError, LookupError, ArithmeticError, AssertionError, RuntimeError)
MACHINE = (
    "out of memory",
    "allocate memory",
    "bad_alloc",
    "CUDA",
    "cuDNN",
    "cuBLAS",
    "NCCL",
    "gloo",
    "can't start new thread",
)

REMEDIES = (
    (r"inplace operation|in-place operation", "replace operations in place (x += y, x[i] = y, relu_) by new tensors"),
    (r"\b(tuple|dict|list)\b", "let every network return one tensor, and a critic its scores"),
    (r"NoneType", "let every network return a tensor"),
    (r"backward through the graph a second time", "detach what an earlier move has used, or compute it again"),
    (r"generator raised StopIteration", "give endless batches; the data ended during the round"),
    (r"shape|size|dimension|channels", "make the networks fit the shape of the data"),
)
"""Text of an error, and its remedy."""


@contextmanager
def explain_round_errors(game: Game, moves: tuple[Move, ...] = ()) -> Iterator[None]:
    """Turn an exception of the game's own code into a `RoundError` that names the game, the line and the remedy.

    Args:
        game: The game whose code runs in the block.
        moves: Those whose gradients are taken in the block; none while the round computes its terms.

    Raises:
        RoundError: With the exception as its cause.
    """
    try:
        yield
    except CAUGHT as error:
        if _of_the_machine(error) or not _of_the_user(game, error):
            raise
        raise RoundError(_sentence(game, moves, error)) from error


def _of_the_machine(error: Exception) -> bool:
    """Return whether memory, a device, another process or the data failed."""
    failed = isinstance(error, (torch.OutOfMemoryError, getattr(torch, "AcceleratorError", ())))
    lost = isinstance(error, RuntimeError) and is_peer_failure(error)
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    data = any(path.is_relative_to(OURS / "data") for path in files)
    return failed or lost or data or any(words in str(error) for words in MACHINE)


def _of_the_user(game: Game, error: Exception) -> bool:
    """Return whether code outside this library and torch takes part: the game, one of its networks, or a function."""
    homes = {type(module).__module__.partition(".")[0] for module in game.modules()}
    return bool(homes - {"sparring", "torch"}) or any(map(_foreign, traceback.extract_tb(error.__traceback__)))


def _foreign(frame: traceback.FrameSummary) -> bool:
    path = Path(frame.filename)
    return not path.is_relative_to(OURS) and not any(path.is_relative_to(library) for library in LIBRARIES)


def _sentence(game: Game, moves: tuple[Move, ...], error: Exception) -> str:
    reason = str(error).strip().partition("\n")[0][:200].rstrip(".") or "no message"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _foreign(frame)]
    rounds = [frame for frame in frames if Path(frame.filename).is_relative_to(OURS / "games")]
    place = [*rounds, *theirs][-1:] if not moves else []
    where = "".join(f" at {Path(frame.filename).name}, line {frame.lineno}, {frame.line!r}" for frame in place)
    what = f"the gradient of player {moves[0].player!r}" if moves else "the round"
    remedy = next((words for pattern, words in REMEDIES if re.search(pattern, str(error))), "correct this line")
    return f"{type(game.unwrapped).__name__}: {what} failed{where} ({type(error).__name__}: {reason}): {remedy}."
