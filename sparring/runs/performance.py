"""Performance options. None of them changes results beyond floating-point rounding.

    auto    convolutions channels-last, fused optimisers, resampling fused with convolutions, fast double backward under
            gradient penalties; on a CPU freed memory is kept, on a CUDA device batches are prefetched
    off     contiguous tensors, one parameter at a time, resampling then convolution, each batch when it is needed

The options are chosen when a run is created and stored in ``run.json``: a resumed run uses the same ones, bit by bit.
Always on, since their results are the same to the bit: gradients for the movers only, averaged weights in one call.
Games with instance norms keep the memory layout of their recipe: channels-last they can be far slower.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from sparring._types import Settings
from sparring.errors import RunError
from sparring.game import Game
from sparring.layers.normalization import ILN, AdaILN
from sparring.layers.resampling import ConvDown, UpConv
from sparring.layers.upsample_fusion import can_fuse_upsampling

__all__ = ["SETTINGS", "PerformanceOptions", "keep_freed_memory", "release_freed_memory"]

SETTINGS = ("auto", "off")
BY_IMAGE = (nn.InstanceNorm2d, nn.GroupNorm, ILN, AdaILN)
TRIM, MMAP, LARGE = -1, -3, 2**30  # mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD, and bytes


@dataclass(frozen=True)
class PerformanceOptions:
    """Performance options of a run.

    Attributes:
        setting: A name of `SETTINGS`.
        channels_last: Networks of the game with channels-last tensors; those of others are contiguous.
        fused_optimizers: Optimisers step by one kernel.
        fused_resampling: Resampling and its convolution are one strided convolution, see `sparring.layers`.
        prefetch: The next batch is loaded while the last one is used, see `sparring.data.prefetch`.
        keep_freed_memory: Freed memory stays with the process, see `keep_freed_memory`.
        fast_double_backward: Penalties differentiate layers as `sparring.objectives.double_backward` does.
        fused_upsampling: Networks whose up-sampling and convolution are one, see `sparring.layers.upsample_fusion`.
        contiguous_outputs: Modules, such as ``D.body``, whose outputs are made contiguous, because the code after them
            views channels-last tensors as only contiguous ones can be; only of games of a user, see
            `sparring.runs.performance_trial`.

    Raises:
        RunError: If there is no such setting.
    """

    setting: str
    channels_last: tuple[str, ...] = ()
    fused_optimizers: bool = False
    fused_resampling: bool = False
    prefetch: bool = False
    keep_freed_memory: bool = False
    fast_double_backward: bool = False
    fused_upsampling: tuple[str, ...] = ()
    contiguous_outputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.setting not in SETTINGS:
            raise RunError(f"There is no --fast {self.setting}: give one of {', '.join(SETTINGS)}.")

    @classmethod
    def for_game(cls, setting: str, game: Game) -> PerformanceOptions:
        """Return the options that suit a game.

        Args:
            setting: ``auto``, or ``off`` for none.
            game: The game, on its device.

        Raises:
            RunError: If there is no such setting.
        """
        if setting != "auto":
            return cls(setting)
        return cls(
            "auto",
            channels_last=_channels_last(game),
            fused_optimizers=True,
            fused_resampling=bool(_resampling(game)),
            fast_double_backward=any(map(_kernel, game.parameters())),
            fused_upsampling=tuple(
                name for name, network in game.unwrapped.named_children() if can_fuse_upsampling(network)
            ),
            prefetch=game.device.type == "cuda",
            keep_freed_memory=game.device.type == "cpu" and _glibc() is not None,
        )

    def apply(self, game: Game) -> None:
        """Set the memory layout of the networks of a game, and the way it computes.

        Args:
            game: Just built.
        """
        for name, network in game.unwrapped.named_children():
            form = torch.channels_last if name in self.channels_last else torch.contiguous_format
            network.to(memory_format=form)  # type: ignore[call-overload]  # torch declares no such form
        for name, module in game.unwrapped.named_modules():
            _keep_output_layout(module)
            if name in self.contiguous_outputs:
                module.register_forward_hook(_contiguous)
        for layer in _resampling(game):
            layer.fused = self.fused_resampling
        game.plain_double_backward = not self.fast_double_backward
        game.folds = tuple(name for name, _ in game.unwrapped.named_children() if name in self.fused_upsampling)

    def fuse(self, players: Iterable[Optimizer]) -> None:
        """Let optimisers step by one kernel where they can and do not choose otherwise, or else in plain loops.

        Args:
            players: Optimisers that have not stepped yet.
        """
        for player in players:
            for group in player.param_groups:
                if not self.fused_optimizers:
                    group.update({how: False for how in ("fused", "foreach") if how in group})
                elif type(player) in (Adam, AdamW) and _can_fuse(group):
                    group["fused"] = True

    def __str__(self) -> str:
        chosen = {
            f"channels-last {', '.join(self.channels_last)}": self.channels_last,
            "fused optimisers": self.fused_optimizers,
            "fused resampling": self.fused_resampling or self.fused_upsampling,
            "fast double backward": self.fast_double_backward,
            "prefetched batches": self.prefetch,
            "freed memory kept": self.keep_freed_memory,
        }
        return f"{self.setting} ({'; '.join(name for name, on in chosen.items() if on) or 'none'})"


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next tensors instead of returning it to the system each time.

    Tensors of a training step are the same at every step; by default glibc maps those above 32 MiB anew, and the system
    fills them with zeros first. This holds for the whole process and its lifetime; only with glibc.
    """
    if library := _glibc():
        library.mallopt(MMAP, LARGE)
        library.mallopt(TRIM, LARGE)


def release_freed_memory() -> None:
    """Return freed memory that the C library keeps to the system; only with glibc."""
    if library := _glibc():
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library if it is glibc."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return library if hasattr(library, "gnu_get_libc_version") else None


def _channels_last(game: Game) -> tuple[str, ...]:
    """Return the networks to convert to channels-last: all that convolve, or, with instance norms, those that are."""
    by_image = any(isinstance(layer, BY_IMAGE) for layer in game.modules())
    networks = dict(game.unwrapped.named_children())
    fits = _is_channels_last if by_image else _kernel
    return tuple(name for name, network in networks.items() if any(map(fits, network.parameters())))


def _kernel(weight: Tensor) -> bool:
    return weight.dim() == 4


def _is_channels_last(weight: Tensor) -> bool:
    """Return whether a weight is channels-last and not also contiguous."""
    return _kernel(weight) and weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def _resampling(game: Game) -> list[UpConv | ConvDown]:
    return [layer for layer in game.modules() if isinstance(layer, (UpConv, ConvDown))]


def _contiguous(module: nn.Module, inputs: object, output: object) -> object:
    """Return the output of a module contiguous, as a forward hook; what is not a tensor stays as it is."""
    return output.contiguous() if isinstance(output, Tensor) else output


def _keep_output_layout(module: nn.Module) -> None:
    """Remove the hook `_contiguous` from a module if it has it."""
    for key in [key for key, hook in module._forward_hooks.items() if hook is _contiguous]:
        del module._forward_hooks[key]


def _can_fuse(group: Settings) -> bool:
    """Return whether an optimiser leaves open how it steps, and one kernel can step its parameters."""
    able = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in group["params"])
    return able and not (group["foreach"] or group["differentiable"] or group["fused"] is not None)
