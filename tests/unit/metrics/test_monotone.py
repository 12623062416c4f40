"""Every metric worsens, step by step, under the faults that it claims to detect: added to real images of digits.

What a metric does not claim is not tested: precision rises under mild blur, MS-SSIM ignores quality, memorisation
finds nothing in repeated fresh images, and the pyramid no change of brightness.
"""

from functools import cache
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from sparring.data import load
from sparring.layers.resampling import Blur
from sparring.metrics import density_coverage, frechet_distance, precision_recall, train_extractor
from sparring.metrics.class_histogram import mode_histogram
from sparring.metrics.memorization import memorisation
from sparring.metrics.ms_ssim import pair_similarity
from sparring.metrics.perceptual_path_length import feature_distance, path_length
from sparring.metrics.sliced_wasserstein import pyramid_distance, sliced_wasserstein

COUNT = 590  # three disjoint parts of the 1,797 digits


@pytest.fixture(scope="module")
def digits():
    data = load("digits", size=32)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    images, labels = data.rows(order.numpy())
    train, held, fresh = (images.float() / 127.5 - 1).split(COUNT)[:3]
    extractor = train_extractor(data, steps=60, side=16)
    return SimpleNamespace(
        extractor=extractor,
        train=train,
        held=held,
        fresh=fresh,
        labels=labels.split(COUNT)[2],
        train_features=extractor.features(train),
        held_features=extractor.features(held),
    )


@pytest.fixture(scope="module")
def planted(digits):
    """Images of a kind of fault, ever more of it, with their features."""
    return cache(lambda plant: [(images, digits.extractor.features(images)) for images in plant(digits)])


def noisy(digits):
    noise = torch.randn(digits.fresh.shape, generator=torch.Generator().manual_seed(1))
    return [(digits.fresh + amount * noise).clamp(-1, 1) for amount in (0, 0.5, 0.8, 1.2)]


def blurred(digits):
    soften = Blur((1.0, 4.0, 6.0, 4.0, 1.0))
    steps = [digits.fresh]
    for _ in range(20):
        steps.append(soften(F.pad(steps[-1], (2, 2, 2, 2), mode="reflect")))
    return [steps[times] for times in (0, 4, 9, 20)]


def dropped(digits):
    """Only the first ten, six, three classes and one, in the same number of images; all distinct or repeated."""
    kept = [digits.fresh[digits.labels < classes] for classes in (10, 6, 3, 1)]
    return [images[torch.arange(COUNT) % len(images)] for images in kept]


def repeated(digits):
    """All new; then ever fewer training images, again and again."""
    return [digits.fresh, *(digits.train[torch.arange(COUNT) % distinct] for distinct in (20, 6, 2))]


def copied(digits):
    """Ever more training images among new ones."""
    return [torch.cat([digits.train[:n], digits.fresh[n:]]) for n in (0, 60, 200, COUNT)]


def features(measure):
    """A metric of features, of real images that were held out and of the given ones."""
    return lambda digits, fake, seen: measure(digits.held_features, seen)


def memory(digits, fake, seen):
    return memorisation(digits.train_features, digits.held_features, seen)


def histogram(digits, fake, seen):
    return mode_histogram(digits.extractor.predict(fake), 10)


def pyramid(digits, fake, seen):
    return pyramid_distance(digits.held, fake, patches=8, projections=64).mean


# name: metric, whether it rises under faults, faults it claims to detect
CLAIMS = {
    "Fréchet": (features(frechet_distance), True, (noisy, blurred, dropped, repeated)),
    "precision": (features(lambda *x: precision_recall(*x).precision), False, (noisy,)),
    "recall": (features(lambda *x: precision_recall(*x).recall), False, (noisy, blurred, dropped)),
    "density": (features(lambda *x: density_coverage(*x).density), False, (noisy, blurred)),
    "coverage": (features(lambda *x: density_coverage(*x).coverage), False, (noisy, blurred, dropped, repeated)),
    "sliced": (features(sliced_wasserstein), True, (noisy, blurred, dropped, repeated)),
    "pyramid": (pyramid, True, (noisy, blurred, dropped, repeated)),
    "MS-SSIM": (lambda digits, fake, seen: pair_similarity(fake).mean, True, (blurred, repeated)),
    "captured": (lambda *x: histogram(*x).captured, False, (dropped,)),
    "reverse KL": (lambda *x: histogram(*x).reverse_kl, True, (dropped, repeated)),
    "JSD": (lambda *x: histogram(*x).jensen_shannon, True, (dropped, repeated)),
    "closer": (lambda *x: memory(*x).closer, True, (copied,)),
    "far": (lambda *x: memory(*x).closer, False, (noisy, blurred)),
    "C_T": (lambda *x: memory(*x).statistic, False, (copied,)),
    "copied": (lambda *x: memory(*x).copied, True, (copied,)),
}


@pytest.mark.parametrize(
    ("name", "plant"),
    [(name, plant) for name, (_, _, faults) in CLAIMS.items() for plant in faults],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_each_fault_costs_more_the_more_there_is_of_it(digits, planted, name, plant):
    measure, rises, _ = CLAIMS[name]
    scores = [measure(digits, images, seen) for images, seen in planted(plant)]
    assert all((a < b) if rises else (a > b) for a, b in pairwise(scores)), scores


def test_a_generator_that_jumps_between_images_has_longer_paths(digits):
    """G mixes 16 real images by softmax(z / τ): the colder, the more it stays at images and jumps between them."""
    anchors = digits.train[:16]
    ends = [torch.randn(300, 16, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]

    def length(temperature):
        def generate(z):
            return torch.einsum("ni,i...->n...", (z / temperature).softmax(dim=1), anchors)

        return path_length(generate, *ends, distance=feature_distance(digits.extractor.features), epsilon=1e-2).mean

    scores = [length(temperature) for temperature in (8, 2, 0.5, 0.1)]
    assert all(a < b for a, b in pairwise(scores)), scores


def test_no_fault_is_no_alarm(digits, planted):
    """Fresh real images in the place of generated ones: C_T within 4 deviations, KL at its floor, all classes there."""
    fresh = planted(copied)[0]
    found = memory(digits, *fresh)
    assert abs(found.statistic) < 4
    assert abs(found.closer - 0.5) < 4 * found.standard_error
    modes = histogram(digits, *fresh)
    assert modes.captured == 10
    assert modes.reverse_kl < 5 * modes.floor
