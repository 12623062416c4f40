"""Limit of memory for networks, checked while they are built: each parameter before anything is written into it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from sparring._io.memory import total_memory
from sparring.errors import GameError

__all__ = ["TRAINED", "bounded"]

TRAINED = 4  # memory of a network in training by that of its weights: weights, gradients, two moments of Adam
REFUSED = ("can't allocate memory", "not enough memory", "Storage size calculation overflowed")  # in torch's words


@contextmanager
def bounded(device: torch.device, times: int = 1) -> Iterator[None]:
    """Refuse networks that are built in this context if they do not fit into memory, before they fill it.

    Args:
        device: Device on which they will be. They are built in the memory of the CPU.
        times: Memory that they take there, in multiples of that of their weights.

    Raises:
        GameError: If they do not fit.
    """
    limits = [(where, factor, total_memory(where)) for where, factor in ((device, times), (torch.device("cpu"), 1))]
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
