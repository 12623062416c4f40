"""VAE, VAE-GAN, BiGAN, ALI, latent regressors: values by hand, whose gradient each term is, what cannot be learnt."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import Game, adam
from sparring.games.bigan import ALI, BiGAN
from sparring.games.common.posterior import mean_and_log_variance, reparameterise
from sparring.games.latent_regressor import FittedEncoder, LatentRegressor, code_error
from sparring.games.vae import VAE
from sparring.games.vaegan import VAEGAN, unlikeness
from sparring.networks.common.encoders import InjectedGenerator, JointCritic, MLPJointCritic
from sparring.objectives import NonSaturating
from sparring.objectives.variational import active_units, bernoulli, gaussian, kl_to_prior
from sparring.recipes.autoencoders import bigan, latent_regressor, vae, vae_gan
from sparring.recipes.options import Networks
from sparring.recipes.techniques import Techniques, apply_techniques
from sparring.rng import fixed_seed
from sparring.training.trainer import train, trainable_parameters

SHAPE = (1, 8, 8)
SMALL = Networks(latent=3, width=4)
learn = partial(adam, lr=0.01)


def images(n=4, shape=SHAPE):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield (torch.rand(n, *shape, generator=generator) * 2 - 1,)


def only_turn(game, data=None, step=0):
    """The simultaneous moves of a round that has one turn, by player."""
    (turn,) = game.round(images() if data is None else data, step)
    return {move.player: move for move in (turn if isinstance(turn, tuple) else (turn,))}


def reached(term, game):
    """The networks whose parameters a term sends gradient to."""
    named = [(name, p) for name, p in game.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(term, [p for _, p in named], retain_graph=True, allow_unused=True)
    return {name.split(".")[0] for (name, _), g in zip(named, gradients, strict=True) if g is not None and g.any()}


class Constant(nn.Module):
    """Says the same of every row; the parameter makes it somebody's."""

    def __init__(self, *values: float, latent: int = 2, features: tuple[float, ...] = (0.0,)) -> None:
        super().__init__()
        self.latent = latent
        self.values = nn.Parameter(torch.tensor(values, dtype=torch.float64))
        self.seen = nn.Parameter(torch.tensor(features, dtype=torch.float64))

    def forward(self, x, *given):
        rows = self.values.expand(len(x), -1)
        return rows[:, 0] if len(self.values) == 1 else rows

    def features(self, x):
        return x.flatten(1).sum(1, keepdim=True) * self.seen


ROWS = torch.tensor([[1.0, 3.0], [1.0, 3.0]], dtype=torch.float64)


# --- the mathematics


def test_the_gaussian_likelihood_is_the_log_density_of_torch():
    x, again = torch.randn(2, 5, 1, 4, 4, dtype=torch.float64)
    wanted = -torch.distributions.Normal(again, 0.3).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(gaussian(0.3)(x, again), wanted)
    with pytest.raises(ValueError, match="positive"):
        gaussian(0.0)


def test_the_bernoulli_likelihood_is_the_log_density_of_torch_and_finite_at_the_ends():
    x, again = torch.tensor([[-1.0, 1.0, 1.0]]), torch.tensor([[-0.5, 0.5, -0.2]])
    wanted = -torch.distributions.Bernoulli((again + 1) / 2).log_prob((x + 1) / 2).sum(1)
    torch.testing.assert_close(bernoulli(x, again), wanted)
    assert bernoulli(x, -x).isfinite().all()


def test_the_kl_is_that_of_torch_and_summed_over_coordinates():
    mean, log_variance = torch.randn(2, 6, 3, dtype=torch.float64)
    normal = torch.distributions.Normal
    each = torch.distributions.kl_divergence(normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_prior(mean, log_variance), each.sum(1))
    assert kl_to_prior(torch.zeros(1, 7), torch.zeros(1, 7)).item() == 0


