"""Every recipe with every technique: each pair keeps every term of every player, or is refused when it is built."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from sparring.errors import GameError
from sparring.game import CriticOutput, CriticSpec, Game, Move, adam
from sparring.games.ebgan import EBGAN
from sparring.games.gan import GAN
from sparring.games.latent_regressor import LatentRegressor
from sparring.games.r3gan import R3GAN
from sparring.games.wgan import WGANGP
from sparring.objectives import NonSaturating
from sparring.recipes import RECIPES, recipe
from sparring.recipes.techniques import Techniques, apply_techniques
from sparring.rng import turn_rng
from sparring.training.trainer import train
from sparring.wrappers.base import ExtraTerms
from sparring.wrappers.consistency import LeCam
from sparring.wrappers.feature_matching import FeatureMatching
from sparring.wrappers.gradient_penalties import DRAGAN, R1, R2
from sparring.wrappers.historical_averaging import HistoricalAveraging
from sparring.wrappers.unrolling import Unrolling, sgd
from support import matrix
from support.matrix import REASONS, TECHNIQUES, build, data, default, played, refusal, shapes
from support.runs import tiny
from support.toys import LinearCritic, Point, batches, learn

CASES = [(name, shape) for name in RECIPES for shape in shapes(name)]
REPLACES = {"FM": "matching", "Unr": "unrolled"}  # the techniques that give G another goal, and the name of that
ADDS = {"R1": "r1", "R2": "r2", "DRA": "dragan", "CR": "cr", "bCR": "bcr", "zCR": "zcr", "LeC": "lecam"}
LEAVES = [*ADDS, *REPLACES, "HA", "Ens", "Sch"]  # the techniques that change neither networks nor their inputs
DESIGNS = [
    *(("cgan", {"design": design}) for design in ("joint", "matching", "separate", "projection", "auxiliary")),
    *(("infogan", {"information": owner}) for owner in ()),
    ("bigan", {"stochastic": True}),
    ("latent-regressor", {"joint": 0.25}),
    ("infogan", {"owner": "generator"}),
    ("infogan", {"owner": "itself"}),
    ("stylegan2", {"penalty": 0.0}),
    ("projected", {"pixels": 0}),
]


# The matrix


def test_every_refusal_has_a_known_reason_and_the_page_shows_it():
    rows = {name: matrix.cells(name) for name in RECIPES}
    assert not [mark for row in rows.values() for mark in row.values() if not {*mark.split("/")} <= {"✓", *REASONS}]
    assert matrix.page(matrix.PAGE.read_text()) == matrix.PAGE.read_text(), "run: python tests/support/matrix.py"


Terms = dict[tuple[str, str], list[float]]


def terms(game, batches) -> Terms:
    """Return {(player, term): values} of the first round, no move being made."""
    found: Terms = {}
    for move in played(game, batches):
        for name, value in move.terms.items():
            found.setdefault((move.player, name), []).append(value.item())
    return found


def kept(bare: Game, plain: Terms, rich: Terms, head: str) -> None:
    """Assert that a technique keeps all terms but, where it gives G another goal, the one that fools the critic."""
    goal, prefix = REPLACES.get(head), "0/" if head == "Ens" else ""
    replaced = {key for key in plain if goal and key[0] == "G" and key[1] in bare.critic_spec().adversarial_terms}
    assert len(replaced) == bool(goal)
    assert {(prefix + player, name) for player, name in plain.keys() - replaced} <= rich.keys()
    added = {name for _, name in rich} - {name for _, name in plain}
    wanted = {goal} if goal else {"history"} if head == "HA" else {ADDS[head]} if head in ADDS else set()
    assert added == wanted | ({"variety"} if head == "zCR" else set())
    if head in LEAVES and not [*bare.buffers()]:  # else one more pass moves statistics
        for player, name in plain.keys() - replaced:
            values = pytest.approx(plain[player, name], rel=1e-5, abs=1e-7)
            assert rich[prefix + player, name] == values, (player, name)


@pytest.mark.parametrize(("name", "shape"), CASES[::5] + [case for case in CASES if case[0] in ("infogan", "ebgan")])
def test_terms_are_kept(name, shape):
    every_pair(name, shape)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_terms_are_kept_in_every_pair(name, shape):
    every_pair(name, shape)


def every_pair(name, shape, **chosen):
    bare = build(name, shape, {}, **chosen)
    plain = terms(bare, data(name, shape))
    for head, techniques in TECHNIQUES.items():
        try:
            game = build(name, shape, techniques, **chosen)
        except GameError:
            continue
        kept(bare, plain, terms(game, data(name, shape)), head)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "chosen"), DESIGNS)
def test_terms_are_kept_in_every_design(name, chosen):
    every_pair(name, shapes(name)[-1], **chosen)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_every_allowed_pair_trains(name, shape):
    for techniques in TECHNIQUES.values():
        if not refusal(partial(build, name, shape, techniques)):
            for report in train(build(name, shape, techniques), data(name, shape), 2):
                report.require_finite()


# Two techniques


def test_two_techniques_on_one_game_are_built_or_refused_in_a_sentence():
    refused = {pair for pair, sentence in matrix.pairs().items() if sentence}
    assert {("R1", "DRA"), ("R1", "MD"), ("R1", "Unr"), ("FM", "Unr"), ("HA", "Unr"), ("MD", "VBN")} <= refused
    assert not {("R1", "R2"), ("R1", "MS"), ("R1", "VBN"), ("IN", "R1"), ("Pac", "Unr"), ("Ens", "Unr")} & refused
    assert all(sentence.endswith(".") for sentence in matrix.pairs().values() if sentence)


@pytest.mark.slow
@pytest.mark.parametrize("pair", [pair for pair in matrix.pairs() if not matrix.pairs()[pair]], ids="+".join)
def test_two_techniques_keep_the_terms_of_both(pair):
    one, other = (TECHNIQUES[head] for head in pair)
    game = default({**one, **other})
    seen = {term for _, term in terms(game, iter(lambda: (torch.rand(4, 1, 32, 32) * 2 - 1,), None))}
    for head in pair:
        assert seen >= {ADDS.get(head, REPLACES.get(head, "history" if head == "HA" else next(iter(seen))))}


# What is declared


def odd(D=None, **declared):
    """A game that declares something of its critic."""

    class Odd(GAN):
        def critic_spec(self):
            return CriticSpec(**declared)

    return Odd(Point(), D or LinearCritic((0.3, 0.4)), NonSaturating(), **learn)


@pytest.mark.parametrize("output", [output for output in CriticOutput if output is not CriticOutput.SCORE])
def test_penalties_need_a_score(output):
    for technique in (lambda game: R1(game, 1.0), lambda game: R2(game, 1.0), DRAGAN, LeCam):
        if output is CriticOutput.PATCHES and technique is not DRAGAN:
            technique(odd(output=output))
        else:
            with pytest.raises(GameError, match=f"the critic of Odd gives {output}"):
                technique(odd(output=output))


def test_several_undeclared_outputs_are_refused():
    game = GAN(Point(), LinearCritic(), NonSaturating(), **learn)
    game.D.outcomes = 3
    with pytest.raises(GameError, match=r"several outputs of GAN's critic: declare it in critic_spec\(\)"):
        R1(game, 1.0)


class Patches(nn.Module):
    """A map of four scores, i·w·x for i = 1 to 4."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.3, 0.4]))

    def forward(self, x):
        return (x @ self.w)[:, None, None, None] * torch.arange(1.0, 5.0).view(1, 1, 2, 2)


