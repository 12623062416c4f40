"""Layers that are differentiated twice: torch's own values, by fewer and better shaped operations."""

import itertools
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from sparring import train
from sparring.objectives.double_backward import fast_double_backward, plain_double_backward
from sparring.objectives.penalties import gradient_penalty, scores_and_squared_norms
from sparring.recipes.options import Networks
from sparring.recipes.wgan import wgan_gp
from sparring.runs.performance import PerformanceOptions

SIDE = 8


def critic(**how):
    """Smooth in everything, so that every derivative is there."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, **how), nn.Softplus(), nn.Conv2d(8, 6, 3, padding=1, groups=2), nn.Tanh(), nn.Flatten()
    ).double()


class Bent(nn.Module):
    """Linear by pieces: every kind of rectifier and pool that is ours, some as functions, one in place, a bias last."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.third, self.head = nn.Conv2d(8, 6, 3, padding=1), nn.Linear(24, 5)
        self.rectifiers = nn.ModuleList([nn.LeakyReLU(0.2), nn.ReLU(), nn.ReLU(inplace=True)])
        self.pool = nn.AvgPool2d(2)

    def forward(self, x):
        x = self.pool(self.rectifiers[0](self.first(x)))
        x = F.relu(self.rectifiers[1](self.second(x)) - 0.1).relu()
        x = F.avg_pool2d(F.leaky_relu(self.third(x), 0.3), (3, 2), stride=2, padding=(1, 0), count_include_pad=False)
        return torch.relu(self.rectifiers[2](self.head(x.flatten(1))))


def reals(n=3):
    return torch.randn(n, 4, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def both(compute):
    """What is computed our way, and torch's."""
    mine = compute()
    with plain_double_backward():
        return mine, compute()


class OperationRecorder(TorchDispatchMode):
    """Lists the largest kernel of a convolution, and how many gradients of weights were taken."""

    def __init__(self):
        super().__init__()
        self.kernel, self.by_weight = 0, 0

    def __torch_dispatch__(self, operation, types, arguments=(), settings=None):
        if operation is torch.ops.aten.convolution.default:
            self.kernel = max(self.kernel, *arguments[1].shape[2:])
        if operation is torch.ops.aten.convolution_backward.default:
            self.by_weight += arguments[-1][1]
        return operation(*arguments, **(settings or {}))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"stride": 2, "padding": 1},
        {"stride": (1, 2), "padding": (2, 0)},
        {"dilation": 2, "padding": 2},
        {"groups": 4},
        {"bias": False},
        {"padding": "same"},
    ],
)
def test_values_and_gradients_are_those_of_torch(how):
    D, x = critic(**how), reals()

    def penalised():
        scores, slopes = scores_and_squared_norms(D, x)
        loss = (slopes.sqrt() - 1).square().mean() + scores.square().mean()
        return loss, torch.autograd.grad(loss, list(D.parameters()))

    (mine, gradients), (theirs, truth) = both(penalised)
    assert torch.allclose(mine, theirs, rtol=1e-12)
    for name, one, other in zip(dict(D.named_parameters()), gradients, truth, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-12), name
        assert other.abs().max() > 1e-4, f"{name} has no gradient to compare"


def test_gradients_end_where_a_slope_is_constant_as_those_of_torch_do():
    """To the last bias: those below a rectifier have a gradient of 0 and not none, which matters to optimisers."""
    D, x = Bent().double(), reals()

    def penalised():
        slopes = scores_and_squared_norms(D, x)[1]
        return torch.autograd.grad(slopes.mean(), list(D.parameters()), allow_unused=True)

    mine, theirs = both(penalised)
    for (name, _), one, other in zip(D.named_parameters(), mine, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-14), name
        assert (other.abs().max() > 0) == ("weight" in name)


def test_a_bias_without_effect_on_the_slope_has_no_gradient_either_way():
    layers = (
        nn.Conv2d(4, 2, 3),
        nn.Flatten(),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Unflatten(1, (2, 6, 6)),
        nn.Conv2d(2, 1, 3),
    )
    D = nn.Sequential(*layers).double()

    def known():
        gradients = torch.autograd.grad(
            scores_and_squared_norms(D, reals())[1].mean(), list(D.parameters()), allow_unused=True
        )
        return [gradient is not None for gradient in gradients]

    assert both(known) == ([True, True, True, False], [True, True, True, False])


@pytest.mark.parametrize("bend", [F.relu, torch.relu, Tensor.relu, lambda x: F.leaky_relu(x, 0.2), nn.AvgPool2d(2, 1)])
def test_derivatives_of_what_is_linear_by_pieces_are_those_of_differences(bend):
    x = reals(1)[:, :2, :4, :4].requires_grad_()

    def bent(x):
        with fast_double_backward():
            return bend(x).square()

    assert torch.autograd.gradcheck(bent, (x,))
    assert torch.autograd.gradgradcheck(bent, (x,))


def test_second_derivatives_are_those_of_differences():
    x = reals(1)[:, :2, :4, :4].requires_grad_()
    weight = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)

    def convolved(x, weight, bias):
        with fast_double_backward():
            return F.conv2d(x, weight, bias, stride=2, padding=1).sin()

    assert torch.autograd.gradcheck(convolved, (x, weight, bias))
    assert torch.autograd.gradgradcheck(convolved, (x, weight, bias))


