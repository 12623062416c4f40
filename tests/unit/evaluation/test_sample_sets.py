"""Sample sets: disjoint halves of real rows, noise with their moments, and numbers of samples."""

import math

import numpy as np
import pytest
import torch

from sparring.data import Dataset
from sparring.errors import DataError
from sparring.evaluation import evaluator
from sparring.evaluation.sample_sets import RealSplits
from support.evaluators import Fixed, images, pixels, values


def test_noise_has_the_means_and_deviations_of_the_data_and_no_more(ring):
    wide = Dataset("wide", (ring.values * [3, 1] + [10, 0]).astype(np.float32), mixture=ring.mixture)
    noise = torch.cat([rows for rows, _ in RealSplits(wide, None, len(wide), seed=0).noise()])
    torch.testing.assert_close(noise.mean(0), torch.tensor([10.0, 0.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(noise.std(0), torch.tensor([3 / math.sqrt(2), math.sqrt(0.5)]), atol=0.02, rtol=0)
    assert values(evaluator.evaluate(Fixed(ring.mixture.centres), ring).references["noise"])["high quality"] < 0.05


def test_the_two_halves_of_real_samples_share_no_row():
    rows = Dataset("rows", np.arange(200, dtype=np.float32).reshape(100, 2))
    halves = RealSplits(rows, None, 50, seed=3)
    both = torch.cat([part for half in (halves.real(), halves.other()) for part, _ in half])
    assert sorted(both[:, 0].tolist()) == list(range(0, 200, 2))


def test_too_few_rows_and_too_few_samples_have_different_messages():
    game = Fixed(torch.zeros(1, 1, 8, 8))
    with pytest.raises(DataError, match=r"^6 rows of squares are held out, and an evaluation needs 10:"):
        evaluator.evaluate(game, images(n=54), held_out=images(n=6), samples=5000, extractor=pixels)
    with pytest.raises(DataError, match=r"^squares has 12 rows, and an evaluation needs 20"):
        evaluator.evaluate(game, images(n=12), samples=5000, extractor=pixels)
    with pytest.raises(DataError, match=r"^3 samples were requested, and an evaluation needs 10"):
        evaluator.evaluate(game, images(n=54), samples=3, extractor=pixels)
