"""A seed gives the same picture in any batch and by any call, and sampling does not change the game."""

import copy
import math

import pytest
import torch
from torch import nn

from sparring.errors import DataError, GameError
from sparring.game import Game
from sparring.games.gan import GAN
from sparring.inference import sampling
from sparring.objectives import NonSaturating
from sparring.recipes import recipe
from sparring.recipes.options import Networks
from sparring.rng import hash_seed
from sparring.training.trainer import train
from support.toys import LinearCritic, Point, batches, learn


@pytest.fixture(scope="module")
def game():
    torch.manual_seed(0)
    return recipe("dcgan")((1, 16, 16), networks=Networks(latent=8, width=8))


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", [7]),
        ("0-3", [0, 1, 2, 3]),
        ("0-2,70", [0, 1, 2, 70]),
        (" 5 , 1 - 2 ", [5, 1, 2]),
        ("4-4", [4]),
        ("3,3", [3, 3]),
    ],
)
def test_seeds_are_read_as_people_write_them(text, seeds):
    assert sampling.parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0-999999", "5,0-999998"])
def test_a_million_seeds_are_the_most(text):
    assert len(sampling.parse_seeds(text)) == 1_000_000
    with pytest.raises(DataError, match="too many"):
        sampling.parse_seeds(text + ",7-7")
    with pytest.raises(DataError, match="too many"):
        sampling.parse_seeds("0-1000000")


@pytest.mark.parametrize("text", ["", "a", "1,", "-3", "1-", "3-1", "1.5", "0-99999999", "1-2-3", "²", "9" * 30])
def test_what_is_no_seed_is_refused_with_an_example(text):
    with pytest.raises(DataError, match="0-63"):
        sampling.parse_seeds(text)


def test_the_noise_of_a_seed_does_not_depend_on_the_others(game):
    together = sampling.latents_from_seeds(game, [5, 6, 7])
    assert together.shape == (3, 8)
    assert torch.equal(sampling.latents_from_seeds(game, [7, 5]), together[[2, 0]])
    assert not torch.equal(together[0], together[1])


def test_noise_of_seeds_is_normal(game):
    noise = sampling.latents_from_seeds(game, range(4000))
    assert noise.mean().abs() < 4 / math.sqrt(noise.numel())
    assert abs(noise.var() - 1) < 4 * math.sqrt(2 / noise.numel())


def test_a_seed_gives_the_same_pixels_in_any_batch(game):
    everyone = sampling.sample_seeds(game, range(20))
    assert everyone.shape == (20, 1, 16, 16)
    assert torch.equal(sampling.sample_seeds(game, [19, 3]), everyone[[19, 3]])
    assert torch.equal(sampling.sample_seeds(game, [3]), everyone[3:4])
    torch.testing.assert_close(sampling.sample_seeds(game, range(20), batch=7), everyone, atol=1e-6, rtol=0)


def test_not_even_a_perceptron_rounds_by_the_company():
    torch.manual_seed(0)
    plain = recipe("nsgan")((2,), networks=Networks(network="mlp", latent=8, width=64))
    everyone = sampling.sample_seeds(plain, range(20))
    for seeds in ([3], [3, 19], [19, 0, 7]):
        assert torch.equal(sampling.sample_seeds(plain, seeds), everyone[seeds])


def test_sampling_leaves_no_trace(game):
    game.train()
    game.D.eval()
    weights, state = copy.deepcopy(game.state_dict()), torch.random.get_rng_state()
    modes = [module.training for module in game.modules()]
    drawn = sampling.sample_seeds(game, range(3))
    assert not drawn.requires_grad
    assert torch.is_grad_enabled()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [module.training for module in game.modules()] == modes
    assert all(torch.equal(value, weights[name]) for name, value in game.state_dict().items())


def test_batch_norm_samples_with_its_learned_statistics(game):
    game.train()
    with torch.no_grad():
        own_batch = game.G(sampling.latents_from_seeds(game, range(16)))
    assert not torch.allclose(sampling.sample_seeds(game, range(16)), own_batch)


def test_sampling_in_the_middle_of_a_training_changes_nothing_in_it():
    def played(sample):
        torch.manual_seed(1)
        game = GAN(nn.Sequential(Point(), nn.BatchNorm1d(2)), LinearCritic(), NonSaturating(), **learn)
        game.G.latent = 2
        for _ in train(game, batches(), 4):
            if sample:
                sampling.sample_seeds(game, range(9))
        return game.state_dict()

    seen, unseen = played(True), played(False)
    assert all(torch.equal(seen[name], unseen[name]) for name in seen)


def test_truncation_scales_the_noise():
    game = GAN(Point(start=2.0, spread=1.0), LinearCritic(), NonSaturating(), **learn)
    whole = sampling.sample_seeds(game, range(5)) - 2
    torch.testing.assert_close(sampling.sample_seeds(game, range(5), truncation=0.5) - 2, 0.5 * whole)
    assert torch.equal(sampling.sample_seeds(game, range(5), truncation=0.0), torch.full((5, 2), 2.0))


def test_a_path_visits_every_endpoint_and_a_loop_closes():
    ends = torch.eye(3, dtype=torch.float64)
    loop = sampling.interpolate(ends, 6)
    torch.testing.assert_close(loop[[0, 2, 4]], ends)
    torch.testing.assert_close(loop[5], torch.tensor([math.sqrt(0.5), 0, math.sqrt(0.5)], dtype=torch.float64))
    line = sampling.interpolate(ends, 5, loop=False)
    torch.testing.assert_close(line[[0, 2, 4]], ends)
    assert sampling.interpolate(ends, 1, loop=False).shape == (1, 3)


def test_a_walk_passes_by_the_samples_of_its_seeds(game):
    way = sampling.interpolate_seeds(game, [4, 9], frames=4)
    torch.testing.assert_close(way[[0, 2]], sampling.sample_seeds(game, [4, 9]), atol=1e-5, rtol=0)


def test_a_walk_needs_somewhere_to_go_and_a_game_that_samples(game):
    with pytest.raises(DataError, match="two seeds"):
        sampling.interpolate_seeds(game, [1], 10)
    with pytest.raises(DataError, match="cannot have 0 frames"):
        sampling.interpolate_seeds(game, [1, 2], 0)

    class Mute(Game):
        def players(self):
            return {}

        def round(self, data, step):
            yield

    with pytest.raises(GameError, match="Mute cannot sample"):
        sampling.sample_seeds(Mute(), [1])


def test_truncation_is_the_games_own_where_it_has_one():
    game = recipe("stylegan2")((1, 8, 8), latent=8, width=4)
    assert game.sample(2, noise=2 * torch.ones(2, 8)).shape == (2, 1, 8, 8)
    plain, typical = (sampling.sample_seeds(game, range(4), truncation=psi) for psi in (1.0, 0.0))
    assert plain.std(0).max() > 1e-3
    assert typical.std(0).max() < 1e-6, "its mapping normalises z: only styles can be truncated"


def test_samples_of_a_seed_do_not_depend_on_their_number(game):
    many = sampling.sample(game, 40, seed=3)
    for n in (1, 15, 16, 17, 33):
        assert torch.equal(sampling.sample(game, n, seed=3), many[:n])
    others = sampling.sample(game, 40, seed=4)
    assert not any(torch.equal(one, two) for one in many for two in others)
    assert torch.equal(many[5:6], sampling.sample_seeds(game, [hash_seed(3, 5)]))
    for n in (0, -1, 10**7):
        with pytest.raises(DataError, match="give a number from 1 to"):
            sampling.sample(game, n)
