"""The recipe of text-to-image generation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import nn

from sparring.data.annotations.caption_embeddings import SUFFIXES, EmbeddedCaptions, SentenceModel
from sparring.data.annotations.captions import tokenize
from sparring.errors import DataError
from sparring.games.common.text_game import Reading
from sparring.games.stackgan import Second, StackGAN
from sparring.layers.pyramid import downsample, upsample
from sparring.networks.common.base import Shape
from sparring.networks.common.caption_lookup import CaptionLookup
from sparring.networks.common.text import GRUTextEncoder, HashedTextEncoder
from sparring.networks.dcgan import DCGANCritic
from sparring.networks.stackgan import StackGANCritic, StageIGenerator, StageIIGenerator, half
from sparring.recipes.options import PENALISED, Adam, channels_last


def stackgan(
    shape: Shape,
    captions: Sequence[str] | None = None,
    *,
    refine_from: int | None = None,
    text: str = "hashed",
    reading: int = 2000,
    features: int = 128,
    latent: int = 100,
    condition: int = 128,
    width: int = 96,
    divergence: float = 1.0,
    rivals: int = 1,
    penalty: float = 0.0,
    critic: Adam = Adam(),
    generator: Adam = Adam(),
) -> StackGAN:
    """StackGAN: images from captions, in one stage or in two (Zhang et al., 2017); needs captioned images.

    Args:
        shape: (C, H, W), sides of 8 to 1024; with two stages from 16.
        captions: Some captions of the data, for samples without a given sentence.
        refine_from: The step from which on a second stage refines images of half the side, which the first stage has
            learned until then. Default: one stage makes whole images.
        text: hashed reads the words by fixed random signs; recurrent learns to, from the data's own captions. Or a
            path: a file of embedded captions (.npz, .npy, .safetensors), or the folder of a sentence-transformer.
        reading: Rounds in which the recurrent reader learns.
        features: Coordinates of a caption; the paper has 1024, of a reader trained on millions of images.
        latent: Coordinates of the noise z.
        condition: Coordinates of what the networks make of a caption.
        width: Channels of the largest feature map.
        divergence: Weight of the divergence of conditions from N(0, I); 1 in the paper and 2 in its code.
        rivals: Wrong captions that are drawn for an image, of which the one nearest to its own is taken: with more, D
            learns sooner what a single word changes.
        penalty: γ, the weight of R1, which lets both players learn at five times the rate; the papers have none.
        critic: How the critic of either stage learns.
        generator: How the generator of either stage learns.

    Raises:
        DataError: If the data has no captions, or nothing of that name reads them.
    """
    if not captions:
        raise DataError(
            "StackGAN needs captions: put a metadata.jsonl (file_name, text) to the images, or a.txt beside each a.png."
        )
    size = shape if refine_from is None else half(shape)
    E = DCGANCritic(shape, width // 2, PENALISED.norm, bias=True, outcomes=features) if text == "recurrent" else None
    return StackGAN(
        reader(text, features),
        channels_last(StageIGenerator(size, features, latent, condition, width)),
        channels_last(StackGANCritic(size, features, condition, width)),
        captions=tokenize(captions),
        divergence=divergence,
        rivals=rivals,
        penalty=penalty,
        second=None if refine_from is None else _second(shape, features, condition, width, refine_from),
        reading=None if E is None else Reading(channels_last(E), reading, Adam(1e-3, (0.9, 0.999))),
        critic=critic,
        generator=generator,
    )


def _second(shape: Shape, features: int, condition: int, width: int, begins: int) -> Second:
    G = channels_last(StageIIGenerator(shape, features, condition, width))
    D = channels_last(StackGANCritic(shape, features, condition, width, heads=2))
    return Second(G, D, begins, downsample, partial(upsample, size=shape[1:]))


def reader(text: str, features: int) -> nn.Module:
    """Return the text encoder of a name.

    Args:
        text: hashed, recurrent, or a path of embedded captions or of a sentence-transformer.
        features: Coordinates of a caption.

    Raises:
        DataError: If there is nothing of that name.
    """
    if text == "hashed":
        return HashedTextEncoder(features)
    if text == "recurrent":
        return GRUTextEncoder(features)
    if Path(text).suffix.lower() in SUFFIXES:
        return CaptionLookup(EmbeddedCaptions(text), features)
    if len(Path(text).parts) > 1 or Path(text).is_dir():
        return CaptionLookup(SentenceModel(text), features)
    raise DataError(
        f"Nothing called {text!r} reads captions: take hashed, recurrent, or the path of embedded captions."
    )
