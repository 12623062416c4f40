"""Whether networks fit into memory, counted while they are built: each parameter before anything is written into it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from sparring.errors import GameError

__all__ = ["TRAINED", "bounded", "memory"]

TRAINED = 4  # times the memory of its weights that a network in training takes: gradients, two moments of Adam
REFUSED = ("can't allocate memory", "not enough memory", "Storage size calculation overflowed")  # in torch's words


def memory(device: torch.device) -> int | None:
    """Returns the bytes of memory of a device, or None where the system does not say.

    Args:
        device: Any.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


@contextmanager
def bounded(device: torch.device, times: int = 1) -> Iterator[None]:
    """Refuses networks that are built in this context if they do not fit into memory, before they fill it.

    Args:
        device: Where they are to live. They are built in the memory of the CPU.
        times: How many times the memory of their weights they take there.

    Raises:
        GameError: If they do not fit.
    """
    limits = [(where, factor, memory(where)) for where, factor in ((device, times), (torch.device("cpu"), 1))]
    parameters: weakref.WeakValueDictionary[int, nn.Parameter] = weakref.WeakValueDictionary()
    most = 0  # a bound, which counts parameters also after they were replaced, and again where they are shared

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal most
        if parameter is None:
            return
        parameters[id(parameter)] = parameter
        most += parameter.nbytes
        for where, factor, there in limits:
            if there is not None and factor * most > there:
                most = sum(each.nbytes for each in parameters.values())
                if factor * most > there:
                    raise _too_large(f"take {factor * most / 2**30:,.0f} GiB of memory or more", where, there)

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or any(words in str(error) for words in REFUSED):
            raise _too_large("need more memory than is free", *limits[-1][::2]) from error
        raise
    finally:
        hook.remove()


def _too_large(need: str, where: torch.device, there: int | None) -> GameError:
    has = "" if there is None else f", and {where} has {there / 2**30:,.0f} GiB"
    return GameError(
        f"The networks {need}{has}: make them smaller, such as by a smaller --width or smaller techniques."
    )
