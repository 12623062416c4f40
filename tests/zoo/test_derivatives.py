"""First, second and third derivatives of everything that a player minimises, against differences of the one before.

Unrolling and penalties differentiate losses more than once, so a derivative that is right once is not enough.
"""

from __future__ import annotations

import math

import pytest
import torch
from scipy.special import lambertw
from torch import nn
from torch.autograd import grad
from torch.nn import functional as F

from sparring.games.common.multiscale import unlikeness
from sparring.layers.minibatch import MinibatchDiscrimination, MinibatchStdDev
from sparring.layers.normalization import WithReferenceBatch, layer_norm
from sparring.layers.resampling import ConvDown, UpConv
from sparring.layers.spectral import spectral, stateless_spectral
from sparring.layers.stylegan2 import ModulatedConv
from sparring.objectives.batch_statistics import batch_mean
from sparring.objectives.double_backward import fast_double_backward
from sparring.objectives.energy import margin_loss, pulling_away, reconstruction_error
from sparring.objectives.penalties import dragan, gradient_penalty, orthogonal_penalty, patch_penalty, r1, r2
from sparring.objectives.realness import Anchored, Anchors, Away, Paired, Realness
from sparring.objectives.variational import bernoulli, gaussian, kl_to_prior
from support.closed_forms import OBJECTIVES, ROWS

REAL = torch.tensor([2.1, -0.45, 0.25, 1.125], dtype=torch.float64)
FAKE = torch.tensor([-1.25, 0.75, 0.55, -3.2], dtype=torch.float64)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def along(function, start, direction):
    """Return a function's value and first three derivatives along a line, as functions of the way gone."""

    def derivatives(way):
        s = torch.tensor(way, dtype=torch.float64, requires_grad=True)
        values = [function(start + s * direction)]
        for _ in range(3):
            known = values[-1].requires_grad
            slope = grad(values[-1], s, create_graph=True, materialize_grads=True)[0] if known else torch.zeros_like(s)
            values.append(slope)
        return [value.item() for value in values]

    return derivatives


def check(function, start, step=1e-4, rtol=1e-5, atol=1e-6, orders=3):
    """Compare each derivative with the central difference of the one before, along two directions."""
    for seed in (1, 2):
        direction = draw(*start.shape, seed=seed)
        derivatives = along(function, start, direction / direction.norm())
        here, after, before = derivatives(0.0), derivatives(step), derivatives(-step)
        differences = [(one - other) / (2 * step) for one, other in zip(after, before, strict=True)]
        for order, wanted in enumerate(differences[:orders], 1):
            assert here[order] == pytest.approx(wanted, rel=rtol, abs=atol), f"derivative {order}"


def scores(player, objective):
    if player == "critic":
        return lambda v: objective.critic(v[:4], v[4:])
    return lambda v: objective.generator(v[4:], v[:4])


