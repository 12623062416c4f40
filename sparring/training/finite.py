"""Whether a game is still sound: every term, gradient and weight of a step, in the order of play; and turns taken back.

A tensor is judged by its sum, which is finite only if all of it is (and if it is not so large that it soon would not
be): one pass over memory. The sums stay where the networks live, so that nobody waits for a device, and travel with the
terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.errors import Diverged
from sparring.game import Move
from sparring.training.gradient_sync import rank_and_world


@dataclass(frozen=True)
class FiniteCheck:
    """What was looked at at one moment of a step.

    Attributes:
        names: What each value stands for.
        values: One number each (n,), finite if what it stands for is.
    """

    names: tuple[str, ...]
    values: Tensor

    def require_finite(self, step: int) -> None:
        """Refuses what is not finite.

        Args:
            step: Steps completed, for the message.

        Raises:
            Diverged: The message names the first of the names that is not.
        """
        if torch.isfinite(self.values).all():
            return
        name, value = next(
            pair for pair in zip(self.names, self.values.tolist(), strict=True) if _is_nonfinite(pair[1])
        )
        what = f"{name} became {value}" if name.startswith("the term") else f"{name} is no longer finite"
        raise Diverged(f"Step {step}: {what}; lower the learning rate.")


class FiniteMonitor:
    """Looks at a game while it is played.

    Args:
        game: The game; its networks are named without the techniques around it.
        snapshot: Takes back the turns that were not sound.
    """

    def __init__(self, game: nn.Module, snapshot: TurnSnapshot | None = None) -> None:
        named = {_unwrapped_name(name): tensor for name, tensor in [*game.named_parameters(), *game.named_buffers()]}
        self._names = {id(tensor): name for name, tensor in named.items()}
        self._holders = list(_holders(game))
        self._undo = snapshot
        self._trail: list[FiniteCheck] = []
        self._sound: Tensor | None = None

    def begin(self) -> None:
        """Notes that a turn begins."""
        self._sound = None
        if self._undo:
            self._undo.remember()

    def terms(self, move: Move) -> None:
        """Looks at the terms of a move.

        Args:
            move: Proposed.
        """
        names = tuple(f"the term {move.player}/{name}" for name in move.terms)
        self._trail.append(FiniteCheck(names, torch.stack([value.detach().float() for value in move.terms.values()])))

    def gradients(self, player: str, parameters: Iterable[Tensor]) -> None:
        """Looks at the gradient that a player is about to follow.

        Args:
            player: Its name.
            parameters: What it owns.
        """
        held = [(p, p.grad) for p in parameters if p.grad is not None]
        names = (f"the gradient of {self._names.get(id(p), 'a parameter')} for player {player}" for p, _ in held)
        self._look(tuple(names), [gradient for _, gradient in held])

    def weights(self) -> None:
        """Looks at every parameter and persistent buffer of the game, as they are at the end of a step."""
        held = [
            (prefix + name, tensor)
            for prefix, tensors, left_out in self._holders
            for name, tensor in tensors.items()
            if tensor is not None and name not in left_out and _is_checkable(tensor)
        ]
        self._look(tuple(name for name, _ in held), [tensor.detach() for _, tensor in held])

    @contextmanager
    def stepping(self, movers: list[Optimizer]) -> Iterator[None]:
        """Lets optimisers step inside the block, for good or, where that is asked for, only if the turn was sound.

        Args:
            movers: Those that step.
        """
        if not (self._undo and movers):
            yield
            return
        self._sound = self._judged()
        with self._undo.unless(self._sound, movers):
            yield

    def end(self) -> Tensor | None:
        """Tells, as one boolean on the device, whether the turn was made; None where turns are never taken back."""
        if self._undo:
            self._trail.clear()
        return self._sound

    def _judged(self) -> Tensor:
        """Whether all that was looked at in this turn was finite, on every rank."""
        good = torch.cat([looked.values for looked in self._trail]).isfinite().all()
        if rank_and_world().world > 1:
            votes = good.float()
            dist.all_reduce(votes, dist.ReduceOp.MIN)
            good = votes > 0
        return good

    def taken(self) -> tuple[FiniteCheck, ...]:
        """Returns everything looked at, and forgets it."""
        trail, self._trail = tuple(self._trail), []
        return trail

    def _look(self, names: tuple[str, ...], tensors: list[Tensor]) -> None:
        if tensors:
            self._trail.append(FiniteCheck(names, finite_probes(tensors)))


@dataclass
class TurnSnapshot:
    """Takes turns back that were not sound, as if they had never been made, and counts them; the host never waits.

    What a turn changes are the buffers of the game (batch statistics, pools), the parameters of its movers and the
    state of their optimisers. A turn with several simultaneous moves is taken back as a whole.

    Args:
        game: The game that is played.
    """

    game: nn.Module
    _buffers: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def remember(self) -> None:
        """Notes the buffers as they are before a turn."""
        self._buffers = [(buffer, buffer.clone()) for buffer in self.game.buffers()]

    @contextmanager
    def unless(self, sound: Tensor, movers: list[Optimizer]) -> Iterator[None]:
        """Lets optimisers step inside the block, and takes everything back at its end unless the turn was sound.

        Args:
            sound: One boolean.
            movers: Those that step.
        """
        parameters = [p for mover in movers for group in mover.param_groups for p in group["params"]]
        before = [(p, p.detach().clone()) for p in parameters]
        known = {id(value): value.clone() for value in _optimizer_state(movers)}
        yield
        with torch.no_grad():
            after = [(value, known.get(id(value), torch.zeros_like(value))) for value in _optimizer_state(movers)]
            for tensor, old in [*self._buffers, *before, *after]:
                if tensor.device == sound.device:  # else it is a count of the host's, which no result depends on
                    tensor.copy_(torch.where(sound, tensor, old))


def finite_probes(tensors: list[Tensor]) -> Tensor:
    """Returns one number for each tensor (n,), finite if all of the tensor is.

    Args:
        tensors: Of real numbers, at least one.

    >>> finite_probes([torch.ones(3), torch.tensor([1.0, torch.nan])])
    tensor([3., nan])
    """
    if tensors[0].device.type == "cpu":  # where a sum is the fastest
        return torch.stack([tensor.sum(dtype=torch.float32) for tensor in tensors])
    return torch.stack([norm.float() for norm in torch._foreach_norm(tensors, 1)])  # a kernel for all of them


def require_finite(step: int, state: Mapping[str, Tensor]) -> None:
    """Refuses a state that is lost.

    Args:
        step: Steps completed, for the message.
        state: Parameters and buffers by name.

    Raises:
        Diverged: The message names the first that is not finite.
    """
    real = {_unwrapped_name(name): tensor for name, tensor in state.items() if _is_checkable(tensor)}
    if real:
        FiniteCheck(tuple(real), finite_probes([tensor.detach() for tensor in real.values()]).cpu()).require_finite(
            step
        )


def _holders(game: nn.Module) -> Iterator[tuple[str, dict[str, Any], set[str]]]:
    """Yields prefix, tensors and names to leave out of each module; by reference, for a buffer may be replaced."""
    for name, module in game.named_modules():
        prefix = _unwrapped_name(f"{name}." if name else "")
        for tensors, left_out in ((module._parameters, set()), (module._buffers, module._non_persistent_buffers_set)):
            if tensors:
                yield prefix, tensors, left_out


def _optimizer_state(movers: list[Optimizer]) -> Iterator[Tensor]:
    """Yields every tensor of the optimisers' states."""
    for mover in movers:
        for memory in mover.state.values():
            yield from (value for value in memory.values() if isinstance(value, Tensor))


def _unwrapped_name(name: str) -> str:
    """Returns the name of a tensor as the game inside all techniques calls it."""
    while name.startswith("game."):
        name = name.removeprefix("game.")
    return name


def _is_checkable(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.numel() > 0


def _is_nonfinite(value: float) -> bool:
    return not abs(value) < float("inf")
