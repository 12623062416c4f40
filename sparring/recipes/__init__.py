"""Recipes of named systems, one function each, and the table of all.

The table is plain data, so that ``sparring list`` needs no tensor library. A name becomes its function here and nowhere
else: a row of the table, ``module:function``, or an entry point of the group ``sparring.recipes``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sparring._lazy import lazy_names
from sparring.errors import GameError
from sparring.recipes.importing import imported, published, require_trusted, trust

if TYPE_CHECKING:
    from sparring.game import Game
    from sparring.recipes.options import Adam, Networks
    from sparring.recipes.techniques import Techniques

    Recipe = Callable[..., Game]

__all__ = [
    "FACTS",
    "LABEL_MAPS",
    "ONE_IMAGE",
    "PAIRED_IMAGES",
    "RECIPES",
    "UNPAIRED_IMAGES",
    "Adam",
    "Networks",
    "Row",
    "Techniques",
    "recipe",
    "stored",
]
__getattr__, __dir__ = lazy_names(__name__, {"options": ["Adam", "Networks"], "techniques": ["Techniques"]})


@dataclass(frozen=True)
class Row:
    """One named system.

    Attributes:
        system: What the literature calls it.
        year: When it was published.
        paper: Who published it, where to read it.
        needs: What data it learns from.
        home: Its recipe, ``module:function``.
    """

    system: str
    year: int
    paper: str
    needs: str
    home: str


FACTS = ("shape", "classes", "captions", "other", "paired", "regions", "instances")
"""Facts of the data that a recipe may take as arguments; they are no flags."""
ONE_IMAGE = "one image"  # needed as it is, neither cropped nor one of many
PAIRED_IMAGES, UNPAIRED_IMAGES, LABEL_MAPS = "paired images", "unpaired images", "images with label maps"
_HOUSE = "sparring.recipes"
_CLASSIC, _WASSERSTEIN, _RELATIVE = f"{_HOUSE}.gan", f"{_HOUSE}.wgan", f"{_HOUSE}.relativistic"
_TRANSLATION = f"{_HOUSE}.cyclegan_nicegan"

# fmt: off
RECIPES: dict[str, Row] = {
    "vae":     Row("Variational autoencoder",    2013, "Kingma & Welling, arXiv:1312.6114",   "points or images", f"{_HOUSE}.autoencoders:vae"),
    "mmgan":   Row("Minimax GAN",                2014, "Goodfellow et al., arXiv:1406.2661",  "points or images", f"{_CLASSIC}:mmgan"),
    "nsgan":   Row("Non-saturating GAN",         2014, "Goodfellow et al., arXiv:1406.2661",  "points or images", f"{_CLASSIC}:nsgan"),
    "cgan":    Row("Conditional GAN, five designs", 2014, "Mirza & Osindero, arXiv:1411.1784", "labelled points or images", f"{_HOUSE}.cgan:cgan"),
    "dcgan":   Row("DCGAN",                      2015, "Radford et al., arXiv:1511.06434",    "images",           f"{_CLASSIC}:dcgan"),
    "lapgan":  Row("Laplacian pyramid GAN",      2015, "Denton et al., arXiv:1506.05751",     "images",           f"{_HOUSE}.lapgan:lapgan"),
    "vae-gan": Row("VAE-GAN",                    2015, "Larsen et al., arXiv:1512.09300",     "points or images", f"{_HOUSE}.autoencoders:vae_gan"),
    "fgan":    Row("f-GAN, any divergence",      2016, "Nowozin et al., arXiv:1606.00709",    "points or images", f"{_CLASSIC}:fgan"),
    "lsgan":   Row("Least squares GAN",          2016, "Mao et al., arXiv:1611.04076",        "points or images", f"{_CLASSIC}:lsgan"),
    "ebgan":   Row("Energy-based GAN",           2016, "Zhao et al., arXiv:1609.03126",       "points or images", f"{_HOUSE}.ebgan:ebgan"),
    "bigan":   Row("BiGAN; ALI",                 2016, "Donahue et al., arXiv:1605.09782",    "points or images", f"{_HOUSE}.autoencoders:bigan"),
    "latent-regressor": Row("GAN with latent regressor", 2016, "Donahue et al., arXiv:1605.09782",    "points or images", f"{_HOUSE}.autoencoders:latent_regressor"),
    "infogan": Row("InfoGAN",                    2016, "Chen et al., arXiv:1606.03657",       "points or images", f"{_HOUSE}.infogan:infogan"),
    "pix2pix": Row("pix2pix",                    2016, "Isola et al., arXiv:1611.07004",      PAIRED_IMAGES,      f"{_HOUSE}.pix2pix_gaugan:pix2pix"),
    "stackgan": Row("StackGAN",                  2016, "Zhang et al., arXiv:1612.03242",      "captioned images", f"{_HOUSE}.stackgan:stackgan"),
    "wgan":    Row("Wasserstein GAN",            2017, "Arjovsky et al., arXiv:1701.07875",   "points or images", f"{_WASSERSTEIN}:wgan"),
    "wgan-gp": Row("WGAN with gradient penalty", 2017, "Gulrajani et al., arXiv:1704.00028",  "points or images", f"{_WASSERSTEIN}:wgan_gp"),
    "hinge":   Row("Hinge GAN",                  2017, "Lim & Ye, arXiv:1705.02894",          "points or images", f"{_CLASSIC}:hinge"),
    "cyclegan": Row("CycleGAN",                  2017, "Zhu et al., arXiv:1703.10593",        UNPAIRED_IMAGES,   f"{_TRANSLATION}:cyclegan"),
    "madgan":  Row("Multi-agent diverse GAN",    2017, "Ghosh et al., arXiv:1704.02906",      "points or images", f"{_HOUSE}.madgan:madgan"),
    "sngan":   Row("Spectrally normalised GAN",  2018, "Miyato et al., arXiv:1802.05957",     "points or images", f"{_CLASSIC}:sngan"),
    "rsgan":   Row("Relativistic GAN",           2018, "Jolicoeur-Martineau, arXiv:1807.00734", "points or images", f"{_RELATIVE}:rsgan"),
    "rasgan":  Row("Relativistic average GAN",   2018, "Jolicoeur-Martineau, arXiv:1807.00734", "points or images", f"{_RELATIVE}:rasgan"),
    "ralsgan": Row("Relativistic average LSGAN", 2018, "Jolicoeur-Martineau, arXiv:1807.00734", "points or images", f"{_RELATIVE}:ralsgan"),
    "rahinge": Row("Relativistic average hinge", 2018, "Jolicoeur-Martineau, arXiv:1807.00734", "points or images", f"{_RELATIVE}:rahinge"),
    "sagan":   Row("Self-attention GAN",         2018, "Zhang et al., arXiv:1805.08318",      "images",           f"{_HOUSE}.sagan_biggan:sagan"),
    "biggan":  Row("BigGAN",                     2018, "Brock et al., arXiv:1809.11096",      "images",           f"{_HOUSE}.sagan_biggan:biggan"),
    "tsgan":   Row("Turing GAN, standard",       2018, "Su, arXiv:1810.10948",                "points or images", f"{_HOUSE}.turing:tsgan"),
    "twgan":   Row("Turing GAN, Wasserstein",    2018, "Su, arXiv:1810.10948",                "points or images", f"{_HOUSE}.turing:twgan"),
    "tgan":    Row("Turing GAN, any objective",  2018, "Su, arXiv:1810.10948",                "points or images", f"{_HOUSE}.turing:tgan"),
    "singan":  Row("SinGAN",                     2019, "Shaham et al., arXiv:1905.01164",     ONE_IMAGE,          f"{_HOUSE}.singan:singan"),
    "stylegan2": Row("StyleGAN2",                2019, "Karras et al., arXiv:1912.04958",     "images",           f"{_HOUSE}.r3gan_stylegan2:stylegan2"),
    "gaugan":  Row("GauGAN (SPADE)",             2019, "Park et al., arXiv:1903.07291",       LABEL_MAPS,         f"{_HOUSE}.pix2pix_gaugan:gaugan"),
    "realness": Row("RealnessGAN",               2020, "Xiangli et al., arXiv:2002.05512",    "points or images", f"{_HOUSE}.realness:realness"),
    "nicegan": Row("NICE-GAN",                   2020, "Chen et al., arXiv:2003.00273",       UNPAIRED_IMAGES,   f"{_TRANSLATION}:nicegan"),
    "ganilla": Row("GANILLA",                    2020, "Hicsonmez et al., arXiv:2002.05638",  UNPAIRED_IMAGES,   f"{_TRANSLATION}:ganilla"),
    "fastgan": Row("FastGAN",                    2021, "Liu et al., arXiv:2101.04775",        "images",           f"{_HOUSE}.projected_fastgan:fastgan"),
    "projected": Row("Projected GAN",             2021, "Sauer et al., arXiv:2111.01007",     "images",           f"{_HOUSE}.projected_fastgan:projected"),
    "r3gan":   Row("R3GAN",                      2024, "Huang et al., arXiv:2501.05441",      "points or images", f"{_HOUSE}.r3gan_stylegan2:r3gan"),
}
# fmt: on


def recipe(name: str) -> Recipe:
    """Find a recipe by the name that the user gives, and trust it in files read by this process.

    Args:
        name: A name of the table, ``module:function``, or the name of an installed entry point of ``sparring.recipes``.

    Raises:
        GameError: If there is no such recipe; the message suggests the nearest name.

    >>> recipe("wgan-gp").__name__
    'wgan_gp'
    """
    trust(name)
    return stored(name)


def stored(name: str) -> Recipe:
    """Find a recipe by a name that may come out of a file.

    Args:
        name: As for `recipe`; ``module:function`` outside the library must be trusted, see `sparring.recipes.importing.trust`.

    Raises:
        GameError: If there is no such recipe, or it is not trusted.
    """
    require_trusted(name)
    if name in RECIPES:
        return imported(RECIPES[name].home, here=False)
    if ":" in name:
        return imported(name)
    points = published("sparring.recipes")
    if name in points:
        return imported(points[name].value.partition("[")[0].strip(), here=False)
    near = get_close_matches(name, [*RECIPES, *points], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "see `sparring list`, or give module:function."
    raise GameError(f"There is no recipe {name!r}: {hint}")
