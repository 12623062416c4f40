"""Memory in bytes: total, free, in use and peak, of a device and of the machine.

Every function returns None where the system does not provide the figure.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import torch

__all__ = ["free_memory", "peak_memory", "physical_memory", "reset_peak_memory", "total_memory", "used_memory"]

STATUS, CLEAR, MEMINFO = Path("/proc/self/status"), Path("/proc/self/clear_refs"), Path("/proc/meminfo")


def physical_memory() -> int | None:
    """Return the memory of the machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def total_memory(device: torch.device) -> int | None:
    """Return the memory of a device.

    Args:
        device: The device.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return physical_memory()


def free_memory(device: torch.device) -> int | None:
    """Return the memory of a device that is free.

    Args:
        device: The device.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return _line(MEMINFO, "MemAvailable")


def used_memory(device: torch.device) -> int | None:
    """Return the memory that this process uses now: tensors on a CUDA device, otherwise all of the process.

    Args:
        device: The device.
    """
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else _line(STATUS, "VmRSS")


def peak_memory(device: torch.device | None = None) -> int | None:
    """Return the largest memory that this process used since it began, or since `reset_peak_memory`.

    Args:
        device: The device. Default: the CUDA device in use, otherwise the CPU, since the process began.
    """
    if device is not None:
        return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _line(STATUS, "VmHWM")
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory(device: torch.device) -> None:
    """Forget the largest memory that was used.

    Args:
        device: The device.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            CLEAR.write_text("5")


def _line(file: Path, name: str) -> int | None:
    """Return a line of what Linux reports in KiB."""
    with suppress(OSError, StopIteration):
        return next(int(line.split()[1]) * 1024 for line in file.read_text().splitlines() if line.startswith(name))
    return None
