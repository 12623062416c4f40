"""GAN-train and GAN-test: planted predictors in closed form, and real digits in the place of generated ones."""

import math
from types import SimpleNamespace

import pytest
import torch

from sparring.data import load
from sparring.metrics import gan_train_test, train_extractor
from sparring.metrics.extractors.base import resized
from sparring.metrics.gan_train_test import Accuracy, gan_test, gan_train, labelled_accuracies

COUNT = 599  # three disjoint parts of the 1,797 digits
QUICK = {"classes": 10, "side": 8, "steps": 100}


@pytest.fixture(scope="module")
def digits():
    data = load("digits", size=8)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    images, labels = data.rows(order.numpy())
    parts = zip((images.float() / 127.5 - 1).split(COUNT), labels.split(COUNT), strict=True)
    return SimpleNamespace(**dict(zip(("fake", "train", "held"), parts, strict=True)))


@pytest.fixture(scope="module")
def as_good_as_real(digits):
    return labelled_accuracies(digits.fake, digits.train, digits.held, **QUICK)


def repeated(images, labels, rows):
    """Return as many images as in the other sets, of these rows only."""
    rows = rows[torch.arange(COUNT) % len(rows)]
    return images[rows], labels[rows]


def pixel(images):
    """A planted classifier: the class is written into the first pixel, in tenths."""
    return (images[:, 0, 0, 0] * 10).round().long()


def written(classes):
    images = torch.zeros(len(classes), 1, 8, 8)
    images[:, 0, 0, 0] = torch.tensor(classes) / 10
    return images


# closed forms


def test_a_predictor_that_is_right_on_a_known_share_of_each_class():
    labels = [0] * 10 + [1] * 10 + [2] * 20
    named = [0] * 9 + [3] + [0] * 7 + [1] * 3 + [2] * 20
    found = gan_test(pixel, written(named), torch.tensor(labels), classes=5)
    assert found == Accuracy(right=(9, 3, 20, 0, 0), counts=(10, 10, 20, 0, 0))
    assert found.per_class[:3] == (0.9, 0.3, 1.0)
    assert all(map(math.isnan, found.per_class[3:]))
    assert (found.value, found.count) == (0.8, 40)  # of images; the mean over classes would be 0.733
    assert found.standard_error == pytest.approx(0.4 / math.sqrt(40), rel=1e-12)


def test_the_order_of_images_does_not_matter():
    labels, named = [0, 1, 2, 2, 1, 0, 0], [0, 1, 1, 2, 1, 1, 0]
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    found = gan_test(pixel, written(named), torch.tensor(labels), classes=3)
    assert gan_test(pixel, written(named)[order], torch.tensor(labels)[order], classes=3) == found
    assert found.right == (2, 2, 1)


def test_wilsons_interval_solves_its_equation():
    """Its ends are the p with |p̂ − p| = z √(p (1 − p) / n)."""
    for right, count, confidence in ((8, 10, 0.95), (1, 300, 0.95), (45, 60, 0.99)):
        found = Accuracy((right,), (count,))
        z = {0.95: 1.959963985, 0.99: 2.575829304}[confidence]
        for end in found.interval(confidence):
            assert abs(found.value - end) == pytest.approx(z * math.sqrt(end * (1 - end) / count), rel=1e-8)
    low, high = Accuracy((20,), (20,)).interval()
    assert (low, high) == (pytest.approx(20 / (20 + 1.959963985**2), rel=1e-8), 1)
    assert Accuracy((0,), (20,)).interval()[0] == 0
    assert Accuracy((0,), (20,)).interval()[1] == pytest.approx(1 - low, rel=1e-12)


def test_the_interval_has_its_nominal_coverage():
    """The exact coverage of Wilson's interval at n = 60: between 0.92 and 0.98 for p from 0.1 to 0.9."""
    intervals = [Accuracy((right,), (60,)).interval() for right in range(61)]
    for p in torch.linspace(0.1, 0.9, 33).tolist():
        chances = [math.comb(60, right) * p**right * (1 - p) ** (60 - right) for right in range(61)]
        covered = sum(c for c, (low, high) in zip(chances, intervals, strict=True) if low <= p <= high)
        assert 0.92 < covered < 0.98


# real digits in the place of generated ones


def test_real_images_as_fakes_score_as_the_baseline_does(as_good_as_real):
    """Three estimates of one accuracy: within four standard errors of their differences."""
    found = as_good_as_real
    assert found.trained_on == COUNT
    assert found.baseline.value > 0.95  # 0.977 measured
    reach = 4 * math.sqrt(2) * found.baseline.standard_error
    assert found.gan_train.value == pytest.approx(found.baseline.value, abs=reach)
    assert found.gan_test.value == pytest.approx(found.baseline.value, abs=reach)


