"""Every recipe: its game keeps the rules, on points and on images, and its settings are the paper's."""

from inspect import signature

import pytest
import torch
from torch import nn

from sparring.abilities import (
    SupportsAttention,
    SupportsEncoding,
    SupportsLabelMaps,
    SupportsPosteriors,
    SupportsSampling,
    SupportsTranslation,
)
from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.games.common.pyramid_game import SingleImageGame
from sparring.games.common.two_domain import TwoDomainGame
from sparring.games.gan import GAN
from sparring.layers.resampling import GlobalMean, GlobalSum
from sparring.objectives.f_divergences import DIVERGENCES
from sparring.recipes import RECIPES, recipe
from sparring.recipes.options import Networks
from support.recipe_cases import CASES, IMAGES, POINTS, SAID, batches, known, small

SMALL = Networks(latent=6, width=8)


OWN_ROUNDS = ("lapgan", "madgan", "stylegan2", "vae", "vae-gan", "bigan", "latent-regressor")  # more players or moves


OWN_ROUNDS += ("singan",)  # two players a scale


OWN_ROUNDS += ("cyclegan", "ganilla", "gaugan")  # G moves first


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_every_recipe_keeps_the_rules(name, shape):
    facts, conditions = known(name)
    data = ((x, *conditions) for (x,) in batches(shape))
    game = small(name, shape, **facts)
    seen = check_game(game, data)
    assert seen.notes == ()
    moves = getattr(game, "critic_steps", 1), getattr(game, "generator_steps", 1)
    if name not in OWN_ROUNDS:
        assert seen.turns == (("D",),) * moves[0] + (("G",),) * moves[1]
    assert {player for who in seen.owners.values() for player in who} == set(game.players())
    if isinstance(game, SupportsLabelMaps):
        assert game.paint(torch.zeros(3, 16, 16, dtype=torch.long), game.styles(3)).shape == (3, *shape)
    elif isinstance(game, SupportsTranslation):
        assert game.translate(torch.zeros(3, *shape), "B").shape == (3, *shape)
    else:
        assert game.sample(3).shape == (3, *shape)
    assert all(isinstance(game.get_submodule(path), nn.Module) for path in game.critic_networks())
    assert game.critic_networks() or name == "vae", "training techniques act on the networks that see samples"


def answers(game, shape):
    """Returns what a game says when it is asked, by the name of the question; for every ability that it has."""
    x, said = torch.zeros(2, *shape), {}
    if isinstance(game, SupportsSampling):
        said["sample"] = game.sample(2)
        said["sample from noise"] = game.sample(2, noise=game.noise(2))
    if isinstance(game, SupportsEncoding):
        said["encode"] = game.encode(x)
    if isinstance(game, SupportsPosteriors):
        said |= {f"posterior of {code}": value for code, value in game.posteriors(x).items()}
    if isinstance(game, SupportsLabelMaps):
        said["encode_style"] = game.encode_style(x)
        said["paint"] = game.paint(torch.zeros(2, *shape[1:], dtype=torch.long), game.styles(2))
    if isinstance(game, SupportsTranslation):
        said["translate to B"] = game.translate(x, "B")
    if isinstance(game, TwoDomainGame):
        said["translate to A"] = game.translate(x, "A")
    if isinstance(game, SupportsAttention):
        said |= {f"heat in {domain}": game.attention_map(x, domain) for domain in ("A", "B")}
    if isinstance(game, SingleImageGame):
        said["reconstructed"] = game.reconstruct(0)
    return said


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_what_a_game_returns_to_users_has_no_graph(name, shape):
    facts, _ = known(name)
    game = small(name, shape, **facts)
    said = answers(game, shape)
    assert said
    assert not {question for question, value in said.items() if value.requires_grad}


LABELLED = [name for name in RECIPES if "classes" in signature(recipe(name)).parameters]


@pytest.mark.parametrize("name", LABELLED)
def test_recipes_that_can_use_labels_keep_the_rules_with_them(name):
    data = ((x, torch.arange(4) % 3) for (x,) in batches(IMAGES))
    game = small(name, IMAGES, classes=3)
    check_game(game, data)
    assert game.sample(3).shape == (3, *IMAGES)