def test_r1_of_patches_is_that_of_the_sum_of_an_images_scores():
    first, *_ = R1(odd(Patches(), output=CriticOutput.PATCHES), 2.0).round(batches(), 0)
    assert first.terms["r1"].item() == pytest.approx((1 + 2 + 3 + 4) ** 2 * 0.25, rel=1e-6)


def test_a_game_of_several_terms_must_declare_its_adversarial_term():
    class Two(GAN):
        def critic_spec(self):
            return CriticSpec()

        def round(self, data, step):
            for move in super().round(data, step):
                yield Move(move.player, **move.terms, other=self.G.b.sum()) if move.player == "G" else move

    class Seeing(LinearCritic):
        def features(self, x):
            return x

    game = FeatureMatching(Two(Point(), Seeing((0.1, 0.2)), NonSaturating(), **learn))
    with pytest.raises(
        GameError, match=r"G minimises adversarial, other: declare the adversarial ones in critic_spec\(\)"
    ):
        list(game.round(batches(), 0))


def test_moves_of_upkeep_are_left_alone():
    """StyleGAN2 pays for slopes in moves of their own, which are no second turn of the players."""
    game = build("stylegan2", matrix.IMAGES, {"lecam": 0.3, "lecam_start": 0, "historical_averaging": 0.1})
    game.unwrapped.path = 2.0
    seen = [(move.player, tuple(move.terms)) for move in played(game, data("stylegan2", matrix.IMAGES))]
    assert seen == [
        ("D", ("adversarial", "lecam", "history")),
        ("D", ("r1",)),
        ("G", ("adversarial", "history")),
        ("G", ("path",)),
    ]


