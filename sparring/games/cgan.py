"""Conditional games with mismatched pairs or with a class prediction by the critic.

Three kinds of pairs: (x, y) real, (G, y) fake, (x, y′) real with a wrong label, y′ uniform over the other classes
that have images. R and F are the two halves of D's loss, for real and for fake targets, and R is also
G's loss:

    `MatchingGAN`   D  R(D(x, y)) + ½ [F(D(G, y)) + F(D(x, y′))]                               G  R(D(G, y))
    `SeparateGAN`   D  ½ [R(r(x)) + R(m(x, y))] + ⅓ [F(r(G)) + F(m(G, y)) + F(m(x, y′))]       G  R(r(G)) + R(m(G, y))
    `AuxiliaryGAN`  D  R(r(x)) + F(r(G)) + H(k(x), y) + H(k(G), y)                             G  R(r(G)) + H(k(G), y)

Matching-aware: Reed et al. (2016), algorithm 1. Without wrong pairs D may use x alone for a long time; with them y
comes first. Separate scores for "real?" and "matches y?": StackGAN++ (Zhang et al., 2019), weights of the authors'
code; a wrong pair has no target for r, since its image is real. Auxiliary classifier: Odena et al. (2017); both
players *minimise* the cross-entropy H, which is equivalent to maximising L_S + L_C and L_C − L_S.

Fakes are generated from the labels of the batch: classes then have the frequencies of the data. z is new in every move.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot, softplus

from sparring.errors import GameError
from sparring.game import CriticOutput, CriticSpec, Data, Move
from sparring.games.conditional import ConditionalGAN
from sparring.rng import rand


def wrong(y: Tensor, counts: Tensor | None = None) -> Tensor:
    """Draw for each one-hot row of y (N, classes) another class, uniform over the others.

    Args:
        y: One-hot rows.
        counts: Images of each class, (classes,); a class without images is not drawn. Default: all have some.

    Raises:
        GameError: If there is no other class.
    """
    n, classes = y.shape
    if classes < 2:
        raise GameError("A wrong label needs at least 2 classes: train on data with more, or by another design.")
    there = torch.ones(classes, dtype=torch.bool, device=y.device) if counts is None else counts > 0
    first, count = torch.argsort(~there, stable=True), there.sum()  # classes with images, in order, and then the rest
    shift = 1 + ((count - 1) * rand(n, device=y.device)).long()
    place = (there.cumsum(0) - 1)[y.argmax(1)]
    return one_hot(first[(place + shift) % count], classes).to(y)


class LabelledGAN(ConditionalGAN):
    """Base of the three games: batches with labels, and samples of the labels of a batch."""

    def labelled(self, data: Data) -> tuple[Tensor, Tensor]:
        """Return the next samples x (N, *shape), and their classes y as one-hot rows (N, classes).

        Raises:
            GameError: If the data has no labels, or the game no classes.
        """
        x, *labels = next(data)
        if not self.classes:
            raise GameError(f"{type(self).__name__} cannot play without classes: give it labelled data.")
        (y,) = self.one_hot(*labels)
        return x, y

    def drawn(self, y: Tensor) -> Tensor:
        """Draw one sample with new z for each row of y."""
        samples: Tensor = self.G(self.split(self.noise(len(y)))[0], y)
        return samples


class MatchingGAN(LabelledGAN):
    """D(x, y) learns from three kinds of pairs, two of them fakes, half as heavy each; any objective."""

    fewest = 2

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D k times, then G."""
        for _ in range(self.critic_steps):
            x, y = self.labelled(data)
            with torch.no_grad():
                fake = self.drawn(y)
            real, critic = self.D(x, y), self.objective.critic
            yield Move(
                "D",
                adversarial=critic(real, self.D(fake, y)) / 2,
                matching=critic(real, self.D(x, wrong(y, self.frequencies.counts))) / 2,
            )
        yield Move("G", adversarial=self.objective.generator(self.D(self.drawn(y), y)))


class SeparateGAN(LabelledGAN):
    """D(x, y) -> (N, 2): logits of "real" and of "matches y", by cross-entropies for every objective."""

    fewest = 2

    def critic_spec(self) -> CriticSpec:
        """Return that D has two logits, "real" and "matches"."""
        return replace(
            super().critic_spec(),
            output=CriticOutput.SCORES,
            adversarial_terms=("adversarial", "matching"),
            features_shared_with="the second logit",
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D k times, then G."""
        for _ in range(self.critic_steps):
            x, y = self.labelled(data)
            with torch.no_grad():
                fake = self.drawn(y)
            (real, match), (false, fits) = self.D(x, y).unbind(1), self.D(fake, y).unbind(1)
            misfit = softplus(self.D(x, wrong(y, self.frequencies.counts))[:, 1]).mean()
            yield Move(
                "D",
                adversarial=softplus(-real).mean() / 2 + softplus(false).mean() / 3,
                matching=softplus(-match).mean() / 2 + (softplus(fits).mean() + misfit) / 3,
            )
        real, match = self.D(self.drawn(y), y).unbind(1)
        yield Move("G", adversarial=softplus(-real).mean(), matching=softplus(-match).mean())


class AuxiliaryGAN(LabelledGAN):
    """D(x) -> (N, 1 + classes): a score, and class logits, whose cross-entropy D and G both minimise; any objective."""

    def critic_spec(self) -> CriticSpec:
        """Return that D gives a score and logits of classes, of the sample alone."""
        return replace(
            super().critic_spec(),
            output=CriticOutput.CLASSES,
            condition="",
            custom_critic_step="D predicts classes",
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D k times, then G."""
        for _ in range(self.critic_steps):
            x, y = self.labelled(data)
            with torch.no_grad():
                fake = self.drawn(y)
            (real, of_real), (false, of_fake) = parted(self.D(x)), parted(self.D(fake))
            classes = cross_entropy(of_real, y) + cross_entropy(of_fake, y)
            yield Move("D", adversarial=self.objective.critic(real, false), classes=classes)
        score, classes = parted(self.D(self.drawn(y)))
        yield Move("G", adversarial=self.objective.generator(score), classes=cross_entropy(classes, y))


def parted(answers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores (N,) and the class logits (N, classes) in D's outputs (N, 1 + classes)."""
    return answers[:, 0], answers[:, 1:]
