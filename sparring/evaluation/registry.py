"""The metrics by name, with their requirements, the names and directions of their scores, and their intervals.

A metric is a function of an `EvalContext`, which holds real and generated samples as features, labels and bytes, and
what else the metric declares that it needs. A new metric is a function and a row of `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from math import nan

import torch
from torch import Tensor

from sparring._types import Settings
from sparring.abilities import SupportsSampling
from sparring.data.dataset import Dataset
from sparring.data.sources.stacked import unstack_images
from sparring.errors import DataError
from sparring.evaluation.sample_sets import central
from sparring.evaluation.types import Estimate, EvalContext, Metric, Requirement, SampleSet, normal_interval
from sparring.game import evaluation_mode
from sparring.inference.sampling import generate
from sparring.metrics import (
    Direction,
    bootstrap,
    channel_labels,
    classifier_score,
    density_coverage,
    extractor_for,
    extrapolate,
    frechet_distance,
    kernel_distance,
    labelled_accuracies,
    memorisation,
    mode_coverage,
    mode_histogram,
    pair_similarity,
    parzen_likelihood,
    path_length,
    precision_recall,
    pyramid_distance,
    sliced_wasserstein,
    stacked_histogram,
    wilson_interval,
)
from sparring.metrics.extractors.base import SIDE
from sparring.metrics.perceptual_path_length import feature_distance
from sparring.rng import fixed_seed, hash_seed

__all__ = ["METRICS", "default_metrics", "get_metrics"]

MAX_BOOTSTRAP_FEATURES = 256  # a bootstrap of a distance with more takes minutes, and is omitted
PATHS = 500  # of a perceptual path length
NUM_NEIGHBOURS = 24  # pairs in the image of nearest neighbours


def modes(case: EvalContext) -> Sequence[Estimate]:
    """Mode coverage of points of a known mixture: modes reached, share of high-quality points, reverse KL."""
    mixture = case.dataset.mixture
    assert mixture is not None
    found = mode_coverage(case.fake.features, mixture.centres, mixture.deviation)
    sure = wilson_interval(found.high_quality, len(case.fake.features))
    return (found.modes, None), (found.high_quality, sure), (found.reverse_kl, None)


def frechet(case: EvalContext) -> Sequence[Estimate]:
    """Fréchet distance of Gaussians fitted to both sets of features; biased upwards at every sample size."""
    value, interval = _distance(case, frechet_distance)
    return ((value, interval and (max(0.0, interval[0]), interval[1])),)


def limit(case: EvalContext) -> Sequence[Estimate]:
    """Fréchet distance extrapolated to infinitely many generated samples, by a line over 1 / n."""
    real, fake = case.real.features, case.fake.features
    smallest = min(len(fake) // 2, max(len(fake) // 10, 2 * fake.shape[1]))
    found = extrapolate(lambda some: frechet_distance(real, some), fake, smallest=smallest, seed=case.seed)
    return ((found.value, None),)


def kernel(case: EvalContext) -> Sequence[Estimate]:
    """Squared maximum mean discrepancy with a cubic kernel; unbiased."""
    return (_distance(case, kernel_distance),)


def precision(case: EvalContext) -> Sequence[Estimate]:
    """Shares of fakes within the manifold of reals, and of reals within that of fakes."""
    found = precision_recall(case.real.features, case.fake.features)
    return _share(found.precision, case.fake), _share(found.recall, case.real)


def density(case: EvalContext) -> Sequence[Estimate]:
    """Density of reals around the fakes, and the share of reals with a fake nearby."""
    found = density_coverage(case.real.features, case.fake.features)
    return (found.density, None), _share(found.coverage, case.real)


def sliced(case: EvalContext) -> Sequence[Estimate]:
    """Sliced Wasserstein distance of pixels, or of the coordinates of points."""
    sets = (seen.features if seen.pixels is None else seen.scaled.flatten(1) for seen in (case.real, case.fake))
    return ((sliced_wasserstein(*sets, seed=case.seed), None),)


def pyramid(case: EvalContext) -> Sequence[Estimate]:
    """Sliced Wasserstein distance of patches, averaged over the levels of a Laplacian pyramid."""
    return ((pyramid_distance(case.real.scaled, case.fake.scaled, seed=case.seed).mean, None),)


def similarity(case: EvalContext) -> Sequence[Estimate]:
    """Mean MS-SSIM of pairs of generated images, within classes if there are any."""
    found = pair_similarity(case.fake.scaled, labels=case.fake.labels, seed=case.seed)
    return (_around(found.mean, found.standard_error),)


def confidence(case: EvalContext) -> Sequence[Estimate]:
    """The formula of the Inception Score, with the classifier of the extractor."""
    splits = min(10, len(case.fake.features) // 50) or 1
    found = classifier_score(case.logits(case.fake.features).softmax(1), splits=splits, seed=case.seed)
    return (_around(found.mean, found.deviation / splits**0.5) if splits > 1 else (found.mean, None),)


def classes(case: EvalContext) -> Sequence[Estimate]:
    """Histogram of predicted classes, compared with that of the real samples."""
    seen = [case.logits(which.features).argmax(1) for which in (case.real, case.fake)]
    counts = torch.bincount(seen[0], minlength=len(case.dataset.classes))
    found = mode_histogram(seen[1], len(counts), reference=counts)
    return (found.captured, None), (found.reverse_kl, None), (found.forward_kl, None)


def stacks(case: EvalContext) -> Sequence[Estimate]:
    """Number and balance of the modes of stacked digits, by a classifier of single digits."""
    digits = unstack_images(case.dataset)
    judge = extractor_for(digits)
    found = stacked_histogram(channel_labels(judge.predict, case.fake.scaled).cpu(), len(digits.classes))
    return (found.captured, None), (found.reverse_kl, None)


def memory(case: EvalContext) -> Sequence[Estimate]:
    """Whether samples are closer to the training data than unseen real ones; adds images of the closest pairs."""
    assert case.training is not None
    found = memorisation(case.training.features, case.real.features, case.fake.features, seed=case.seed)
    closest = found.nearest.distances.argsort()[:NUM_NEIGHBOURS]
    if case.fake.pixels is not None:
        rows, *_ = case.dataset.rows(found.nearest.indices[closest].cpu().numpy())
        pairs = torch.stack([case.fake.scaled[closest.cpu()], rows.float() / 127.5 - 1], 1)
        case.images["nearest"] = pairs.flatten(0, 1)
    return _around(found.closer, found.standard_error), _share(found.copied, case.fake)


def parzen(case: EvalContext) -> Sequence[Estimate]:
    """Log-likelihood of real images under a Parzen window on the samples; half of them select its width."""
    fake, real = ((seen.scaled + 1) / 2 for seen in (case.fake, case.real))
    half = len(real) // 2
    found = parzen_likelihood(fake, real[:half], real[half:])
    return (_around(found.mean, found.error),)


def path(case: EvalContext) -> Sequence[Estimate]:
    """Perceptual path length; references have no latents, so theirs is NaN."""
    if case.sampler is None:
        return ((nan, None),)
    assert case.extractor is not None
    game, squared = case.sampler, feature_distance(case.extractor.features)
    with evaluation_mode(game), fixed_seed(hash_seed(case.seed, 4)):  # type: ignore[arg-type]
        start, end = game.noise(2 * PATHS).chunk(2)
    size = case.dataset.shape[1:]
    drawn = partial(_drawn_centre, game, size)
    found = path_length(drawn, start, end, distance=squared, seed=case.seed)
    return (_around(found.mean, found.standard_error),)


def _drawn_centre(game: SupportsSampling, size: Sequence[int], z: Tensor) -> Tensor:
    return central(generate(game, z, batch=len(z)), size)


def labels(case: EvalContext) -> Sequence[Estimate]:
    """GAN-train, GAN-test, and GAN-train with as many real images in place of the generated ones."""
    assert case.fake.labels is not None
    assert case.real.labels is not None
    order = torch.randperm(len(case.dataset), generator=torch.Generator().manual_seed(hash_seed(case.seed, 5))).numpy()
    rows, names, *_ = case.dataset.rows(order[: len(case.fake.features)])
    seen = ((each.scaled, each.labels) for each in (case.fake, SampleSet(rows, rows, names), case.real))
    how: Settings = {"seed": case.seed, "side": getattr(case.extractor, "side", SIDE)}
    found = labelled_accuracies(*seen, classes=len(case.dataset.classes), **how)  # type: ignore[arg-type]
    return tuple((each.value, each.interval()) for each in (found.gan_train, found.gan_test, found.baseline))


def _distance(case: EvalContext, distance: Callable[[Tensor, Tensor], float]) -> Estimate:
    real, fake = case.real.features, case.fake.features
    if not case.resamples or real.shape[1] > MAX_BOOTSTRAP_FEATURES:
        return distance(real, fake), None
    found = bootstrap(distance, real, fake, resamples=case.resamples, seed=case.seed)
    return found.value, found.normal()


def _share(value: float, of: SampleSet) -> Estimate:
    return value, wilson_interval(value, len(of.features))


def _around(value: float, error: float) -> Estimate:
    return value, normal_interval(value, error)


_UP, _DOWN = Direction.HIGHER, Direction.LOWER
_IMAGES: frozenset[Requirement] = frozenset({"images"})
_PIXELS: frozenset[Requirement] = frozenset({"images", "pixels"})
_CLASSES: frozenset[Requirement] = frozenset({"images", "classes"})
_LABELS: frozenset[Requirement] = frozenset({"images", "pixels", "labels", "held-out data"})
_plain = partial(Metric, features=False)  # of points or pixels
METRICS: dict[str, Metric] = {
    "modes": _plain(
        {"modes": _UP, "high quality": _UP, "reverse KL": _DOWN}, modes, frozenset({"mixture"}), {"within": 3.0}
    ),
    "frechet": Metric({"Fréchet distance": _DOWN}, frechet, official=("FID",)),
    "frechet-infinity": Metric(
        {"Fréchet distance, n → ∞": _DOWN}, limit, settings={"points": 15}, official=("FID, n → ∞",)
    ),
    "kernel": Metric({"kernel distance": _DOWN}, kernel, settings={"degree": 3}, official=("KID",)),
    "precision": Metric({"precision": _UP, "recall": _UP}, precision, settings={"neighbours": 3}),
    "density": Metric({"density": _UP, "coverage": _UP}, density, settings={"neighbours": 5}),
    "classifier-score": Metric({"classifier score": _UP}, confidence, _CLASSES, official=("Inception Score",)),
    "class-histogram": Metric(
        {"classes": _UP, "class reverse KL": _DOWN, "class forward KL": _DOWN}, classes, _CLASSES, {"fewest": 1}
    ),
    "stacked-modes": _plain({"stacks": _UP, "stack reverse KL": _DOWN}, stacks, frozenset({"stacks", "pixels"})),
    "gan-train": _plain({"GAN-train": _UP, "GAN-test": _UP, "trained on real": _UP}, labels, _LABELS),
    "sliced": _plain({"sliced Wasserstein": _DOWN}, sliced, frozenset({"pixels"}), {"projections": 512}),
    "pyramid": _plain({"pyramid Wasserstein": _DOWN}, pyramid, _PIXELS, {"patches": 128, "projections": 512}),
    "ms-ssim": _plain({"MS-SSIM of pairs": _DOWN}, similarity, _PIXELS),
    "memorization": Metric(
        {"closer to training": _DOWN, "copied": _DOWN}, memory, frozenset({"pixels", "held-out data"})
    ),
    "parzen": _plain({"Parzen log-likelihood": _UP}, parzen, _PIXELS),
    "path-length": Metric(
        {"path length": _DOWN}, path, frozenset({"images", "sampler"}), {"epsilon": 1e-4, "arcs": PATHS}
    ),
}
"""All metrics, by name."""


ALIASES = {
    "fid": ("frechet",),
    "kid": ("kernel",),
    "is": ("classifier-score",),
    "prdc": ("precision", "density"),
    "kde": ("parzen",),
    "swd": ("sliced",),
    "ppl": ("path-length",),
}
"""Other names of metrics. A score is called FID, KID or Inception Score only if its features are those of Inception."""


def get_metrics(names: Sequence[str]) -> dict[str, Metric]:
    """Return metrics by their names in `METRICS` or `ALIASES`.

    Args:
        names: Names of metrics.

    Raises:
        DataError: If a name is unknown; the message suggests the closest one.

    >>> list(get_metrics(["fid", "prdc"]))
    ['frechet', 'precision', 'density']
    """
    known = {name: (name,) for name in METRICS} | ALIASES
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise DataError(f"There is no metric {name!r}: did you mean {near!r}, or another of {', '.join(METRICS)}?")
    return {each: METRICS[each] for name in names for each in known[name]}


def default_metrics(dataset: Dataset) -> dict[str, Metric]:
    """Return the metrics to use by default: mode coverage if the modes are known, otherwise distances and precision.

    Args:
        dataset: The training data.
    """
    return get_metrics(["modes"] if dataset.mixture else ["frechet", "kernel", "precision"])
