"""Inversions of generators with known solutions: linear ones."""

import torch
from torch import nn

from sparring.games.conditional import ConditionalGAN
from sparring.inference.inversion import invert
from sparring.inference.sampling import latents_from_seeds
from sparring.objectives import NonSaturating
from support.linear_generators import learn, linear
from support.runs import difference


def test_an_inversion_finds_the_noise_and_leaves_no_trace():
    game = linear().train()
    before, state = {k: v.clone() for k, v in game.state_dict().items()}, torch.random.get_rng_state()
    noise = latents_from_seeds(game, [5, 6, 7])
    x = game.sample(3, noise=noise)
    found = invert(game, x, steps=800, lr=0.1)
    assert found.errors.max() < 1e-4
    torch.testing.assert_close(found.made, x, atol=0.05, rtol=0)
    torch.testing.assert_close(found.noise @ game.G.turn[:, :4], noise @ game.G.turn[:, :4], atol=0.05, rtol=0)
    assert not difference(game.state_dict(), before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert game.training
    assert all(weight.grad is None for weight in game.parameters())


def test_more_steps_never_make_it_worse_and_no_step_takes_the_best_draw():
    game = linear()
    x = game.sample(4, noise=latents_from_seeds(game, range(4)))
    errors = [invert(game, x, steps=steps, lr=5.0).errors for steps in (0, 1, 20)]  # a rate that overshoots
    assert (errors[1] <= errors[0]).all()
    assert (errors[2] <= errors[1]).all()
    one, many = (invert(game, x, steps=0, candidates=tried).errors.mean() for tried in (1, 1000))
    assert many < one / 2


def test_an_encoders_code_is_a_start_where_it_is_closer():
    game = linear()
    noise = latents_from_seeds(game, [1, 2])
    x = game.sample(2, noise=noise)
    game.encode = lambda x: noise
    assert torch.equal(invert(game, x, steps=0, candidates=4).noise, noise)
    game.encode = lambda x: 100 + noise
    assert not torch.equal(invert(game, x, steps=0, candidates=4).noise, 100 + noise)


def test_classes_are_part_of_the_noise_that_is_found():
    class Classed(nn.Module):
        latent = 2

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2 + 3, 16)

        def forward(self, z, y):
            return self.layer(torch.cat([z, y], 1)).unflatten(1, (1, 4, 4))

    torch.manual_seed(0)
    made = {"classes": 3, "critic": learn, "generator": learn}
    game = ConditionalGAN(Classed(), nn.Linear(16, 1), NonSaturating(), **made)
    x = game.sample(4)
    assert invert(game, x, steps=600, lr=0.05).errors.max() < 1e-3
