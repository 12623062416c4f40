"""Projected GAN: its moves against hand-computed numbers, what is fixed, and whose gradient goes where."""

import math

import pytest
import torch
from torch import nn

from sparring import augment
from sparring.check import check_game
from sparring.errors import DataError, RunError
from sparring.game import CriticOutput, adam
from sparring.games.projected import ProjectedGAN
from sparring.networks.fastgan import FastGANGenerator
from sparring.networks.projected import ProjectedCritic
from sparring.recipes.projected_fastgan import projected
from sparring.training.trainer import train
from support import runs
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


class Sum(nn.Module):
    """X(x) = v Σ x."""

    def __init__(self):
        super().__init__()
        self.v = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return self.v * x.sum(1)


def test_a_critic_of_pixels_adds_its_own_relativistic_terms():
    """Its scores are 1 for x = (1, 1) and −2 for the fakes (−2, −2): φ(3) for D and φ(−3) for G."""
    game = ProjectedGAN(Shift(), Heads(), X=Sum(), **LEARN)
    game.G.b.data.fill_(-2.0)
    first, second = game.round(iter([(torch.ones(2, 2),)]), 0)
    assert set(first.terms) == set(second.terms) == {"adversarial", "pixels"}
    assert first.terms["pixels"].item() == pytest.approx(math.log1p(math.exp(-3)))
    assert second.terms["pixels"].item() == pytest.approx(3 + math.log1p(math.exp(-3)))
    (slope,) = torch.autograd.grad(second.terms["pixels"], game.G.b)
    assert slope.item() == pytest.approx(-0.5 * 2 / (1 + math.exp(-3))), "of the fakes' scores alone"
    assert game.critic_networks() == ("D", "X")
    assert game.critic_spec().adversarial_terms == ("adversarial", "pixels")
    assert {id(p) for p in game.players()["D"].param_groups[0]["params"]} == {id(game.D.w), id(game.X.v)}


def test_what_is_stated_is_what_is_minimised():
    game = ProjectedGAN(Shift(), Heads(), X=Sum(), **LEARN)
    x, fake = torch.ones(2, 2), game.G(torch.zeros(2, 2))
    first, second = game.round(iter([(x,)]), 0)
    assert game.critic_terms(x, fake) == first.terms
    assert game.generator_terms(x, fake) == second.terms
    assert set(ProjectedGAN(Shift(), Heads(), **LEARN).generator_terms(x, fake)) == {"adversarial"}


def recipe_game(**settings):
    torch.manual_seed(0)
    small = {"latent": 8, "width": 2, "head_width": 8, "features_size": 64}
    return projected(SHAPE, settings.pop("classes", None), **{**small, **settings})


def test_the_recipe_augments_reals_and_fakes_alike_before_every_critic(monkeypatch):
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x + 0

    monkeypatch.setattr(augment, "DiffAugment", Spy)
    game, (x,) = recipe_game(pixels=4), next(batches())
    _ = list(game.round(iter([(x,)]), 0))
    assert [torch.equal(each, x) for each in seen] == [True, False, True, False, False, True, False]
    seen.clear()
    _ = list(recipe_game(pixels=0, diffaugment=False).round(iter([(x,)]), 0))
    assert not seen


def test_the_recipe_passes_its_settings_on():
    game = recipe_game(pixels=0, scales=3, conditional=True, classes=3).unwrapped
    assert isinstance(game, ProjectedGAN)
    assert game.X is None
    assert len(game.D.heads) == 3
    assert game.D.projection.size == (64, 64)
    assert (game.classes, game.G.latent, game.G.normalise) == (3, 8, True)
    assert recipe_game(classes=3).unwrapped.classes is None
    assert recipe_game(features_size=None).unwrapped.D.projection.size == (64, 64), "the least for four scales"
    larger = projected((3, 96, 128), latent=4, width=2, head_width=4)
    assert larger.unwrapped.D.projection.size == (96, 128)
    assert larger.unwrapped.X is not None
    with pytest.raises(DataError, match="Conditional training needs labels"):
        recipe_game(conditional=True)


@pytest.mark.parametrize("settings", [{"pixels": 4}, {"pixels": 4, "classes": 3, "conditional": True}, {"pixels": 0}])
def test_the_recipe_keeps_the_rules(settings):
    classes = settings.get("classes")
    check_game(recipe_game(**settings), batches(classes=classes))
    assert after_a_stop(lambda: recipe_game(**settings), lambda: batches(classes=classes)) == ""


@pytest.mark.parametrize("shape", [(3, 48, 64), (1, 33, 40)])
def test_any_size_plays(shape):
    torch.manual_seed(0)
    game = projected(shape, latent=8, width=2, head_width=4, features_size=64, pixels=4)
    for _ in train(game, iter(lambda: (torch.zeros(2, *shape),), None), 1):
        continue
    assert game.sample(2).shape == (2, *shape)


def test_a_run_resumes_from_a_checkpoint_without_the_fixed_part_and_refuses_another_one(tmp_path, monkeypatch):
    settings = {**runs.IMAGES, "arguments": {"features_size": 64, "head_width": 4, "width": 2, "latent": 4}}
    whole = runs.play(runs.start(tmp_path / "whole", "projected", settings), 4)
    runs.play(runs.start(tmp_path / "run", "projected", settings), 2)
    run = runs.play(runs.start(tmp_path / "run", "projected", settings), 4)
    assert runs.difference(whole.state.state_dict(), run.state.state_dict()) == ""
    saved = run.state.state_dict()["game"]
    assert not [name for name in saved if "projection" in name and not name.endswith("fingerprint")]
    monkeypatch.setattr("sparring.networks.projected.MIXED", 32)
    with pytest.raises(RunError, match="fixed features or the random mixing differ"):
        runs.start(tmp_path / "run", "projected", settings)


def test_bfloat16_trains(tmp_path):
    settings = {**runs.IMAGES, "arguments": {"features_size": 64, "head_width": 4, "width": 2, "latent": 4}}
    run = runs.start(tmp_path / "run", "projected", settings, precision="bf16")
    for report in run.fit(2):
        report.require_finite()