@pytest.mark.parametrize("player", ["critic", "generator"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives(name, player):
    check(scores(player, OBJECTIVES[name]), torch.cat([REAL, FAKE]))


@pytest.mark.parametrize("v", [-6.0, -2.0, -0.3, 0.4, 1.7, 9.0, 23.0])
@pytest.mark.parametrize("part", ["composite", "activation"])
@pytest.mark.parametrize("name", ROWS)
def test_divergences(name, part, v):
    function = getattr(ROWS[name], part)
    size = function(torch.tensor(v, dtype=torch.float64)).abs().item()
    check(lambda x: function(x).sum(), torch.tensor([v], dtype=torch.float64), atol=1e-6 * (1 + size))


def curvature_by_scipy(t):
    """f*'(t) = 1/w and dw/dt = −w / (1 + w), so f*''(t) = 1 / (w (1 + w)), with w = W(e^(1 − t))."""
    w = lambertw(math.exp(1 - t)).real
    return 1 / (w * (1 + w))


@pytest.mark.parametrize("v", [-30.0, -2.0, 0.0, 0.5, 3.0, 15.0])
def test_the_second_derivative_of_jeffreys_conjugate_is_the_closed_form(v):
    t = torch.tensor(v, dtype=torch.float64, requires_grad=True)
    (slope,) = grad(ROWS["jeffrey"].conjugate(t), t, create_graph=True)
    (curvature,) = grad(slope, t)
    assert curvature.item() == pytest.approx(curvature_by_scipy(v), rel=1e-12)
    if v == -2:
        assert curvature.item() == pytest.approx(0.1411843, abs=1e-7)


def test_jeffreys_conjugate_under_the_transforms_of_torch():
    t = torch.tensor([-2.0, 0.5], dtype=torch.float64)
    conjugate = ROWS["jeffrey"].conjugate
    assert torch.equal(torch.func.vmap(conjugate)(t), conjugate(t))
    curvatures = torch.func.vmap(torch.func.grad(torch.func.grad(conjugate)))(t)
    assert curvatures.tolist() == pytest.approx([*map(curvature_by_scipy, t.tolist())], rel=1e-12)


ANCHORS = Anchors(torch.tensor([0.1, 0.2, 0.7]).double(), torch.tensor([0.6, 0.4, 0.0]).double())
GOALS = {"away": Away(), "paired": Paired(), "anchored": Anchored()}


@pytest.mark.parametrize("goal", [None, *GOALS])
def test_realness(goal):
    game, real = Realness(lambda device: ANCHORS, GOALS[goal or "away"]), draw(4, 3, seed=9)
    if goal is None:
        check(lambda v: game.critic(v[:4], v[4:], ANCHORS), draw(8, 3))
    else:
        check(lambda v: game.generator(v, ANCHORS, real), draw(4, 3))


WHITE = torch.sigmoid(draw(3, 4, seed=5)) * 2 - 1
TERMS = {
    "reconstruction error": lambda x: reconstruction_error(x[:2], x[2:4]).sum(),
    "margin": lambda x: margin_loss(x[:2].square().sum(1), x[2:].square().sum(1), 3.0),
    "pulling away": pulling_away,
    "gaussian": lambda x: gaussian(0.3)(WHITE, x[:3]).mean(),
    "bernoulli": lambda x: bernoulli(WHITE, x[:3].tanh()).mean(),
    "prior": lambda x: kl_to_prior(x[:, :2], x[:, 2:]).mean(),
    "orthogonal": lambda x: orthogonal_penalty([x, x[:, :3] @ x[:3]]),
    "likeness": lambda x: unlikeness([x[:2].square(), x], [x[2:4].sin(), x]),
    "mean over processes": lambda x: batch_mean(x.square()).square(),
}


@pytest.mark.parametrize("name", TERMS)
def test_other_terms(name):
    check(TERMS[name], draw(5, 4))


def rows(*still):
    """Samples (4, 3), of which some are 0."""
    x = draw(4, 3)
    x[list(still)] = 0
    return x


@pytest.mark.parametrize("still", [(), (1,), (0, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize("term", [pulling_away, lambda x: reconstruction_error(x, torch.zeros_like(x)).sum()])
def test_a_code_or_an_error_of_zero_has_derivatives_of_zero(term, still):
    """A norm has none there; torch's second derivative of one is not a number."""
    x = rows(*still).requires_grad_()
    (slope,) = grad(term(x), x, create_graph=True)
    (curvature,) = grad((slope * draw(4, 3, seed=3)).sum() + slope.square().sum(), x)
    for derivative in (slope, curvature):
        assert derivative.isfinite().all()
        assert (derivative[list(still)] == 0).all()
    rest = [row for row in range(4) if row not in still]
    assert not rest or len(rest) < 2 or (curvature[rest] != 0).any()


class Bent(nn.Module):
    """A smooth critic of points, with a score a sample."""

    def __init__(self, weights):
        super().__init__()
        self.one, self.two = weights[:12].view(4, 3), weights[12:16]

    def forward(self, x):
        return (x @ self.one.T).tanh() @ self.two


class Patches(Bent):
    """A smooth critic of images, with a map of scores; by a convolution, an average pool and rectifiers."""

    def forward(self, x):
        h = F.conv2d(x, self.one.view(1, 3, 2, 2), padding=1).sin()
        return F.avg_pool2d(F.leaky_relu(h + 5, 0.2), 2) * self.two.sum()


X, Y, MIX = draw(3, 3, seed=6), draw(3, 3, seed=7), torch.tensor([0.2, 0.5, 0.9]).double()
IMAGES, OTHERS = draw(2, 3, 5, 5, seed=6), draw(2, 3, 5, 5, seed=7)
PENALTIES = {
    "gradient penalty": lambda w: gradient_penalty(Bent(w), X, Y, mix=MIX),
    "r1": lambda w: r1(Bent(w), X),
    "r2": lambda w: r2(Bent(w), Y),
    "dragan": lambda w: dragan(Bent(w), X, spread=0.0),
    "patches": lambda w: patch_penalty(Patches(w), IMAGES, OTHERS, mix=MIX[:2]),
    "r1 of patches": lambda w: r1(Patches(w), IMAGES),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_in_the_weights_of_the_critic(name):
    check(PENALTIES[name], draw(16))


NETWORKS = {
    "folded up": (UpConv(2, 3), (2, 2, 4, 4)),
    "folded down": (ConvDown(2, 3), (2, 2, 4, 4)),
    "deviation": (MinibatchStdDev(), (4, 3)),
    "discrimination": (MinibatchDiscrimination(3, 4, 2), (4, 3)),
    "spectral": (spectral(nn.Conv2d(2, 3, 3)).eval(), (2, 2, 4, 4)),
    "stateless": (stateless_spectral(nn.Conv2d(2, 3, 3)), (2, 2, 4, 4)),
    "virtual": (WithReferenceBatch(nn.Sequential(nn.BatchNorm1d(3)), draw(4, 3, seed=4)), (4, 3)),
    "layer norm": (layer_norm(2), (2, 2, 4, 4)),
    "batch norm": (nn.BatchNorm2d(2), (2, 2, 4, 4)),
}
ORDERS = {"batch norm": 2}  # torch's own third derivative is wrong; a critic with a penalty may not have batch norm


@pytest.mark.parametrize("swift", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_layers_in_their_inputs(name, swift):
    network, shape = NETWORKS[name]
    network.double()

    def function(x):
        if not swift:
            return network(x).tanh().sum()
        with fast_double_backward():
            return network(x).tanh().sum()

    check(function, draw(*shape), orders=ORDERS.get(name, 3))


@pytest.mark.parametrize("name", ["folded up", "folded down", "discrimination", "stateless", "virtual", "batch norm"])
def test_layers_in_their_weights(name):
    network, shape = NETWORKS[name]
    network.double()
    (weight, *_), x = [key for key, p in network.named_parameters() if p.dim() > 0], draw(*shape)
    start = network.get_parameter(weight).detach() + 0.1 * draw(*network.get_parameter(weight).shape)
    check(
        lambda w: torch.func.functional_call(network, {weight: w}, (x,)).tanh().sum(), start, orders=ORDERS.get(name, 3)
    )


@pytest.mark.parametrize("up", [False, True])
def test_modulated_convolutions_in_image_style_and_weight(up):
    layer = ModulatedConv(2, 3, 4, up=up).double()
    x, w = draw(2, 2, 4, 4), draw(2, 4, seed=1)
    check(lambda x: layer(x, w).tanh().sum(), x)
    check(lambda w: layer(x, w).tanh().sum(), w)
    weights = layer.weight.detach()
    check(lambda v: torch.func.functional_call(layer, {"weight": v}, (x, w)).tanh().sum(), weights)


def test_minibatch_deviation_of_equal_samples_has_finite_derivatives():
    x = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    (slope,) = grad(MinibatchStdDev()(x)[:, 3].sum(), x, create_graph=True)
    (curvature,) = grad((slope * draw(4, 3)).sum(), x)
    assert slope.isfinite().all()
    assert curvature.isfinite().all()