def test_stylegan2s_fakes_have_mixed_styles_as_its_moves_have():
    game = build("stylegan2", matrix.IMAGES, {})
    game.mixing = 1.0
    seen = []
    game.mixed = lambda w: seen.append(w) or w
    game.fakes(2)
    game.fakes_with_grad(2)
    assert len(seen) == 2


def test_another_initialisation_leaves_frozen_layers_alone():
    from sparring.layers.init import normal, reinitialise

    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False))
    before = network[1].weight.clone()
    reinitialise(network, normal(0.0))
    assert (network[0].weight == 0).all()
    assert torch.equal(network[1].weight, before)


# Unrolling and feature matching by hand


STATED = (
    "mmgan",
    "nsgan",
    "fgan",
    "lsgan",
    "ebgan",
    "latent-regressor",
    "wgan-gp",
    "hinge",
    "rsgan",
    "rasgan",
    "r3gan",
)


@pytest.mark.parametrize("name", STATED)
def test_what_a_game_states_is_what_its_players_minimise(name):
    """critic_terms and generator_terms are the terms of the moves, at the samples of the moves."""
    game, (x, *_) = build(name, matrix.POINTS, {}).eval(), next(data(name, matrix.POINTS))  # spectral norms stay
    z = game.noise(len(x))
    game.noise = lambda n: z
    moves = [move for move in played(game, iter(lambda: (x,), None)) if move.player in "DG"]
    critics, generators = moves[0].terms, moves[-1].terms
    with turn_rng(0, 0, 0):
        stated = game.critic_terms(x, game.G(z).detach().requires_grad_(), 0)
    assert {term: value.item() for term, value in stated.items()} == pytest.approx(
        {term: value.item() for term, value in critics.items()}, rel=1e-5
    )
    for term, value in game.generator_terms(x, game.G(z)).items():
        assert term in game.critic_spec().adversarial_terms
        assert value.item() == pytest.approx(generators[term].item(), rel=1e-5)


def wgan_gp_by_hand(b, w, x, noise, steps, rate, weight):
    """−E D(G) after `steps` steps of descent on E D(G) − E D(x) + λ (‖w‖ − 1)², for D(x) = w·x + c."""
    fake = b + 0.1 * noise
    for _ in range(steps):
        length = w.norm()
        w = w - rate * (fake.mean(0) - x.mean(0) + 2 * weight * (length - 1) * w / length)
    return -(fake @ w).mean()


@pytest.mark.parametrize("steps", [1, 3])
def test_steps_ahead_pay_the_critics_penalty(steps):
    torch.manual_seed(0)
    core = WGANGP(Point(0.4), LinearCritic((0.5, -1.0)), penalty=10.0, **learn)
    game = Unrolling(core, steps, sgd(0.01)).double()
    x, z = torch.randn(2, 12, 2, dtype=torch.float64)
    loss = game.loss(x, game.G(z))
    b = game.G.b.detach().clone().requires_grad_()
    wanted = wgan_gp_by_hand(b, game.D.w.detach(), x, z, steps, 0.01, 10.0)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-8)
    (found,), (slope,) = torch.autograd.grad(loss, [game.G.b]), torch.autograd.grad(wanted, [b])
    torch.testing.assert_close(found, slope, rtol=1e-8, atol=1e-10)
    without = wgan_gp_by_hand(b, game.D.w.detach(), x, z, steps, 0.01, 0.0)
    assert abs(wanted.item() - without.item()) > 1e-3, "the penalty makes a difference"


class Bent(nn.Module):
    """D(x) = (w·x)², whose slope depends on x."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.5, -1.0]))

    def forward(self, x):
        return (x @ self.w).square()


def test_gradients_of_steps_ahead_reach_g_through_the_penalty_on_its_samples():
    """R3GAN's R2 is E ‖2 (w·x̃) w‖² = 4 ‖w‖² E (w·x̃)², which depends on the fakes."""
    torch.manual_seed(0)
    core = R3GAN(Point(0.4), Bent(), penalty=lambda step: 0.2 * (step + 1), **learn)
    game = Unrolling(core, 1, sgd(0.01)).double()
    x, z = torch.randn(2, 12, 2, dtype=torch.float64)
    loss = game.loss(x, game.G(z), step=1)
    b, w = game.G.b.detach().clone().requires_grad_(), game.D.w.detach().clone().requires_grad_()
    fake, φ = b + 0.1 * z, nn.functional.softplus
    scores = lambda x, w: (x @ w).square()  # noqa: E731
    slopes = lambda x, w: 4 * w.square().sum() * scores(x, w).mean()  # noqa: E731
    before = φ(scores(fake, w) - scores(x, w)).mean() + 0.2 * (slopes(x, w) + slopes(fake, w))
    (step,) = torch.autograd.grad(before, w, create_graph=True)
    ahead = w - 0.01 * step
    wanted = φ(scores(x, ahead) - scores(fake, ahead)).mean()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-9)
    torch.testing.assert_close(
        torch.autograd.grad(loss, [game.G.b])[0], torch.autograd.grad(wanted, b)[0], rtol=1e-8, atol=1e-10
    )


