"""Histograms of modes: divergences by hand, what a perfect sampler scores, and stacks of digits."""

import math

import numpy as np
import pytest
import torch

from sparring.data import load
from sparring.data.sources.stacked import stack_images
from sparring.errors import DataError
from sparring.metrics.class_histogram import channel_labels, mode_histogram, stacked_histogram
from support.stacked import grey


def labels_of(counts):
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))


def test_divergences_of_a_known_histogram():
    found = mode_histogram(labels_of([1, 2, 3, 10]), 4)
    q = [n / 16 for n in (1, 2, 3, 10)]
    middle = [(value + 0.25) / 2 for value in q]
    assert found.counts == (1, 2, 3, 10)
    assert (found.captured, found.total) == (4, 4)
    assert found.reverse_kl == pytest.approx(sum(v * math.log(v / 0.25) for v in q), abs=1e-12)
    assert found.forward_kl == pytest.approx(sum(0.25 * math.log(0.25 / v) for v in q), abs=1e-12)
    jsd = sum(v * math.log(v / m) + 0.25 * math.log(0.25 / m) for v, m in zip(q, middle, strict=True)) / 2
    assert found.jensen_shannon == pytest.approx(jsd, abs=1e-12)
    assert found.reverse_kl != pytest.approx(found.forward_kl, rel=0.01)


def test_one_mode_alone():
    """KL(one mode ‖ uniform) = log K; with K = 1000 the value that a collapse is quoted by is 6.908."""
    found = mode_histogram(torch.full((50,), 7), 1000)
    assert found.captured == 1
    assert found.reverse_kl == pytest.approx(math.log(1000), abs=1e-12)
    assert found.forward_kl == math.inf
    k = 1000
    assert found.jensen_shannon == pytest.approx(
        (math.log(2 * k / (k + 1)) + math.log(2 / (k + 1)) / k + (k - 1) / k * math.log(2)) / 2, abs=1e-12
    )


def test_a_reference_of_uneven_classes():
    found = mode_histogram(labels_of([5, 15, 0]), 3, reference=torch.tensor([1, 3, 0]))
    assert (found.captured, found.total) == (2, 2)
    assert found.reverse_kl == found.forward_kl == found.jensen_shannon == 0
    beyond = mode_histogram(labels_of([5, 14, 1]), 3, reference=torch.tensor([1, 3, 0]))
    assert beyond.captured == 2  # a class that the data lack is not captured
    assert beyond.reverse_kl == math.inf
    assert math.isfinite(beyond.forward_kl)


def test_a_mode_counts_from_the_fewest_images_on():
    assert mode_histogram(labels_of([1, 2, 3]), 3, fewest=2).captured == 2


def test_the_floor_by_hand():
    """Two draws of two even classes: half of the time both are of one class, which scores log 2."""
    found = mode_histogram(labels_of([1, 1]), 2)
    assert found.floor == pytest.approx(math.log(2) / 2, rel=1e-12)
    assert found.ceiling == pytest.approx(1.5, rel=1e-12)
    assert mode_histogram(labels_of([3]), 1).floor == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("weights", "count"), [([1.0] * 100, 150), ([1.0] * 100, 1000), ([1.0, 2.0, 5.0], 40)])
def test_a_perfect_sampler_meets_floor_and_ceiling(weights, count):
    weights = torch.tensor(weights)
    generator = torch.Generator().manual_seed(0)
    runs = [
        mode_histogram(torch.multinomial(weights, count, True, generator=generator), len(weights), reference=weights)
        for _ in range(400)
    ]
    for name, expected in (("reverse_kl", runs[0].floor), ("captured", runs[0].ceiling)):
        values = torch.tensor([float(getattr(run, name)) for run in runs], dtype=torch.float64)
        error = values.std().item() / math.sqrt(len(runs))
        assert values.mean().item() == pytest.approx(expected, abs=4 * error + 1e-9), name


def test_the_published_protocol_has_its_floor():
    """26,000 samples of 1000 modes: 999 / 52,000 = 0.0192 and a little (Harris, 1975); every mode is met."""
    found = mode_histogram(torch.arange(26_000) % 1000, 1000)
    assert found.floor == pytest.approx(999 / 52_000 + (1e6 - 1) / 12 / 26_000**2, rel=1e-3)
    assert found.ceiling == pytest.approx(1000, abs=1e-6)
    assert (found.captured, found.reverse_kl) == (1000, pytest.approx(0, abs=1e-12))


