"""Distributed training: the process group of ``torchrun``, collective operations, checks that replicas are identical.

Gradients are averaged by the trainer. Values that a run agrees on are reduced on the CPU (gloo), so that no device is
synchronised; tensors of a CUDA device use NCCL.
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

TIMEOUT = timedelta(seconds=120)  # for a rank that hangs; one that dies is detected at once


def resolve_device(name: str) -> torch.device:
    """Return the device of this process.

    Args:
        name: A torch device string, or ``auto``: CUDA if available, else the CPU.

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
    """Join the process group that ``torchrun`` describes in the environment. A single process does nothing.

    Args:
        device: Device on which this process trains.
        timeout: Time to wait for another rank. In the rendezvous a rank that has died is detected within seconds.

    Raises:
        RunError: If another rank cannot be reached or has died.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        return
    watch_parent()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    rendezvous(device, timeout)
    atexit.register(destroy_process_group)


def init(name: str, timeout: timedelta = TIMEOUT) -> torch.device:
    """Join the process group if there is one and return the device of this process.

    Args:
        name: As for `resolve_device`.
        timeout: As for `init_process_group`.
    """
    found = resolve_device(name)
    init_process_group(found, timeout)
    return found


def destroy_process_group() -> None:
    """Leave the process group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def world_size() -> int:
    """Return the number of processes."""
    return rank_and_world().world


def rank() -> int:
    """Return the index of this process. Rank 0 writes files."""
    return rank_and_world().rank


def barrier() -> None:
    """Wait until every rank has reached this call."""
    all_reduce_max(0)


def is_peer_failure(error: RuntimeError) -> bool:
    """Return whether an error means that another rank has died or hangs.

    Args:
        error: Raised during training.
    """
    return world_size() > 1 and (isinstance(error, dist.DistError) or "gloo" in str(error) or "NCCL" in str(error))


def all_reduce_max(number: int) -> int:
    """Return the maximum of a number over all ranks.

    Args:
        number: The number of this rank.
    """
    if world_size() == 1:
        return number
    shared = torch.tensor(number)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


def all_reduce_mean(values: Tensor) -> Tensor:
    """Return the mean of a tensor over all ranks. A value that is not finite on one rank is not finite on all.

    Args:
        values: The tensor of this rank.
    """
    if world_size() == 1:
        return values
    shared = values.clone()
    dist.all_reduce(shared)
    return shared / world_size()


def require_identical_replicas(game: nn.Module) -> None:
    """Compare parameters and batch-norm statistics over all ranks by their hashes.

    Args:
        game: The game of this rank.

    Raises:
        RunError: On every rank, if one has diverged; the message names the first tensor that differs and the rank.
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
    """Return the tensors that must be identical on every rank, by name: parameters and batch-norm statistics.

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
    """Return 63 bits of the SHA-256 of a tensor's bytes.

    Args:
        tensor: Any.
    """
    content = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") >> 1
