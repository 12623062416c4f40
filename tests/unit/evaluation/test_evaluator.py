"""Scores can be read: beside each stands what real data and noise would score, all by one protocol and one seed."""

import copy
import json
import math

import numpy as np
import pytest
import torch

from sparring import data
from sparring.data import Dataset
from sparring.errors import DataError, GameError
from sparring.evaluation import evaluator
from sparring.evaluation.sample_sets import RealSplits
from sparring.evaluation.types import Evaluation
from sparring.metrics import Direction, frechet_distance, same_protocol
from support.evaluators import Fixed, images, pixels, values


def test_samples_of_the_mixture_score_as_its_data_do(ring):
    found = evaluator.evaluate(Fixed(torch.from_numpy(ring.values)), ring)
    ceiling, spread = 1 - math.exp(-4.5), 5 * math.sqrt(0.011 / 2500)
    for scores in (found.scores, found.references["data"]):
        assert values(scores)["modes"] == 8
        assert values(scores)["high quality"] == pytest.approx(ceiling, abs=spread)
        assert values(scores)["reverse KL"] < 0.01
    assert [score.better for score in found.scores] == [Direction.HIGHER, Direction.HIGHER, Direction.LOWER]
    assert {score.protocol["fake"] for score in found.scores} == {2500}


def test_a_collapsed_generator_scores_one_mode_and_log_eight(ring):
    found = values(evaluator.evaluate(Fixed(ring.mixture.centres[:1]), ring).scores)
    assert found == {"modes": 1, "high quality": 1.0, "reverse KL": pytest.approx(math.log(8))}


def test_images_are_evaluated_in_features_against_the_same_half():
    dataset = images()
    game = Fixed(data.stream.scale_images(dataset.rows(np.arange(400))[0]) * 0 + 0.5)
    found = evaluator.evaluate(game, dataset, extractor=pixels, seed=5)
    halves = RealSplits(dataset, None, 200, seed=5)
    real, other = (torch.cat([rows for rows, _ in half]) for half in (halves.real(), halves.other()))
    assert found.scores[0].value == pytest.approx(frechet_distance(real.flatten(1), torch.full((200, 64), 0.5)))
    reference = values(found.references["data"])
    assert reference["Fréchet distance"] == pytest.approx(frechet_distance(real.flatten(1), other.flatten(1)))
    assert reference["Fréchet distance"] < found.scores[0].value
    assert values(found.scores)["precision"] == 0.0
    assert reference["precision"] > 0.5
    assert [score.name for score in found.scores] == ["Fréchet distance", "kernel distance", "precision", "recall"]


@pytest.mark.parametrize(("real", "level"), [(250, 200), (5, 55)])
def test_images_are_evaluated_within_the_range_in_which_they_are_saved(real, level):
    """A generator without a tanh may pass white and black; no file ever shows by how much."""
    squares, extreme = images(level=real), images(level=level).values.astype(np.float32)
    far = torch.from_numpy(extreme / 127.5 - 1).movedim(3, 1) * 1.8
    assert far.abs().max() > 1.2
    one, other = (
        evaluator.evaluate(Fixed(x), squares, extractor=pixels, references=False) for x in (far, far.clamp(-1, 1))
    )
    assert values(one.scores) == values(other.scores)


def test_the_border_of_padded_images_is_masked_out_of_scores():
    squares = images()
    padded = np.pad(squares.values, ((0, 0), (3, 3), (0, 0), (0, 0)), constant_values=255)
    bordered = Dataset("squares", padded, content=(8, 8))
    clean = torch.from_numpy(padded / np.float32(127.5) - 1).movedim(3, 1)
    dirty = clean.clone()
    dirty[:, :, [0, 1, 2, 11, 12, 13]] = torch.linspace(-1, 1, 48).view(6, 8)
    within, noisy = (evaluator.evaluate(Fixed(x), bordered, extractor=pixels, references=False) for x in (clean, dirty))
    assert values(noisy.scores) == values(within.scores)
    alone = evaluator.evaluate(Fixed(clean[:, :, 3:11]), squares, extractor=pixels, references=False)
    assert values(alone.scores) == values(within.scores)
    assert within.notes == ("Scores are of the central 8 × 8 pixels, without the border.",)
    unmasked = Dataset("squares", padded)
    worse = evaluator.evaluate(Fixed(dirty), unmasked, extractor=pixels, references=False)
    assert values(worse.scores)["Fréchet distance"] > 1 + values(noisy.scores)["Fréchet distance"]


