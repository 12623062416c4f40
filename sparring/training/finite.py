"""Checks that terms, gradients and weights are finite, and undoing of turns that are not.

A tensor is checked by its sum, which is finite only if every entry is (and if they are not so large that they soon
would not be): one pass over memory. The sums stay on the device of the networks, so that the host is not synchronised,
and are transferred with the terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.errors import Diverged
from sparring.game import Move
from sparring.training.gradient_sync import rank_and_world


@dataclass(frozen=True)
class FiniteCheck:
    """Values that were checked at one point of a step.

    Attributes:
        names: Name of each checked tensor.
        values: One number per tensor (n,), finite if the tensor is.
    """

    names: tuple[str, ...]
    values: Tensor

    def require_finite(self, step: int) -> None:
        """Raise an error if a value is not finite.

        Args:
            step: Number of completed steps, for the message.

        Raises:
            Diverged: The message names the first tensor that is not finite.
        """
        if torch.isfinite(self.values).all():
            return
        name, value = next(
            pair for pair in zip(self.names, self.values.tolist(), strict=True) if _is_nonfinite(pair[1])
        )
        what = f"{name} became {value}" if name.startswith("the term") else f"{name} is no longer finite"
        raise Diverged(f"Step {step}: {what}; lower the learning rate.")


class FiniteMonitor:
    """Records checks of terms, gradients and weights during a step.

    Args:
        game: The game; its networks are named without the techniques around it.
        snapshot: Undoes turns that are not finite.
    """

    def __init__(self, game: nn.Module, snapshot: TurnSnapshot | None = None) -> None:
        named = {_unwrapped_name(name): tensor for name, tensor in [*game.named_parameters(), *game.named_buffers()]}
        self._names = {id(tensor): name for name, tensor in named.items()}
        self._holders = list(_holders(game))
        self._undo = snapshot
        self._trail: list[FiniteCheck] = []
        self._sound: Tensor | None = None

    def begin_turn(self) -> None:
        """Start a turn."""
        self._sound = None
        if self._undo:
            self._undo.remember()

    def check_terms(self, move: Move) -> None:
        """Check the terms of a move.

        Args:
            move: The move.
        """
        names = tuple(f"the term {move.player}/{name}" for name in move.terms)
        self._trail.append(FiniteCheck(names, torch.stack([value.detach().float() for value in move.terms.values()])))

    def check_gradients(self, player: str, parameters: Iterable[Tensor]) -> None:
        """Check the gradients of a player before its step.

        Args:
            player: Name of the player.
            parameters: The parameters of the player.
        """
        held = [(p, p.grad) for p in parameters if p.grad is not None]
        names = (f"the gradient of {self._names.get(id(p), 'a parameter')} for player {player}" for p, _ in held)
        self._look(tuple(names), [gradient for _, gradient in held])

    def check_weights(self) -> None:
        """Check every parameter and persistent buffer of the game at the end of a step."""
        held = [
            (prefix + name, tensor)
            for prefix, tensors, left_out in self._holders
            for name, tensor in tensors.items()
            if tensor is not None and name not in left_out and _is_checkable(tensor)
        ]
        self._look(tuple(name for name, _ in held), [tensor.detach() for _, tensor in held])

    @contextmanager
    def stepping(self, movers: list[Optimizer]) -> Iterator[None]:
        """Return a context for the optimisers' steps, undone if a snapshot is given and the turn is not finite.

        Args:
            movers: The optimisers that step.
        """
        if not (self._undo and movers):
            yield
            return
        self._sound = self._judged()
        with self._undo.unless(self._sound, movers):
            yield

    def end_turn(self) -> Tensor | None:
        """Return whether the turn was kept, as a boolean tensor; None if turns are never undone."""
        if self._undo:
            self._trail.clear()
        return self._sound

    def _judged(self) -> Tensor:
        """Return whether every check of this turn was finite on every rank."""
        good = torch.cat([looked.values for looked in self._trail]).isfinite().all()
        if rank_and_world().world > 1:
            votes = good.float()
            dist.all_reduce(votes, dist.ReduceOp.MIN)
            good = votes > 0
        return good

    def pop_checks(self) -> tuple[FiniteCheck, ...]:
        """Return the recorded checks and clear them."""
        trail, self._trail = tuple(self._trail), []
        return trail

    def _look(self, names: tuple[str, ...], tensors: list[Tensor]) -> None:
        if tensors:
            self._trail.append(FiniteCheck(names, finite_probes(tensors)))


@dataclass
class TurnSnapshot:
    """Undoes turns that are not finite, without synchronising the host.

    A turn changes the buffers of the game (batch statistics, pools), the parameters of the players that move and the
    state of their optimisers. A turn with several simultaneous moves is undone as a whole.

    Args:
        game: The game in training.
    """

    game: nn.Module
    _buffers: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def remember(self) -> None:
        """Record the buffers before a turn."""
        self._buffers = [(buffer, buffer.clone()) for buffer in self.game.buffers()]

    @contextmanager
    def unless(self, sound: Tensor, movers: list[Optimizer]) -> Iterator[None]:
        """Return a context for the optimisers' steps, which are undone at its end unless the turn was finite.

        Args:
            sound: Boolean tensor: whether the turn was finite.
            movers: The optimisers that step.
        """
        parameters = [p for mover in movers for group in mover.param_groups for p in group["params"]]
        before = [(p, p.detach().clone()) for p in parameters]
        known = {id(value): value.clone() for value in _optimizer_state(movers)}
        yield
        with torch.no_grad():
            after = [(value, known.get(id(value), torch.zeros_like(value))) for value in _optimizer_state(movers)]
            for tensor, old in [*self._buffers, *before, *after]:
                if tensor.device == sound.device:  # else it is a counter on the host, which no result depends on
                    tensor.copy_(torch.where(sound, tensor, old))


def finite_probes(tensors: list[Tensor]) -> Tensor:
    """Return one number per tensor (n,), finite if every entry of the tensor is.

    Args:
        tensors: Real tensors, at least one.

    >>> finite_probes([torch.ones(3), torch.tensor([1.0, torch.nan])])
    tensor([3., nan])
    """
    if tensors[0].device.type == "cpu":  # where a sum is fastest
        return torch.stack([tensor.sum(dtype=torch.float32) for tensor in tensors])
    return torch.stack([norm.float() for norm in torch._foreach_norm(tensors, 1)])  # one kernel for all


def require_finite(step: int, state: Mapping[str, Tensor]) -> None:
    """Raise an error if a state is not finite.

    Args:
        step: Number of completed steps, for the message.
        state: Parameters and buffers by name.

    Raises:
        Diverged: The message names the first tensor that is not finite.
    """
    real = {_unwrapped_name(name): tensor for name, tensor in state.items() if _is_checkable(tensor)}
    if real:
        FiniteCheck(tuple(real), finite_probes([tensor.detach() for tensor in real.values()]).cpu()).require_finite(
            step
        )


def _holders(game: nn.Module) -> Iterator[tuple[str, dict[str, Tensor | None], set[str]]]:
    """Yield prefix, tensors and names to skip of each module; by reference, since a buffer may be replaced."""
    for name, module in game.named_modules():
        prefix = _unwrapped_name(f"{name}." if name else "")
        for tensors, left_out in ((module._parameters, set()), (module._buffers, module._non_persistent_buffers_set)):
            if tensors:
                yield prefix, tensors, left_out


def _optimizer_state(movers: list[Optimizer]) -> Iterator[Tensor]:
    """Yield every tensor of the optimisers' states."""
    for mover in movers:
        for memory in mover.state.values():
            yield from (value for value in memory.values() if isinstance(value, Tensor))


def _unwrapped_name(name: str) -> str:
    """Return the name of a tensor as the game inside all techniques calls it."""
    while name.startswith("game."):
        name = name.removeprefix("game.")
    return name


def _is_checkable(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.numel() > 0


def _is_nonfinite(value: float) -> bool:
    return not abs(value) < float("inf")
