"""The classifier score in closed form and against torchmetrics."""

import math
import statistics
import warnings

import pytest
import torch

from sparring.metrics.inception_score import classifier_score


def logits(count, classes, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, classes, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_a_classifier_with_constant_output_scores_one(classes):
    uniform = torch.full((50, classes), 1 / classes)
    assert classifier_score(uniform).mean == pytest.approx(1, abs=1e-12)
    same = logits(1, classes).softmax(1).repeat(50, 1)
    assert classifier_score(same).mean == pytest.approx(1, abs=1e-12)
    one_class = torch.eye(classes)[:1].repeat(50, 1)
    assert classifier_score(one_class).mean == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_sure_and_balanced_predictions_score_the_number_of_classes(classes):
    found = classifier_score(torch.eye(classes).repeat(3, 1), splits=1)
    assert found.mean == pytest.approx(classes, rel=1e-12)
    assert (found.deviation, found.splits) == (0.0, 1)


def test_sure_predictions_score_exp_of_the_entropy_of_their_classes():
    """Three of one class and one of another: exp H = 4 / 3^¾."""
    p = torch.eye(2)[[0, 0, 1, 0]]
    assert classifier_score(p, splits=1).mean == pytest.approx(4 / 3**0.75, rel=1e-12)


def test_halting_predictions_in_closed_form():
    """Two classes predicted with probability c, balanced: exp(log 2 + c log c + (1 − c) log(1 − c))."""
    c = 0.9
    p = torch.tensor([[c, 1 - c], [1 - c, c]], dtype=torch.float64).repeat(4, 1)
    expected = math.exp(math.log(2) + c * math.log(c) + (1 - c) * math.log(1 - c))
    assert classifier_score(p, splits=1).mean == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("splits", [2, 10])
def test_torchmetrics_agrees(splits):
    """Their shuffling at seed 0 of torch's own generator is ours at seed 0; their deviation divides by splits − 1."""
    x = logits(200, 7)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        image = pytest.importorskip("torchmetrics.image.inception")
        theirs = image.InceptionScore(feature=torch.nn.Identity(), splits=splits)
        theirs.update(x)
        torch.manual_seed(0)
        mean, deviation = (value.item() for value in theirs.compute())
    found = classifier_score(x.softmax(1), splits=splits, seed=0)
    assert found.mean == pytest.approx(mean, rel=1e-9)
    assert found.deviation == pytest.approx(deviation * math.sqrt((splits - 1) / splits), rel=1e-9)
    assert found.splits == splits


def test_images_sorted_by_class_are_shuffled_before_they_are_split():
    """Unshuffled, each of ten splits would hold one class only and score 1."""
    found = classifier_score(torch.eye(10).repeat_interleave(500, 0))
    assert 9.8 < found.mean < 10


def test_a_split_scores_low_by_its_size():
    """Of n sure predictions of K balanced classes the entropy is low by (K − 1) / 2n (Miller, 1955)."""
    classes, n = 10, 100
    generator = torch.Generator().manual_seed(0)
    p = torch.eye(classes)[torch.randint(classes, (400 * n,), generator=generator)]
    found = classifier_score(p, splits=400)
    expected = classes * (1 - (classes - 1) / (2 * n))
    assert found.mean == pytest.approx(expected, abs=4 * found.deviation / 20)
    assert found.mean < classes - 0.3


def test_every_image_is_in_a_split_when_they_do_not_divide():
    p = logits(23, 5).softmax(1)
    order = torch.randperm(23, generator=torch.Generator().manual_seed(4))
    parts = p[order].tensor_split(4)
    assert [len(part) for part in parts] == [6, 6, 6, 5]
    each = [classifier_score(part, splits=1).mean for part in parts]
    found = classifier_score(p, splits=4, seed=4)
    assert found.mean == pytest.approx(statistics.fmean(each), rel=1e-12)
    assert found.deviation == pytest.approx(statistics.pstdev(each), rel=1e-12)


def test_the_order_is_the_seeds_alone():
    p = logits(100, 4).softmax(1)
    before = torch.random.get_rng_state()
    first = classifier_score(p, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(1)
    assert classifier_score(p, seed=1) == first
    assert classifier_score(p, seed=2) != first


def test_doubt_and_dropped_classes_lower_the_score():
    x = 8 * torch.eye(10).repeat(40, 1)
    score = classifier_score(x.softmax(1)).mean
    assert classifier_score((x / 4).softmax(1)).mean < score - 1
    assert classifier_score(x[x[:, 0] + x[:, 1] == 0].softmax(1)).mean < score - 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_probabilities_of_low_precision_are_taken_and_normalised(dtype):
    x = logits(300, 10)
    found = classifier_score(x.softmax(1).to(dtype)).mean
    assert found == pytest.approx(classifier_score(x.softmax(1)).mean, rel=2e-3)
    assert classifier_score(torch.full((20, 10), 0.1, dtype=dtype)).mean == pytest.approx(1, abs=1e-12)
    assert classifier_score(0.996 * torch.eye(10, dtype=dtype), splits=1).mean == pytest.approx(10, rel=1e-12)


def test_senseless_input_is_refused():
    x = logits(20, 5)
    for wrong in (x, x.softmax(1).log(), x.softmax(1) * 2, torch.tensor([[1.5, -0.5]]).repeat(20, 1)):
        with pytest.raises(ValueError, match="softmax"):
            classifier_score(wrong)
    with pytest.raises(ValueError, match="finite"):
        classifier_score(x.softmax(1) / 0)
    for wrong, splits in ((x[:5], 10), (x, 0), (x[0], 1)):
        with pytest.raises(ValueError, match="split"):
            classifier_score(wrong, splits=splits)