@pytest.mark.parametrize("divergence", [*DIVERGENCES, "weighted-jensen-shannon", "alpha"])
@pytest.mark.parametrize("alternative", [True, False])
def test_every_f_gan_keeps_the_rules(divergence, alternative):
    torch.manual_seed(0)
    game = recipe("fgan")(POINTS, divergence=divergence, alternative=alternative, networks=SMALL)
    check_game(game, batches(POINTS))
    named = {"weighted-jensen-shannon": "jensen-shannon(0.3)", "alpha": "alpha(0.5)"}
    assert game.objective.divergence.name == named.get(divergence, divergence)


PAPER = {  # name: (D's learning rate, betas or None, moves of D)
    "mmgan": (2e-4, (0.5, 0.999), 1),
    "nsgan": (2e-4, (0.5, 0.999), 1),
    "cgan": (2e-4, (0.5, 0.999), 1),
    "dcgan": (2e-4, (0.5, 0.999), 1),
    "fgan": (2e-4, (0.5, 0.999), 1),
    "lsgan": (2e-4, (0.5, 0.999), 1),
    "infogan": (2e-4, (0.5, 0.999), 1),
    "wgan": (5e-5, None, 5),
    "wgan-gp": (1e-4, (0.5, 0.9), 5),
    "hinge": (2e-4, (0.0, 0.9), 1),
    "sngan": (2e-4, (0.0, 0.9), 5),
    "rsgan": (2e-4, (0.5, 0.999), 1),
    "rasgan": (2e-4, (0.5, 0.999), 1),
    "ralsgan": (2e-4, (0.5, 0.999), 1),
    "rahinge": (2e-4, (0.5, 0.999), 1),
    "lapgan": (2e-4, (0.5, 0.999), 1),
    "ebgan": (2e-4, (0.5, 0.999), 1),
    "madgan": (2e-4, (0.5, 0.999), 1),
    "sagan": (4e-4, (0.0, 0.9), 1),
    "biggan": (2e-4, (0.0, 0.999), 4),
    "tsgan": (2e-4, (0.5, 0.999), 1),
    "twgan": (2e-4, (0.5, 0.999), 1),
    "tgan": (2e-4, (0.5, 0.999), 1),
    "singan": (5e-4, (0.5, 0.999), 3),
    "stylegan2": (2.5e-3 * 16 / 17, (0.0, 0.99 ** (16 / 17)), 1),  # R1 is paid at every 16th step only
    "realness": (2e-4, (0.5, 0.999), 1),
    "fastgan": (2e-4, (0.5, 0.999), 1),
    "r3gan": (2e-4, (0.0, 0.99), 1),
    "stackgan": (2e-4, (0.5, 0.999), 1),
    "pix2pix": (2e-4, (0.5, 0.999), 1),
    "gaugan": (1e-4, (0.0, 0.9), 1),  # G's
    "cyclegan": (2e-4, (0.5, 0.999), 1),
    "ganilla": (2e-4, (0.5, 0.999), 1),
    "nicegan": (1e-4, (0.5, 0.999), 1),
    "projected": (1e-3, (0.0, 0.99), 1),  # as measured in docs/explanation/measured/photographs.md; 2e-4 in the paper
    "vae": (1e-3, (0.9, 0.999), 1),  # of E and G; there is no D
    "vae-gan": (3e-4, None, 1),  # E's
    "bigan": (2e-4, (0.5, 0.999), 1),
    "latent-regressor": (2e-4, (0.5, 0.999), 1),
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_settings_are_the_papers(name):
    rate, betas, critic_steps = PAPER[name]
    game = small(name, (1, 32, 32), **known(name)[0])
    (group,) = next(iter(game.players().values())).param_groups
    assert group["lr"] == pytest.approx(rate)
    assert betas is None or group["betas"] == pytest.approx(betas)
    assert getattr(game, "critic_steps", 1) == critic_steps


@pytest.mark.parametrize(("name", "latent"), [("nsgan", 100), ("wgan-gp", 128), ("rsgan", 128), ("sngan", 128)])
def test_the_noise_is_the_papers(name, latent):
    assert recipe(name)((1, 8, 8), networks=Networks(width=8)).G.latent == latent
    assert recipe(name)((2,)).G.latent == 2, "the toys of ALI, PacGAN and WGAN-GP"
    assert recipe(name)((2,), networks=Networks(latent=5)).G.latent == 5


def test_the_paper_sizes():
    dcgan = recipe("dcgan")((3, 64, 64))
    assert sum(p.numel() for p in dcgan.G.parameters()) == 3_576_704
    assert recipe("wgan")((2,)).bound == 0.01
    assert recipe("wgan-gp")((1, 8, 8), networks=SMALL).penalty == 10
    assert recipe("wgan-gp")((2,)).penalty == 0.1


def test_critics_of_penalised_and_spectral_games_have_no_batch_norm():
    for name in ("wgan-gp", "hinge", "sngan", "rsgan"):
        game = recipe(name)(IMAGES, networks=SMALL)
        assert not any("BatchNorm" in type(module).__name__ for module in game.D.modules()), name


def test_a_penalised_critic_has_biases_and_mean_pooling():
    """Without either norm or bias a convolutional critic is homogeneous in the pixels: D(0) = 0."""
    D = recipe("wgan-gp")(IMAGES, networks=SMALL).D
    assert all(layer.bias is not None for layer in D.modules() if isinstance(layer, nn.Conv2d))
    D = recipe("dcgan")(IMAGES, networks=SMALL).D
    assert all(layer.bias is None for layer in D.modules() if isinstance(layer, nn.Conv2d))
    residual = Networks("resnet", latent=6, width=8)
    assert any(isinstance(layer, GlobalMean) for layer in recipe("wgan-gp")(IMAGES, networks=residual).D.modules())
    assert any(isinstance(layer, GlobalSum) for layer in recipe("hinge")(IMAGES, networks=residual).D.modules())


@pytest.mark.parametrize("network", ["toy", "mlp", "dcgan", "infogan", "cnn", "resnet"])
def test_every_kind_of_network_plays(network):
    game = recipe("nsgan")(IMAGES, networks=Networks(network, latent=6, width=8))
    assert check_game(game, batches(IMAGES)).turns == (("D",), ("G",))


def test_spectral_recipes_have_unit_norm_weights():
    for name in ("hinge", "sngan", "rsgan", "rahinge"):
        layers = [
            layer for layer in recipe(name)(IMAGES, networks=SMALL).D.modules() if hasattr(layer, "parametrizations")
        ]
        assert layers
        for layer in layers:
            weight = [layer.weight for _ in range(100)][-1]  # one power iteration each
            assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1.0, abs=0.02), name


