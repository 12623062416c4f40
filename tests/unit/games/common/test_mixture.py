"""The choice of a generator of a mixture from a row of noise."""

import pytest
import torch

from sparring.games.common.mixture import append_choice, select_members, split_choice
from sparring.rng import turn_rng

# The mixture.


@pytest.mark.parametrize("members", [1, 2, 3, 7])
def test_every_generator_is_drawn_equally_often(members):
    with turn_rng(0, 0, 0):
        drawn, z = split_choice(append_choice(torch.zeros(30_000, 4)), members)
    assert z.shape == (30_000, 4)
    counts = torch.bincount(drawn, minlength=members)
    assert len(counts) == members
    assert (counts / 30_000 - 1 / members).abs().max() < 0.01


def test_the_choice_does_not_depend_on_the_scale_of_the_noise():
    noise = append_choice(torch.randn(500, 3))
    assert torch.equal(split_choice(noise, 5)[0], split_choice(0.01 * noise, 5)[0])


def test_an_angle_that_rounds_to_a_full_turn_is_the_last_generator():
    assert split_choice(torch.tensor([[1.0, -1e-9, 0.0]]), 4)[0].tolist() == [3]


def test_chosen_samples_are_those_of_the_row():
    made = torch.arange(24.0).reshape(3, 4, 2)
    assert torch.equal(
        select_members(made, torch.tensor([2, 0, 1, 2])), torch.stack([made[2, 0], made[0, 1], made[1, 2], made[2, 3]])
    )
