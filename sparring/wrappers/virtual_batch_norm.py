"""Virtual batch norm for any game: D's fixed references come from the data, G's from the noise.

The references of D are the first samples that the data hold; several processes share those of the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sparring.errors import GameError
from sparring.game import Data, Game, Turn
from sparring.training.gradient_sync import rank_and_world
from sparring.wrappers.base import Wrapper
from sparring.wrappers.critic_term import latent_game
from sparring.wrappers.requirements import one_generator_function, one_pair, require, samples_only


class VirtualBatch(Wrapper):
    """Normalises by fixed references instead of by the batch: G, D or both, whichever has batch norm.

    It needs a game of one G, which the game uses as one function of noise, and one D without a condition.

    Args:
        game: A game of G and D.
        shape: Shape of one input of D.
        referenced: Wraps a network with references in a buffer ``reference``, see `WithReferenceBatch`.
        size: How many references each network has.

    Raises:
        GameError: If the game is of another kind or has no batch norm, or there would be no reference.
    """

    sequential_micro_batches = True  # the first part of a batch draws the references, and the others find them

    def __init__(
        self,
        game: Game,
        shape: tuple[int, ...],
        referenced: Callable[[nn.Module, Tensor], nn.Module],
        size: int = 64,
    ) -> None:
        super().__init__(game)
        if size < 1:
            raise GameError(f"Virtual batch norm needs at least 1 reference, not {size}.")
        require("Virtual batch norm", game, one_pair, samples_only, one_generator_function)
        core = latent_game(game)
        if not (_normalises(core.G) or _normalises(core.D)):
            raise GameError(f"Virtual batch norm replaces batch norm, of which {type(core).__name__} has none here.")
        self.refers = _normalises(core.D)
        if _normalises(core.G):
            core.G = referenced(core.G, core.noise(size))
        if self.refers:
            core.D = referenced(core.D, torch.zeros(size, *shape, device=core.device))
        self.register_buffer("ready", torch.tensor(False))

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Play the game's round; before the very first one, draws D's references."""
        if step == 0 and self.refers and not self.ready:  # the other parts of this step find them drawn
            self.refer(data)
        yield from self.game.round(data, step)

    @torch.no_grad()
    def refer(self, data: Data) -> None:
        """Fill D's references from the data.

        Args:
            data: Gives as many batches as it takes.
        """
        reference: Tensor = latent_game(self).D.reference  # type: ignore[assignment]
        rows: list[Tensor] = []
        while len(rows) < len(reference):
            x, *_ = next(data)
            rows += x
        reference.copy_(torch.stack(rows[: len(reference)]))
        if rank_and_world().world > 1:
            dist.broadcast(reference, 0)
        self.ready.fill_(True)


def _normalises(network: nn.Module) -> bool:
    return any(isinstance(module, _BatchNorm) for module in network.modules())