def test_sngans_learning_rate_falls_linearly_to_zero():
    game = recipe("sngan")(IMAGES, networks=SMALL, decay=1000)
    assert [game.lr_scale(step) for step in (0, 250, 1000, 2000)] == [1.0, 0.75, 0.0, 0.0]


@pytest.mark.parametrize(
    ("name", "match"),
    [("wgangp", "did you mean 'wgan-gp'"), ("zzz", "sparring list"), ("nowhere:game", "cannot be imported")],
)
def test_an_unknown_recipe_is_refused_with_the_nearest_name(name, match):
    with pytest.raises(GameError, match=match):
        recipe(name)


def test_a_recipe_of_ones_own_is_found_by_module_and_function():
    assert recipe("sparring.recipes.gan:nsgan")((2,), networks=SMALL).__class__ is GAN


def test_image_networks_refuse_points_and_sizes_below_8():
    with pytest.raises(DataError, match="--network"):
        recipe("dcgan")((2,))
    with pytest.raises(DataError, match="--size 8x30"):
        recipe("nsgan")((3, 6, 30))


@pytest.mark.parametrize("name", [name for name, row in RECIPES.items() if "points" not in row.needs])
def test_a_recipe_of_images_refuses_points_in_a_sentence(name):
    facts = {"classes": 3, "captions": SAID, "other": POINTS, "paired": True, "regions": 3 * (name == "gaugan")}
    with pytest.raises(DataError, match=r"image|picture|photograph|--network mlp"):
        recipe(name)(POINTS, **{fact: facts[fact] for fact in facts.keys() & signature(recipe(name)).parameters.keys()})


def test_the_table_is_complete_and_sorted_by_year():
    assert set(PAPER) == set(RECIPES)
    assert [row.year for row in RECIPES.values()] == sorted(row.year for row in RECIPES.values())