@pytest.mark.parametrize(("shape", "deviation"), [((2,), 0.1), ((1, 8, 8), 0.5)])
def test_a_vae_takes_the_deviation_of_its_kind_of_data(shape, deviation):
    x, made = torch.zeros(3, *shape), torch.ones(3, *shape)
    game = vae(shape, networks=SMALL)
    torch.testing.assert_close(game.likelihood(made, x), gaussian(deviation)(made, x))


def test_a_drawn_code_has_its_mean_and_its_deviation():
    with fixed_seed(0):
        z = reparameterise(torch.full((100_000, 1), 3.0), torch.full((100_000, 1), math.log(4.0)))
    assert z.mean().item() == pytest.approx(3, abs=0.03)
    assert z.std().item() == pytest.approx(2, abs=0.03)
    mean, log_variance = mean_and_log_variance(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    assert (mean.tolist(), log_variance.tolist()) == ([[1.0, 2.0]], [[3.0, 4.0]])


def test_active_coordinates_are_those_that_differ_between_data():
    codes = torch.stack([torch.zeros(50), torch.linspace(-1, 1, 50), torch.linspace(-0.05, 0.05, 50)], 1)
    assert active_units(codes) == 1


# --- VAE


def test_the_terms_of_a_vae_by_hand():
    E, G = Constant(1.0, 2.0, 0.0, math.log(4.0)), Constant(0.0, 0.0)  # μ = (1, 2), σ² = (1, 4)
    game = VAE(E, G, gaussian(2.0), autoencoder=learn, beta=3.0)
    terms = only_turn(game, iter([(ROWS,)]))["AE"].terms
    assert terms["likeness"].item() == pytest.approx((1 + 9) / 8 + math.log(2 * math.pi) + 2 * math.log(2))
    assert terms["prior"].item() == pytest.approx(3 * 0.5 * (1 + 4 + 0 + (4 - 1 - math.log(4))))
    torch.testing.assert_close(game.elbo(ROWS).mean(), -terms["likeness"].detach() - terms["prior"].detach() / 3)


def test_the_prior_warms_up():
    game = VAE(Constant(1.0, 0.0), Constant(0.0), gaussian(1.0), autoencoder=learn, beta=2.0, warm_up=10)
    assert [game.weight(step) for step in (0, 5, 10, 99)] == [0.0, 1.0, 2.0, 2.0]


def test_likeness_reaches_both_halves_of_a_vae_through_the_draw_and_the_prior_the_encoder_alone():
    game = vae(SHAPE, networks=SMALL)
    terms = only_turn(game)["AE"].terms
    assert reached(terms["likeness"], game) == {"E", "G"}
    assert reached(terms["prior"], game) == {"E"}
    x = next(images())[0].requires_grad_()
    mean, log_variance = mean_and_log_variance(game.eval().E(x))
    gradients = torch.autograd.grad(game.G(reparameterise(mean, log_variance)).square().sum(), [mean, log_variance])
    assert all(gradient.any() for gradient in gradients), "the spread is learnt through the draw"


def test_codes_are_drawn_in_training_and_means_otherwise():
    game = vae(SHAPE, networks=SMALL).eval()
    x = next(images())[0]
    assert torch.equal(game.encode(x), game.E(x)[:, :3])
    assert not torch.equal(game.elbo(x), game.elbo(x))
    one, two = (only_turn(game, iter([(x,)]))["AE"].terms for _ in range(2))
    assert not torch.equal(one["likeness"], two["likeness"])
    assert torch.equal(one["prior"], two["prior"])


# --- VAE-GAN


def test_the_terms_of_a_vae_gan_by_hand():
    E, G, D = Constant(1.0, 0.0, 0.0, 0.0), Constant(0.5, 0.5), Constant(2.0, features=(1.0, 2.0))
    game = VAEGAN(E, G, D, encoder=learn, generator=learn, critic=learn, gamma=0.25)
    moves = only_turn(game, iter([(ROWS,)]))
    likeness = 0.5 * ((4 - 1) ** 2 + (8 - 2) ** 2)  # features: the sum of a row, and twice that
    sp = lambda t: math.log1p(math.exp(t))  # noqa: E731
    assert {name: term.item() for name, term in moves["E"].terms.items()} == pytest.approx(
        {"prior": 0.5, "likeness": likeness}
    )
    assert {name: term.item() for name, term in moves["G"].terms.items()} == pytest.approx(
        {"likeness": 0.25 * likeness, "fool": 2 * sp(-2)}
    )
    assert {name: term.item() for name, term in moves["D"].terms.items()} == pytest.approx(
        {"real": sp(-2), "fake": 2 * sp(2)}
    )
    game.judge_reconstructions = False
    moves = only_turn(game, iter([(ROWS,)]))
    assert moves["D"].terms["fake"].item() == pytest.approx(sp(2))
    assert moves["G"].terms["fool"].item() == pytest.approx(sp(-2))


@pytest.mark.parametrize("shown", [True, False])
def test_a_critic_of_a_vae_gan_is_shown_reconstructions_or_not(shown):
    game = vae_gan(SHAPE, networks=SMALL, judge_reconstructions=shown)
    moves = only_turn(game)
    for term in (moves["D"].terms["fake"], moves["G"].terms["fool"]):
        assert reached(term, game) == {"G", "D"} | ({"E"} if shown else set())


def test_unlikeness_is_a_sum_over_features_and_a_mean_over_samples():
    assert unlikeness(torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, 1.0]])).item() == 2.5


