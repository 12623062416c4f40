"""PacGAN (Lin et al., 2018): D scores packs of m samples, all real or all fake.

    x = (x_1, …, x_m),   G(z) = (G(z_1), …, G(z_m)),        stacked along channels or coordinates

One sample of a collapsed generator may pass as real; m of them, all alike, do not. Nothing else changes. To the game
inside, a pack *is* a sample: its objective, its penalties and the norms in them, its pairs of real and fake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sparring.abilities import SupportsEncoding
from sparring.errors import DataError, GameError
from sparring.game import Data, Game, Turn, latent
from sparring.rng import randn
from sparring.wrappers.base import Wrapper
from sparring.wrappers.critic_term import latent_game
from sparring.wrappers.requirements import one_generator_function, one_pair, plain_noise, require, samples_only


def pack(x: Tensor, m: int) -> Tensor:
    """Stack every m samples along the second axis: (N, C, …) to (N / m, m C, …).

    Args:
        x: Samples.
        m: Samples in a pack.

    Raises:
        GameError: If the batch is no multiple of m.

    >>> pack(torch.arange(8).reshape(4, 2), 2).tolist()
    [[0, 1, 2, 3], [4, 5, 6, 7]]
    """
    if len(x) % m:
        raise GameError(f"A batch of {len(x)} cannot be cut into packs of {m}: choose a multiple of {m}.")
    return x.unflatten(0, (-1, m)).flatten(1, 2)


class PackedGenerator(nn.Module):
    """Makes packs: m rows of noise side by side, (N, m · latent), become one pack (N, m C, …).

    Args:
        G: Makes single samples from (N, latent).
        m: Samples in a pack.
    """

    def __init__(self, G: nn.Module, m: int) -> None:
        super().__init__()
        self.single, self.m, self.latent = G, m, m * G.latent  # type: ignore[operator]

    def __getattr__(self, name: str) -> Any:
        """Find the generator's own attributes, such as its filters."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "single":
                raise
            return getattr(self.single, name)

    def forward(self, z: Tensor) -> Tensor:
        """Draw one pack for each row of z."""
        return pack(self.single(z.unflatten(1, (self.m, -1)).flatten(0, 1)), self.m)


_NEEDS = (one_pair, samples_only, plain_noise, one_generator_function)


class Packing(Wrapper):
    """Plays a game of packs; samples are single.

    It needs a game of one G, which the game uses as one function of noise z alone, and one D without a condition.
    Techniques that use real samples themselves (penalties, feature matching) go inside this one.

    Args:
        game: A game whose D was built for packs (m C, …) and whose G makes single samples; G is replaced.
        m: Samples in a pack, 2 to 4 in the paper.

    Raises:
        GameError: If the game is of another kind, or m below 1.
    """

    def __init__(self, game: Game, m: int = 2) -> None:
        super().__init__(game)
        if m < 1:
            raise GameError(f"A pack holds at least 1 sample, not {m}.")
        if isinstance(game.unwrapped, SupportsEncoding):
            raise GameError(
                f"Packing shows D packs, but the encoder of {type(game.unwrapped).__name__} reads single samples."
            )
        require("Packing", game, *_NEEDS)
        self.m = m
        core = latent_game(game)
        core.G = PackedGenerator(core.G, m)

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Play the game's round on packs."""
        yield from self.game.round(Packs(data, self.m), step)

    def noise(self, n: int) -> Tensor:
        """Draw the noise of n single samples, (n, latent)."""
        return randn(n, latent(self.unwrapped.G.single), device=self.device)  # type: ignore[union-attr, arg-type]

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Draw n single samples, (n, *shape)."""
        with torch.no_grad():
            return self.unwrapped.G.single(self.noise(n) if noise is None else noise)  # type: ignore[union-attr, operator]


class Packs:
    """Passes on the batches of another stream in packs, without their conditions.

    Args:
        data: The stream.
        m: Samples in a pack.
    """

    def __init__(self, data: Data, m: int) -> None:
        self.data, self.m = data, m

    def __iter__(self) -> Packs:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        x, *_ = next(self.data)
        return (pack(x, self.m),)


def packed(make: Callable[[tuple[int, ...]], Game], shape: tuple[int, ...], m: int = 2) -> Packing:
    """Build a game twice, takes G from the one for single samples and all else from the one for packs.

    Args:
        make: Builds the game for data of a shape.
        shape: Shape of one sample, (D,) or (C, H, W).
        m: Samples in a pack.

    Raises:
        GameError: If the game is of another kind.
    """
    channels, *sides = shape
    single = make(shape)
    require("Packing", single, *_NEEDS)
    try:
        game = make((m * channels, *sides))
    except DataError as error:
        raise GameError(f"Packing needs a D of {m * channels} channels, which this game does not have.") from error
    latent_game(game).G = latent_game(single).G
    return Packing(game, m)