def test_digits_stack_to_a_thousand_modes_that_a_perfect_sampler_holds():
    digits = load("digits")
    found = stack_images(digits, 5000)
    assert found.shape == (3, 32, 32)
    assert found.classes[307] == "3-0-7"
    of_stacks = mode_histogram(torch.from_numpy(found.labels), 1000)
    assert of_stacks.captured == pytest.approx(of_stacks.ceiling, abs=10)  # 993: the digits are nearly even
    assert of_stacks.reverse_kl == pytest.approx(of_stacks.floor, rel=0.1)


def test_channels_are_classified_one_by_one_in_order():
    images = torch.arange(6.0).reshape(2, 3, 1, 1).expand(2, 3, 4, 4)

    def predict(x):
        assert x.shape[1:] == (1, 4, 4)
        return x[:, 0, 0, 0].long()

    found = channel_labels(predict, images)
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]
    counted = stacked_histogram(found)
    assert counted.counts[12] == counted.counts[345] == 1
    assert (counted.captured, counted.total) == (2, 1000)


def test_stacks_of_the_real_set_are_counted_by_label():
    data = stack_images(grey(), 300, seed=1)
    raw, labels = data.rows(np.arange(300))
    found = stacked_histogram(channel_labels(lambda x: x[:, 0, 0, 0].long() % 4, raw), classes=4)
    assert found == mode_histogram(labels, 64)


def test_senseless_input_is_refused():
    x = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="integer labels"):
        mode_histogram(x.float(), 2)
    with pytest.raises(ValueError, match="integer labels"):
        mode_histogram(x[:0], 2)
    with pytest.raises(ValueError, match="labels run"):
        mode_histogram(x, 1)
    with pytest.raises(ValueError, match="reference"):
        mode_histogram(x, 2, reference=torch.ones(3))
    with pytest.raises(ValueError, match="reference"):
        mode_histogram(x, 2, reference=torch.zeros(2))
    with pytest.raises(ValueError, match="labels run"):
        stacked_histogram(torch.tensor([[0, 10, 0]]))
    with pytest.raises(ValueError, match="three channels"):
        stacked_histogram(x)
    with pytest.raises(ValueError, match="stacks"):
        channel_labels(lambda x: x, torch.zeros(2, 1, 4, 4))
    with pytest.raises(DataError, match="cannot be stacked"):
        stack_images(load("ring"))
    with pytest.raises(DataError, match="cannot be stacked"):
        stack_images(load("digits", channels=3))
    with pytest.raises(ValueError, match="positive"):
        stack_images(grey(), 0)


@pytest.mark.slow
def test_stacked_digits_go_by_name_and_are_their_own_perfect_sampler(tmp_path, monkeypatch):
    from sparring.evaluation.evaluator import evaluate
    from sparring.evaluation.registry import get_metrics
    from support.digit_games import Shows

    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path))
    data = load("stacked-digits", size=8)
    assert (data.name, data.shape, len(data), len(data.classes)) == ("stacked-digits", (3, 8, 8), 128_000, 1000)
    some = data.rows(np.arange(0, 128_000, 4))[0].float() / 127.5 - 1
    settings = {"metrics": get_metrics(["stacked-modes"]), "samples": 2000, "extractor": Pixels(), "references": False}
    modes, balance = evaluate(Shows(some), data, **settings).scores
    met = 1000 * (1 - (1 - 1 / 1000) ** 2000)  # classes that 2,000 even draws meet on average: 865
    assert modes.value == pytest.approx(met, abs=40)
    assert balance.value < 0.35  # (K − 1) / 2 N = .25, and what the classifier mistakes
    red = some.clone()
    red[:, 1:] = some[:1, 1:]
    modes, balance = evaluate(Shows(red), data, **settings).scores
    assert modes.value <= 30
    assert balance.value > math.log(100) - 0.5
    with pytest.raises(DataError, match="leave channels out"):
        load("stacked-digits", channels=1)


class Pixels:
    """An extractor that does nothing."""

    name, sha256, resize = "pixels", "0" * 64, "none"

    def features(self, images):
        return images.flatten(1)
