"""The image pool of two-domain games, and what they share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sparring.abilities import SupportsAttention, SupportsSampling, SupportsTranslation
from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.games.common.two_domain import ImagePool
from sparring.games.cyclegan import CycleGAN
from sparring.inference.sampling import latents_from_seeds
from sparring.recipes.cyclegan_nicegan import cyclegan, ganilla, nicegan
from sparring.recipes.techniques import Techniques, apply_techniques
from sparring.rng import turn_rng
from sparring.schedules import linear_after
from support.translators import RECIPES, SHAPE, Shifted, batches, constant, learn, moves, near, small, stubbed


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


@pytest.mark.parametrize(
    ("recipe", "shapes", "sentence"),
    [
        (cyclegan, (SHAPE,), "learns from two domains of images: give --data FOLDER with trainA and trainB"),
        (nicegan, ((2,), (2,)), "learns from two domains of images"),
        (cyclegan, (SHAPE, (1, 32, 32)), "3 channels and images of B 1, .* pass --identity 0 or --channels 3"),
        (cyclegan, (SHAPE, (3, 64, 64)), "domains of one size"),
        (cyclegan, ((3, 7, 30), (3, 7, 30)), "--size 8x30"),
        (ganilla, ((3, 30, 40), (3, 30, 40)), "32 to 1024 pixels, not .*: pass --size 32x40"),
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
