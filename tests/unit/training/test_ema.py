"""Exponential moving averages of networks, with buffers and spectral vectors."""

import torch
from torch import nn

from sparring.games.gan import GAN
from sparring.layers.spectral import spectral
from sparring.objectives import NonSaturating, Wasserstein
from sparring.training.ema import EMA
from sparring.training.trainer import train
from support.toys import LinearCritic, batches, learn
from support.trainer import Wide, wide_game


def test_the_average_follows_the_networks_that_sampling_uses_buffers_included():
    G = Wide(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    game = GAN(G, LinearCritic((1.0, 1.0)), NonSaturating(), **learn)
    average = EMA(game, decay=0.5)
    expected = {name: value.clone() for name, value in game.G.state_dict().items()}
    for step, _ in enumerate(train(game, batches(), 4, ema=average)):
        keep = min(0.5, (1 + step) / (10 + step))
        for name, value in game.G.state_dict().items():
            whole = not value.is_floating_point()
            expected[name] = value.clone() if whole else keep * expected[name] + (1 - keep) * value
    for name, value in average.game.G.state_dict().items():
        assert torch.allclose(value, expected[name], atol=1e-6), name
    assert average.game.D is game.D
    assert average.game.G is not game.G
    assert not torch.equal(average.game.G[0].weight, game.G[0].weight)


def test_the_vectors_of_spectral_norm_are_copied_into_the_average():
    """Were its power iterations averaged, ‖u‖ < 1 would make every W / σ too large."""
    torch.manual_seed(0)
    G = Wide(spectral(nn.Linear(4, 8)), nn.ReLU(), spectral(nn.Linear(8, 2)))
    game = GAN(G, LinearCritic((1.0, 1.0)), NonSaturating(), **learn)
    average = EMA(game, decay=0.9)
    list(train(game, batches(), 30, ema=average))
    ours = average.game.G.eval()
    for name, value in game.G.named_buffers():
        assert torch.equal(dict(ours.named_buffers())[name], value), name
    assert not torch.equal(ours[0].parametrizations.weight.original, game.G[0].parametrizations.weight.original)


def test_an_average_without_memory_is_the_network_itself():
    game = wide_game(GAN, objective=Wasserstein())
    average = EMA(game, decay=0.0)
    list(train(game, batches(), 2, ema=average))
    for one, other in zip(average.game.G.parameters(), game.G.parameters(), strict=True):
        assert torch.equal(one, other)
