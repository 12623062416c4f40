"""Projected GAN: its moves against hand-computed numbers, what is fixed, and whose gradient goes where."""

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.game import CriticOutput, adam
from sparring.games.projected import ProjectedGAN
from sparring.networks.fastgan import FastGANGenerator
from sparring.networks.projected import ProjectedCritic
from sparring.training.trainer import train
from support.runs import after_a_stop

SHAPE = (3, 32, 32)
LEARN = {"critic": lambda D: adam(D, lr=1e-3), "generator": lambda G: adam(G, lr=1e-3)}


def small(classes=None):
    torch.manual_seed(0)
    G = FastGANGenerator(SHAPE, 8, 2, classes=classes, normalise=True)
    return ProjectedGAN(G, ProjectedCritic(SHAPE, 8, 64, classes=classes), classes=classes, **LEARN)


def batches(n=4, classes=None):
    draw = torch.Generator().manual_seed(0)
    while True:
        x = torch.rand(n, *SHAPE, generator=draw) * 2 - 1
        yield (x, torch.arange(n) % classes) if classes else (x,)


class Shift(nn.Module):
    """G(z) = z + b."""

    latent = 2

    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.tensor(1.0))

    def forward(self, z):
        return 0 * z + self.b


class Heads(nn.Module):
    """A head of one score, w, and one of three, times 1, 2 and 3."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.25))

    def forward(self, x):
        return self.w * x.sum(1, keepdim=True) * torch.tensor([[1.0, 1.0, 2.0, 3.0]])


def test_terms_are_hinges_of_the_mean_over_all_scores_of_all_heads():
    """Scores of x = (1, 1) are ½ (1, 1, 2, 3), and of the fakes, (−1, −1), their negatives."""
    game = ProjectedGAN(Shift(), Heads(), **LEARN)
    game.G.b.data.fill_(-1.0)
    first, second = game.round(iter([(torch.ones(2, 2),)]), 0)
    assert (first.player, second.player) == ("D", "G")
    assert first.loss.item() == pytest.approx(2 * (0.5 + 0.5 + 0 + 0) / 4)
    assert second.loss.item() == pytest.approx((0.5 + 0.5 + 1 + 1.5) / 4)
    (slope,) = torch.autograd.grad(second.loss, game.G.b)
    assert slope.item() == pytest.approx(-0.25 * 2 * (1 + 1 + 2 + 3) / 4), "G moves towards higher scores"


def test_ds_move_gives_g_no_gradient_and_both_moves_share_their_fakes():
    game = small()
    moves, data = game.round(batches(), 0), []
    game.D.register_forward_pre_hook(lambda module, given: data.append(given[0]))
    first = next(moves)
    assert all(slope is None for slope in torch.autograd.grad(first.loss, [*game.G.parameters()], allow_unused=True))
    second = next(moves)
    assert torch.equal(data[1], data[2])
    assert not data[1].requires_grad
    slopes = torch.autograd.grad(second.loss, [*game.G.parameters()])
    assert sum(slope.abs().sum() > 0 for slope in slopes) > len(slopes) / 2


def test_the_fixed_part_stays_fixed_while_heads_and_generator_learn():
    game = small()
    fixed = {name: value.clone() for name, value in game.D.projection.named_buffers()}
    learning = {name: value.detach().clone() for name, value in game.named_parameters()}
    for _ in train(game, batches(), 2):
        continue
    assert len(fixed) == 115, "two of each convolution, and the hash"
    assert all(torch.equal(fixed[name], value) for name, value in game.D.projection.named_buffers())
    moved = [name for name, value in game.named_parameters() if not torch.equal(learning[name], value)]
    assert {name.split(".")[1] for name in moved if name.startswith("D.")} == {"heads"}
    assert {name.split(".")[2] for name in moved if name.startswith("D.")} == {"0", "1", "2", "3"}
    assert any(name.startswith("G.") for name in moved)
    owned = {id(p) for player in game.players().values() for group in player.param_groups for p in group["params"]}
    assert owned == {id(p) for p in game.parameters()}


@pytest.mark.parametrize("classes", [None, 3])
def test_it_keeps_the_rules_with_and_without_classes(classes):
    game = small(classes)
    seen = check_game(game, batches(classes=classes))
    assert seen.turns == (("D",), ("G",))
    assert game.sample(3, label=1 if classes else None).shape == (3, *SHAPE)
    assert game.critic_spec().output is CriticOutput.PATCHES


@pytest.mark.parametrize("classes", [None, 3])
def test_a_stop_changes_no_bit(classes):
    assert after_a_stop(lambda: small(classes), lambda: batches(classes=classes)) == ""


def test_the_class_reaches_both_players():
    game = small(3).eval()
    z, (x, _) = torch.randn(4, 8), next(batches())[0:1] * 2
    one, other = torch.eye(3)[[0] * 4], torch.eye(3)[[1] * 4]
    assert not torch.equal(game.G(z, one), game.G(z, other))
    assert not torch.equal(game.D(x, one), game.D(x, other))