def test_shuffled_labels_score_chance_in_both(digits):
    """A tenth: GAN-test within four binomial errors; GAN-train varies more: 0.09 to 0.16 over seeds."""
    images, labels = digits.fake
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))
    found = labelled_accuracies((images, labels[order]), digits.train, digits.held, **QUICK)
    assert found.gan_test.value == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / COUNT))
    assert found.gan_train.value == pytest.approx(0.1, abs=0.12)
    assert found.baseline.value > 0.95


def test_dropped_classes_cost_gan_train_alone(digits, as_good_as_real):
    """Of five classes of ten a classifier can name at most the share that they have among the held-out images."""
    images, labels = digits.fake
    fake = repeated(images, labels, (labels < 5).nonzero()[:, 0])
    found = labelled_accuracies(fake, digits.train, digits.held, **QUICK)
    share = (digits.held[1] < 5).double().mean().item()
    assert share - 0.05 < found.gan_train.value <= share
    assert found.gan_train.per_class[5:] == (0.0,) * 5
    assert min(found.gan_train.per_class[:5]) > 0.85
    assert found.gan_test.value > 0.95
    assert all(map(math.isnan, found.gan_test.per_class[5:]))
    assert found.gan_test.count == COUNT
    assert found.baseline == as_good_as_real.baseline  # which is not trained on the fakes


def test_one_image_of_each_class_again_and_again_costs_gan_train_alone(digits):
    """The asymmetry that the two were made for: ten training images are perfect to GAN-test and teach little."""
    images, labels = digits.train
    fake = repeated(images, labels, torch.stack([(labels == digit).nonzero()[0, 0] for digit in range(10)]))
    found = labelled_accuracies(fake, digits.train, digits.held, **QUICK)
    assert found.gan_test.value >= found.baseline.value
    assert found.gan_train.interval(0.9999)[1] < 0.75 * found.baseline.value  # 0.56 and 0.98 measured


def test_bad_images_cost_both_and_gan_train_rises_with_quality(digits, as_good_as_real):
    images, labels = digits.fake
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    fakes = [((1 - share) * images + share * noise).clamp(-1, 1) for share in (0.8, 0.6)]
    worst, worse = (labelled_accuracies((x, labels), digits.train, digits.held, **QUICK) for x in fakes)
    assert worst.gan_train.value < worse.gan_train.value < as_good_as_real.gan_train.value
    assert worst.gan_test.value < worse.gan_test.value < as_good_as_real.gan_test.value


# who is trained on what and tested on what


def test_the_parts_are_those_of_the_whole(digits, as_good_as_real):
    assert gan_train(*digits.fake, *digits.held, **QUICK) == as_good_as_real.gan_train
    assert gan_train(*digits.train, *digits.held, **QUICK) == as_good_as_real.baseline
    assert gan_train(*digits.train, *digits.fake, **QUICK) == as_good_as_real.gan_test


class Spy:
    """In the place of the training: notes of what each classifier was trained on; then it reads the first pixel."""

    def __init__(self, monkeypatch):
        self.trained, self.tested = [], []
        monkeypatch.setattr(gan_train_test, "train_extractor", self)

    def __call__(self, dataset, **options):
        number = len(self.trained)
        self.trained.append((dataset, options))

        def predict(images):
            self.tested.append((number, len(images)))
            return torch.zeros(len(images), dtype=torch.int64)

        return SimpleNamespace(predict=predict)


def values(dataset):
    """The first pixels of a dataset, back in tenths."""
    pixels = torch.from_numpy(dataset.values)[:, 0, 0, 0].double()
    return ((pixels / 127.5 - 1) * 10).round().long().tolist()


