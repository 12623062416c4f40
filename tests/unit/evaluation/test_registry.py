"""Every metric by its name: what it needs, what its scores are called, and that they say what they claim on digits."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from sparring import data
from sparring.data import Dataset
from sparring.data.stream import scale_images
from sparring.errors import DataError
from sparring.evaluation.evaluator import evaluate
from sparring.evaluation.registry import METRICS, get_metrics
from sparring.evaluation.sample_sets import CHUNK, generated_batches
from sparring.evaluation.types import Evaluation
from sparring.metrics import ModuleExtractor
from sparring.metrics.gan_train_test import labelled_accuracies
from support.digit_games import Shows
from support.runs import IMAGES, start

NAMES = [name for name in METRICS if name not in ("modes", "stacked-modes")]  # they need data of their own


def shows(dataset, *, labels=False):
    rows, classes = dataset.rows(np.arange(len(dataset)))
    return Shows(scale_images(rows), classes if labels else None)


def found(game, parts, judge, *names, **settings):
    settings = {"held_out": parts[1], "extractor": judge, "metrics": get_metrics(names), "samples": 400} | settings
    return evaluate(game, parts[0], **settings)


def values(scores):
    return {score.name: score.value for score in scores}


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_separates_real_digits_from_noise_in_its_declared_direction(name, parts, judge):
    game = shows(parts[0], labels=name == "gan-train")
    result = found(game, parts, judge, name)
    for score, noise in zip(result.scores, result.references["noise"], strict=True):
        assert math.isfinite(score.value), score.name
        if score.interval:
            assert score.interval[0] <= score.interval[1]
        if name not in ("ms-ssim", "memorization", "path-length"):  # where noise is not at the bad end
            worse, better = (noise, score) if score.better == "higher" else (score, noise)
            alike = score.name in ("classes", "trained on real")  # noise meets every class by chance; no fake is used
            assert worse.value < better.value or (alike and worse.value == better.value), score.name
    assert result.scores[0].protocol["split"] == "held out"


def test_copies_of_the_training_data_are_found_and_shown(parts, judge):
    copies, fresh = shows(parts[0]), shows(parts[1])
    caught = found(copies, parts, judge, "memorization")
    assert values(caught.scores)["closer to training"] > 0.95
    assert values(caught.scores)["copied"] > 0.95
    free = values(found(fresh, parts, judge, "memorization").scores)
    assert free["closer to training"] == pytest.approx(0.5, abs=0.1)
    assert free["copied"] < 0.05
    pairs = caught.images["nearest"].unflatten(0, (-1, 2))
    assert torch.equal(pairs[:, 0], pairs[:, 1])
    assert caught.references["data"][0].value > 0.95  # the training data itself, by the same measure


def test_the_limit_lies_below_the_distance_whose_bias_it_removes(parts, judge):
    distance, infinite, unbiased = found(shows(parts[1]), parts, judge, "frechet", "frechet-infinity", "kernel").scores
    assert infinite.value < distance.value
    assert 0 <= distance.interval[0] < distance.value < distance.interval[1]
    assert unbiased.interval[0] < 0 < unbiased.interval[1]


def test_an_interval_covers_what_other_samples_score(parts, judge):
    one = found(shows(parts[1]), parts, judge, "frechet", "precision", "classifier-score")
    other = values(found(shows(parts[1]), parts, judge, "frechet", "precision", "classifier-score", seed=1).scores)
    for score in one.scores:
        assert score.interval is not None
        width = score.interval[1] - score.interval[0]
        assert score.interval[0] - width < other[score.name] < score.interval[1] + width, score.name
    again = found(shows(parts[1]), parts, judge, "frechet", "classifier-score", resamples=0).scores
    assert [score.interval is None for score in again] == [True, False]


def test_only_the_reference_inception_gives_scores_their_official_names(parts, judge):
    official = copy.copy(judge)
    official.reference = True
    names = ("frechet", "frechet-infinity", "kernel", "classifier-score", "precision")
    reported = [score.name for score in found(shows(parts[0]), parts, official, *names, references=False).scores]
    assert reported == ["FID", "FID, n → ∞", "KID", "Inception Score", "precision", "recall"]


def test_the_random_state_is_left_as_it_was_by_games_with_classes_too(parts, judge):
    before = torch.random.get_rng_state()
    found(shows(parts[0], labels=True), parts, judge, "frechet", references=False)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_generator_of_one_image_has_no_path_and_references_have_none_to_measure(parts, judge):
    still = found(Shows(torch.zeros(1, 1, 8, 8)), parts, judge, "path-length")
    assert still.scores[0].value == 0
    assert all(math.isnan(row[0].value) for row in still.references.values())
    assert found(shows(parts[0]), parts, judge, "path-length").scores[0].value > 0
    assert math.isnan(Evaluation.from_json(still.to_json()).references["noise"][0].value)


def test_dropped_classes_are_counted(parts, judge):
    rows, labels = parts[0].rows(np.arange(len(parts[0])))
    few = values(found(Shows(scale_images(rows[labels < 5])), parts, judge, "class-histogram").scores)
    assert few["classes"] <= 6
    assert few["class reverse KL"] == pytest.approx(math.log(2), abs=0.15)
    every = values(found(shows(parts[0]), parts, judge, "class-histogram").scores)
    assert every["classes"] == 10
    assert every["class reverse KL"] < 0.05


def test_classes_are_compared_with_those_of_the_real_data_however_uneven(parts, judge):
    pixels, labels = np.asarray(parts[0].values), parts[0].labels
    kept = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:25]])
    uneven = Dataset("uneven", pixels[kept], labels[kept], parts[0].classes)
    alike = values(evaluate(shows(uneven), uneven, extractor=judge, metrics=get_metrics(["class-histogram"])).scores)
    assert alike["class reverse KL"] < 0.05
    assert alike["class forward KL"] < 0.05


def test_classifiers_learn_from_as_many_training_images_and_are_tested_on_real_ones(parts, judge, monkeypatch):
    seen = []

    def noted(*sets, **settings):
        seen.extend(sets)
        return labelled_accuracies(*sets, **settings)

    monkeypatch.setattr("sparring.evaluation.registry.labelled_accuracies", noted)
    found(shows(parts[0], labels=True), parts, judge, "gan-train", references=False, samples=200)
    trained, held = (scale_images(part.rows(np.arange(len(part)))[0]).flatten(1) for part in parts)
    for (x, _), rows in zip(seen, (trained, trained, held), strict=True):
        assert torch.cdist(x.flatten(1), rows).amin(1).max() < 0.1
    assert not torch.equal(seen[0][0], seen[1][0])


def test_fakes_are_drawn_some_at_a_time(parts):
    pieces = [len(x) for x, _ in generated_batches(shows(parts[0]), parts[0], CHUNK + 3, seed=0)]
    assert pieces == [CHUNK, 3]


@pytest.mark.slow
def test_wrong_labels_cost_both_accuracies(parts, judge):
    rows, labels = parts[0].rows(np.arange(len(parts[0])))
    right = values(found(Shows(scale_images(rows), labels), parts, judge, "gan-train", references=False).scores)
    wrong = values(
        found(Shows(scale_images(rows), (labels + 1) % 10), parts, judge, "gan-train", references=False).scores
    )
    assert min(right["GAN-train"], right["GAN-test"], right["trained on real"]) > 0.85
    assert max(wrong["GAN-train"], wrong["GAN-test"]) < 0.15
    assert wrong["trained on real"] == right["trained on real"]


def test_what_a_metric_needs_is_named_when_it_is_missing(parts, judge):
    game = shows(parts[0])
    with pytest.raises(DataError, match="'memorization' needs data that were not trained on: train with --hold-out"):
        found(game, parts, judge, "memorization", held_out=None)
    with pytest.raises(DataError, match="'gan-train' needs a game that draws samples of a class"):
        found(game, parts, judge, "gan-train")
    with pytest.raises(DataError, match="'path-length' needs a game without classes"):
        found(shows(parts[0], labels=True), parts, judge, "path-length")
    with pytest.raises(DataError, match="'classifier-score' needs a classifier"):
        found(game, parts, ModuleExtractor(nn.Flatten(), "pixels"), "classifier-score")
    ring = data.load("ring")
    with pytest.raises(DataError, match="'pyramid' needs images"):
        evaluate(Shows(ring.mixture.centres), ring, metrics=get_metrics(["pyramid"]))


def test_samples_pass_by_in_portions_and_progress_counts_them_all(parts):
    portions, reported = [], []

    class Watches(nn.Module):
        def forward(self, x):
            portions.append(len(x))
            return x.flatten(1)

    judge = ModuleExtractor(Watches(), "pixels")
    many = Dataset("many", np.zeros((3000, 4, 4, 1), np.uint8) + np.arange(3000, dtype=np.uint8)[:, None, None, None])
    names = get_metrics(["frechet"])
    how = {"extractor": judge, "metrics": names, "samples": 1200, "resamples": 0}
    evaluate(Shows(torch.zeros(1, 1, 4, 4)), many, **how, progress=lambda *at: reported.append(at))
    assert max(portions) <= CHUNK
    assert reported[-1] == (4800, 4800)
    assert sum(portions) == 4800
    assert [done for done, _ in reported] == sorted({done for done, _ in reported})
    portions.clear()
    evaluate(Shows(torch.zeros(1, 1, 4, 4)), many, **how, references=False)
    assert sum(portions) == 2400


def test_points_have_a_distance_metric():
    ring = data.load("ring")
    truth, collapsed = Shows(torch.from_numpy(ring.values)), Shows(ring.mixture.centres[:1])
    scores = [evaluate(game, ring, metrics=get_metrics(["sliced"])).scores[0].value for game in (truth, collapsed)]
    assert scores[0] < 0.05 < 0.5 < scores[1]


def test_held_out_rows_are_never_trained_on_and_the_same_for_every_seed(tmp_path):
    runs = [start(tmp_path / str(seed), kind=IMAGES, seed=seed, hold_out=0.25) for seed in range(2)]
    first, second = runs
    assert len(first.held_out) == round(0.25 * len(first.dataset))
    assert len(first.training) + len(first.held_out) == len(first.dataset)
    assert not set(first.training.indices) & set(first.held_out.indices)
    assert np.array_equal(first.held_out.indices, second.held_out.indices)
    assert first.state.stream.dataset is first.training
    prints = {part.fingerprint for part in (first.dataset, first.training, first.held_out)}
    assert len(prints) == 3
    for share in (-0.1, 1.0, 1e-9):
        with pytest.raises(DataError, match="--hold-out"):
            first.dataset.split(share)


def test_a_part_of_a_part_holds_its_rows(parts):
    inner, outer = parts[1].split(0.5)
    both = np.sort(np.concatenate([inner.indices, outer.indices]))
    assert np.array_equal(both, np.sort(parts[1].indices))
    assert torch.equal(
        inner.rows(np.array([0]))[0], parts[1].rows(np.searchsorted(parts[1].indices, inner.indices[:1]))[0]
    )
