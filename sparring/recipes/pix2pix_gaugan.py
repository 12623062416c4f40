"""The recipes of image-to-image translation from pairs or from label maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from sparring.errors import DataError
from sparring.games.common.multiscale import Perception
from sparring.games.gaugan import GauGAN, summed
from sparring.games.pix2pix import Pix2Pix
from sparring.layers.normalization import Norm, instance_norm
from sparring.layers.spade import batch_norm_without_affine
from sparring.networks.common.base import Shape
from sparring.networks.common.pair_input import PairCritic
from sparring.networks.common.perceptual import ClassifierMaps, VGG19Maps
from sparring.networks.common.sizes import require_images
from sparring.networks.cyclegan import PatchCritic, patches
from sparring.networks.spade import MultiScaleCritic, SPADEGenerator, StyleEncoder
from sparring.networks.unet import UNet
from sparring.recipes.options import Adam, channels_last

BARE: dict[str, Norm] = {"batch": batch_norm_without_affine, "instance": instance_norm}
NORMS: dict[str, Norm] = {"batch": nn.BatchNorm2d, "instance": instance_norm}
REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"sum": summed, "mean": Tensor.mean}
LARGE = 128  # pixels, from which on the critic has the paper's four layers; three below


@dataclass(frozen=True)
class Painters:
    """The networks of GauGAN.

    Attributes:
        norm: What SPADE normalises by; instance for batches of four or fewer.
        style_norm: Instance norm in the encoder of styles, as in the paper. It takes away the mean colour of an image:
            leave it out where colours are most of the style.
        latent: Coordinates of a style.
        width: Channels of the largest feature map of each network.
        hidden: Channels in which a SPADE layer reads the label map.
        scales: Number of scales of the critic.
        layers: Of the critic before its scores. Default: 4 as in the paper, 3 for images below 128 pixels.
        gain: Of the initialisation.
    """

    norm: Literal["batch", "instance"] = "batch"
    style_norm: bool = True
    latent: int = 256
    width: int = 64
    hidden: int = 128
    scales: int = 2
    layers: int | None = None
    gain: float = 0.02

    def built(self, shape: Shape, labels: int, styled: bool) -> tuple[nn.Module, nn.Module, nn.Module | None]:
        """Build G, D and, where there are styles, E.

        Args:
            shape: (C, H, W) of the images.
            labels: Channels of the label maps.
            styled: Whether there are styles.
        """
        latent, depth = self.latent if styled else None, self.layers or (4 if min(shape[1:]) >= LARGE else 3)
        G = SPADEGenerator(shape, labels, latent, self.width, self.hidden, BARE[self.norm], self.gain)
        D = MultiScaleCritic(shape[0] + labels, self.scales, depth, self.width, self.gain)
        E = StyleEncoder(shape, self.latent, self.width, self.style_norm, self.gain) if styled else None
        return channels_last(G), channels_last(D), E and channels_last(E)


def gaugan(
    shape: Shape,
    regions: int = 0,
    instances: bool = False,
    *,
    networks: Painters = Painters(),
    style: bool = True,
    edges: bool | None = None,
    matching: float = 10.0,
    perceptual: float | None = None,
    perception: str | None = None,
    divergence: float = 0.05,
    reduction: Literal["sum", "mean"] = "sum",
    critic_steps: int = 1,
    critic: Adam = Adam(4e-4, (0.0, 0.9)),
    generator: Adam = Adam(1e-4, (0.0, 0.9)),
) -> GauGAN:
    """GauGAN: images from label maps in the style of a photograph (Park et al., 2019); needs images with label maps.

    Args:
        shape: (C, H, W) of the images, sides of 8 to 1024.
        regions: Classes of the label maps.
        instances: Whether the label maps hold edges between objects.
        networks: Kind and size of the networks.
        style: Whether there are styles; without any a map has one picture.
        edges: Give the networks the edges of objects. Default: whether the data has instances.
        matching: Weight of feature matching.
        perceptual: Weight of the perceptual term, 10 in the paper. Default: none.
        perception: Features of the perceptual term: classifier, trained on the data; or a file with the weights of
            VGG-19, as in the paper. Default: classifier.
        divergence: Weight of the divergence of styles from N(0, I).
        reduction: Of that divergence over a batch: sum as in the authors' code, or mean.
        critic_steps: Moves of the critic in a round.
        critic: How the critic learns.
        generator: How the generator and the encoder learn.

    Raises:
        DataError: If the data has no label maps, or no instance maps where edges are requested.
    """
    if edges and not instances:
        raise DataError("The data has no maps of objects: put them into a folder instances beside the label maps.")
    edges = instances if edges is None else edges
    if not regions:
        raise DataError(
            "GauGAN needs a label map with each image: give --data maps:PATH, see docs/how-to/label-maps.md."
        )
    require_images(shape, "GauGAN")
    return GauGAN(
        *networks.built(shape, regions + 1 + edges, style),
        regions=regions,
        edges=edges,
        perception=seen_by(shape[0], perceptual, perception),
        matching=matching,
        divergence=divergence,
        reduction=REDUCTIONS[reduction],
        critic_steps=critic_steps,
        critic=critic,
        generator=generator,
    )


def seen_by(channels: int, weight: float | None, seer: str | None) -> Perception | None:
    """Return the perceptual term, if any.

    Args:
        channels: Of the images.
        weight: Of the term; None for none.
        seer: ``classifier``, or a file. Default: the classifier.

    Raises:
        DataError: If features are chosen and their weight is 0.
    """
    if weight is None:
        if seer is not None:
            raise DataError("The perceptual features have no effect without a weight: add --perceptual 10.")
        return None
    network = ClassifierMaps(channels) if seer in (None, "classifier") else VGG19Maps(seer)
    return Perception(network, network.weights, weight)


def pix2pix(
    shape: Shape,
    other: Shape | None = None,
    paired: bool = False,
    regions: int = 0,
    *,
    to: Literal["A", "B"] = "B",
    norm: Literal["batch", "instance"] = "batch",
    dropout: float = 0.5,
    width: int = 64,
    layers: int | None = None,
    likeness: float = 100.0,
    critic: Adam = Adam(),
    generator: Adam = Adam(),
) -> Pix2Pix:
    """pix2pix: image-to-image translation (Isola et al., 2017); needs pairs of images.

    Args:
        shape: (C, H, W) of the first pictures, sides of 8 to 1024.
        other: (C, H, W) of the second ones.
        paired: Whether the data are pairs.
        regions: Classes, where the second ones are label maps.
        to: Which of them to make of the others: B, the second, or A, the first.
        norm: What all networks normalise by; instance for batches of four or fewer.
        dropout: Share of what the generator drops while it learns; the paper's only noise.
        width: Channels of the largest feature map of each network; 64 in the paper.
        layers: Halvings of the critic. Default: 3 as in the paper for 64 pixels or more, fewer below.
        likeness: Weight of the mean absolute difference.
        critic: How the critic learns.
        generator: How the generator learns.

    Raises:
        DataError: If the data are no pairs of pictures.
    """
    if regions:
        raise DataError(
            "pix2pix learns from pairs of pictures, and the second ones of the data were read as label maps: give "
            "pictures:PATH, or train gaugan."
        )
    if other is None or not paired:
        kind = "no second pictures" if other is None else "unpaired domains"
        raise DataError(
            f"pix2pix needs pairs of pictures, and the data have {kind}: give pairs:PATH, see docs/how-to/data.md."
        )
    require_images(shape, "pix2pix")
    require_images(other, "pix2pix")
    source, target = (shape, other) if to == "B" else (other, shape)
    make = NORMS[norm]
    channels, depth = source[0] + target[0], layers or patches(min(shape[1:]))
    return Pix2Pix(
        channels_last(UNet(target, source[0], width, make, dropout)),
        channels_last(PairCritic(PatchCritic(channels, width, depth, make, bias=norm != "batch"))),
        to=to,
        likeness=likeness,
        critic=critic,
        generator=generator,
    )
