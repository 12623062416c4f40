"""The posterior of an encoder: mean, log-variance and the draw."""

from __future__ import annotations

import math

import pytest
import torch

from sparring.games.common.posterior import mean_and_log_variance, reparameterise
from sparring.rng import fixed_seed


def test_a_drawn_code_has_its_mean_and_its_deviation():
    with fixed_seed(0):
        z = reparameterise(torch.full((100_000, 1), 3.0), torch.full((100_000, 1), math.log(4.0)))
    assert z.mean().item() == pytest.approx(3, abs=0.03)
    assert z.std().item() == pytest.approx(2, abs=0.03)
    mean, log_variance = mean_and_log_variance(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    assert (mean.tolist(), log_variance.tolist()) == ([[1.0, 2.0]], [[3.0, 4.0]])
