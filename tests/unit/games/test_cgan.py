"""Conditional GANs: five designs of the critic, their terms by hand, and who learns from what."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.game import adam
from sparring.games.cgan import AuxiliaryGAN, MatchingGAN, SeparateGAN, wrong
from sparring.games.conditional import ConditionalGAN
from sparring.networks.common.conditional import ConcatCritic, ConcatGenerator, TwoHeadCritic, concat_shape
from sparring.networks.common.stages import ProjectionCritic
from sparring.networks.mlp import MLPCritic, MLPGenerator
from sparring.objectives import Hinge, LeastSquares, NonSaturating
from sparring.recipes.cgan import cgan
from sparring.recipes.options import AdamOverrides, Networks
from sparring.training.trainer import train, update

DESIGNS = ("joint", "matching", "separate", "projection", "auxiliary")
LEARN = {"critic": partial(adam, lr=0.05), "generator": partial(adam, lr=0.05)}
LABELS = torch.tensor([0, 1, 2, 0])
POINTS, IMAGES = (2,), (1, 8, 8)


def labelled(shape=POINTS, classes=3, n=4):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield torch.randn(n, *shape, generator=generator).clamp(-1, 1), torch.arange(n) % classes


def small(design, shape=POINTS, classes=3, **settings):
    torch.manual_seed(0)
    return cgan(shape, classes, design=design, networks=Networks(latent=4, width=8), **settings)


def sp(t):
    return math.log1p(math.exp(t))


# --- terms, by hand


class Mean(nn.Module):
    """A generator whose samples are known: G(z, y) = b + 0 z for every y."""

    latent = 1

    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.requested = []

    def forward(self, z, y):
        self.requested.append(y)
        return self.b + 0 * z.double()


class Table(nn.Module):
    """A critic with known outputs: data are 1, fakes 0, and the data's right label is 0."""

    def __init__(self, real, fake, mismatch=None):
        super().__init__()
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.outputs = [torch.tensor(each, dtype=torch.float64) for each in (real, fake, mismatch or fake)]

    def forward(self, x, *y):
        real, fake, mismatch = self.outputs
        rows = [
            fake if not point else real if not y or y[0][i, 0] else mismatch
            for i, point in enumerate(x.round().flatten().tolist())
        ]
        return self.gain * torch.stack(rows) + 0 * x.flatten().reshape(-1, *[1] * real.dim())


def played(kind, D, objective=None, classes=3, n=6):
    game = kind(Mean(), D, objective or NonSaturating(), classes=classes, **LEARN)
    data = iter(lambda: (torch.ones(n, 1, dtype=torch.float64), torch.zeros(n, dtype=torch.int64)), None)
    return {move.player: {name: term.item() for name, term in move.terms.items()} for move in game.round(data, 0)}


def test_silent_critics_cost_what_chance_costs():
    two = pytest.approx(2 * math.log(2))
    terms = played(MatchingGAN, Table(0.0, 0.0))
    assert sum(terms["D"].values()) == two
    assert terms["G"]["adversarial"] == pytest.approx(math.log(2))
    terms = played(SeparateGAN, Table([0.0, 0.0], [0.0, 0.0]))
    assert sum(terms["D"].values()) == two
    assert sum(terms["G"].values()) == two
    terms = played(AuxiliaryGAN, Table([0.0] * 4, [0.0] * 4))
    assert terms["D"] == pytest.approx({"adversarial": 2 * math.log(2), "classes": 2 * math.log(3)})
    assert terms["G"] == pytest.approx({"adversarial": math.log(2), "classes": math.log(3)})


def test_matching_counts_both_kinds_of_fakes_half():
    terms = played(MatchingGAN, Table(0.5, -1.0, 2.0))
    assert terms["D"]["adversarial"] == pytest.approx((sp(-0.5) + sp(-1.0)) / 2)
    assert terms["D"]["matching"] == pytest.approx((sp(-0.5) + sp(2.0)) / 2)
    assert terms["G"] == pytest.approx({"adversarial": sp(1.0)})
    terms = played(MatchingGAN, Table(0.5, -1.0, 2.0), LeastSquares())
    assert sum(terms["D"].values()) == pytest.approx(0.5**2 / 2 + (1.0 / 2 + 4.0 / 2) / 2)
    assert terms["G"]["adversarial"] == pytest.approx(2.0)


def test_separate_scores_have_the_authors_weights_and_a_wrong_label_has_no_realness_term():
    terms = played(SeparateGAN, Table([0.5, -0.3], [-1.0, 0.7], [9.0, 2.0]))
    assert terms["D"]["adversarial"] == pytest.approx(sp(-0.5) / 2 + sp(-1.0) / 3)
    assert terms["D"]["matching"] == pytest.approx(sp(0.3) / 2 + (sp(0.7) + sp(2.0)) / 3)
    assert terms["G"] == pytest.approx({"adversarial": sp(1.0), "matching": sp(-0.7)})