def test_points_may_lie_anywhere(ring):
    far = 3 * torch.from_numpy(ring.values)
    assert values(evaluator.evaluate(Fixed(far), ring, references=False).scores)["high quality"] == 0


def test_every_row_has_the_protocol_of_the_scores_and_names_its_extractor():
    found = evaluator.evaluate(Fixed(torch.zeros(1, 1, 8, 8)), images(), extractor=pixels, samples=100)
    for scores in found.references.values():
        assert all(same_protocol(a.protocol, b.protocol) for a, b in zip(found.scores, scores, strict=True))
    stamp = found.scores[2].protocol
    assert (stamp["real"], stamp["fake"], stamp["extractor"], stamp["settings"]) == (
        100,
        100,
        "pixels",
        {"neighbours": 3},
    )


def test_the_default_extractor_for_images_is_the_built_in_classifier(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path))
    monkeypatch.setattr(evaluator, "extractor_for", lambda dataset, device: pixels)
    found = evaluator.evaluate(Fixed(torch.zeros(1, 1, 8, 8)), images())
    assert found.scores[0].protocol["extractor"] == "pixels"


def test_a_seed_decides_everything_and_nothing_is_left_behind(ring):
    game = Fixed(torch.from_numpy(ring.values)).train()
    before, state = copy.deepcopy(game.state_dict()), torch.random.get_rng_state()
    first, again, other = (evaluator.evaluate(game, ring, samples=300, seed=seed) for seed in (1, 1, 2))
    assert first.to_json() == again.to_json()
    assert values(first.scores) != values(other.scores)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert game.training
    assert torch.equal(game.rows, before["rows"])


def test_fewer_samples_than_requested_are_reported_in_a_note_and_in_json(ring):
    few = Dataset("few", ring.values[:614], mixture=ring.mixture)
    game = Fixed(torch.from_numpy(ring.values))
    found = evaluator.evaluate(game, few, samples=5000, references=False)
    shortfall = "5,000 samples were requested and 307 are scored, as many as real ones: "
    assert found.notes == (shortfall + "there are 614 rows, and one half of them is compared with the other.",)
    assert found.scores[0].protocol["fake"] == 307
    assert json.loads(json.dumps(found.to_json()))["notes"] == [*found.notes]
    held_out = Dataset("held", ring.values[614:921])
    held = evaluator.evaluate(game, few, held_out=held_out, samples=5000, references=False)
    assert held.notes == (shortfall + "307 rows are held out.",)
    turned = evaluator.evaluate(game, held_out, held_out=few, samples=5000, references=False)
    assert turned.notes == (shortfall + "614 rows are held out and 307 are not.",)


@pytest.mark.parametrize("samples", [None, 100, 307])
def test_no_note_is_added_where_all_requested_samples_are_evaluated(ring, samples):
    few = Dataset("few", ring.values[:614], mixture=ring.mixture)
    found = evaluator.evaluate(Fixed(torch.from_numpy(ring.values)), few, samples=samples, references=False)
    assert found.notes == ()
    assert found.scores[0].protocol["fake"] == (samples or 307)


def test_json_holds_all_of_it_even_infinity(ring):
    found = evaluator.evaluate(Fixed(torch.full((1, 2), 50.0)), ring)
    assert values(found.scores)["reverse KL"] == math.inf
    text = json.dumps(found.to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(text)) == found


def test_metrics_are_found_by_name_or_refused_with_the_nearest(ring):
    assert list(evaluator.get_metrics(["density", "modes"])) == ["density", "modes"]
    with pytest.raises(DataError, match="did you mean 'precision'"):
        evaluator.get_metrics(["presision"])
    found = evaluator.evaluate(Fixed(torch.from_numpy(ring.values)), ring, metrics=evaluator.get_metrics(["density"]))
    assert values(found.scores)["coverage"] > 0.9


def test_what_does_not_fit_is_refused_with_the_remedy(ring):
    with pytest.raises(DataError, match="known mixture"):
        evaluator.evaluate(Fixed(torch.zeros(1, 1, 8, 8)), images(), metrics=evaluator.get_metrics(["modes"]))
    with pytest.raises(GameError, match="match --size"):
        evaluator.evaluate(Fixed(torch.zeros(1, 1, 4, 4)), images(), extractor=pixels)
    with pytest.raises(DataError, match="an evaluation needs 20"):
        evaluator.evaluate(Fixed(torch.zeros(1, 1, 8, 8)), images(n=12), extractor=pixels)
