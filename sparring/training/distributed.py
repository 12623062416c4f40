"""Many processes: joining the group that ``torchrun`` prepared, agreeing, and proving that all hold the same game.

Gradients are averaged by the trainer; here is what a run needs besides. Everything that is agreed on lives on the CPU
(gloo), so that it never waits for a device; tensors of a CUDA device travel by NCCL.
"""

from __future__ import annotations

import atexit
import hashlib
import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sparring.errors import RunError
from sparring.training.gradient_sync import place
from sparring.training.parent_watch import leave_with_parent
from sparring.training.rendezvous import meet

PATIENCE = timedelta(seconds=120)  # for a rank that hangs; one that dies is noticed at once


def device(name: str) -> torch.device:
    """Returns the device of this process.

    Args:
        name: What torch calls it, or ``auto``: CUDA where there is one, else the CPU.

    Raises:
        RunError: If there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(name)
        if found.type == "cuda" and found.index is None:
            found = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise RunError(f"The device {name!r} cannot be used here: give cpu, cuda, cuda:N, mps or auto.") from error
    return found


def join(device: torch.device, patience: timedelta = PATIENCE) -> None:
    """Joins the process group that ``torchrun`` describes in the environment; alone, or in it already, does nothing.

    Args:
        device: Where this process trains.
        patience: How long to wait for another rank before giving up. In the rendezvous a rank that is gone is noticed
            within seconds.

    Raises:
        RunError: If the others cannot be reached, or one of them is gone.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        return
    leave_with_parent()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    meet(device, patience)
    atexit.register(leave)


def joined(name: str, patience: timedelta = PATIENCE) -> torch.device:
    """Returns the device of this process, which has joined the group where there is one.

    Args:
        name: As for `device`.
        patience: As for `join`.
    """
    found = device(name)
    join(found, patience)
    return found


def leave() -> None:
    """Leaves the process group, if in one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def world() -> int:
    """Returns the number of processes."""
    return place().world


def rank() -> int:
    """Returns the index of this process; the first, 0, is the one that writes files."""
    return place().rank


def wait() -> None:
    """Waits until every rank is here."""
    largest(0)


def lost(error: RuntimeError) -> bool:
    """Tells whether an error means that another rank is gone or hangs.

    Args:
        error: Raised while training.
    """
    return world() > 1 and (isinstance(error, dist.DistError) or "gloo" in str(error) or "NCCL" in str(error))


def largest(number: int) -> int:
    """Returns the largest of the ranks' numbers, so that all decide alike.

    Args:
        number: This rank's.
    """
    if world() == 1:
        return number
    shared = torch.tensor(number)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


def mean(values: Tensor) -> Tensor:
    """Returns the mean of the ranks' tensors; one that is not finite anywhere is so everywhere.

    Args:
        values: This rank's.
    """
    if world() == 1:
        return values
    shared = values.clone()
    dist.all_reduce(shared)
    return shared / world()


def require_same(game: nn.Module) -> None:
    """Compares the ranks' parameters and batch-norm statistics by their hashes.

    Args:
        game: This rank's.

    Raises:
        RunError: On every rank, if one of them drifted; the message names the first tensor that differs, and the rank.
    """
    if world() == 1:
        return
    tensors = shared_tensors(game)
    mine = torch.tensor([fingerprint(tensor) for tensor in tensors.values()])
    everyone = [torch.empty_like(mine) for _ in range(world())]
    dist.all_gather(everyone, mine)
    for other, theirs in enumerate(everyone):
        differing = (theirs != everyone[0]).nonzero()
        if len(differing):
            name = list(tensors)[int(differing[0])]
            raise RunError(
                f"Rank {other} drifted: its {name} differs from rank 0's ({len(differing)} tensors differ), so nothing "
                "was saved: resume, and let every rank run the same code on the same kind of device."
            )


def shared_tensors(game: nn.Module) -> dict[str, Tensor]:
    """Returns, by name, what must be the same on every rank: parameters and batch-norm statistics.

    Args:
        game: Any module.
    """
    norms = {
        f"{path}.{name}": buffer
        for path, module in game.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        for name, buffer in module.named_buffers()
    }
    return {**dict(game.named_parameters()), **norms}


def fingerprint(tensor: Tensor) -> int:
    """Returns 63 bits of the SHA-256 of a tensor's bytes.

    Args:
        tensor: Any.
    """
    content = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") >> 1
