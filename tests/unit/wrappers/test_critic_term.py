"""Techniques that act on the critic: what they add, to whom and when; the rules of every game, in any order."""

from functools import partial
from itertools import permutations

import pytest
import torch
from torch import nn

from sparring.augment import AdaptiveAugment, DiffAugment, flip_and_shift
from sparring.augment.diffaugment import translation
from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import Game, LatentGame, Move
from sparring.games.gan import GAN
from sparring.games.wgan import WGANGP
from sparring.layers.spectral import spectral
from sparring.objectives import Hinge, Minimax, NonSaturating
from sparring.rng import turn_rng
from sparring.training.trainer import train, update
from sparring.wrappers.augmentation import AdaptiveAugmentation, Augmentation
from sparring.wrappers.consistency import BCR, CR, ZCR, LeCam
from sparring.wrappers.gradient_penalties import DRAGAN, R1, R2
from support.toys import GAMES, LinearCritic, Point, batches, learn


class Scaled(nn.Module):
    """A transform of points: a random factor of each coordinate, and a buffer p, as the pipe has."""

    def __init__(self):
        super().__init__()
        self.register_buffer("p", torch.tensor(0.0))

    def forward(self, x):
        return x * (1 + self.p * torch.rand_like(x))


def noisy(x):
    return x + 0.1 * torch.randn_like(x)


TECHNIQUES = {
    "augmented": lambda game: Augmentation(game, partial(nn.Dropout, 0.3)),
    "adaptive": lambda game: AdaptiveAugmentation(game, Scaled, every=1, images=1000),
    "r1": lambda game: R1(game, 1.0),
    "lazy r1": lambda game: R1(game, 1.0, every=2),
    "r2": lambda game: R2(game, 1.0),
    "dragan": DRAGAN,
    "cr": lambda game: CR(game, noisy),
    "bcr": lambda game: BCR(game, noisy),
    "zcr": ZCR,
    "lecam": lambda game: LeCam(game, start=1),
}


@pytest.fixture(params=TECHNIQUES)
def technique(request):
    return TECHNIQUES[request.param]


def gan(weight=(3.0, 4.0), start=0.0, spread=0.1, **settings):
    return GAN(Point(start, spread), LinearCritic(weight), NonSaturating(), **learn, **settings)


def moves(game, data=None, step=0, seed=0):
    """Plays a round that updates nobody and returns the moves."""
    with turn_rng(seed, step, 0):
        return list(game.round(batches() if data is None else data, step))


class Image(nn.Module):
    """A generator of images of one colour each, and a bit of noise."""

    def __init__(self, channels=1):
        super().__init__()
        self.latent, self.shape = 3, (channels, 8, 8)
        self.body = nn.Linear(3, channels * 64)

    def forward(self, z):
        return self.body(z).view(-1, *self.shape).tanh()


def eye(norm=nn.Identity):
    return nn.Sequential(
        spectral(nn.Conv2d(1, 4, 3, padding=1)),
        norm(4),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(256, 1),
        nn.Flatten(0),
    )