def test_both_players_of_the_auxiliary_game_minimise_the_same_cross_entropy():
    def entropy(logits):
        return math.log(sum(map(math.exp, logits))) - logits[0]  # every label is 0

    real, fake = [0.5, 1.0, -1.0, 0.0], [-1.0, 0.3, 2.0, 0.1]
    terms = played(AuxiliaryGAN, Table(real, fake))
    assert terms["D"]["adversarial"] == pytest.approx(sp(-0.5) + sp(-1.0))
    assert terms["D"]["classes"] == pytest.approx(entropy(real[1:]) + entropy(fake[1:]))
    assert terms["G"] == pytest.approx({"adversarial": sp(1.0), "classes": entropy(fake[1:])})
    hinged = played(AuxiliaryGAN, Table(real, fake), Hinge())
    assert hinged["D"]["adversarial"] == pytest.approx(0.5 + 0.0)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_wrong_labels_are_wrong_and_uniform_over_the_others(classes):
    torch.manual_seed(0)
    y = torch.eye(classes)[torch.arange(9000) % classes]
    other = wrong(y)
    assert (other.sum(1) == 1).all()
    assert not (other * y).any()
    share = other[y[:, 0] == 1].mean(0)
    assert share[0] == 0
    assert (share[1:] - 1 / (classes - 1)).abs().max() < 0.06
    with pytest.raises(GameError, match="2 classes"):
        wrong(y[:, :1])


@pytest.mark.parametrize("design", ["matching", "separate", "auxiliary"])
def test_fakes_have_the_labels_of_the_batch_with_new_noise_in_each_move(design):
    game, seen = small(design, critic_steps=2), []
    game.G.register_forward_pre_hook(lambda G, given: seen.append(given))
    data = iter([(torch.zeros(4, 2), LABELS), (torch.zeros(4, 2), LABELS.flip(0))])
    assert [move.player for move in game.round(data, 0)] == ["D", "D", "G"]
    assert [y.argmax(1).tolist() for _, y in seen] == [[0, 1, 2, 0], [0, 2, 1, 0], [0, 2, 1, 0]]
    zs = [z for z, _ in seen]
    assert not any(torch.equal(zs[i], zs[j]) for i, j in ((0, 1), (1, 2)))


# --- whose gradients


@pytest.mark.parametrize("shape", [POINTS, IMAGES])
@pytest.mark.parametrize("design", DESIGNS)
def test_a_move_reaches_all_of_its_player_and_none_of_the_other(design, shape):
    game = small(design, shape)
    for move in game.round(labelled(shape), 0):
        mine, other = (game.D, game.G) if move.player == "D" else (game.G, game.D)
        moving = [p for p in mine.parameters() if p.requires_grad]
        slopes = torch.autograd.grad(move.loss, moving, retain_graph=True, allow_unused=True)
        assert all(slope is not None for slope in slopes), (design, move.player)
        if move.player == "D":
            reached = torch.autograd.grad(move.loss, [*other.parameters()], allow_unused=True)
            assert not any(slope is not None for slope in reached), "fakes are drawn without a graph"


def test_every_term_of_the_separate_game_reaches_its_own_head_only():
    game = small("separate")
    for move in game.round(labelled(), 0):
        heads = [game.D.real.weight, game.D.match.linear.weight, game.D.match.embed.weight]
        for name, known in (("adversarial", (True, False, False)), ("matching", (False, True, True))):
            slopes = torch.autograd.grad(move.terms[name], heads, retain_graph=True, allow_unused=True)
            assert tuple(slope is not None and bool(slope.any()) for slope in slopes) == known


@pytest.mark.parametrize("shape", [POINTS, IMAGES])
@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_keeps_the_rules(design, shape):
    check_game(small(design, shape), labelled(shape))


@pytest.mark.parametrize("design", DESIGNS)
def test_the_generators_own_step_improves_its_own_loss(design):
    game = small(design, generator=AdamOverrides(1e-3))
    players, data = game.players(), labelled(n=64)
    *_, move = game.round(data, 0)
    y = torch.eye(3)[torch.arange(64) % 3]
    noise = torch.randn(64, game.G.latent)

    def fooled():
        with torch.no_grad():
            outputs = game.D(game.G(noise, y), *(() if design == "auxiliary" else (y,)))
            score = outputs if outputs.dim() == 1 else outputs[:, 0]
            return score.mean().item()

    before = fooled()
    for _ in range(20):
        *_, move = game.round(data, 0)
        update((move,), players)
    assert fooled() > before


