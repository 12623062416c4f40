"""T16: spectral normalisation of single layers and of whole networks."""

import copy

import pytest
import torch
from torch import nn

from sparring.layers.spectral import spectral
from sparring.networks import SNCNNCritic


def top(weight):
    """The largest singular value of the weight as a matrix."""
    return torch.linalg.svdvals(weight.detach().flatten(1).double())[0].item()


LAYERS = [
    (lambda: nn.Linear(32, 24), (2, 32)),
    (lambda: nn.Conv2d(64, 128, 3, padding=1), (2, 64, 4, 4)),
]


@pytest.mark.parametrize(("make", "size"), LAYERS)
def test_first_call_is_accurate_and_the_norm_tends_to_one(make, size):
    layer = make()
    nn.init.normal_(layer.weight)
    spectral(layer).train()
    layer(torch.zeros(size))
    # uᵀWv never exceeds σ; a cold start would leave the convolution at 1.3 here
    assert 1 - 1e-6 <= top(layer.eval().weight) < 1.05
    layer.train()
    for _ in range(300):
        layer(torch.zeros(size))
    assert top(layer.eval().weight) == pytest.approx(1, abs=1e-3)


def test_power_iteration_follows_a_moving_weight():
    layer = spectral(nn.Linear(16, 16))
    with torch.no_grad():
        layer.parametrizations.weight.original.copy_(5 * torch.randn(16, 16))
    for _ in range(200):
        layer(torch.zeros(1, 16))
    assert top(layer.eval().weight) == pytest.approx(1, abs=1e-3)


def test_transposed_convolution_is_normalised_by_its_outputs():
    layer = spectral(nn.ConvTranspose2d(8, 16, 4))
    for _ in range(200):
        layer(torch.zeros(1, 8, 2, 2))
    assert top(layer.eval().weight.transpose(0, 1)) == pytest.approx(1, abs=1e-3)


def test_embedding_is_normalised():
    layer = spectral(nn.Embedding(10, 6))
    for _ in range(200):
        layer(torch.tensor([0]))
    assert top(layer.eval().weight) == pytest.approx(1, abs=1e-3)


def test_gradient_is_orthogonal_to_the_weight():
    """W / (uᵀWv) has degree 0 in W: ⟨∂L/∂W, W⟩ = 0 for any u and v, converged or not."""
    layer = spectral(nn.Conv2d(3, 5, 3).double()).eval()
    buffers = layer.parametrizations.weight[0]
    with torch.no_grad():
        buffers._u.copy_(nn.functional.normalize(torch.randn(5).double(), dim=0))
        buffers._v.copy_(nn.functional.normalize(torch.randn(27).double(), dim=0))
    layer(torch.randn(2, 3, 6, 6, dtype=torch.float64)).square().sum().backward()
    weight = layer.parametrizations.weight.original
    assert weight.grad.norm() > 1
    cosine = (weight.grad * weight).sum() / (weight.grad.norm() * weight.norm())
    assert cosine.item() == pytest.approx(0, abs=1e-12)


def test_gradient_is_that_of_the_quotient_with_constant_vectors():
    layer = spectral(nn.Linear(4, 3).double()).eval()
    state, weight = layer.parametrizations.weight[0], layer.parametrizations.weight.original
    upstream = torch.randn(3, 4, dtype=torch.float64)
    (ours,) = torch.autograd.grad((layer.weight * upstream).sum(), weight)
    sigma = state._u @ weight @ state._v
    wanted = (upstream - (upstream * weight).sum() / sigma * torch.outer(state._u, state._v)) / sigma
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-12)


def test_eval_is_frozen_and_training_moves_u():
    layer = spectral(nn.Linear(32, 32))
    u = layer.parametrizations.weight[0]._u
    start = u.clone()
    layer.eval()(torch.zeros(1, 32))
    assert torch.equal(u, start)
    layer.train()(torch.zeros(1, 32))
    assert not torch.equal(u, start)
    assert (u - start).norm() < 0.5


def test_copies_and_checkpoints_include_u():
    network = spectral(SNCNNCritic((1, 8, 8), width=4))
    x = torch.randn(2, 1, 8, 8)
    for _ in range(3):
        network(x)
    other = spectral(SNCNNCritic((1, 8, 8), width=4))
    other.load_state_dict(network.state_dict())
    for twin in (copy.deepcopy(network), other):
        for (name, ours), theirs in zip(network.state_dict().items(), twin.state_dict().values(), strict=True):
            assert torch.equal(ours, theirs), name
        # the next training forward iterates from the same u
        assert torch.equal(copy.deepcopy(network)(x), twin(x))
    assert any(name.endswith("_u") for name in network.state_dict())


def test_a_copy_shares_nothing():
    layer = spectral(nn.Linear(4, 4))
    twin = copy.deepcopy(layer)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    nn.init.eye_(twin.parametrizations.weight.original)
    twin.train()(torch.zeros(1, 4))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    assert not any(torch.equal(twin.state_dict()[name], before[name]) for name in before if name != "bias")


def test_whole_network_trunk_only_and_twice():
    network = spectral(SNCNNCritic((1, 8, 8), width=4))
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == 4
    assert all(nn.utils.parametrize.is_parametrized(layer, "weight") for layer in layers)
    keys = list(network.state_dict())
    assert list(spectral(network).state_dict()) == keys

    relativistic = SNCNNCritic((1, 8, 8), width=4)
    spectral(relativistic.trunk)
    assert not nn.utils.parametrize.is_parametrized(relativistic.head)
    assert nn.utils.parametrize.is_parametrized(relativistic.trunk[0], "weight")


def test_chosen_kinds_only():
    network = spectral(nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 4)), layers=(nn.Linear,))
    assert not nn.utils.parametrize.is_parametrized(network[0])
    assert nn.utils.parametrize.is_parametrized(network[1], "weight")


def test_slope_penalty_trains_through_it():
    network = spectral(SNCNNCritic((1, 8, 8), width=4)).double()
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert network.trunk[0].parametrizations.weight.original.grad.abs().sum() > 0