@pytest.mark.parametrize(("fakes", "trains"), [(50, 30), (30, 50), (40, 40)])
def test_both_classifiers_are_given_as_many_images_of_their_own(monkeypatch, fakes, trains):
    spy = Spy(monkeypatch)
    of_fake = torch.arange(fakes) % 2  # classes 0 and 1, written as they are
    of_real = 2 + torch.arange(trains) % 2
    sets = [(written(labels.tolist()), labels) for labels in (of_fake, of_real, torch.full((7,), 4))]
    found = labelled_accuracies(*sets, classes=5, seed=3, steps=9, side=16)
    count = min(fakes, trains)
    assert found.trained_on == count
    assert [len(dataset) for dataset, _ in spy.trained] == [count, count]
    for (dataset, options), kinds in zip(spy.trained, ({0, 1}, {2, 3}), strict=True):
        assert values(dataset) == dataset.labels.tolist()  # image and label stayed together
        assert set(values(dataset)) == kinds
        assert options == {"seed": 3, "steps": 9, "side": 16, "device": "cpu"}
        assert len(dataset.classes) == 5
    assert spy.tested == [(0, 7), (1, fakes), (1, 7)]
    assert (found.gan_train.counts, found.baseline.counts) == ((0, 0, 0, 0, 7),) * 2
    assert found.gan_test.counts == ((fakes + 1) // 2, fakes // 2, 0, 0, 0)


def test_the_drawn_images_are_distinct_and_chosen_by_the_seed(monkeypatch):
    labels = torch.zeros(200, dtype=torch.int64)
    images = (torch.arange(200) / 127.5 - 1)[:, None, None, None].expand(200, 1, 8, 8)
    drawn = []
    for seed in (0, 0, 1):
        spy = Spy(monkeypatch)
        labelled_accuracies((images, labels), (images[:90], labels[:90]), (images, labels), classes=2, seed=seed)
        drawn.append(spy.trained[0][0].values[:, 0, 0, 0].tolist())
    assert len(set(drawn[0])) == 90
    assert drawn[0] == drawn[1] != drawn[2]
    assert sorted(drawn[0]) != list(range(90))  # not the first ones, which may all be of one class


def test_pixels_become_the_bytes_of_a_file(monkeypatch):
    spy = Spy(monkeypatch)
    images = torch.tensor([-1.0, 1.0, 0.0, 7.0, -7.0, -0.997]).repeat(4)[:, None, None, None].repeat(1, 3, 2, 5)
    images[:, 1] = 1
    labels = torch.zeros(24, dtype=torch.int64)
    gan_train(images, labels, images, labels, classes=2)
    (dataset, _), *_ = spy.trained
    assert dataset.values.shape == (24, 2, 5, 3)
    assert dataset.values[:6, 1, 4, 0].tolist() == [0, 255, 128, 255, 0, 0]
    assert (dataset.values[..., 1] == 255).all()


def test_the_seed_fixes_it_and_the_world_is_left_alone(digits):
    images, labels = digits.fake
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    fake = (images + noise).clamp(-1, 1), labels  # hard enough for seeds to differ
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first = labelled_accuracies(fake, digits.train, digits.held, **QUICK | {"steps": 30})
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(10)
    again = labelled_accuracies(fake, digits.train, digits.held, **QUICK | {"steps": 30})
    other = labelled_accuracies(fake, digits.train, digits.held, **QUICK | {"steps": 30}, seed=1)
    assert first == again
    assert first.gan_train != other.gan_train
    assert first.baseline != other.baseline


def test_an_image_is_named_alone_as_it_is_among_others(digits):
    """Evaluation mode: a batch norm in training mode would give other labels."""
    judge = train_extractor(load("digits", size=8), side=8, steps=30)
    images, labels = digits.held[0][:60], digits.held[1][:60]
    together = gan_test(judge.predict, images, labels, classes=10)
    alone = gan_test(lambda x: torch.cat([judge.predict(one) for one in x.split(1)]), images, labels, classes=10)
    assert together == alone


def test_images_of_another_size_are_resized_to_the_classifiers(digits):
    images, labels = digits.held
    larger = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    found = gan_train(*digits.fake, larger, labels, **QUICK)
    assert found == gan_train(*digits.fake, resized(larger, QUICK["side"]), labels, **QUICK)
    assert found.value > 0.8  # blurred by resizing, so less than the 0.97 of the images themselves


def test_what_does_not_fit_is_refused():
    images, labels = torch.zeros(30, 1, 8, 8), torch.arange(30) % 3
    for wrong in (images.byte(), images[0], torch.zeros(30, 5, 8, 8), images[:0]):
        with pytest.raises(ValueError, match="no floats"):
            gan_test(pixel, wrong, labels, classes=3)
    for wrong in (labels[:5], labels.float(), torch.zeros(30, 3)):
        with pytest.raises(ValueError, match="one int64 for each"):
            gan_test(pixel, images, wrong, classes=3)
    for wrong, classes in ((labels, 2), (labels - 1, 3), (0 * labels, 1)):
        with pytest.raises(ValueError, match="number 2 classes or more"):
            gan_test(pixel, images, wrong, classes=classes)
    with pytest.raises(ValueError, match="finite"):
        gan_test(pixel, images.log(), labels, classes=3)
    for logits in (lambda x: torch.zeros(len(x), 3), lambda x: torch.zeros(len(x)), lambda x: pixel(x)[:5]):
        with pytest.raises(ValueError, match="argmax"):
            gan_test(logits, images, labels, classes=3)
    with pytest.raises(ValueError, match="at least 20"):
        gan_train(images[:19], labels[:19], images, labels, classes=3)
    with pytest.raises(ValueError, match="one int64 for each"):
        gan_train(images, labels, images, labels[:3], classes=3)
    with pytest.raises(ValueError, match="channel"):
        gan_train(images, labels, images.repeat(1, 3, 1, 1), labels, classes=3)
    with pytest.raises(ValueError, match="channel"):
        labelled_accuracies((images, labels), (images.repeat(1, 3, 1, 1), labels), (images, labels), classes=3)
    with pytest.raises(ValueError, match="confidence"):
        Accuracy((1,), (2,)).interval(1.0)
