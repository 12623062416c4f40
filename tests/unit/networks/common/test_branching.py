"""Generators that share their first half."""

import pytest
import torch

from sparring.networks import MLPGenerator
from sparring.networks.common.branching import BranchingGenerator
from sparring.recipes.madgan import madgan
from sparring.recipes.options import Networks


@pytest.mark.parametrize("kind", ["toy", "mlp", "dcgan", "cnn", "resnet"])
def test_generators_of_every_kind_share_their_first_half(kind):
    torch.manual_seed(0)
    plan = Networks(kind, latent=6, width=8)
    game = madgan((1, 16, 16), generators=2, networks=plan)
    trunk, branch = ({id(p) for p in part.parameters()} for part in (game.G.trunk, game.G.branches[0]))
    assert trunk
    assert branch
    assert not trunk & branch
    separate = madgan((1, 16, 16), generators=2, shared=0, networks=plan)
    assert not list(separate.G.trunk.parameters())


def test_what_is_shared_learns_from_every_generator():
    torch.manual_seed(0)
    G = BranchingGenerator([MLPGenerator((2,), latent=3, width=4) for _ in range(2)], 1)
    z = torch.randn(5, 3)
    for k in (0, 1):
        G.zero_grad()
        G(z)[k].sum().backward()
        assert G.trunk[0][0].weight.grad.abs().sum() > 0
        assert all((p.grad is None or not p.grad.any()) for p in G.branches[1 - k].parameters())
    h = G.trunk(z)
    torch.testing.assert_close(G(z)[1], G.branches[1](h))
