"""InfoGAN: the bound by hand and by quadrature, who owns Q, what the codes do, and the twin without information."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from sparring.abilities import SupportsClassLabels, SupportsEncoding, SupportsLatentCodes
from sparring.check import check_game, owners
from sparring.game import adam, evaluation_mode
from sparring.games.common.latent_codes import LatentCodes
from sparring.games.infogan import InfoGAN, InfoGANQWithG, InfoGANSeparateQ
from sparring.networks import DCGANCritic, InfoGANCritic
from sparring.objectives import NonSaturating
from sparring.recipes.infogan import infogan
from sparring.recipes.options import Adam, Networks
from sparring.recipes.techniques import Techniques, apply_techniques
from sparring.training.trainer import train

OWNERS = ("critic", "generator", "itself")


POINTS, IMAGES = (2,), (1, 8, 8)


def batches(shape=POINTS, n=4):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield (torch.randn(n, *shape, generator=generator).clamp(-1, 1),)


def small(owner="critic", shape=POINTS, **settings):
    torch.manual_seed(0)
    return infogan(shape, owner=owner, networks=Networks(latent=4, width=8), **settings)


def test_the_posterior_is_laid_out_like_the_codes():
    codes = LatentCodes((3,), 1)
    outputs = torch.tensor([[0.0, math.log(2), 0.0, 0.7, -1.0]])
    torch.testing.assert_close(codes.posterior(outputs), torch.tensor([[0.25, 0.5, 0.25, 0.7]]))


# --- the game


@pytest.mark.parametrize("shape", [POINTS, IMAGES])
@pytest.mark.parametrize(("owner", "turns"), [("critic", "DG"), ("generator", "DG"), ("itself", "DGQ")])
def test_every_ownership_keeps_the_rules(owner, turns, shape):
    seen = check_game(small(owner, shape), batches(shape))
    assert seen.turns == tuple((player,) for player in turns)


def test_a_layer_that_adds_features_to_the_critic_leaves_the_reader_alone():
    wrapped = apply_techniques(lambda shape: small(shape=shape), IMAGES, Techniques(minibatch="discrimination"))
    check_game(wrapped, batches(IMAGES))


@pytest.mark.parametrize(
    ("owner", "kind", "who"),
    [
        ("critic", InfoGAN, {"Q": ("D",), "D.trunk": ("D",), "D.head": ("D",), "G": ("G",)}),
        ("generator", InfoGANQWithG, {"Q": ("G",), "D.trunk": ("D",), "D.head": ("D",), "G": ("G",)}),
        ("itself", InfoGANSeparateQ, {"Q": ("Q",), "D.trunk": ("D", "Q"), "D.head": ("D",), "G": ("G", "Q")}),
    ],
)
def test_every_network_belongs_to_the_players_of_the_table(owner, kind, who):
    game = small(owner)
    assert type(game) is kind
    for name, players in owners(game, game.players()).items():
        assert players == next(found for part, found in who.items() if name.startswith(part))


ROUTES = {  # owner: player: term: the networks that it reaches among those that the player owns
    "critic": {
        "D": {"adversarial": {"D.trunk", "D.head"}, "categorical": {"D.trunk", "Q"}, "continuous": {"D.trunk", "Q"}},
        "G": {"adversarial": {"G"}, "categorical": {"G"}, "continuous": {"G"}},
    },
    "generator": {
        "D": {"adversarial": {"D.trunk", "D.head"}},
        "G": {"adversarial": {"G"}, "categorical": {"G", "Q"}, "continuous": {"G", "Q"}},
    },
    "itself": {
        "D": {"adversarial": {"D.trunk", "D.head"}},
        "G": {"adversarial": {"G"}},
        "Q": {"categorical": {"D.trunk", "G", "Q"}, "continuous": {"D.trunk", "G", "Q"}},
    },
}


@pytest.mark.parametrize("owner", OWNERS)
def test_gradients_reach_the_listed_networks(owner):
    game = small(owner)
    nn.init.normal_(game.Q[-1].weight)  # with its small first weights hardly anything would pass
    belonging = owners(game, game.players())
    seen = {}
    for move in game.round(batches(), 0):
        seen[move.player] = {}
        for name, term in move.terms.items():
            named = {n: p for n, p in game.named_parameters() if move.player in belonging[n]}
            slopes = torch.autograd.grad(term, [*named.values()], retain_graph=True, allow_unused=True)
            reached = {n for n, slope in zip(named, slopes, strict=True) if slope is not None and slope.any()}
            parts = ("D.trunk", "D.head", "G", "Q")
            seen[move.player][name] = {part for part in parts if any(n.startswith(part) for n in reached)}
        if move.player == "D":
            drawn = torch.autograd.grad(move.loss, [*game.G.parameters()], allow_unused=True)
            assert not any(slope is not None for slope in drawn), "D's fakes are drawn without a graph"
    assert seen == ROUTES[owner]


class Shown(nn.Module):
    """A generator of its first category: x = its one-hot row for every z."""

    def __init__(self, codes):
        super().__init__()
        self.code, self.latent, self.noises = codes, 2 + codes.size, []
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, noise):
        self.noises.append(noise)
        return self.gain * noise[:, 2 : 2 + self.code.categories[0]]


class Plain(nn.Module):
    """A critic whose features are the sample, and whose score is 0."""

    def __init__(self, width):
        super().__init__()
        self.trunk, self.head = nn.Identity(), nn.Linear(width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def features(self, x):
        return self.trunk(x)

    def forward(self, x):
        return self.head(self.features(x)).squeeze(1)


def scored(kind, gain, **weights):
    codes = LatentCodes((4,), 0)
    Q = nn.Linear(4, 4, bias=False)
    nn.init.eye_(Q.weight)
    Q.weight.data *= gain
    learn = {"critic": partial(adam, lr=1e-3), "generator": partial(adam, lr=1e-3)}
    game = kind(Shown(codes), Plain(4), Q, NonSaturating(), codes, **weights, **learn)
    moves = {move.player: move for move in game.round(batches((4,), 16), 0)}
    return game, {player: {name: t.item() for name, t in move.terms.items()} for player, move in moves.items()}


@pytest.mark.parametrize(("gain", "known"), [(0.0, 0.0), (1e3, math.log(4))])
def test_the_code_predictor_is_trained_on_the_codes_of_the_samples(gain, known):
    game, terms = scored(InfoGAN, gain, categorical=0.5)
    both = pytest.approx(-0.5 * known, abs=1e-6)
    assert terms["D"] == {"adversarial": pytest.approx(2 * math.log(2)), "categorical": both}
    assert terms["G"] == {"adversarial": pytest.approx(math.log(2)), "categorical": both}
    first, second = game.G.noises
    assert not torch.equal(first, second), "each player moves on codes of its own"
    assert game.bounds(64)["category0"] == pytest.approx(known, abs=1e-6)
    _, terms = scored(InfoGANQWithG, gain)
    assert terms["G"]["categorical"] == pytest.approx(-known, abs=1e-6)
    assert set(terms["D"]) == {"adversarial"}
    _, terms = scored(InfoGANSeparateQ, gain)
    assert terms["Q"] == {"categorical": pytest.approx(-known, abs=1e-6)}
    assert set(terms["G"]) == {"adversarial"}


def test_the_game_samples_given_codes_and_predicts_them_in_their_layout():
    game = small(shape=IMAGES).eval()
    assert isinstance(game, SupportsLatentCodes)
    assert isinstance(game, SupportsEncoding)
    assert not isinstance(game, SupportsClassLabels)
    assert list(game.latent_codes()) == ["category0", "continuous0", "continuous1"]
    rows = game.noise(5)
    conditioned = game.with_code(rows, "category0", 7)
    assert torch.equal(conditioned[:, :4], rows[:, :4])
    assert (game.split(conditioned)[1][:, :10].argmax(1) == 7).all()
    assert not torch.equal(game.sample(5, noise=conditioned), game.sample(5, noise=rows))
    row = game.encode(game.sample(5, noise=rows))
    z, read = game.split(row)
    assert not row.requires_grad
    assert not z.any(), "no such code"
    assert z.shape == (5, 4)
    assert game.sample(5, noise=row).shape == (5, *IMAGES)
    torch.testing.assert_close(read, game.code.posterior(game.Q(game.D.features(game.sample(5, noise=rows)))))
    torch.testing.assert_close(read[:, :10].sum(1), torch.ones(5))


def test_truncation_spares_the_codes():
    game = small().eval()
    rows = game.noise(3)
    z, c = game.split(rows)
    assert torch.equal(game.sample(3, noise=rows, truncation=0.5), game.sample(3, noise=torch.cat([0.5 * z, c], 1)))
    assert not torch.equal(game.sample(3, noise=rows, truncation=0.5), game.sample(3, noise=0.5 * rows))


def test_the_settings_are_the_papers():
    torch.manual_seed(0)
    game = infogan((1, 32, 32), networks=Networks(width=8))
    assert (game.code, game.G.latent) == (LatentCodes((10,), 2), 62 + 12)
    assert (game.categorical, game.continuous) == (1.0, 0.1)
    assert {name: p.param_groups[0]["lr"] for name, p in game.players().items()} == {"D": 2e-4, "G": 1e-3}
    assert small().code == LatentCodes((8,), 1)
    assert small(categories=(3, 5), continuous=0).code == LatentCodes((3, 5), 0)
    assert small("itself").players()["Q"].param_groups[0]["lr"] == 1e-3
    assert isinstance(small(shape=(1, 32, 32)).D, InfoGANCritic)
    assert isinstance(small(shape=(1, 64, 64)).D, DCGANCritic)


# --- learning, beside the twin without information


def learned(weight):
    """Trains on four dots with one category of four, and return its information recovered by a new encoder, in nats."""
    torch.manual_seed(0)
    centres = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    settings = {"critic": Adam(1e-3), "generator": Adam(1e-3), "networks": Networks("mlp", latent=2, width=32)}
    game = infogan(POINTS, categories=(4,), continuous=0, categorical_weight=weight, **settings)
    generator = torch.Generator().manual_seed(0)

    def data():
        while True:
            modes = torch.randint(4, (64,), generator=generator)
            yield (centres[modes] + 0.1 * torch.randn(64, 2, generator=generator),)

    for _ in train(game, data(), 300):
        continue
    reader = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 4))
    learner = torch.optim.Adam(reader.parameters(), 1e-2)
    for _ in range(150):
        rows = game.noise(128)
        loss = -game.code.bounds(reader(game.sample(128, noise=rows)), game.split(rows)[1])["category0"]
        learner.zero_grad()
        loss.backward()
        learner.step()
    with evaluation_mode(game):
        rows = game.noise(1000)
        return game.code.bounds(reader(game.sample(1000, noise=rows)), game.split(rows)[1])["category0"].item()


def test_codes_can_be_read_by_anybody_unless_information_weighs_nothing():
    informed, silent = learned(1.0), learned(0.0)
    assert informed > 1.2, f"of {math.log(4):.2f} nats"
    assert silent < 0.8 * informed
