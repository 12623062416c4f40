"""Abilities: optional capabilities of a game beyond training, one protocol each.

A game has an ability if it has the methods of its protocol, without a registration. `isinstance` tests for one, and
`require_sampling` and its like return the game itself under the protocol's type, or raise a `GameError` that names the
remedy. A wrapper passes on the methods of all abilities in `ABILITIES`, see `sparring.wrappers.base`.

>>> methods(SupportsSampling)
('noise', 'sample')
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from sparring.errors import GameError
from sparring.game import Game

Size = tuple[int, int]
"""Height and width, in pixels."""

Window = tuple[int, int, int, int]
"""Where a label map lies in a larger one: top, left, and the larger one's height and width."""


@runtime_checkable
class SupportsSampling(Protocol):
    """Draw samples."""

    def noise(self, n: int) -> Tensor:
        """Draw the input of `sample`, one row a sample."""

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Draw n samples, from the given noise or from fresh noise."""


@runtime_checkable
class SupportsClassLabels(Protocol):
    """Draw samples of classes."""

    def class_of(self, latents: Tensor) -> Tensor | None:
        """Return the class (N,) of each row of noise, or None where the data has no classes."""


@runtime_checkable
class SupportsConditions(Protocol):
    """Draw classes or captions with the frequencies that they have in given data."""

    def conditions(self) -> str:
        """Return the kind of condition: "classes", "captions", or "" for none."""

    def noise_for(self, n: int, given: Tensor) -> Tensor:
        """Draw the input of `sample`, one row a sample, with the conditions of given data.

        Args:
            n: Number of rows.
            given: Number of images of each class, int64 (classes,); or the tokens of captions, int64 (K, L).
        """


@runtime_checkable
class SupportsClassFrequencies(Protocol):
    """Draw classes as often as the training data has them."""

    def set_class_counts(self, counts: Tensor) -> None:
        """Set the number of training images of each class, int64 (classes,)."""


@runtime_checkable
class SupportsLatentCodes(Protocol):
    """Set the class or another named code of a row of noise, and keep the rest of the row."""

    def latent_codes(self) -> dict[str, tuple[float, ...]]:
        """Return the values to show of each code, by its name; the code of classes is named "class"."""

    def with_code(self, latents: Tensor, name: str, value: float) -> Tensor:
        """Return rows of noise with one code set to a value."""


@runtime_checkable
class SupportsText(Protocol):
    """Draw samples of a caption."""

    def with_text(self, latents: Tensor, tokens: Tensor) -> Tensor:
        """Return rows of noise with their captions set to the given tokens, int64 (N, L)."""


@runtime_checkable
class SupportsCaptionLookup(Protocol):
    """Use captions whose embeddings are looked up by their text."""

    def register_captions(self, texts: Sequence[str]) -> None:
        """Register captions before they are used in training or sampling."""


@runtime_checkable
class SupportsEncoding(Protocol):
    """Map data to latent codes."""

    def encode(self, x: Tensor) -> Tensor:
        """Return one code for each row of x."""


@runtime_checkable
class SupportsPosteriors(Protocol):
    """Infer the distribution of each named code from data."""

    def posteriors(self, x: Tensor) -> dict[str, Tensor]:
        """Return the posterior of each code by its name, (N, ...) for x (N, ...)."""


@runtime_checkable
class SupportsTranslation(Protocol):
    """Translate data to another domain."""

    def translate(self, x: Tensor, to: str) -> Tensor:
        """Return the translation of x to the domain `to`."""


@runtime_checkable
class SupportsAttention(Protocol):
    """Return the attention maps of critics."""

    def attention_map(self, x: Tensor, domain: str) -> Tensor:
        """Return the attention of a domain's critic to each position of its images, (N, 1, h, w)."""


@runtime_checkable
class SupportsLabelMaps(Protocol):
    """Generate images from label maps, in the style of an image or a sampled one."""

    def styles(self, n: int) -> Tensor:
        """Draw n styles, one row each."""

    def encode_style(self, x: Tensor) -> Tensor:
        """Return the style of each row of x."""

    def paint(self, labels: Tensor, styles: Tensor, within: Window | None = None) -> Tensor:
        """Return an image of each label map, in the style of its row.

        Args:
            labels: Class numbers, int64 (N, H, W), or class numbers and edges (N, 2, H, W).
            styles: One row a map.
            within: Where the maps lie in larger ones. Default: they are whole.
        """


@runtime_checkable
class SupportsSingleImage(Protocol):
    """Generate variations of one photograph, scale by scale, in any size.

    Attributes:
        sizes: Height and width of each scale, the coarsest first; the last are the photograph's.
        entrance: The scale that also accepts drawings in few colours.
    """

    sizes: tuple[Size, ...]
    entrance: int

    @property
    def photograph(self) -> Tensor:
        """The training image, (1, C, H, W)."""

    @property
    def scales_begun(self) -> int:
        """Number of scales whose training has begun."""

    def noise_shape(self, k: int, size: Size | None = None) -> tuple[int, int, int]:
        """Return the shape of the noise of scale k."""

    def z(self, k: int, n: int, size: Size | None = None) -> Tensor:
        """Draw the noise of scale k for n images."""

    def fixed_noise(self, k: int) -> Tensor:
        """Return the noise of scale k that reconstructs the photograph."""

    def run_scale(self, k: int, z: Tensor, image: Tensor | None, size: Size | None = None) -> Tensor:
        """Return the output of scale k on the output of the scale below."""

    def run_scales(
        self, noise: Iterable[Tensor], image: Tensor | None = None, start: int = 0, sizes: Sequence[Size] | None = None
    ) -> Tensor | None:
        """Return the output of the scales from `start` on, one for each tensor of noise."""

    def reconstruct(self, n: int) -> Tensor | None:
        """Return the reconstruction of the photograph by the scales up to n; None below scale 0."""

    def scaled(self, image: Tensor, size: Size) -> Tensor:
        """Return an image in another size, as in training."""


