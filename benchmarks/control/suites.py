"""Trials of the control suites, their sabotaged twins, and the criteria of a system that has learned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        system: What it is called here.
        recipe: What is trained, broken or not.
        arguments: The recipe's.
        steps: How long.
        seed: Decides everything random.
        batch: Rows of a batch.
        size: Height and width of the images.
        data: Name of the data.
        precision: fp32 or bf16.
        average: Decay of the averaged weights, which are evaluated.
        broken: What was broken on purpose; nothing, where it is empty.
    """

    system: str
    recipe: str
    arguments: dict[str, Any]
    steps: int
    seed: int = 0
    batch: int = 64
    size: int = 16
    data: str = "mnist"
    precision: str = "bf16"
    average: float = 0.99
    broken: str = ""

    @property
    def name(self) -> str:
        """The name of its run folder."""
        parts = [self.data, self.system, self.broken, str(self.steps), str(self.seed)]
        return "-".join(part.replace(" ", "_").replace(",", "") for part in parts if part)

    def settings(self) -> dict[str, Any]:
        """Arguments of `sparring.Run.create` other than the folder."""
        given = {name: getattr(self, name) for name in ("arguments", "seed", "size", "precision")}
        given |= {"batch_size": self.batch, "ema_decay": self.average}
        return {"recipe": self.recipe, "data": self.data, **given, "hold_out": HELD_OUT, "device": "cpu"}


HELD_OUT = 1 / 6  # 10,000 images held out from every training, that of the classifier included
Ranges = dict[str, tuple[float, float]]


def at_least(least: float) -> tuple[float, float]:
    return (least, math.inf)


def at_most(most: float) -> tuple[float, float]:
    return (-math.inf, most)


def both(system: str, recipe: str, arguments: dict[str, Any], *broken: tuple[str, str, Any], **how: Any) -> list[Trial]:
    """Return a system with two seeds, and each of its broken twins (what, recipe, arguments) with one."""
    plain = [Trial(system, recipe, arguments, seed=seed, **how) for seed in range(2)]
    return plain + [Trial(system, other, given, broken=what, **how) for what, other, given in broken]


TWINS = ("labels shuffled", "no wrong pairs")


def cgan(design: str, players: dict[str, Any], twins: tuple[str, ...] = TWINS, **how: Any) -> list[Trial]:
    """A conditional GAN by one design, with labels dealt out anew, and without wrong pairs where it has them."""
    arguments = {"design": design, **players}
    blind = ("labels shuffled", "benchmarks.twins:shuffled", {"recipe": "cgan", "arguments": arguments})
    plain = ("no wrong pairs", "cgan", {"design": "joint", **players})
    broken = [twin for twin in ([blind, plain] if design == "matching" else [blind]) if twin[0] in twins]
    return both(f"cgan {design}", "cgan", arguments, *broken, **how)


