"""Heads of critics: insertion and widening."""

import pytest
import torch
from torch import nn

from sparring.errors import GameError
from sparring.layers.minibatch import MinibatchDiscrimination, MinibatchStdDev
from sparring.layers.spectral import spectral
from sparring.networks import DCGANCritic, MLPCritic, ResNetCritic, SNCNNCritic
from sparring.networks.common.heads import insert_before_head, widen_outputs

CRITICS = {
    "mlp": lambda: MLPCritic((2,), width=8),
    "dcgan": lambda: DCGANCritic((1, 16, 16), width=4),
    "biased dcgan": lambda: DCGANCritic((1, 16, 16), width=4, bias=True),
    "cnn": lambda: SNCNNCritic((1, 16, 16), width=4),
    "resnet": lambda: ResNetCritic((1, 16, 16), width=4),
}


ADDED = {
    "discrimination": lambda n: MinibatchDiscrimination(n, measures=6),
    "deviation": lambda n: MinibatchStdDev(),
}


@pytest.mark.parametrize("name", CRITICS)
@pytest.mark.parametrize("layer", ADDED)
def test_a_widened_critic_gives_its_old_scores_and_the_new_features_share(name, layer):
    D = CRITICS[name]().double().eval()
    x = torch.randn(6, *D.shape, dtype=torch.float64)
    before, features = D(x), D.features(x)
    assert insert_before_head(D, ADDED[layer]) is D
    after, wider = D(x), D.features(x)
    more = {"discrimination": 6, "deviation": 1}[layer]
    assert wider.shape == (6, features.shape[1] + more)
    torch.testing.assert_close(wider[:, :-more], features)
    new = D.head.weight[0, -more:]
    torch.testing.assert_close(after, before + wider[:, -more:] @ new, rtol=1e-9, atol=1e-12)
    old = D.head.weight[0, :-more].square().mean().sqrt()
    assert 0 < new.square().mean().sqrt() < 5 * old
    after.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in D.head.parameters())


def test_widening_twice_keeps_both():
    D = insert_before_head(insert_before_head(CRITICS["dcgan"](), ADDED["discrimination"]), ADDED["deviation"])
    assert D(torch.randn(4, 1, 16, 16)).shape == (4,)
    assert D.features(torch.randn(4, 1, 16, 16)).shape == (4, 8 * 16 + 6 + 1)


@pytest.mark.parametrize("name", CRITICS)
def test_more_outputs_keep_the_first(name):
    D = CRITICS[name]().double().eval()
    x = torch.randn(6, *D.shape, dtype=torch.float64)
    before = D(x)
    assert widen_outputs(D, 4).outcomes == 4
    scores = D(x)
    assert scores.shape == (6, 4)
    torch.testing.assert_close(scores[:, 0], before, rtol=1e-9, atol=1e-12)
    assert (scores.std(1) > 0.01 * scores.abs().mean(1)).all()


def test_a_spectral_head_stays_spectral():
    D = insert_before_head(spectral(CRITICS["cnn"]()), ADDED["discrimination"])
    weight = [D.head.weight for _ in range(50)][-1]
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("wrong", [nn.Linear(2, 1), MLPCritic((2,), depth=1, width=4)])
def test_critics_without_a_linear_head_are_refused(wrong):
    if hasattr(wrong, "head"):
        wrong.head = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    with pytest.raises(GameError, match="leave this technique off"):
        insert_before_head(wrong, ADDED["deviation"])