ABILITIES: tuple[type, ...] = (
    SupportsSampling,
    SupportsClassLabels,
    SupportsConditions,
    SupportsClassFrequencies,
    SupportsLatentCodes,
    SupportsText,
    SupportsCaptionLookup,
    SupportsEncoding,
    SupportsPosteriors,
    SupportsTranslation,
    SupportsAttention,
    SupportsLabelMaps,
    SupportsSingleImage,
)
"""Every ability."""


def methods(ability: type) -> tuple[str, ...]:
    """Return the names of the methods of an ability.

    Args:
        ability: One of `ABILITIES`.
    """
    return tuple(name for name, value in vars(ability).items() if callable(value) and not name.startswith("_"))


def has_classes(game: Game) -> bool:
    """Return whether a game draws samples of classes, and its data has some."""
    return isinstance(game, SupportsClassLabels) and game.class_of(require_sampling(game).noise(1)) is not None


def require_sampling(game: Game) -> SupportsSampling:
    """Return the game if it draws samples.

    Args:
        game: Any game, and so for all functions of this name.

    Raises:
        GameError: If it does not.
    """
    if isinstance(game, SupportsSampling):
        return game
    name = type(game.unwrapped).__name__
    if isinstance(game, SupportsTranslation):
        raise GameError(f"{name} draws no samples, it translates images: see `sparring translate`.")
    if isinstance(game, SupportsLabelMaps):
        raise GameError(f"{name} draws no samples, it paints label maps: see `sparring paint`.")
    raise GameError(f"{type(game).__name__} cannot sample: give it the methods noise(n) and sample(n).")


def require_latent_codes(game: Game) -> SupportsLatentCodes:
    """Return the game if it has at least one code.

    Raises:
        GameError: If it has none.
    """
    if isinstance(game, SupportsLatentCodes) and game.latent_codes():
        return game
    raise GameError(f"{type(game.unwrapped).__name__} has no codes: train infogan, or cgan on labelled data.")


def require_latent_code(game: Game, code: str) -> SupportsLatentCodes:
    """Return the game if it has a code of this name.

    Args:
        game: Any game.
        code: Its name, "class" for classes.

    Raises:
        GameError: If it does not.
    """
    if isinstance(game, SupportsLatentCodes) and code in game.latent_codes():
        return game
    if code == "class":
        raise GameError(
            f"{type(game.unwrapped).__name__} draws no classes: train cgan, sagan or biggan on labelled data."
        )
    known = ", ".join(require_latent_codes(game).latent_codes())
    raise GameError(f"{type(game.unwrapped).__name__} has no code {code!r}: it has {known}.")


def require_text(game: Game) -> SupportsText:
    """Return the game if it draws samples of captions.

    Raises:
        GameError: If it does not.
    """
    if isinstance(game, SupportsText):
        return game
    raise GameError(f"{type(game.unwrapped).__name__} draws no sentences: train stackgan on captioned images.")


def require_encoding(game: Game) -> SupportsEncoding:
    """Return the game if it encodes data to codes from which it also samples.

    Raises:
        GameError: If it does not.
    """
    if isinstance(game, SupportsEncoding) and isinstance(game, SupportsSampling):
        return game
    raise GameError(
        f"{type(game.unwrapped).__name__} cannot encode: train vae, vae-gan, bigan or latent-regressor, "
        "or fit an encoder to this one with `sparring train-encoder`."
    )


def require_translation(game: Game) -> SupportsTranslation:
    """Return the game if it translates.

    Raises:
        GameError: If it does not.
    """
    if isinstance(game, SupportsTranslation):
        return game
    raise GameError(f"{type(game.unwrapped).__name__} cannot translate: train cyclegan, ganilla, nicegan or pix2pix.")


def require_attention(game: Game) -> SupportsAttention:
    """Return the game if its critics have attention maps.

    Raises:
        GameError: If they have none.
    """
    if isinstance(game, SupportsAttention):
        return game
    raise GameError(f"{type(game.unwrapped).__name__} has no attention to show: train nicegan.")


def require_label_maps(game: Game) -> SupportsLabelMaps:
    """Return the game if it generates images from label maps.

    Raises:
        GameError: If it does not.
    """
    if isinstance(game, SupportsLabelMaps):
        return game
    raise GameError(f"{type(game.unwrapped).__name__} cannot paint label maps: train gaugan on images with label maps.")


def require_single_image(game: Game) -> SupportsSingleImage:
    """Return the game, without its wrappers, if it is trained on one photograph.

    Raises:
        GameError: If it is not.
    """
    if isinstance(core := game.unwrapped, SupportsSingleImage):
        return core
    raise GameError(f"{type(core).__name__} learned from no single photograph: train one with `sparring singan`.")