# --- networks


def test_the_class_is_beside_the_noise_and_beside_the_image():
    body = MLPGenerator((2,), 7, 8)
    G = ConcatGenerator(body, 3)
    z, y = torch.randn(4, 4), torch.eye(3)[LABELS]
    assert G.latent == 4
    assert G.shape == (2,)
    assert torch.equal(G(z, y), body(torch.cat([z, y], 1)))
    body = MLPCritic(concat_shape(IMAGES, 3), 8)
    D, x = ConcatCritic(body, 3), torch.randn(4, *IMAGES)
    maps = torch.stack([torch.full((8, 8), float(k == label)) for label in LABELS for k in range(3)]).view(4, 3, 8, 8)
    assert D.shape == IMAGES
    assert torch.equal(D(x, y), body(torch.cat([x, maps], 1)))


def test_matching_is_a_projection_of_the_class_on_the_features():
    D = TwoHeadCritic(MLPCritic((2,), 8), 8, 3)
    x, y = torch.randn(4, 2), torch.eye(3)[LABELS]
    h, outputs = D.trunk(x), D(x, y)
    assert outputs.shape == (4, 2)
    torch.testing.assert_close(outputs[:, 0], D.real(h).squeeze(1))
    expected = D.match.linear(h).squeeze(1) + (D.match.embed.weight.T[LABELS] * h).sum(1)
    torch.testing.assert_close(outputs[:, 1], expected)
    assert torch.equal(D(x, y)[:, 0], D(x, y.roll(1, 0))[:, 0]), "a label is independent of realness"


def test_designs_are_what_they_are_called():
    kinds = {design: type(small(design)) for design in DESIGNS}
    assert kinds == {
        "joint": ConditionalGAN,
        "matching": MatchingGAN,
        "separate": SeparateGAN,
        "projection": ConditionalGAN,
        "auxiliary": AuxiliaryGAN,
    }
    assert isinstance(small("projection").D, ProjectionCritic)
    assert isinstance(small("projection").objective, Hinge)
    assert isinstance(small("joint").objective, NonSaturating)
    assert {p.param_groups[0]["betas"] for p in small("projection").players().values()} == {(0.0, 0.9)}
    assert small("auxiliary").D(torch.zeros(4, 2)).shape == (4, 4)


def test_critics_of_labels_have_no_batch_norm_and_the_projecting_one_is_spectral():
    for design in DESIGNS:
        layers = [*small(design, (1, 32, 32)).D.modules()]
        assert not any("BatchNorm" in type(layer).__name__ for layer in layers), design
        weighty = [layer for layer in layers if isinstance(layer, (nn.Linear, nn.Conv2d))]
        assert {nn.utils.parametrize.is_parametrized(layer) for layer in weighty} == {design == "projection"}


@pytest.mark.parametrize("design", DESIGNS)
def test_without_labels_the_recipe_and_the_game_refuse(design):
    for none in (None, 0):
        with pytest.raises(DataError, match="needs labels"):
            cgan(POINTS, none, design=design)
    game = small(design)
    with pytest.raises(GameError, match="labels"):
        next(game.round(iter([(torch.zeros(4, 2),)]), 0))


def test_a_labelled_game_without_classes_refuses():
    game = MatchingGAN(Mean(), Table(0.0, 0.0), NonSaturating(), **LEARN)
    with pytest.raises(GameError, match="without classes"):
        next(game.round(labelled(), 0))


# --- learning, beside a broken twin


def agreement(shuffled):
    """Train on three labelled dots, and return the share of samples that lie at the dot of their class."""
    torch.manual_seed(0)
    centres = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.5]])
    settings = {"critic": AdamOverrides(2e-3), "generator": AdamOverrides(2e-3)}
    game = cgan(POINTS, 3, networks=Networks("mlp", latent=2, width=32), **settings)
    generator = torch.Generator().manual_seed(0)

    def data():
        while True:
            y = torch.randint(3, (64,), generator=generator)
            x = centres[y] + 0.1 * torch.randn(64, 2, generator=generator)
            yield x, (torch.randint(3, (64,), generator=generator) if shuffled else y)

    for _ in train(game, data(), 300):
        continue
    rows = game.noise(600)
    near = torch.cdist(game.sample(600, noise=rows), centres).argmin(1)
    return (near == game.class_of(rows)).float().mean().item()


def test_samples_are_of_the_requested_class_unless_labels_were_shuffled():
    assert agreement(shuffled=False) > 0.9
    assert agreement(shuffled=True) < 0.6
