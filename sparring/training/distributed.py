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
from sparring.training.devices import DEVICES
from sparring.training.gradient_sync import rank_and_world
from sparring.training.parent_watch import watch_parent
from sparring.training.rendezvous import rendezvous

TIMEOUT = timedelta(seconds=120)  # for a rank that hangs; one that dies is noticed at once


def resolve_device(name: str) -> torch.device:
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
        raise RunError(f"The device {name!r} cannot be used here: give {DEVICES}.") from error
    return found


def init_process_group(device: torch.device, timeout: timedelta = TIMEOUT) -> None:
    """Joins the process group that ``torchrun`` describes in the environment; alone, or in it already, does nothing.

    Args:
        device: Where this process trains.
        timeout: How long to wait for another rank before giving up. In the rendezvous a rank that is gone is noticed
            within seconds.

    Raises:
        RunError: If the others cannot be reached, or one of them is gone.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        return
    watch_parent()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    rendezvous(device, timeout)
    atexit.register(destroy_process_group)


def init(name: str, timeout: timedelta = TIMEOUT) -> torch.device:
    """Returns the device of this process, which has joined the group where there is one.

    Args:
        name: As for `resolve_device`.
        timeout: As for `init_process_group`.
    """
    found = resolve_device(name)
    init_process_group(found, timeout)
    return found


def destroy_process_group() -> None:
    """Leaves the process group, if in one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def world_size() -> int:
    """Returns the number of processes."""
    return rank_and_world().world


def rank() -> int:
    """Returns the index of this process; the first, 0, is the one that writes files."""
    return rank_and_world().rank


def barrier() -> None:
    """Waits until every rank is here."""
    all_reduce_max(0)


def is_peer_failure(error: RuntimeError) -> bool:
    """Tells whether an error means that another rank is gone or hangs.

    Args:
        error: Raised while training.
    """
    return world_size() > 1 and (isinstance(error, dist.DistError) or "gloo" in str(error) or "NCCL" in str(error))


def all_reduce_max(number: int) -> int:
    """Returns the largest of the ranks' numbers, so that all decide alike.

    Args:
        number: This rank's.
    """
    if world_size() == 1:
        return number
    shared = torch.tensor(number)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


def all_reduce_mean(values: Tensor) -> Tensor:
    """Returns the mean of the ranks' tensors; one that is not finite anywhere is so everywhere.

    Args:
        values: This rank's.
    """
    if world_size() == 1:
        return values
    shared = values.clone()
    dist.all_reduce(shared)
    return shared / world_size()


def require_identical_replicas(game: nn.Module) -> None:
    """Compares the ranks' parameters and batch-norm statistics by their hashes.

    Args:
        game: This rank's.

    Raises:
        RunError: On every rank, if one of them drifted; the message names the first tensor that differs, and the rank.
    """
    if world_size() == 1:
        return
    tensors = replicated_tensors(game)
    mine = torch.tensor([fingerprint(tensor) for tensor in tensors.values()])
    everyone = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(everyone, mine)
    for other, theirs in enumerate(everyone):
        differing = (theirs != everyone[0]).nonzero()
        if len(differing):
            name = list(tensors)[int(differing[0])]
            raise RunError(
                f"Rank {other} drifted: its {name} differs from rank 0's ({len(differing)} tensors differ), so nothing "
                "was saved: resume, and let every rank run the same code on the same kind of device."
            )


def replicated_tensors(game: nn.Module) -> dict[str, Tensor]:
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
