"""Abilities: protocols that games have by their methods, and functions that require them."""

import pytest
import torch

from sparring import abilities
from sparring.abilities import ABILITIES, has_classes, methods
from sparring.errors import GameError
from sparring.game import Game
from sparring.recipes import recipe
from sparring.wrappers.instance_noise import InstanceNoise
from support.runs import tiny

IMAGES = (3, 16, 16)


class Idle(Game):
    def players(self):
        return {}

    def round(self, data, step):
        yield from ()


def small(name, shape=IMAGES, **facts):
    settings = {key: value for key, value in tiny(name).items() if isinstance(value, int)}
    return recipe(name)(shape, **facts, **settings)


def test_every_protocol_is_listed_once():
    protocols = [value for name, value in vars(abilities).items() if name.startswith("Supports")]
    assert list(ABILITIES) == protocols
    assert all(methods(ability) for ability in ABILITIES)
    named = [name for ability in ABILITIES for name in methods(ability)]
    assert len(named) == len(set(named)), "a method belongs to one ability"


def test_methods_are_those_of_the_protocol():
    assert methods(abilities.SupportsLabelMaps) == ("styles", "encode_style", "paint")


@pytest.mark.parametrize(
    ("require", "message"),
    [
        ("require_sampling", "Idle cannot sample: give it the methods"),
        ("require_latent_codes", "Idle has no codes: train infogan, or cgan"),
        ("require_text", "Idle draws no sentences: train stackgan"),
        ("require_encoding", "Idle cannot encode: train vae, vae-gan, bigan or latent-regressor, or fit an encoder"),
        ("require_translation", "Idle cannot translate: train cyclegan, ganilla, nicegan or pix2pix"),
        ("require_attention", "Idle has no attention to show: train nicegan"),
        ("require_label_maps", "Idle cannot paint label maps: train gaugan"),
        ("require_single_image", "Idle learned from no single photograph"),
    ],
)
def test_a_game_without_an_ability_is_refused_with_the_remedy(require, message):
    with pytest.raises(GameError, match=message):
        getattr(abilities, require)(Idle())


def test_games_that_draw_no_samples_are_refused_with_the_command_to_use():
    with pytest.raises(GameError, match="CycleGAN draws no samples, it translates images: see `sparring translate`"):
        abilities.require_sampling(small("cyclegan", (3, 32, 32), other=(3, 32, 32)))
    with pytest.raises(GameError, match="GauGAN draws no samples, it paints label maps: see `sparring paint`"):
        abilities.require_sampling(small("gaugan", (3, 32, 32), regions=2))


def test_a_code_is_required_by_its_name():
    game = recipe("infogan")((2,))
    assert abilities.require_latent_code(game, "continuous0") is game
    with pytest.raises(GameError, match="InfoGAN draws no classes: train cgan, sagan or biggan"):
        abilities.require_latent_code(game, "class")
    with pytest.raises(GameError, match="InfoGAN has no code 'hue': it has category0, continuous0"):
        abilities.require_latent_code(game, "hue")


def test_encoding_needs_samples_too():
    class Mute(Idle):
        def encode(self, x):
            return x

    with pytest.raises(GameError, match="Mute cannot encode"):
        abilities.require_encoding(Mute())


def test_classes_are_those_of_the_data():
    assert has_classes(recipe("cgan")((2,), classes=3))
    assert not has_classes(recipe("sagan")((1, 8, 8), None, latent=4, width=4))
    assert not has_classes(recipe("nsgan")((2,)))


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("cgan", {"classes": 3}),
        ("infogan", {}),
        ("pix2pix", {"other": IMAGES, "paired": True}),
        ("latent-regressor", {}),
    ],
)
def test_a_wrapper_passes_on_every_method_of_every_ability(name, facts):
    game = small(name, **facts)
    wrapped = InstanceNoise(game, 0.1, 10)
    for ability in ABILITIES:
        for method in methods(ability):
            assert hasattr(game, method) == (method in vars(wrapped)), method


def test_the_game_of_one_photograph_is_found_inside_its_wrappers():
    game = small("singan", (3, 24, 24))
    assert abilities.require_single_image(InstanceNoise(game, 0.1, 10)) is game
    assert game.photograph is game.image
    assert game.scales_begun == 0
    torch.testing.assert_close(game.scaled(torch.ones(1, 3, 6, 6), (4, 5)), torch.ones(1, 3, 4, 5))