def pictures(n=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield (torch.rand(n, 1, 8, 8, generator=generator) * 2 - 1,)


# The rules, around every game, in any order


@pytest.mark.parametrize("name", ["minimax", "one draw", "wgan", "wgan-gp", "relativistic"])
def test_every_technique_keeps_the_rules_around_every_game(technique, name):
    without_middle = technique is TECHNIQUES["adaptive"] and name.startswith(("wgan", "relativistic"))
    if without_middle or (
        technique in (TECHNIQUES["r1"], TECHNIQUES["lazy r1"], TECHNIQUES["r2"]) and name == "wgan-gp"
    ):
        with pytest.raises(GameError, match=r"0 is not midway|draws slopes towards 0"):
            technique(GAMES[name](Point(0.5), LinearCritic((0.1, 0.2))))
        return
    game = technique(GAMES[name](Point(0.5), LinearCritic((0.1, 0.2))))
    plain = check_game(GAMES[name](Point(0.5), LinearCritic((0.1, 0.2))), batches())
    seen = check_game(game, batches(), rounds=3)
    assert seen.turns == plain.turns
    assert sorted(seen.owners.values()) == sorted(plain.owners.values())


APART = ({"lazy r1", "dragan"}, {"r2", "dragan"})  # which draw slopes towards 0 and towards 1
NESTED = [pair for pair in permutations([name for name in TECHNIQUES if name != "r1"], 2) if {*pair} not in APART]


@pytest.mark.parametrize(("inner", "outer"), NESTED)
def test_techniques_nest_in_any_order(inner, outer):
    check_game(TECHNIQUES[outer](TECHNIQUES[inner](gan())), batches())


def test_the_order_of_wrappers_does_not_change_a_penalty():
    """R1 inside or outside an augmentation: the slope is that in the sample, through what D does to it first."""

    def double():
        module = nn.Linear(2, 2, bias=False)
        module.weight.data = 2 * torch.eye(2)
        return module.requires_grad_(False)

    inside, outside = Augmentation(R1(gan(), 2.0), double), R1(Augmentation(gan(), double), 2.0)
    assert moves(inside)[0].terms["r1"].item() == pytest.approx(4 * 25.0)
    assert moves(outside)[0].terms["r1"].item() == pytest.approx(4 * 25.0)


@pytest.mark.parametrize("norm", [nn.Identity, nn.BatchNorm2d])
def test_augmentations_play_with_images(norm):
    torch.manual_seed(0)
    for wrap in (
        lambda game: Augmentation(game, DiffAugment),
        lambda game: AdaptiveAugmentation(game, partial(AdaptiveAugment, 0.5), every=1),
        lambda game: CR(BCR(game, flip_and_shift), flip_and_shift),
        lambda game: R1(Augmentation(AdaptiveAugmentation(game, partial(AdaptiveAugment, 0.5)), DiffAugment), 1.0),
    )[: 4 if norm is nn.Identity else 3]:  # R1 needs a critic without batch norm
        game = wrap(GAN(Image(), eye(norm), Hinge(), **learn))
        check_game(game, pictures())
        assert game.sample(2).shape == (2, 1, 8, 8)


def test_wgan_gp_is_penalised_through_the_augmentation():
    game = Augmentation(WGANGP(Image(), eye(), critic_steps=1, **learn), DiffAugment)
    check_game(game, pictures())


def test_resume_is_bit_for_bit_with_all_techniques_at_once():
    def make():
        torch.manual_seed(0)
        game = GAN(Image(), eye(), NonSaturating(), **learn)
        game = LeCam(AdaptiveAugmentation(game, AdaptiveAugment, target=-2.0, every=2, images=100), start=2)
        return ZCR(R1(game, 0.1, every=3))

    straight, stopped = make(), make()
    for _ in train(straight, pictures(), 8):
        pass
    data, players = pictures(), stopped.players()
    for _ in train(stopped, data, 5, players=players):
        pass
    resumed = make()
    resumed.load_state_dict(stopped.state_dict())
    fresh = resumed.players()
    for name, player in fresh.items():
        player.load_state_dict(players[name].state_dict())
    for _ in train(resumed, data, 8, start=5, players=fresh):
        pass
    for (name, one), other in zip(straight.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    assert straight.p.item() == pytest.approx(4 * 2 * 8 / 100)


# Who pays, and what


@pytest.mark.parametrize("name", ["r1", "r2", "dragan", "cr", "bcr", "lecam"])
def test_only_the_critics_owner_pays(name):
    game = TECHNIQUES[name](GAMES["non-saturating"](Point(), LinearCritic((3.0, 4.0))))
    plain = [set(move.terms) for move in moves(game.game, step=2)]
    first, second, last = ((move.player, set(move.terms)) for move in moves(game, step=2))
    assert first == second == ("D", plain[0] | {name})
    assert last == ("G", plain[2])


@pytest.mark.parametrize("penalty", [R1, R2])
def test_r1_and_r2_of_a_linear_critic_are_half_gamma_times_its_squared_norm(penalty):
    move, other = moves(penalty(gan((3.0, 4.0)), 10.0))
    assert move.terms[penalty.__name__.lower()].item() == pytest.approx(5 * 25)
    assert set(other.terms) == {"adversarial"}


def test_r1_uses_reals_and_r2_uses_fakes():
    class Square(LinearCritic):
        def forward(self, x):
            return self.w.mean() * x.square().sum(1) / 2  # whose slope is w x

    reals = iter([(torch.full((4, 2), 3.0),)] * 9)
    game = GAN(Point(1.0, spread=0.0), Square((1.0, 1.0)), NonSaturating(), **learn)
    assert moves(R1(game, 2.0), reals)[0].terms["r1"].item() == pytest.approx(18.0)
    assert moves(R2(game, 2.0), reals)[0].terms["r2"].item() == pytest.approx(2.0)
    loss = moves(R2(game, 2.0), reals)[0].loss
    assert torch.autograd.grad(loss, game.G.b, allow_unused=True) == (None,), "G pays nothing for it"


@pytest.mark.parametrize("make", [lambda game, k: R1(game, 10.0, every=k), lambda game, k: DRAGAN(game, every=k)])
def test_a_lazy_penalty_is_k_times_as_high_every_kth_step_and_absent_elsewhere(make):
    full = moves(make(gan(), 1))[0].terms
    (name,) = set(full) - {"adversarial"}
    paid = {step: moves(make(gan(), 4), step=step)[0].terms.get(name) for step in range(9)}
    assert [step for step, value in paid.items() if value is not None] == [0, 4, 8]
    assert all(value.item() == pytest.approx(4 * full[name].item()) for value in paid.values() if value is not None)


def test_dragan_charges_by_hand_and_stays_near_the_data():
    assert moves(DRAGAN(gan((3.0, 4.0)), 10.0))[0].terms["dragan"].item() == pytest.approx(160.0, rel=1e-5)
    seen = []

    class Spy(LinearCritic):
        def forward(self, x):
            seen.append(x.detach())
            return super().forward(x)

    x = torch.randn(512, 2) * torch.tensor([1.0, 3.0])
    game = DRAGAN(GAN(Point(), Spy((1.0, 0.0)), NonSaturating(), **learn), spread=0.25)
    with turn_rng(0, 0, 0):
        next(game.round(iter([(x,)]), 0))
    moved = (seen[-1] - x) / (0.25 * x.std())  # α u, both uniform on [0, 1)
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert moved.mean().item() == pytest.approx(0.25, abs=0.03)


def test_cr_is_zero_for_an_invariant_critic_and_lambda_times_the_square_elsewhere():
    def step(x):
        return x + torch.tensor([1.0, 0.0])

    assert moves(CR(gan((0.0, 5.0)), step))[0].terms["cr"].item() == 0
    assert moves(CR(gan((3.0, 5.0)), step, 10.0))[0].terms["cr"].item() == pytest.approx(90.0, rel=1e-4)
    assert moves(BCR(gan((3.0, 5.0)), step, 10.0))[0].terms["bcr"].item() == pytest.approx(180.0, rel=1e-4)


def test_bcr_balances_reals_and_fakes():
    """T doubles: on reals at 3 and fakes at 1 the score w·x moves by 3 and by 1."""
    game = GAN(Point(1.0, spread=0.0), LinearCritic((1.0, 0.0)), NonSaturating(), **learn)
    reals = iter([(torch.full((4, 2), 3.0),)])
    assert moves(BCR(game, lambda x: 2 * x, 1.0), reals)[0].terms["bcr"].item() == pytest.approx(9.0 + 1.0)


def test_cr_is_zero_for_images_and_a_critic_of_their_mean():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.w * x.mean((1, 2, 3))

    flipped = CR(GAN(Image(), Mean(), NonSaturating(), **learn), lambda x: x.flip(3))
    assert moves(flipped, pictures())[0].terms["cr"].item() < 1e-12
    shown = CR(GAN(Image(), Mean(), NonSaturating(), **learn), flip_and_shift)
    assert moves(shown, pictures())[0].terms["cr"].item() > 1e-6


def test_zcr_pulls_scores_together_and_samples_apart():
    """G(z) = b + s z and D = w·x: z′ − z = σ n gives λ σ² s² ‖w‖² to D, and −μ σ² s² to G, in the mean."""
    game = ZCR(gan((3.0, 4.0), spread=2.0), radius=0.1, weight=20.0, spread=0.5)
    D, G = moves(game, batches(n=20_000))
    assert D.terms["zcr"].item() == pytest.approx(20 * 0.01 * 4 * 25, rel=0.05)
    assert G.terms["variety"].item() == pytest.approx(-0.5 * 0.01 * 4, rel=0.05)
    assert set(G.terms) == {"adversarial", "variety"}


def test_zcr_moves_g_apart_and_d_flat():
    game = ZCR(GAN(Image(), eye(), NonSaturating(), **learn), radius=1.0, weight=1.0, spread=1.0)
    D, G = moves(game, pictures())
    (slope,) = torch.autograd.grad(G.terms["variety"], game.G.body.weight)
    assert (slope * game.G.body.weight).sum() < 0, "larger weights tell z from z′ better"
    assert torch.autograd.grad(D.terms["zcr"], game.G.body.weight, allow_unused=True) == (None,)


def test_lecam_by_hand_after_three_steps():
    """Reals score 3, 5, 4 and fakes 1, then 1, then 1: the means follow by a tenth of the way."""
    D = LinearCritic((1.0, 0.0))
    game = LeCam(GAN(Point(1.0, spread=0.0), D, NonSaturating(), **learn), weight=0.3, decay=0.9, start=10)
    data = iter([(torch.full((4, 2), value),) for value in (9.0, 3.0, 5.0, 4.0)])
    assert set(moves(game, data, step=9)[0].terms) == {"adversarial"}
    assert (game.usual_real.item(), game.usual_fake.item()) == (0.0, 0.0), "untouched before the start"
    terms, means = [], []
    for step in (10, 11, 12):
        terms.append(moves(game, data, step=step)[0].terms["lecam"].item())
        means.append(game.usual_real.item())
        D.w.data[1] += 1  # from now on fakes score 1 more, and reals their second coordinate more
    # step 10: real 3, fake 1, means 3 and 1.               (3 − 1)² + (3 − 1)² = 8
    # step 11: real 10, fake 2, means 3.7 and 1.1.          8.9² + 1.7²
    # step 12: real 12, fake 3, means 4.53 and 1.29.        10.71² + 1.53²
    assert means == pytest.approx([3.0, 3.7, 4.53])
    assert terms == pytest.approx([0.3 * 8, 0.3 * (8.9**2 + 1.7**2), 0.3 * (10.71**2 + 1.53**2)], rel=1e-5)


def test_lecam_charges_neither_reals_below_the_fakes_nor_fakes_above_the_reals():
    game = LeCam(GAN(Point(9.0, spread=0.0), LinearCritic((1.0, 0.0)), NonSaturating(), **learn), start=0)
    assert moves(game)[0].terms["lecam"].item() == 0
    assert LeCam(gan()).start == 1000


# Adaptive augmentation


class Sure(nn.Module):
    """A critic that scores everything alike, and counts its passes in a buffer."""

    def __init__(self, score):
        super().__init__()
        self.c = nn.Parameter(torch.tensor(score))
        self.register_buffer("passes", torch.tensor(0))

    def forward(self, x):
        self.passes += 1
        return self.c + 0 * x[:, 0]


def adaptive(score, p=0.0, **settings):
    def transform():
        made = Scaled()
        made.p.fill_(p)
        return made

    return AdaptiveAugmentation(GAN(Point(), Sure(score), NonSaturating(), **learn), transform, **settings)


def test_p_rises_by_the_papers_step_when_every_real_is_known_and_falls_below_the_target():
    game = adaptive(1.0)
    history = []
    for step in range(8):
        moves(game, batches(n=64), step=step)
        history.append(game.p.item())
    up = 4 * 64 / 500_000
    assert history == pytest.approx([0, 0, 0, up, up, up, up, 2 * up]), "measured in every fourth round"
    game = adaptive(-1.0, p=0.5)
    moves(game, batches(n=64), step=3)
    assert game.p.item() == pytest.approx(0.5 - up, abs=1e-7)


def test_p_stays_a_probability():
    for score, p in ((-1.0, 0.0), (1.0, 1.0)):
        game = adaptive(score, p=p, images=256)
        for _ in range(3):
            moves(game, batches(n=64), step=3)
        assert game.p.item() == p


def test_the_target_is_a_mean_of_signs():
    """Of five reals four score above zero, then three: r is .6, which is on target, and .2."""
    for positive, direction in ((5, 1), (4, 0), (3, -1)):
        x = torch.tensor([[2.0, 0.0]] * positive + [[-90.0, 0.0]] * (5 - positive))
        game = AdaptiveAugmentation(gan((1.0, 0.0)), partial(AdaptiveAugment, 0.5, parts=()), every=1, images=50)
        moves(game, iter([(x,)]))
        assert game.p.item() == pytest.approx(0.5 + direction * 0.1)


def test_parts_of_a_batch_move_p_as_the_whole_does():
    """A hundred images to go from 0 to 1: 8 of them, seen since the last of every four rounds, move p by .32."""
    for parts in (1, 2, 4):
        game = adaptive(1.0, images=100)
        for _ in train(game, batches(n=8 // parts), 4, grad_accum=parts):
            pass
        assert game.p.item() == pytest.approx(0.32)


def test_all_processes_count(monkeypatch):
    """Here every real is above zero, elsewhere below: the mean decides, and the batch is that of both."""
    for module in ("augmentation", "consistency"):
        monkeypatch.setattr(f"sparring.wrappers.{module}.batch_mean", lambda x: (x.mean() - 1) / 2)
    monkeypatch.setattr("sparring.wrappers.augmentation.num_shards", lambda: 2)
    game = adaptive(1.0, p=0.5, images=1000)
    moves(game, batches(n=10), step=3)
    assert game.p.item() == pytest.approx(0.5 - 4 * 20 / 1000)
    game = LeCam(GAN(Point(1.0, spread=0.0), LinearCritic((1.0, 0.0)), NonSaturating(), **learn), start=0)
    moves(game, iter([(torch.full((4, 2), 3.0),)]))
    assert (game.usual_real.item(), game.usual_fake.item()) == (1.0, 0.0)


def test_the_measure_costs_one_pass_and_leaves_no_trace():
    game = adaptive(1.0)
    D = game.unwrapped.D.critic
    moves(game, step=0)
    unmeasured = D.passes.item()
    calls = []
    D.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    moves(game, step=3)
    assert len(calls) == 4
    assert calls[-1] is False
    assert D.passes.item() == 2 * unmeasured, "what D remembers of its passes is as if there had been no measure"


def test_the_measure_does_not_disturb_training():
    def trained(wrap):
        torch.manual_seed(0)
        game = wrap(GAN(Image(), eye(nn.BatchNorm2d), NonSaturating(), **learn))
        for _ in train(game, pictures(), 9):
            pass
        return game.unwrapped.G.body.weight

    still = partial(AdaptiveAugment, 0.0)
    measured = trained(lambda game: AdaptiveAugmentation(game, still, target=2.0, every=2))  # r is never above
    assert torch.equal(measured, trained(lambda game: Augmentation(game, still)))


def test_the_measure_uses_batch_norm_in_training_mode_and_the_augmentation():
    seen = []

    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("p", torch.tensor(0.0))

        def forward(self, x):
            seen.append(self.training)
            return x

    game = AdaptiveAugmentation(GAN(Image(), eye(nn.BatchNorm2d), NonSaturating(), **learn), Spy, every=1)
    moves(game, pictures())
    assert seen == [True] * 4


def test_a_conditional_critic_is_measured_with_its_conditions():
    class Conditional(LatentGame):
        def one_hot(self, labels):
            return (labels.float(),)

        def round(self, data, step):
            x, y = next(data)
            yield Move("D", adversarial=-self.D(x, y).mean())
            yield Move("G", adversarial=-self.D(self.G(self.noise(len(x))), y).mean())

    class Labelled(LinearCritic):
        def forward(self, x, y):
            return super().forward(x) + y

    data = iter([(torch.zeros(4, 2), torch.ones(4, dtype=torch.long))])
    game = AdaptiveAugmentation(Conditional(Point(), Labelled((1.0, 1.0)), **learn), Scaled, every=1)
    moves(game, data)
    assert game.p > 0
    with pytest.raises(GameError, match="that of Conditional also takes 'y'"):
        R1(Conditional(Point(), Labelled((1.0, 1.0)), **learn), 1.0)


# Refusals


class Alone(Game):
    """A game with nothing but a network."""

    names = ()

    def __init__(self, *names):
        super().__init__()
        self.D, self.E, self.names = LinearCritic((1.0, 1.0)), LinearCritic(), names

    def players(self):
        return {"D": learn["critic"](self.D)}

    def critic_networks(self):
        return self.names

    def round(self, data, step):
        x, *_ = next(data)
        yield Move("D", fit=self.D(x).mean())


def test_a_game_without_critic_is_refused(technique):
    with pytest.raises(GameError, match=r"critic_networks\(\)"):
        technique(Alone())


@pytest.mark.parametrize("name", [name for name in TECHNIQUES if name != "augmented"])
def test_a_game_of_several_critics_is_refused_where_one_is_required(name):
    with pytest.raises(GameError, match=r"one critic, but Alone names 2"):
        TECHNIQUES[name](Alone("D", "E"))


@pytest.mark.parametrize(("name", "lacks"), [("r2", "fakes"), ("bcr", "fakes"), ("lecam", "fakes"), ("zcr", "noise")])
def test_a_game_without_what_a_technique_needs_is_refused(name, lacks):
    with pytest.raises(GameError, match=f"has '{lacks}'; Alone has none"):
        TECHNIQUES[name](Alone("D"))


def test_r1_and_augmentation_need_neither_g_nor_noise():
    game = R1(Augmentation(Alone("D"), nn.Identity), 2.0)
    assert moves(game)[0].terms["r1"].item() == pytest.approx(2.0)


def test_a_critic_without_a_player_and_an_interval_of_0_are_refused():
    with pytest.raises(GameError, match="no player of Alone owns"):
        R1(Alone("E"), 1.0)
    with pytest.raises(GameError, match="at least 1, not 0"):
        R1(gan(), 1.0, every=0)


# The promise of R1


def dirac(gamma):
    """Plays the Dirac game: the data lie at 0, the fake at θ, D(x) = ψx. Returns |(θ, ψ)| after each step."""

    class Slope(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([0.0]))

        def forward(self, x):
            return x @ self.w

    def slide(network):
        return torch.optim.SGD(network.parameters(), lr=0.2)

    game = GAN(Point(1.0, spread=0.0, dim=1), Slope(), Minimax(), critic=slide, generator=slide)
    if gamma:
        game = R1(game, gamma)
    zeros = iter(lambda: (torch.zeros(4, 1),), None)
    away = []
    for _ in train(game, zeros, 200):
        away.append(torch.cat([game.G.b, game.D.w]).norm().item())
    return away


def test_r1_makes_the_dirac_game_settle_and_without_it_it_circles():
    assert min(dirac(0.0)) > 0.9
    settled = dirac(1.0)
    assert settled[-1] < 1e-5
    # At the critical γ = 1 both eigenvalues are −½: after 40 units of time e⁻²⁰, times a polynomial.
    weak = dirac(0.25)
    assert 1e-4 < weak[-1] < 0.05, "γ = ¼ has the real parts −⅛: e⁻⁵"


def test_updates_change_the_terms():
    """One step of D under R1 alone shrinks its slope."""
    game = R1(GAN(Point(), LinearCritic((3.0, 4.0)), Hinge(), **learn), 1000.0)
    before = game.unwrapped.D.w.norm().item()
    update(moves(game)[0], game.players())
    assert game.unwrapped.D.w.norm().item() < before


def test_translation_alone_can_be_the_policy():
    game = Augmentation(GAN(Image(), eye(), Hinge(), **learn), partial(DiffAugment, (translation,)))
    check_game(game, pictures())
