"""Virtual batch norm: references, independence of the batch, parts of a step."""

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.games.gan import GAN
from sparring.inference.sampling import sample_seeds
from sparring.layers.normalization import WithReferenceBatch
from sparring.networks import MLPCritic, MLPGenerator
from sparring.objectives import NonSaturating
from sparring.objectives.penalties import gradient_penalty
from sparring.training.trainer import train
from sparring.wrappers.virtual_batch_norm import VirtualBatch
from support.toys import batches, learn

# Virtual batches.


def virtual(**settings):
    torch.manual_seed(0)
    G = MLPGenerator((2,), latent=3, width=8, norm=nn.BatchNorm1d)
    D = MLPCritic((2,), width=8, norm=nn.BatchNorm1d)
    return VirtualBatch(GAN(G, D, NonSaturating(), **learn), (2,), WithReferenceBatch, **settings)


def test_the_references_are_the_first_samples_of_the_data_and_stay():
    game, first = virtual(size=24), torch.cat([x for (x,), _ in zip(batches(), range(2), strict=False)])
    noise = game.G.reference.clone()
    assert not game.ready
    for _ in train(game, batches(), 3):
        pass
    assert game.ready
    assert torch.equal(game.D.reference, first[:24])
    assert torch.equal(game.G.reference, noise)
    assert noise.std().item() == pytest.approx(1.0, abs=0.3)


def test_virtual_batches_keep_the_rules_and_resume():
    check_game(virtual(size=20), batches())
    assert set(virtual().state_dict()) >= {"ready", "game.D.reference", "game.G.reference"}


def test_no_sample_depends_on_its_company():
    game = virtual(size=8)
    for _ in train(game, batches(), 2):
        pass
    z, x = torch.randn(5, 3), torch.randn(5, 2)
    torch.testing.assert_close(game.G(z)[:2], game.G(z[:2]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(game.D(x)[:2], game.D(x[:2]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient_penalty(game.D, x, x), gradient_penalty(game.D, x.flip(0), x.flip(0)))


def test_the_parts_of_the_first_step_share_the_references():
    game = virtual(size=16)
    drawn = [x for (x,), _ in zip(batches(), range(3), strict=False)]
    for _ in train(game, iter([(x,) for x in drawn]), 1, grad_accum=2):
        pass
    assert torch.equal(game.D.reference, drawn[0])


def test_a_network_without_batch_norm_is_left_alone():
    G = MLPGenerator((2,), latent=3, width=8, norm=nn.BatchNorm1d)
    game = VirtualBatch(GAN(G, MLPCritic((2,), width=8), NonSaturating(), **learn), (2,), WithReferenceBatch, 16)
    assert isinstance(game.unwrapped.G, WithReferenceBatch)
    assert isinstance(game.unwrapped.D, MLPCritic)
    (report,) = train(game, batches(), 1)
    assert report.images == 16, "no references were drawn"
    check_game(game, batches())


def test_sampling_leaves_the_references_alone():
    game = virtual(size=16)
    before = {name: value.clone() for name, value in game.state_dict().items()}
    sample_seeds(game, [0, 1])
    assert all(torch.equal(value, before[name]) for name, value in game.state_dict().items())
