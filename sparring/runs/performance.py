"""What a run does to be fast; nothing of it changes results beyond rounding.

    auto    convolutions channels-last, fused optimisers, folded resampling, layers under a gradient penalty
            differentiated our way; on a CPU freed memory is kept, on a CUDA device batches are loaded ahead
    off     the plain path: contiguous tensors, one parameter after the other, resample and convolve, every batch when
            it is asked for

The choice is made when the run is made and stored in ``run.json``: however it is resumed, it goes on in the same way,
bit by bit. Always on, since their results are the same to the bit: gradients for the movers only, averages in one call.
Games that normalise single images are left as their recipe lays them out: channels-last they can be far slower.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from sparring.errors import RunError
from sparring.game import Game
from sparring.layers.normalization import ILN, AdaILN
from sparring.layers.resampling import ConvDown, UpConv
from sparring.layers.upsample_fusion import can_fuse_upsampling

__all__ = ["SETTINGS", "Fast", "keep_memory", "of"]

SETTINGS = ("auto", "off")
BY_IMAGE = (nn.InstanceNorm2d, nn.GroupNorm, ILN, AdaILN)
TRIM, MMAP, LARGE = -1, -3, 2**30  # mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD, and bytes


@dataclass(frozen=True)
class Fast:
    """What was chosen.

    Attributes:
        setting: What was asked for, a name of `SETTINGS`.
        channels_last: Networks of the game whose tensors are laid out channels-last; those of others are contiguous.
        fused: Optimisers step by one kernel.
        folded: A change of scale and its convolution are one strided convolution, see `sparring.layers.resampling`.
        slopes: Penalties differentiate layers as `sparring.objectives.double_backward` does.
        ahead: The next batch is loaded while the last one is used, see `sparring.data.prefetch`.
        keeping: Freed memory stays with the process, see `keep_memory`.
        folds: Networks whose up-sampling and convolution are computed in one, see `sparring.layers.upsample_fusion`.
    """

    setting: str
    channels_last: tuple[str, ...] = ()
    fused: bool = False
    folded: bool = False
    ahead: bool = False
    keeping: bool = False
    slopes: bool = False
    folds: tuple[str, ...] = ()

    def put_on(self, game: Game) -> None:
        """Lays out the networks of a game, and tells it and its layers which way to compute.

        Args:
            game: Just built.
        """
        for name, network in game.unwrapped.named_children():
            form = torch.channels_last if name in self.channels_last else torch.contiguous_format
            network.to(memory_format=form)  # type: ignore[call-overload]  # torch declares no such form
        for layer in _folding(game):
            layer.fused = self.folded
        game.plain_double_backward = not self.slopes
        game.folds = tuple(name for name, _ in game.unwrapped.named_children() if name in self.folds)

    def fuse(self, players: Iterable[Optimizer]) -> None:
        """Lets optimisers step by one kernel where they can and nobody has said otherwise, or else in plain loops.

        Args:
            players: That have not moved yet.
        """
        for player in players:
            for group in player.param_groups:
                if not self.fused:
                    group.update({how: False for how in ("fused", "foreach") if how in group})
                elif type(player) in (Adam, AdamW) and _undecided(group):
                    group["fused"] = True

    def plain(self) -> dict[str, Any]:
        """Returns the choice as JSON has it."""
        return {**asdict(self), "channels_last": list(self.channels_last), "folds": list(self.folds)}

    def __str__(self) -> str:
        chosen = {
            f"channels-last {', '.join(self.channels_last)}": self.channels_last,
            "fused optimisers": self.fused,
            "folded resampling": self.folded or self.folds,
            "slopes under penalties": self.slopes,
            "batches loaded ahead": self.ahead,
            "freed memory kept": self.keeping,
        }
        return f"{self.setting} ({'; '.join(name for name, on in chosen.items() if on) or 'the plain path'})"


def of(settings: dict[str, Any], game: Game) -> Fast | None:
    """Returns what a run does to be fast: what its record tells, or what suits the game if only the setting is told.

    Args:
        settings: The run's record; older ones tell nothing, and their games stay as they are built.
        game: On its device.

    Raises:
        RunError: If there is no such setting.
    """
    told = settings.get("performance")
    if told is None:
        return None
    if told["setting"] not in SETTINGS:
        raise RunError(f"There is no --fast {told['setting']}: give one of {', '.join(SETTINGS)}.")
    if len(told) > 1:
        return Fast(**{**told, "channels_last": tuple(told["channels_last"]), "folds": tuple(told.get("folds", ()))})
    if told["setting"] == "off":
        return Fast("off")
    return Fast(
        "auto",
        channels_last=_suited(game),
        fused=True,
        folded=bool(_folding(game)),
        slopes=any(map(_kernel, game.parameters())),
        folds=tuple(name for name, network in game.unwrapped.named_children() if can_fuse_upsampling(network)),
        ahead=game.device.type == "cuda",
        keeping=game.device.type == "cpu" and _glibc() is not None,
    )


def keep_memory() -> None:
    """Lets the C library keep freed memory for the next tensors, in place of giving it back to the system each time.

    Tensors of a training step are the same at every step; by default glibc maps those above 32 MiB anew, and the system
    fills them with zeros first. For the whole process, and for good; does nothing elsewhere than with glibc.
    """
    if library := _glibc():
        library.mallopt(MMAP, LARGE)
        library.mallopt(TRIM, LARGE)


def trim_memory() -> None:
    """Gives freed memory that the C library keeps back to the system; does nothing elsewhere than with glibc."""
    if library := _glibc():
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Returns the C library if it is glibc."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return library if hasattr(library, "gnu_get_libc_version") else None


def _suited(game: Game) -> tuple[str, ...]:
    """Returns which networks are to be channels-last: all that convolve, or, beside norms of images, those that are."""
    by_image = any(isinstance(layer, BY_IMAGE) for layer in game.modules())
    networks = dict(game.unwrapped.named_children())
    fits = _laid_out if by_image else _kernel
    return tuple(name for name, network in networks.items() if any(map(fits, network.parameters())))


def _kernel(weight: Tensor) -> bool:
    return weight.dim() == 4


def _laid_out(weight: Tensor) -> bool:
    """Tells whether a weight is channels-last, and not contiguous as well."""
    return _kernel(weight) and weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def _folding(game: Game) -> list[UpConv | ConvDown]:
    return [layer for layer in game.modules() if isinstance(layer, (UpConv, ConvDown))]


def _undecided(group: dict[str, Any]) -> bool:
    """Tells whether nobody has said how an optimiser steps, and its parameters can be stepped by one kernel."""
    able = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in group["params"])
    return able and not (group["foreach"] or group["differentiable"] or group["fused"] is not None)
