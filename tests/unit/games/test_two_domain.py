"""CycleGAN, GANILLA, NICE-GAN: values by hand, whose gradient each term is, pools, broken twins."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from sparring.abilities import SupportsAttention, SupportsEncoding, SupportsSampling, SupportsTranslation
from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.game import adam
from sparring.games.common.two_domain import ImagePool
from sparring.games.cyclegan import CycleGAN
from sparring.games.nicegan import NICEGAN
from sparring.inference.sampling import latents_from_seeds
from sparring.recipes.cyclegan_nicegan import cyclegan, ganilla, nicegan
from sparring.recipes.techniques import Techniques, apply_techniques
from sparring.rng import turn_rng
from sparring.schedules import linear_after
from sparring.training.trainer import train, trainable_parameters, update

SHAPE = (3, 32, 32)
learn = partial(adam, lr=0.01)


def batches(n=2, shape=SHAPE):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield tuple(torch.rand(n, *shape, generator=generator) * 2 - 1 for _ in "AB")


def small(recipe, **settings):
    torch.manual_seed(0)
    return recipe(SHAPE, SHAPE, width=4, blocks=1, **settings)


RECIPES = {"cyclegan": cyclegan, "ganilla": ganilla, "nicegan": nicegan}


def moves(game, data=None, step=0):
    """The moves of a round by player, none of them made."""
    return {move.player: move for move in game.round(data or batches(), step)}


def reached(term, game):
    """The networks whose parameters a term sends gradient to."""
    named = [(name, p) for name, p in game.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(term, [p for _, p in named], retain_graph=True, allow_unused=True)
    depth = 2 if isinstance(game, NICEGAN) else 1
    places = [
        ".".join(name.split(".")[:depth]) if name.startswith("D") else name.split(".")[0]
        for (name, _), g in zip(named, gradients, strict=True)
        if g is not None and g.any()
    ]
    return set(places)


# values, sheet 3.3


class Shifted(nn.Module):
    """G(x) = x + c."""

    def __init__(self, shift=0.0):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(shift))

    def forward(self, x):
        return x + self.shift


class Says(nn.Module):
    """D(x) = c, at four patches; as an encoder, the image itself."""

    def __init__(self, score=0.25, scores=1):
        super().__init__()
        self.score, self.scores = nn.Parameter(torch.tensor(score)), scores

    def encode(self, x):
        return x

    def forward(self, x):
        patches = self.score.expand(len(x), 1, 2, 2)
        return patches if self.scores == 1 else (patches,) * self.scores


def constant(a=0.0, b=0.5):
    while True:
        yield torch.full((2, *SHAPE), a), torch.full((2, *SHAPE), b)


def stubbed(ab=0.0, ba=0.0, **settings):
    pools = ImagePool(2, SHAPE), ImagePool(2, SHAPE)
    learning = {"critic": learn, "generator": learn}
    return CycleGAN(Shifted(ab), Shifted(ba), Says(), Says(), pools=pools, **learning, **settings)


def near(value):
    return pytest.approx(value, abs=1e-5)


def test_cyclegan_by_hand():
    played = moves(stubbed(), constant())
    assert played["G"].loss.item() == near(1.125)
    assert played["D"].loss.item() == near(0.625)
    terms = {name: value.item() for name, value in moves(stubbed(0.5, -0.4), constant())["G"].terms.items()}
    assert terms == {
        "fool_A": near(0.5625),
        "fool_B": near(0.5625),
        "cycle_A": near(1.0),
        "cycle_B": near(1.0),
        "identity_A": near(2.0),
        "identity_B": near(2.5),
    }
    assert sum(terms.values()) == near(7.625)


def test_the_weights_of_a_cycle_are_its_own_and_identity_multiplies_them():
    terms = moves(stubbed(0.5, -0.4, cycle=(1.0, 3.0), identity=2.0), constant())["G"].terms
    assert terms["cycle_A"].item() == near(0.1)
    assert terms["cycle_B"].item() == near(0.3)
    assert terms["identity_A"].item() == near(2 * 1 * 0.4)
    assert terms["identity_B"].item() == near(2 * 3 * 0.5)
    assert set(moves(stubbed(identity=0.0), constant())["G"].terms) == {"fool_A", "fool_B", "cycle_A", "cycle_B"}


def test_nicegan_by_hand():
    game = NICEGAN(Shifted(0.5), Shifted(-0.4), Says(0.25, 3), Says(0.2, 3), critic=learn, generator=learn)
    played = moves(game, constant())
    ones, zeros = 3 * 0.75**2, 3 * 0.25**2
    terms = {name: value.item() for name, value in played["D"].terms.items()}
    assert terms == {"A": near(ones + zeros), "B": near(3 * 0.64 + 3 * 0.04)}, "there is no half"
    terms = {name: value.item() for name, value in played["G"].terms.items()}
    assert terms == {
        "fool_A": near(ones),
        "fool_B": near(3 * 0.64),
        "cycle_A": near(1.0),
        "cycle_B": near(1.0),
        "reconstruction_A": near(4.0),
        "reconstruction_B": near(5.0),
    }


def test_a_translator_is_pulled_towards_what_its_critic_likes():
    class Rising(nn.Module):
        def __init__(self):
            super().__init__()
            self.slope = nn.Parameter(torch.tensor(1.0))

        def forward(self, x):
            return self.slope * x.mean((1, 2, 3))

    pools = ImagePool(0, SHAPE), ImagePool(0, SHAPE)
    game = CycleGAN(Shifted(), Shifted(), Rising(), Rising(), pools=pools, cycle=(0, 0), critic=learn, generator=learn)
    (gradient,) = torch.autograd.grad(moves(game, constant(0.0, 0.0))["G"].terms["fool_B"], game.G_AB.shift)
    assert gradient.item() == near(-2.0), "up to C = 1, by -2 (1 - C)"


# who moves, and whose gradient


@pytest.mark.parametrize("name", RECIPES)
def test_the_game_keeps_the_rules(name):
    seen = check_game(small(RECIPES[name], **({} if name == "nicegan" else {"pool": 3})), batches())
    assert seen.turns == ((("D",), ("G",)) if name == "nicegan" else (("G",), ("D",)))
    owners = {parameter.split(".")[0]: who for parameter, who in seen.owners.items()}
    assert owners == {"G_AB": ("G",), "G_BA": ("G",), "D_A": ("D",), "D_B": ("D",)}


@pytest.mark.parametrize("name", ["cyclegan", "ganilla"])
def test_where_gradients_of_a_cycle_go(name):
    game = small(RECIPES[name])
    played = moves(game)
    routes = {term: reached(value, game) for term, value in played["G"].terms.items()}
    assert routes == {
        "fool_A": {"G_BA", "D_A"},
        "fool_B": {"G_AB", "D_B"},
        "cycle_A": {"G_AB", "G_BA"},
        "cycle_B": {"G_AB", "G_BA"},
        "identity_A": {"G_BA"},
        "identity_B": {"G_AB"},
    }
    assert {term: reached(value, game) for term, value in played["D"].terms.items()} == {"A": {"D_A"}, "B": {"D_B"}}


def test_where_gradients_of_nice_gan_go():
    game = small(nicegan)
    game.D_A.E.strength.data.fill_(0.5)
    game.D_B.E.strength.data.fill_(0.5)
    played = moves(game)
    assert {term: reached(value, game) for term, value in played["D"].terms.items()} == {
        "A": {"D_A.E", "D_A.C"},
        "B": {"D_B.E", "D_B.C"},
    }
    everything = {term: reached(value, game) for term, value in played["G"].terms.items()}
    assert everything == {
        "fool_A": {"G_BA", "D_B.E", "D_A.E", "D_A.C"},
        "fool_B": {"G_AB", "D_A.E", "D_B.E", "D_B.C"},
        "cycle_A": {"G_AB", "G_BA", "D_A.E", "D_B.E"},
        "cycle_B": {"G_AB", "G_BA", "D_A.E", "D_B.E"},
        "reconstruction_A": {"G_BA", "D_A.E"},
        "reconstruction_B": {"G_AB", "D_B.E"},
    }, "gradients flow through encoders and critics of G's move"


def changed_by(game, player, players=None):
    """The networks that one move of a player changes, when a whole round is played up to it."""
    players = game.players() if players is None else players
    for move in game.round(batches(), 0):
        before = {name: p.detach().clone() for name, p in game.named_parameters()}
        update(move, players)
        if move.player == player:
            return {
                ".".join(name.split(".")[:2]) if name.startswith("D") else name.split(".")[0]
                for name, p in game.named_parameters()
                if not torch.equal(p, before[name])
            }
    return set()


def test_encoders_learn_in_the_critics_move_only():
    assert changed_by(small(nicegan), "D") == {"D_A.E", "D_A.C", "D_B.E", "D_B.C"}
    assert changed_by(small(nicegan), "G") == {"G_AB", "G_BA"}


def test_a_coupled_twin_is_found_by_its_routes():
    """An encoder that G trains too, the ablation of the paper: nothing it makes looks worse, so only this can tell."""
    game = small(nicegan)
    coupled = nn.ModuleList([game.G_AB, game.G_BA, game.D_A.E, game.D_B.E])
    players = {**game.players(), "G": learn(coupled)}
    assert changed_by(game, "G", players) == {"G_AB", "G_BA", "D_A.E", "D_B.E"}
    ours = {id(p) for p in trainable_parameters(game.players()["G"])}
    assert not ours & {id(p) for p in game.D_A.parameters()}


def test_the_generator_moves_from_codes_of_the_critic_that_has_just_moved():
    game = small(nicegan)
    data = [next(batches())]
    turns, players = game.round(iter(data), 0), game.players()
    update(next(turns), players)
    move = next(turns)
    a, _ = data[0]
    expected = 10 * (game.translate_with_grad(game.translate_with_grad(a, "B"), "A") - a).abs().mean()
    torch.testing.assert_close(move.terms["cycle_A"], expected, atol=0.02, rtol=0.02)


# the pool


def fed(pool, images, seed=0):
    shown = []
    for step, image in enumerate(images):
        with turn_rng(seed, step, 0):
            shown.append(pool(torch.full((1, 1, 1, 1), float(image))).item())
    return shown


def test_a_pool_returns_what_is_new_until_it_is_full_and_then_half_history():
    pool = ImagePool(2, (1, 1, 1))
    shown = fed(pool, range(4000))
    assert shown[:2] == [0, 1]
    older = [image < step for step, image in enumerate(shown)][2:]
    assert sum(older) / len(older) == pytest.approx(0.5, abs=0.03)
    assert all(image <= step for step, image in enumerate(shown))
    assert pool.images.shape == (2, 1, 1, 1)
    assert len(set(shown[2:])) == len(shown) - 2, "an image that was returned was replaced, so none comes twice"
    assert not set(pool.images.flatten().tolist()) & set(shown[2:])


def test_both_places_of_a_full_pool_are_exchanged():
    ages = torch.tensor([step - image for step, image in enumerate(fed(ImagePool(4, (1, 1, 1)), range(4000)))])
    assert ages[4:].double().mean() == pytest.approx(4.0, abs=0.5), "half of the time, four places, ages of 8 moves"
    assert ages.max() > 20


def test_a_pool_treats_every_image_of_a_batch_by_itself_and_resumes():
    pool, other = ImagePool(5, (1, 1, 1)), ImagePool(5, (1, 1, 1))
    images = torch.arange(8.0).view(8, 1, 1, 1)
    with turn_rng(0, 0, 0):
        shown = pool(images)
    assert shown[:5].flatten().tolist() == [0, 1, 2, 3, 4]
    assert int(pool.held) == 5
    other.load_state_dict(pool.state_dict())
    assert fed(pool, range(100, 120)) == fed(other, range(100, 120))


def test_no_pool_is_no_history():
    images = torch.randn(3, 1, 2, 2, requires_grad=True)
    shown = ImagePool(0, (1, 2, 2))(images)
    assert torch.equal(shown, images)
    assert not shown.requires_grad


def test_the_critic_is_shown_what_the_pool_returns():
    game = stubbed()
    seen = []
    game.D_B.register_forward_hook(lambda module, given, _: seen.append(given[0].mean().item()))
    for batch in range(8):
        data = iter([(torch.full((1, *SHAPE), 0.1 * batch), torch.full((1, *SHAPE), 0.9))])
        with turn_rng(0, batch, 0):
            list(game.round(data, batch))
    shown = [round(value, 4) for value in seen[2::3]]
    assert shown[:2] == [0.0, 0.1]
    assert any(value < 0.1 * batch - 0.05 for batch, value in enumerate(shown)), "an older fake was shown"


# abilities


@pytest.mark.parametrize("name", RECIPES)
def test_both_directions_are_translated_without_a_trace(name):
    game = small(RECIPES[name]).eval()
    before = {key: value.clone() for key, value in game.state_dict().items()}
    x = next(batches())[0]
    there, back = game.translate(x, "B"), game.translate(x, "A")
    assert there.shape == back.shape == x.shape
    assert not torch.allclose(there, back)
    assert not there.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in game.state_dict().items())
    assert isinstance(game, SupportsTranslation)
    assert not isinstance(game, SupportsSampling)
    with pytest.raises(GameError, match="draws no samples, it translates images: see `sparring translate`"):
        latents_from_seeds(game, [0])
    with pytest.raises(DataError, match="no domain 'C': give --to A or --to B"):
        game.translate(x, "C")


def test_nice_gan_returns_its_attention_and_encodes():
    game = small(nicegan).eval()
    x = next(batches())[0]
    assert isinstance(game, SupportsAttention)
    assert isinstance(game, SupportsEncoding)
    assert not isinstance(small(cyclegan), SupportsAttention)
    assert game.attention_map(x, "A").shape == (2, 1, 8, 8)
    assert not torch.equal(game.attention_map(x, "A"), game.attention_map(x, "B"))
    torch.testing.assert_close(game.G_AB(game.encode(x, "A")), game.translate(x, "B"))


def test_techniques_that_act_on_critics_act_on_both():
    game = apply_techniques(lambda shape: small(cyclegan), SHAPE, Techniques(augment="diff", instance_noise=0.1))
    assert isinstance(game, SupportsTranslation)
    check_game(game, batches())
    game = apply_techniques(lambda shape: small(nicegan), SHAPE, Techniques(augment="diff"))
    assert isinstance(game, SupportsAttention)
    check_game(game, batches())
    with pytest.raises(GameError):
        apply_techniques(lambda shape: small(cyclegan), SHAPE, Techniques(r1=1.0))


# settings


def test_the_rates_stay_and_then_fall_to_zero_linearly():
    game = small(cyclegan, constant=100, decay=50)
    assert [game.lr_scale(step) for step in (0, 99, 100, 125, 149, 150, 999)] == [
        1,
        1,
        1,
        0.5,
        pytest.approx(0.02),
        0,
        0,
    ]
    assert linear_after(10, 10)(15) == 0.5


def test_the_settings_are_the_papers():
    game = cyclegan((3, 256, 256), (3, 256, 256), pool=1)
    assert sum(p.numel() for p in game.G_AB.parameters()) == 11_378_179
    assert sum(p.numel() for p in game.D_A.parameters()) == 2_764_737
    assert (game.cycle, game.identity) == ((10, 10), 0.5)
    assert sum(p.numel() for p in cyclegan((3, 128, 128), (3, 128, 128)).G_AB.parameters()) == 7_837_699
    game = nicegan((3, 128, 128), (3, 128, 128))
    assert sum(p.numel() for p in game.D_A.parameters()) == 167_489 + 46_706_944
    assert sum(p.numel() for p in game.G_AB.parameters()) == 8_104_640
    for group in (*game.players()["D"].param_groups, *game.players()["G"].param_groups):
        assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-4, (0.5, 0.999), 1e-4)
    assert sum(p.numel() for p in ganilla((3, 64, 64), (3, 64, 64)).G_AB.parameters()) == 7_228_419
    assert cyclegan(SHAPE, SHAPE).pool_A.size == 50


def test_weights_of_a_cyclegan_begin_small():
    weights = [p.detach() for p in cyclegan(SHAPE, SHAPE).parameters() if p.dim() == 4]
    assert torch.cat([w.flatten() for w in weights]).std().item() == pytest.approx(0.02, abs=0.0005)


@pytest.mark.parametrize(
    ("recipe", "shapes", "sentence"),
    [
        (cyclegan, (SHAPE,), "learns from two domains of images: give --data FOLDER with trainA and trainB"),
        (nicegan, ((2,), (2,)), "learns from two domains of images"),
        (cyclegan, (SHAPE, (1, 32, 32)), "3 channels and images of B 1, .* pass --identity 0 or --channels 3"),
        (cyclegan, (SHAPE, (3, 64, 64)), "domains of one size"),
        (cyclegan, ((3, 30, 30), (3, 30, 30)), "--size 32"),
        (ganilla, ((3, 40, 40), (3, 40, 40)), "multiples of 16, not .*: --size 32"),
        (nicegan, ((3, 8, 8), (3, 8, 8)), "--size 16"),
    ],
)
def test_data_that_does_not_fit_is_refused_in_one_sentence(recipe, shapes, sentence):
    with pytest.raises(DataError, match=sentence):
        recipe(*shapes)


def test_domains_may_differ_in_channels_without_identity():
    game = cyclegan((1, 32, 32), SHAPE, width=4, blocks=1, identity=0.0)
    data = ((a[:, :1], b) for a, b in batches())
    check_game(game, data)
    assert game.translate(torch.zeros(1, 1, 32, 32), "B").shape == (1, *SHAPE)
    game = nicegan((1, 32, 32), SHAPE, width=4, blocks=1)
    check_game(game, ((a[:, :1], b) for a, b in batches()))


# broken twins


def shifted_domains(n=8):
    """Two domains of which the truth is known: B is A with its colours exchanged."""
    generator = torch.Generator().manual_seed(1)
    while True:
        coarse = torch.where(torch.rand(2, n, 1, 4, 4, generator=generator) < 0.5, -0.5, 0.5)
        a, b = coarse.repeat_interleave(4, 3).repeat_interleave(4, 4)
        yield a, 0.3 - b


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "returns"), [({}, True), ({"cycle": (0.0, 0.0)}, False)])
def test_without_its_term_a_cycle_does_not_close(settings, returns):
    torch.manual_seed(0)
    game = cyclegan((1, 16, 16), (1, 16, 16), width=4, blocks=1, identity=0.0, **settings)
    for _ in train(game, shifted_domains(), 120, players={k: adam_of(game, k) for k in "DG"}):
        continue
    a, _ = next(shifted_domains())
    error = (game.translate(game.translate(a, "B"), "A") - a).abs().mean().item()
    assert (error < 0.2) == returns, error


def adam_of(game, player):
    networks = (game.D_A, game.D_B) if player == "D" else (game.G_AB, game.G_BA)
    return adam(*networks, lr=2e-3)
