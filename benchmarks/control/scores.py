"""Scores of class control, latent codes and encoding, by a classifier independent of the training.

The classifier is trained on the training part of the data, with a seed and a loss of its own; no network of a game has
used it. Reconstructed images, and those that distances are measured to, were held out from the game and the classifier.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sparring.abilities import require_sampling
from sparring.data import Dataset
from sparring.data.stream import scale_images
from sparring.game import Game, evaluation_mode
from sparring.games.common.posterior import mean_and_log_variance
from sparring.inference.encoding import encode, knn_accuracy, reconstruct, relative_error
from sparring.inference.sampling import generate
from sparring.metrics import (
    cluster_accuracy,
    extractor_for,
    frechet_distance,
    gan_test,
    intra_class_diversity,
    train_extractor,
)
from sparring.objectives.variational import kl_to_prior
from sparring.rng import fixed_seed

SAMPLES = 2000
KNOWN = 5000  # codes whose class is known, for the nearest neighbour
READ = 5000  # samples that a fresh reader of codes learns from
CLASSIFIER = {"seed": 1, "steps": 1000}
AT_ONCE = 250
Rows = tuple[Tensor, Tensor]
Scores = dict[str, float]


class Bench:
    """A data set in two parts, and the classifier trained on the first.

    Args:
        training: What is learned from.
        held: What is not.
    """

    def __init__(self, training: Dataset, held: Dataset) -> None:
        self.training, self.held = training, rows(held, SAMPLES)
        self.known, self.classes = rows(training, KNOWN), len(training.classes)

    @cached_property
    def classifier(self) -> Any:
        return extractor_for(self.training, side=self.training.shape[1], **CLASSIFIER)

    @cached_property
    def seen(self) -> Tensor:
        """Features of the held-out images."""
        return self.classifier.features(self.held[0])

    def distance(self, images: Tensor) -> float:
        """The Fréchet distance to the held-out images."""
        return frechet_distance(self.classifier.features(images), self.seen)

    def named(self, images: Tensor, labels: Tensor) -> Any:
        return gan_test(self.classifier.predict, images, labels, classes=self.classes)

    def references(self) -> Scores:
        """What the data themselves score."""
        x, y = (part[:SAMPLES] for part in self.known)
        nearest = torch.cdist(self.held[0].flatten(1), self.known[0].flatten(1)).argmin(1)
        return {
            "judge, on held-out images": self.named(*self.held).value,
            "Fréchet distance of other images": self.distance(x),
            "1-NN in pixels": (self.known[1][nearest] == self.held[1]).double().mean().item(),
            "variety in pixels": intra_class_diversity(x, y, *self.held, classes=self.classes).value,
        }


def rows(dataset: Dataset, count: int) -> Rows:
    images, labels = dataset.rows(np.arange(count))
    return scale_images(images), labels


def drawn(game: Game, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Samples of new noise, and that noise."""
    with fixed_seed(seed):
        noise = require_sampling(game).noise(count)
    return generate(require_sampling(game), noise, batch=AT_ONCE), noise


def class_control(game: Game, bench: Bench) -> Scores:
    """Conditional games: whether samples have the requested class, and their variety."""
    x, noise = drawn(game, SAMPLES)
    y = game.class_of(noise)  # type: ignore[operator]
    named, features = bench.named(x, y), bench.classifier.features(x)
    both = {"pixels": (x, bench.held[0]), "features": (features, bench.seen)}
    varied = {
        f"variety in {space}": intra_class_diversity(fake, y, real, bench.held[1], classes=bench.classes).value
        for space, (fake, real) in both.items()
    }
    worst = min(share for share in named.per_class if not math.isnan(share))
    distance = frechet_distance(features, bench.seen)
    return {"label accuracy": named.value, "worst class": worst, **varied, "Fréchet distance": distance}


def informed(game: Game, bench: Bench) -> Scores:
    """InfoGAN: information about the code recovered by a new encoder, and the agreement of codes with classes.

    The new encoder is trained on samples and tested on others: ln K minus its cross-entropy is a lower bound
    of the information for any encoder (Barber & Agakov, 2003).
    """
    values = game.code.categories[0]  # type: ignore[union-attr, index]
    x, c = _coded(game, READ, 1)
    pixels = x.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    samples = Dataset("samples", pixels, c.numpy(), tuple(map(str, range(values))))
    reader = train_extractor(samples, side=bench.training.shape[1], steps=200)
    x, c = _coded(game, SAMPLES, 2)
    with evaluation_mode(game):
        read = torch.cat([game.encode(part) for part in bench.held[0].split(AT_ONCE)])  # type: ignore[operator]
    on_data = game.split(read)[1][:, :values].argmax(1)  # type: ignore[operator]
    samples_, data = (
        cluster_accuracy(codes, labels, values=values, classes=bench.classes)
        for codes, labels in ((c, bench.classifier.predict(x)), (on_data, bench.held[1]))
    )
    with fixed_seed(3):
        own = game.bounds(SAMPLES)  # type: ignore[operator]
    return {
        "information": math.log(values) - cross_entropy(reader.logits(x), c).item(),
        "information, by Q": own["category0"],
        "matched in samples": samples_.accuracy,
        "NMI in samples": samples_.normalised,
        "matched on data": data.accuracy,
        "NMI on data": data.normalised,
        "Fréchet distance": bench.distance(x),
    }


def _coded(game: Game, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Samples with the value of their first category."""
    x, noise = drawn(game, count, seed)
    return x, game.split(noise)[1][:, : game.code.categories[0]].argmax(1)  # type: ignore[operator, union-attr, index]


def encoding(game: Game, bench: Bench) -> Scores:
    """Games that encode: whether reconstructions of held-out images keep the class, and their error."""
    x, y = bench.held
    again, codes = reconstruct(game, x), encode(game, x)
    scores = {
        "reconstruction class": bench.named(again, y).value,
        "relative error": relative_error(game, x),
        "square error": (again - x).square().mean().item(),
        "1-NN of codes": knn_accuracy(game, x, y, *bench.known),
        "variance of codes": codes.var(0).mean().item(),
        "Fréchet distance of reconstructions": bench.distance(again),
        "Fréchet distance": bench.distance(drawn(game, SAMPLES)[0]),
    }
    return scores | _posterior(game, x, codes)


def _posterior(game: Game, x: Tensor, codes: Tensor) -> Scores:
    """Divergence of the codes from the prior, for encoders that return a deviation."""
    with evaluation_mode(game):
        encoded = torch.cat([game.E(part) for part in x.split(AT_ONCE)])  # type: ignore[operator]
    if encoded.shape[1] == codes.shape[1]:
        return {}
    mean, log_variance = mean_and_log_variance(encoded)
    spread = mean.var(0).mean() + log_variance.exp().mean()
    return {"KL": kl_to_prior(mean, log_variance).mean().item(), "variance of drawn codes": spread.item()}