DESIGNS = ("matching", "separate", "projection", "auxiliary")
BRISK = {"critic": {"lr": 1e-3}, "generator": {"lr": 1e-3}}
SLIM, WIDE = {"latent": 64, "width": 24}, {"latent": 64, "width": 16}
CGAN, FULL = {"networks": SLIM, **BRISK}, {"networks": WIDE, **BRISK}
INFOGAN = {
    "networks": {"network": "infogan", "width": 16},
    "critic": {"lr": 2e-4},
    "generator": {"lr": 1e-3},
}
LOCAL = {  # on DCGAN, whose critic has no global receptive field
    "networks": {"network": "dcgan", "width": 24},
    "critic": {"lr": 5e-4},
    "generator": {"lr": 1e-3},
}
MUTE = {"categorical_weight": 0.0, "continuous_weight": 0.0}
SILENT_MLP, SILENT_DCGAN = (("no information", "infogan", players | MUTE) for players in (INFOGAN, LOCAL))
VAE = {"networks": {"width": 24}, "autoencoder": {"lr": 2e-3, "betas": (0.9, 0.999)}}
LIKE = {"encoder": {"lr": 1e-3}, "generator": {"lr": 1e-3}, "critic": {"lr": 3e-4}}
VAE_GAN = {"networks": {"width": 24, "latent": 32}, **LIKE}
DEAF = ("encoder not asked for likeness", "benchmarks.twins:deaf", {"recipe": "vae-gan", "arguments": VAE_GAN})
BIGAN = {"networks": {"width": 512, "latent": 16}, "critic": {"lr": 5e-4}, "generator": {"lr": 5e-4}}
SHORT = [
    *(trial for design in DESIGNS for trial in cgan(design, CGAN, steps=300)),
    *both("infogan", "infogan", INFOGAN, SILENT_MLP, steps=2000, batch=128, average=0.998),
    *both("infogan dcgan", "infogan", LOCAL, SILENT_DCGAN, steps=2000, average=0.999),
    *both("vae", "vae", VAE, ("a mean over pixels", "vae", VAE | {"deviation": 0.5 * 16}), steps=400),
    *both("vae-gan", "vae-gan", VAE_GAN, DEAF, steps=500),
    *both("bigan", "bigan", BIGAN, ("encoder detached", "benchmarks.twins:detached", BIGAN), steps=2400, batch=128),
]
LONG = [
    *(
        trial
        for design, steps in (("matching", 1000), ("separate", 1000), ("projection", 1200), ("auxiliary", 800))
        for trial in cgan(design, FULL, ("no wrong pairs",), size=32, steps=steps)
    ),
    *(trial for trial in SHORT if not trial.system.startswith("cgan")),  # minutes are enough for these
]
CLOTHES = [
    replace(trial, data="fashion-mnist", steps=trial.steps * (2 if trial.system.startswith("cgan") else 1))
    for trial in SHORT
    if trial.system != "infogan dcgan"
]
"""The short suite on Fashion-MNIST, where the conditional GANs play twice as long."""
WIDE_CODES = INFOGAN | {"networks": {"network": "infogan", "width": 64}}
CODES = [Trial("infogan", "infogan", WIDE_CODES, 5000, seed, batch=128, average=0.998) for seed in range(2)]
"""InfoGAN on networks as wide as the paper's, for as many rounds: twenty minutes each."""
SUITES = {"short": SHORT, "long": LONG, "clothes": CLOTHES, "codes": CODES}
CRITERIA: dict[str, dict[str, Ranges]] = {
    "short": {
        "cgan matching": {"label accuracy": at_least(0.85), "variety in pixels": at_least(0.3)},
        "cgan separate": {"label accuracy": at_least(0.8), "variety in pixels": at_least(0.3)},
        "cgan projection": {"label accuracy": at_least(0.6), "Fréchet distance": at_most(50)},
        "cgan auxiliary": {"label accuracy": at_least(0.9), "variety in pixels": at_least(0.3)},
        "infogan": {"information": at_least(2.0), "matched in samples": at_least(0.25)},
        "infogan dcgan": {"information": at_least(2.0), "matched in samples": at_least(0.25)},
        "vae": {"reconstruction class": at_least(0.85), "square error": at_most(0.13), "KL": (10, 60)},
        "vae-gan": {"reconstruction class": at_least(0.8), "Fréchet distance of reconstructions": at_most(10)},
        "bigan": {"relative error": at_most(0.7), "1-NN of codes, gained": at_least(0.05)},
    },
    "long": {
        **{
            f"cgan {design}": {f"variety in {space}": at_least(0.5) for space in ("pixels", "features")}
            | {"label accuracy": at_least(0.9)}
            for design in DESIGNS
        },
        "infogan": {"information": at_least(2.0), "matched in samples": at_least(0.5)},
        "infogan dcgan": {"information": at_least(2.0), "matched in samples": at_least(0.5)},
        "vae": {"reconstruction class": at_least(0.9), "KL": (10, 60)},
        "vae-gan": {"reconstruction class": at_least(0.9), "Fréchet distance": at_most(70)},  # the VAE has 92
        "bigan": {"relative error": at_most(0.7), "1-NN of codes, gained": at_least(0.02)},
    },
    "clothes": {  # the classifier's accuracy is 0.9
        **{
            f"cgan {design}": {"label accuracy": at_least(0.75), "variety in pixels": at_least(0.3)}
            for design in DESIGNS
        },
        "infogan": {"information": at_least(2.0), "matched in samples": at_least(0.25)},
        "vae": {"reconstruction class": at_least(0.7), "KL": (10, 60)},
        "vae-gan": {"reconstruction class": at_least(0.7), "relative error": at_most(0.7)},
        "bigan": {"relative error": at_most(0.7), "1-NN of codes, gained": at_least(0.02)},
    },
    "codes": {"infogan": {"information": at_least(2.0), "matched in samples": at_least(0.95)}},  # as published
}
"""Ranges that the scores of each system must lie in."""
