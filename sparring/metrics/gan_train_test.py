"""GAN-train and GAN-test: accuracies of classifiers on class-conditional samples (Shmelkov et al., 2018).

    baseline = accuracy on real held-out images of a classifier trained on real images GAN-train = accuracy on real
    held-out images of a classifier trained on generated images only GAN-test = accuracy on generated images, by the
    requested classes, of the classifier trained on real images

GAN-train needs quality *and* variety: a missing class, or a single repeated image, teaches little about real images.
GAN-test needs quality alone, and may exceed the baseline: one clear image per class is perfect. A high GAN-test with a
low GAN-train means little variety; both low means images of low quality or of the wrong class. GAN-train is also known
as the classification accuracy score (Ravuri & Vinyals, 2019).

The papers train residual networks. Here it is the small classifier of `sparring.metrics.extractors.classifier`, with
its training loop and protocol: it is trained on nine tenths of the images, 20,000 at most. Its accuracy is lower, so a
number is meaningful only beside its own baseline, which is trained on as many images, for as many steps, from the same
seed. The intervals do not include the variation over seeds of the classifier: where two numbers are close, use several
seeds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.data.dataset import Dataset
from sparring.metrics.extractors.base import SIDE, ClassifierExtractor
from sparring.metrics.extractors.classifier import STEPS, train_extractor
from sparring.metrics.intervals import wilson_interval

__all__ = ["Accuracy", "LabelledAccuracies", "gan_test", "gan_train", "labelled_accuracies"]

FEWEST = 20  # minimum number of images to train a classifier


@dataclass(frozen=True)
class Accuracy:
    """Number of correctly classified images of each class.

    Attributes:
        right: images named rightly, of each class.
        counts: images of each class.

    Example:
        >>> found = Accuracy(right=(5, 3, 0), counts=(5, 5, 0))
        >>> found.value, found.per_class
        (0.8, (1.0, 0.6, nan))
        >>> low, high = found.interval()
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """

    right: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of images."""
        return sum(self.counts)

    @property
    def value(self) -> float:
        """Share of correctly classified images, in [0, 1], each image with equal weight."""
        return sum(self.right) / self.count

    @property
    def per_class(self) -> tuple[float, ...]:
        """Share of correctly classified images per class; NaN for a class without images."""
        return tuple(right / of if of else math.nan for right, of in zip(self.right, self.counts, strict=True))

    @property
    def standard_error(self) -> float:
        """Standard error √(p (1 − p) / n) of the value, the classifier taken as given."""
        return math.sqrt(self.value * (1 - self.value) / self.count)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the score interval, which is also valid near 0 and 1 (Wilson, 1927).

        Args:
            confidence: probability of covering the accuracy on infinitely many such images, in (0, 1).

        Raises:
            ValueError: if the confidence does not lie between 0 and 1.
        """
        return wilson_interval(self.value, self.count, confidence)


@dataclass(frozen=True)
class LabelledAccuracies:
    """GAN-train and GAN-test with their baseline.

    Attributes:
        gan_train: on held-out real images, by the classifier trained on generated ones.
        gan_test: on generated images, by the classifier trained on real ones.
        baseline: on held-out real images, by the classifier trained on real ones.
        trained_on: images that each of the two classifiers was given.
    """

    gan_train: Accuracy
    gan_test: Accuracy
    baseline: Accuracy
    trained_on: int


def gan_train(
    fake: Tensor,
    fake_labels: Tensor,
    real: Tensor,
    real_labels: Tensor,
    *,
    classes: int,
    seed: int = 0,
    steps: int = STEPS,
    side: int = SIDE,
    device: str = "cpu",
) -> Accuracy:
    """Train a classifier on generated images and test it on real ones (Shmelkov et al., 2018, section 3.1).

    Real training images in place of the generated ones give the baseline. On one CPU the same images and seed give the
    same number; the global random state is neither read nor moved.

    Args:
        fake: generated images (N, C, H, W) in [−1, 1], at least 20.
        fake_labels: the classes of the generated images (N,), int64, from 0.
        real: real images (M, C, H', W') in [−1, 1] that the generator was not trained on.
        real_labels: their classes (M,), int64.
        classes: how many classes there are, at least 2; some may have no images.
        seed: fixes the classifier's first weights, the part it learns from and the order.
        steps: updates, each on 128 images.
        side: height and width of the classifier's inputs in pixels, a multiple of 8; images are resized to it.
        device: where to train and test.

    Raises:
        ValueError: if images, labels and classes do not fit together or are too few.
    """
    _require(real, real_labels, classes)
    _require_alike(fake, real)
    judge = _trained(fake, fake_labels, classes=classes, seed=seed, steps=steps, side=side, device=device)
    return gan_test(judge.predict, real, real_labels, classes=classes)


def gan_test(predict: Callable[[Tensor], Tensor], fake: Tensor, fake_labels: Tensor, *, classes: int) -> Accuracy:
    """Test a classifier of real images on generated ones (Shmelkov et al., 2018, section 3.2).

    Args:
        predict: from images to their likeliest classes (N,), such as `train_extractor(dataset).predict`, by a network
            in evaluation mode that was trained on real images.
        fake: generated images (N, C, H, W) in [−1, 1].
        fake_labels: the classes of the generated images (N,), int64, from 0.
        classes: how many classes there are, at least 2; some may have no images.

    Raises:
        ValueError: if images, labels, classes and predictions do not fit together.

    Example:
        >>> dark, bright = torch.full((3, 1, 8, 8), -0.5), torch.full((1, 1, 8, 8), 0.5)
        >>> images, labels = torch.cat([dark, bright]), torch.tensor([0, 0, 1, 1])
        >>> found = gan_test(lambda x: (x.mean(dim=(1, 2, 3)) > 0).long(), images, labels, classes=2)
        >>> found.value, found.per_class
        (0.75, (1.0, 0.5))
    """
    _require(fake, fake_labels, classes)
    named = predict(fake)
    if named.shape != fake_labels.shape or named.is_floating_point():
        raise ValueError(
            f"predictions {named.dtype} {tuple(named.shape)} of {len(fake)} images are no classes (N,): "
            "take logits.argmax(dim=1)"
        )
    asked = fake_labels.cpu()
    right, counts = (torch.bincount(of, minlength=classes).tolist() for of in (asked[named.cpu() == asked], asked))
    return Accuracy(tuple(right), tuple(counts))


def labelled_accuracies(
    fake: tuple[Tensor, Tensor],
    train: tuple[Tensor, Tensor],
    held_out: tuple[Tensor, Tensor],
    *,
    classes: int,
    seed: int = 0,
    steps: int = STEPS,
    side: int = SIDE,
    device: str = "cpu",
) -> LabelledAccuracies:
    """Measure GAN-train, GAN-test and the baseline with two classifiers of equal training (Shmelkov et al., 2018).

    Both are given the same number of images, as many as the smaller set has, drawn from the larger by the seed.

    Args:
        fake: generated images (N, C, H, W) in [−1, 1] and their classes (N,), int64, from 0.
        train: real images that the generator was trained on, and their classes.
        held_out: real images that it was not trained on, and their classes.
        classes: as in `gan_train`.
        seed: as in `gan_train`; the same for both classifiers.
        steps: as in `gan_train`.
        side: as in `gan_train`.
        device: as in `gan_train`.

    Returns:
        The three accuracies, GAN-test on all generated images.

    Raises:
        ValueError: if images, labels and classes do not fit together or are too few.
    """
    for images, labels in (fake, train, held_out):
        _require(images, labels, classes)
        _require_alike(fake[0], images)
    count = min(len(fake[0]), len(train[0]))
    of_fake, of_real = (
        _trained(*_drawn(*pairs, count, seed), classes=classes, seed=seed, steps=steps, side=side, device=device)
        for pairs in (fake, train)
    )
    return LabelledAccuracies(
        gan_train=gan_test(of_fake.predict, *held_out, classes=classes),
        gan_test=gan_test(of_real.predict, *fake, classes=classes),
        baseline=gan_test(of_real.predict, *held_out, classes=classes),
        trained_on=count,
    )


def _trained(
    images: Tensor, labels: Tensor, *, classes: int, seed: int, steps: int, side: int, device: str
) -> ClassifierExtractor:
    """Return the default classifier trained on labelled images, rounded to bytes as in a file."""
    _require(images, labels, classes)
    if len(images) < FEWEST:
        raise ValueError(f"{len(images)} images are too few to train a classifier on: give at least {FEWEST}")
    pixels = images.detach().float().add(1).mul(127.5).clamp(0, 255).round().to(torch.uint8)
    values = pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    names = tuple(map(str, range(classes)))
    dataset = Dataset("labelled images", values, labels.cpu().numpy(), names)
    return train_extractor(dataset, seed=seed, steps=steps, side=side, device=device)


def _drawn(images: Tensor, labels: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return a number of images with their labels, without repetition."""
    if count == len(images):
        return images, labels
    rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:count]
    return images[rows.to(images.device)], labels[rows.to(labels.device)]


def _require(images: Tensor, labels: Tensor, classes: int) -> None:
    if images.ndim != 4 or not images.is_floating_point() or not 1 <= images.shape[1] <= 4 or 0 in images.shape:
        raise ValueError(
            f"images {images.dtype} {tuple(images.shape)} are no floats (N, C, H, W) in [-1, 1]: convert them"
        )
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"labels {labels.dtype} {tuple(labels.shape)} do not fit {len(images)} images: give one int64 for each"
        )
    if classes < 2 or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels from {int(labels.min())} to {int(labels.max())} do not fit {classes} classes: "
            "number 2 classes or more from 0"
        )
    if not images.isfinite().all():
        raise ValueError("images are not all finite, so they have no classes; look for NaN in the images")


def _require_alike(images: Tensor, others: Tensor) -> None:
    if images.shape[1:2] != others.shape[1:2]:
        raise ValueError(
            f"images {tuple(images.shape)} and {tuple(others.shape)} do not have as many channels: convert one kind"
        )