class Code(nn.Module):
    """E(x) = a x."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.7))

    def forward(self, x):
        return self.a * x


class Seeing(LinearCritic):
    """A linear critic whose features are its samples."""

    def features(self, x):
        return x


GOALS = [lambda game: Unrolling(game, 2), FeatureMatching]


@pytest.mark.parametrize("technique", GOALS)
def test_other_terms_of_g_stay_with_their_gradient(technique):
    def make():
        core = Code(), Point(0.4), Seeing((0.5, -1.0)), NonSaturating()
        return LatentRegressor(*core, encoder=partial(adam, lr=0.05), joint=0.5, **learn)

    (bare,), (move,) = (
        [move for move in played(game, batches()) if move.player == "G"] for game in (make(), technique(make()))
    )
    assert next(iter(move.terms)) == "code"
    assert list(bare.terms) == ["adversarial", "code"]
    assert move.terms["code"].item() == bare.terms["code"].item()
    game = technique(make())
    for move in played(game, batches()):
        if move.player == "G":
            (slope,) = torch.autograd.grad(move.terms["code"], [game.G.b], retain_graph=True)
            assert slope.abs().min() > 0


def test_infogan_keeps_its_description_of_codes():
    """Salimans et al. replace the adversarial term; the information that InfoGAN is named for is another."""
    techniques = {"feature_matching": 1.0}
    for shape in shapes("infogan"):
        bare, game = (terms(build("infogan", shape, chosen), data("infogan", shape)) for chosen in ({}, techniques))
        assert {"categorical", "continuous"} <= {name for player, name in game if player == "G"}
        assert game["D", "categorical"] == bare["D", "categorical"]


def test_the_steps_ahead_of_an_energy_are_those_of_the_margin_loss():
    class Energy(nn.Module):
        """−D(x) = (w·x)²."""

        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([0.5, -1.0]))

        def forward(self, x: Tensor) -> Tensor:
            return -(x @ self.w).square()

        def features(self, x):
            return x

    torch.manual_seed(0)
    game = Unrolling(EBGAN(Point(0.4), Energy(), margin=1.0, **learn), 1, sgd(0.01)).double()
    x, z = torch.randn(2, 12, 2, dtype=torch.float64)
    w = game.D.w.detach().clone().requires_grad_()
    fake, energy = game.G(z).detach(), lambda x, w: (x @ w).square()
    (slope,) = torch.autograd.grad(energy(x, w).mean() + (1 - energy(fake, w)).relu().mean(), w)
    assert game.loss(x, game.G(z)).item() == pytest.approx(energy(fake, w - 0.01 * slope).mean().item(), rel=1e-9)


def test_a_technique_that_adds_terms_to_d_excludes_steps_ahead():
    class Pull(ExtraTerms):
        def terms(self, player, x, step):
            return {"pull": self.D.w.sum()} if player == "D" else {}

    game = GAN(Point(), LinearCritic(), NonSaturating(), **learn)
    with pytest.raises(GameError, match="in GAN Pull adds a term"):
        Unrolling(Pull(game))
    with pytest.raises(GameError, match="Unrolling runs steps of D without the term of R1"):
        R1(Unrolling(game), 1.0)
    with pytest.raises(GameError, match="without the term of Historical averaging"):
        HistoricalAveraging(Unrolling(game))


def test_techniques_of_images_are_refused_for_points_when_the_game_is_built():
    for name in ("augment", "consistency", "balanced_consistency"):
        techniques = Techniques(**{name: "diff" if name == "augment" else 1.0})
        with pytest.raises(GameError, match=f"The technique {name} changes images, and the data are points"):
            apply_techniques(lambda shape: recipe("nsgan")(shape, **tiny("nsgan")), (2,), techniques)