def test_a_gradient_through_a_step_on_a_penalty_is_that_of_torch():
    """Third derivatives, as unrolling takes them: how the scores after a step of D depend on the samples before it."""
    D, fakes = critic(), reals()

    def unrolled():
        x, weights = fakes.clone().requires_grad_(), dict(D.named_parameters())
        with fast_double_backward():
            scores = torch.func.functional_call(D, weights, (x,)).mean(1)
            (slope,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
            loss = 100 * slope.square().sum() + scores.mean()
            steps = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            moved = {name: p - step for (name, p), step in zip(weights.items(), steps, strict=True)}
            after = torch.func.functional_call(D, moved, (x.detach(),)).square().mean()
        return torch.autograd.grad(after, [x, *weights.values()])

    for one, other in zip(*both(unrolled), strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-15)
        assert other.abs().max() > 1e-7


def test_no_unused_gradient_is_computed_and_no_kernel_is_as_large_as_the_image():
    D, x = critic(padding=1), reals()

    def operations():
        with OperationRecorder() as first:
            loss = scores_and_squared_norms(D, x)[1].mean()
        with OperationRecorder() as second:
            loss.backward()
        return first, second

    (first, second), (_, theirs) = both(operations)
    assert (first.by_weight, first.kernel) == (0, 3)
    assert second.kernel == 3
    assert second.by_weight <= 4, "each weight has two parts: by the slope and, where it is not linear, by the value"
    assert theirs.kernel == SIDE, "torch's own way, from which this one is to differ"


def test_nothing_is_computed_below_a_rectifier_but_what_depends_on_the_slope():
    D, x = Bent().double(), reals()

    def backwards():
        loss = scores_and_squared_norms(D, x)[1].mean()
        with OperationRecorder() as seen:
            loss.backward()
        return seen.by_weight

    mine, theirs = both(backwards)
    assert mine == 3, "one gradient a convolution, by the slope"
    assert theirs == 3, "all of zeros: those by the slope are convolutions there"


def test_outputs_may_be_changed_in_place_and_inputs_may_not():
    x = reals().requires_grad_()
    weight = torch.randn(5, 4, 3, 3, dtype=torch.float64, requires_grad=True)

    def rectified():
        with fast_double_backward():
            y = F.conv2d(x, weight)
            F.relu(y, inplace=True)
            y = F.conv2d(y, weight[:, :1].expand(5, 5, 3, 3)) - 1
            F.leaky_relu(y.flatten(1), 0.3, inplace=True)
        return torch.autograd.grad(y.square().sum(), (x, weight))

    for one, other in zip(*both(rectified), strict=True):
        assert torch.allclose(one, other)
    before = x * 1.0
    with fast_double_backward():
        y = F.conv2d(before, weight)
    before.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def penalised(D, x, mixed=None, **how):
    """A penalty and its gradient, both taken under autocast to a precision, or without."""
    with torch.autocast("cpu", dtype=mixed or torch.bfloat16, enabled=mixed is not None):
        penalty = gradient_penalty(D, x, -x, mix=torch.full((3,), 0.3))
        return penalty, torch.autograd.grad(penalty, D[0].weight, **how)[0]


def test_the_gradient_of_a_finished_penalty_is_rounded_to_bfloat16_and_nothing_else_is():
    D, x = critic().float(), reals().float()
    value, truth = penalised(D, x)
    penalty, gradient = penalised(D, x, torch.bfloat16)
    assert torch.equal(penalty, value)
    assert gradient.dtype == torch.float32
    assert 1e-4 < ((gradient - truth).norm() / truth.norm()) < 1e-2


@pytest.mark.parametrize("how", [{"mixed": torch.bfloat16, "create_graph": True}, {"mixed": torch.float16}])
def test_higher_gradients_and_float16_stay_in_full_precision(how):
    D, x = critic().float(), reals().float()
    for one, other in zip(penalised(D, x, **how), penalised(D, x), strict=True):
        assert torch.equal(one, other)


def test_double_precision_is_left_as_it_is():
    D, x = critic(), reals()
    for one, other in zip(penalised(D, x, torch.bfloat16), penalised(D, x), strict=True):
        assert torch.equal(one, other)


def test_plain_double_backward_is_rounded_nowhere():
    D, x = critic().float(), reals().float()
    with plain_double_backward():
        for one, other in zip(penalised(D, x, torch.bfloat16), penalised(D, x), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("network", ["dcgan", "resnet"])
def test_rounding_a_penalty_adds_little_to_what_scores_lose_in_bfloat16_anyway(network):
    torch.manual_seed(0)
    D = wgan_gp((3, 32, 32), networks=Networks(network=network, latent=4, width=16)).D
    x, fake = torch.randn(2, 4, 3, 32, 32)
    mix = torch.rand(4)

    def error(loss):
        rounded = torch.autocast("cpu", dtype=torch.bfloat16)
        truth, gradient = (flat(loss, D, under) for under in (nullcontext(), rounded))
        return ((gradient - truth).norm() / truth.norm()).item()

    of_scores = error(lambda: D(fake).mean() - D(x).mean())
    of_penalty = error(lambda: gradient_penalty(D, x, fake, mix=mix))
    assert 0 < of_penalty < 5e-3
    assert of_penalty < of_scores / 4


def flat(loss, D, context):
    """All gradients of a loss, in a row."""
    with context:
        value = loss()
    gradients = torch.autograd.grad(value, list(D.parameters()), allow_unused=True)
    return torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


@pytest.mark.parametrize(
    ("chosen", "largest"), [(PerformanceOptions("auto", fast_double_backward=True), 4), (PerformanceOptions("off"), 8)]
)
def test_a_run_on_the_plain_path_leaves_convolutions_to_torch(chosen, largest):
    game = wgan_gp((1, 16, 16), networks=Networks(latent=4, width=4), critic_steps=1)
    chosen.apply(game)
    with OperationRecorder() as seen:
        next(train(game, itertools.repeat((torch.rand(4, 1, 16, 16),)), 1))
    assert seen.kernel == largest