def test_every_player_of_a_vae_gan_gets_the_gradient_of_its_own_terms():
    """Once more by hand, in separate passes: no verdict for E, no likeness for D."""
    torch.manual_seed(0)
    game = vae_gan(SHAPE, networks=Networks("mlp", 3, 4))
    (x,) = next(images())
    with fixed_seed(1):
        moves = only_turn(game, iter([(x,)]))
    with fixed_seed(1):
        mean, log_variance = mean_and_log_variance(game.E(x))
        again, imagined = game.G(reparameterise(mean, log_variance)), game.G(game.noise(len(x)))
    like = (game.D.features(again) - game.D.features(x)).square().sum(1).mean() / 2
    sigma = torch.nn.functional.logsigmoid
    wanted = {
        "E": like + kl_to_prior(mean, log_variance).mean(),
        "G": game.gamma * like - sigma(game.D(again)).mean() - sigma(game.D(imagined)).mean(),
        "D": -sigma(game.D(x)).mean()
        - sigma(-game.D(again.detach())).mean()
        - sigma(-game.D(imagined.detach())).mean(),
    }
    players = game.players()
    for name, loss in wanted.items():
        mine = trainable_parameters(players[name])
        assert len(mine) == len([*game.get_submodule(name).parameters()])
        one, two = (torch.autograd.grad(each, mine, retain_graph=True) for each in (moves[name].loss, loss))
        for a, b in zip(one, two, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_generator_of_a_vae_gan_follows_the_critic():
    """A critic that likes large pixels pulls them up; likeness is switched off."""
    G, D = nn.Linear(2, 2, dtype=torch.float64), nn.Linear(2, 1, bias=False, dtype=torch.float64)
    G.latent = 2
    with torch.no_grad():
        D.weight.fill_(1.0)
    D.features = lambda x: x
    critic = nn.Sequential(D, nn.Flatten(0))
    critic.features = D.features
    game = VAEGAN(Constant(1.0, 0.0, 0.0, 0.0), G, critic, encoder=learn, generator=learn, critic=learn, gamma=0.0)
    game.noise = lambda n: torch.randn(n, 2, dtype=torch.float64)
    (pull,) = torch.autograd.grad(only_turn(game, iter([(ROWS,)]))["G"].loss, [G.bias])
    assert (pull < 0).all()


def test_the_gates_of_a_vae_gan_use_the_mean_cost_of_reals_and_of_all_fakes():
    game, seen = vae_gan((2,), networks=SMALL, equilibrium=0.68), []
    game.waiting = lambda real, fake: seen.append((real, fake)) or set()
    ((_, _, critic),) = game.round(images(shape=(2,)), 0)
    ((real, fake),) = seen
    torch.testing.assert_close((real, fake), (critic.terms["real"], critic.terms["fake"] / 2))


def test_a_gate_of_a_vae_gan_is_open_up_to_its_margin():
    game = vae_gan((2,), networks=SMALL, equilibrium=0.5, margin=0.25)
    assert [game.waiting(torch.tensor(cost), torch.tensor(0.5)) for cost in (0.25, 0.75)] == [set(), set()]


@pytest.mark.parametrize(
    ("real", "fake", "waits"),
    [(0.68, 0.68, ""), (0.2, 0.68, "D"), (0.68, 0.2, "D"), (0.68, 1.2, "G"), (1.2, 0.68, "G"), (0.2, 1.2, "")],
)
def test_the_gates_of_a_vae_gan(real, fake, waits):
    game = vae_gan((2,), networks=SMALL, equilibrium=0.68)
    assert game.waiting(torch.tensor(real), torch.tensor(fake)) == set(waits)
    game.waiting = lambda *costs: set(waits)
    assert set(only_turn(game, images(shape=(2,)))) == set("EGD") - set(waits)
    assert vae_gan((2,), networks=SMALL).waiting(torch.tensor(0.0), torch.tensor(9.0)) == set()


def test_gamma_weighs_a_mean_over_features():
    game = vae_gan(SHAPE, networks=SMALL, likeness=3.0)
    assert game.gamma == pytest.approx(3.0 / game.D.features(torch.zeros(2, *SHAPE)).shape[1])


# --- BiGAN and ALI


class Told(nn.Module):
    """Scores the pairs by what it was given, for tests of values and signs."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.5, -2.0], dtype=torch.float64))

    def forward(self, x, z):
        return self.w[0] * x.sum(1) + self.w[1] * z.sum(1)


def test_the_terms_of_a_bigan_by_hand():
    E, G = Constant(0.5, 0.5), Constant(2.0, -1.0)
    game = BiGAN(E, G, Told(), critic=learn, generator=learn)
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    game.noise = lambda n: z
    moves = only_turn(game, iter([(ROWS,)]))
    real, fake = 0.5 * 4 - 2 * 1, 0.5 * 1 - 2 * 1
    sp = lambda t: math.log1p(math.exp(t))  # noqa: E731
    assert {n: t.item() for n, t in moves["D"].terms.items()} == pytest.approx({"real": sp(-real), "fake": sp(fake)})
    wanted = {"encoder": sp(real), "generator": sp(-fake)}
    assert {n: t.item() for n, t in moves["GE"].terms.items()} == pytest.approx(wanted)
    torch.nn.init.zeros_(game.D.w)
    assert only_turn(game, iter([(ROWS,)]))["D"].loss.item() == pytest.approx(2 * math.log(2))


@pytest.mark.parametrize("stochastic", [False, True])
def test_pairs_teach_the_encoder_on_data_and_the_generator_on_noise(stochastic):
    game = bigan(SHAPE, networks=SMALL, stochastic=stochastic)
    moves = only_turn(game)
    assert reached(moves["GE"].terms["encoder"], game) == {"E", "D"}
    assert reached(moves["GE"].terms["generator"], game) == {"G", "D"}
    players = game.players()
    both = {id(p) for name in "EG" for p in game.get_submodule(name).parameters()}
    assert {id(p) for p in trainable_parameters(players["GE"])} == both
    assert {id(p) for p in trainable_parameters(players["D"])} == {id(p) for p in game.D.parameters()}


def test_encoder_and_generator_move_against_the_critic():
    E, G = nn.Linear(2, 2, dtype=torch.float64), nn.Linear(2, 2, dtype=torch.float64)
    G.latent = 2
    game = BiGAN(E, G, Told(), critic=learn, generator=learn)
    game.noise = lambda n: torch.zeros(n, 2, dtype=torch.float64)
    moves = only_turn(game, iter([(ROWS,)]))
    up_code, up_sample = torch.autograd.grad(moves["GE"].loss, [E.bias, G.bias], retain_graph=True)
    assert (up_sample < 0).all(), "samples grow: D likes large ones"
    assert (up_code < 0).all(), "codes grow: D takes pairs with small ones for data, and E denies it"
    torch.nn.init.zeros_(game.D.w)
    (critic,) = torch.autograd.grad(only_turn(game, iter([(10 * ROWS,)]))["D"].loss, [game.D.w])
    assert critic[0] < 0, "D's score of data, which are larger than samples, grows"


def test_ali_draws_its_codes_and_encodes_to_their_means():
    game = bigan(SHAPE, networks=SMALL, stochastic=True).eval()
    assert isinstance(game, ALI)
    assert game.E.outputs == 6
    x = next(images())[0]
    assert not torch.equal(game.code(x), game.code(x))
    assert torch.equal(game.encode(x), game.E(x)[:, :3])
    assert type(bigan(SHAPE, networks=SMALL)) is BiGAN


def test_perceptrons_play_up_to_32_pixels_and_convolutions_above():
    assert isinstance(bigan((1, 32, 32), networks=SMALL).D, MLPJointCritic)
    assert any(isinstance(layer, nn.Conv2d) for layer in bigan((1, 64, 64), networks=SMALL).D.modules())
    assert any(isinstance(layer, nn.Conv2d) for layer in bigan(SHAPE, networks=Networks("dcgan", 3, 4)).E.modules())


def test_noise_enters_every_hidden_layer_of_the_generator():
    G = InjectedGenerator((2,), latent=3, width=5, depth=3)
    assert [layer[0].in_features for layer in G.body.hidden] == [3, 8, 8]
    G(torch.randn(9, 3)).square().sum().backward()
    assert all(layer[0].weight.grad[:, -3:].any() for layer in G.body.hidden)


def test_a_critic_of_pairs_refuses_what_is_no_pair():
    D: JointCritic = MLPJointCritic(SHAPE, 3, 4)
    with pytest.raises(ValueError, match="data"):
        D(torch.zeros(2, 1, 4, 4), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="codes"):
        D(torch.zeros(2, *SHAPE), torch.zeros(2, 4))


def broken_bigan(game):
    """The sabotage: the encoder never learns."""
    code = game.code
    game.code = lambda x: code(x).detach()
    return game


@pytest.mark.parametrize(
    ("recipe", "reason"), [(bigan, "also takes a code"), (latent_regressor, "reads single samples")]
)
def test_packs_are_refused_where_an_encoder_reads_single_samples(recipe, reason):
    with pytest.raises(GameError, match=reason):
        apply_techniques(lambda shape: recipe(shape, networks=SMALL), SHAPE, Techniques(packing=2))


def test_a_bigan_whose_encoder_is_detached_is_refused():
    with pytest.raises(GameError, match=r"'E\."):
        check_game(broken_bigan(bigan(SHAPE, networks=SMALL)), images())


# --- latent regressors


def test_what_a_code_misses_is_a_mean_square():
    assert code_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])).item() == 2.5


@pytest.mark.parametrize("joint", [0.0, 0.25])
def test_each_move_of_a_latent_regressor_reaches_its_player(joint):
    game = latent_regressor(SHAPE, networks=SMALL, joint=joint)
    seen = {}
    for move in game.round(images(), 0):
        seen[move.player] = {name: reached(term, game) for name, term in move.terms.items()}
    assert list(seen) == ["D", "G", "E"]
    assert seen["D"] == {"adversarial": {"D"}}
    assert seen["G"] == {"adversarial": {"G", "D"}} | ({"code": {"G", "E"}} if joint else {})
    assert seen["E"] == {"code": {"E"}}, "neither G nor D learns in the encoder's move"


def test_the_terms_of_a_latent_regressor_by_hand():
    E, G, D = Constant(1.0, 0.0), Constant(0.0, 0.0), Constant(0.0)
    game = LatentRegressor(E, G, D, NonSaturating(), encoder=learn, joint=0.5, critic=learn, generator=learn)
    game.noise = lambda n: torch.full((n, 2), 3.0, dtype=torch.float64)
    moves = {move.player: move.terms for move in game.round(iter([(ROWS,)]), 0)}
    assert moves["E"]["code"].item() == pytest.approx((4 + 9) / 2)
    assert moves["G"]["code"].item() == pytest.approx((4 + 9) / 4)
    assert moves["G"]["adversarial"].item() == pytest.approx(math.log(2))


def test_a_fitted_encoder_leaves_its_game_alone():
    torch.manual_seed(0)
    inner = latent_regressor((2,), networks=SMALL)
    with torch.no_grad():
        inner.G(torch.randn(64, 3))  # statistics that are not the first ones
    before = {name: value.clone() for name, value in inner.state_dict().items()}
    game = FittedEncoder(inner, nn.Linear(2, 3), encoder=learn)
    check_game(game, images(shape=(2,)))
    first = {name: value.clone() for name, value in game.E.state_dict().items()}
    for _ in train(game, images(shape=(2,)), 3):
        assert not inner.training
    assert all(torch.equal(value, before[name]) for name, value in inner.state_dict().items())
    assert all(not torch.equal(value, first[name]) for name, value in game.E.state_dict().items())
    assert game.sampling_networks() == ("E",)
    noise = game.noise(2)
    assert torch.equal(game.sample(2, noise=noise), inner.sample(2, noise=noise))
    assert (game.eval().E.training, game.train().E.training, inner.training) == (False, True, False)


def test_an_encoder_fitted_to_a_linear_generator_becomes_its_inverse():
    torch.manual_seed(0)
    inner = latent_regressor((2,), networks=Networks(latent=2, width=4))
    inner.G = nn.Linear(2, 2)
    inner.G.latent = 2
    with torch.no_grad():
        inner.G.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, -0.5]]))
        inner.G.bias.copy_(torch.tensor([1.0, 0.0]))
    game = FittedEncoder(inner, nn.Linear(2, 2), encoder=partial(adam, lr=0.05))
    for _ in train(game, images(64, (2,)), 400):
        pass
    torch.testing.assert_close(game.E.weight.detach(), torch.tensor([[0.5, 0.0], [0.0, -2.0]]), atol=0.02, rtol=0)
    torch.testing.assert_close(game.E.bias.detach(), torch.tensor([-0.5, 0.0]), atol=0.02, rtol=0)


def test_what_cannot_sample_has_no_encoder():
    class Mute(Game):
        players = round = None

    with pytest.raises(TypeError, match="cannot sample"):
        FittedEncoder(Mute(), nn.Linear(2, 2), encoder=learn)


# --- every one of them


@pytest.mark.parametrize("recipe", [vae, vae_gan, bigan, latent_regressor])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 64, 64)])
def test_codes_are_noise_at_every_size(recipe, shape):
    game = recipe(shape, networks=SMALL)
    assert set(game.sampling_networks()) == {"E", "G"}, "codes are read by the averaged networks that made them"
    x = torch.zeros(2, *shape)
    assert game.encode(x).shape == game.noise(2).shape == (2, 3)
    assert not game.encode(x).requires_grad
    assert game.sample(2, noise=game.encode(x)).shape == x.shape
