"""The rules by which settings follow the data and the length of a training, by literal numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparring.recipes.sizing import RULES, Choice, Situation, annealed_share, as_markdown, derive, most_parameters

CLOTHES = Situation((3, 64, 64), 3000, 64, images=200_000)
RATES = {f"arguments.{who}.{what}": None for who in ("critic", "generator") for what in ("lr", "betas")}
NETWORKS = {"arguments.networks.network": None, "arguments.networks.width": None, **RATES}
COMMON = {"batch_size": 64, "ema_decay": 0.999, "techniques.augment": "none", "techniques.augment_images": 500_000}
STYLE = dict.fromkeys(f"arguments.{name}" for name in ("penalty", "path", "mixing", "mapping", "residual", "group"))
R3 = {"arguments.penalty": None, "arguments.burn_in": None}


def chosen(recipe, settings, situation, given=(), parameters=lambda values: 0):
    """The values that `derive` chooses, by path."""
    found = derive(recipe, {**COMMON, **settings}, given, situation, parameters)
    assert all(isinstance(choice, Choice) and choice.reason for choice in found.values())
    return {path: choice.value for path, choice in found.items()}


def at(side, images=None, rows=3000, batch=64):
    return Situation((3, side, side), rows, batch, images=images)


def test_short_trainings_of_logistic_games_take_the_measured_settings():
    assert chosen("rsgan", NETWORKS, CLOTHES) == {
        "batch_size": 32,
        "arguments.networks.network": "dcgan",
        "arguments.networks.width": 32,
        "arguments.critic.lr": 1e-3,
        "arguments.critic.betas": [0.0, 0.99],
        "arguments.generator.lr": 1e-3,
        "arguments.generator.betas": [0.0, 0.99],
        "techniques.augment": "diff",
        "ema_decay": pytest.approx(0.5 ** (32 / 10_000), abs=1e-6),
    }


@pytest.mark.parametrize(
    "situation",
    [at(64), at(64, 1_000_000), at(16, 200_000), Situation((2,), 3000, 256, images=200_000)],
    ids=["unknown length", "the paper's scale", "toys", "points"],
)
def test_other_trainings_keep_the_settings_of_the_paper(situation):
    assert set(chosen("dcgan", NETWORKS, situation)) <= {"ema_decay"}


def test_dcgan_keeps_the_rates_of_its_paper_in_short_trainings():
    found = chosen("dcgan", NETWORKS, CLOTHES)
    assert set(found) == {
        "batch_size",
        "arguments.networks.network",
        "arguments.networks.width",
        "techniques.augment",
        "ema_decay",
    }


def test_what_is_given_is_never_chosen_nor_what_belongs_to_it():
    given = {"arguments.critic.lr", "arguments.networks.width", "techniques.r1"}
    assert set(chosen("rsgan", NETWORKS, CLOTHES, given)) == {"batch_size", "ema_decay"}
    assert (
        chosen("rsgan", NETWORKS, CLOTHES, {"batch_size", "ema_decay"}).keys().isdisjoint({"batch_size", "ema_decay"})
    )


def test_few_passes_over_the_data_are_not_augmented():
    def augmented(rows):
        found = chosen("rsgan", NETWORKS, at(64, 200_000, rows=rows))
        return "techniques.augment" in found

    assert augmented(40_000)
    assert not augmented(40_001)


def test_r1_of_stylegan2_follows_pixels_and_batch_above_32():
    assert "arguments.penalty" not in chosen("stylegan2", STYLE, at(32, 100_000))
    assert chosen("stylegan2", STYLE, at(64, 100_000))["arguments.penalty"] == pytest.approx(0.0128)
    assert chosen("stylegan2", STYLE, at(256, batch=32))["arguments.penalty"] == pytest.approx(0.41)
    wide = Situation((3, 64, 86), 3000, 64)
    assert chosen("stylegan2", STYLE, wide)["arguments.penalty"] == pytest.approx(0.0172)


def test_path_mixing_and_mapping_of_stylegan2_wait_for_long_trainings():
    short, long, longest = (
        chosen("stylegan2", STYLE, at(256, images)) for images in (4_999_999, 5_000_000, 25_000_000)
    )
    assert {"arguments.path", "arguments.mixing", "arguments.mapping"}.isdisjoint(short)
    assert (long["arguments.path"], long["arguments.mixing"]) == (2.0, 0.9)
    assert "arguments.mapping" not in long
    assert longest["arguments.mapping"] == 8


@pytest.mark.parametrize(
    ("side", "gammas"),
    [(16, [0.0125, 0.00125]), (64, [2.0, 0.2]), (128, [17.3, 1.73]), (256, [150.0, 15.0]), (45.2548, [0.316, 0.0316])],
)
def test_gammas_of_r3gan_pass_through_the_published_pairs(side, gammas):
    shape = (3, 32, 64) if side < 46 and side > 45 else (3, side, side)
    found = chosen("r3gan", R3, Situation(shape, 3000, 64))
    assert found["arguments.penalty"] == pytest.approx(gammas, rel=5e-3)


def test_gammas_of_r3gan_stay_as_published_at_32():
    assert "arguments.penalty" not in chosen("r3gan", R3, at(32))


def test_the_burn_in_of_r3gan_ends_within_the_training():
    assert chosen("r3gan", R3, at(32, 640_000))["arguments.burn_in"] == 4000
    assert chosen("r3gan", R3, at(32, 10**9, batch=512))["arguments.burn_in"] == 39_062


def test_averages_forget_within_a_twentieth_of_the_training():
    assert chosen("sagan", {}, at(32, 64_000))["ema_decay"] == pytest.approx(0.5 ** (64 / 3200), abs=1e-6)
    assert chosen("sagan", {}, at(32, 10**7))["ema_decay"] == pytest.approx(0.5 ** (64 / 20_000), abs=1e-6)
    twice = Situation((3, 32, 32), 3000, 64, draws=2, steps=500)
    assert twice.seen == 64_000
    assert chosen("sagan", {}, twice)["ema_decay"] == pytest.approx(0.5 ** (128 / 3200), abs=1e-6)


def test_adaptive_augmentation_reaches_most_of_its_strength_in_a_tenth_of_the_training():
    adaptive, given = {"techniques.augment": "adaptive"}, {"techniques.augment"}
    images = chosen("stylegan2", adaptive, at(64, 80_000), given)["techniques.augment_images"]
    assert images == 10_000
    assert 0.8 * images == 80_000 / 10
    assert chosen("stylegan2", adaptive, at(64, 10**8), given)["techniques.augment_images"] == 500_000
    assert "techniques.augment_images" not in chosen("stylegan2", {}, at(64, 80_000))


def test_parameters_do_not_outgrow_the_data_nor_the_training():
    assert most_parameters(at(16, rows=1797)) == 1797 * 3 * 256
    assert most_parameters(at(16, rows=100)) == 1_000_000
    assert most_parameters(at(64, 200_000)) == 200 * 3 * 4096
    assert most_parameters(at(64, 10**9)) == 3000 * 3 * 4096


def test_networks_are_narrowed_until_they_fit():
    def parameters(values, scale=40):
        width = values.get("arguments.width", 600)
        return None if width == 64 else scale * width**2

    free = {"arguments.width": None, "arguments.latent": 512}
    found = chosen("stylegan2", free, at(16, rows=1797), parameters=parameters)
    assert found == {"arguments.width": 128, "arguments.latent": 512}
    narrow = chosen("stylegan2", free, at(16, rows=300), parameters=lambda values: parameters(values, 3000))
    assert narrow == {"arguments.width": 16, "arguments.latent": 256}
    assert chosen("stylegan2", free, at(16), {"arguments.width"}, parameters) == {}
    assert chosen("r3gan", {"arguments.width": None}, at(16, rows=50_000), parameters=parameters) == {}


def test_rules_name_recipes_that_have_their_settings():
    from inspect import signature

    from sparring import recipe

    for rule in RULES:
        for name in rule.recipes:
            for path in rule.settings:
                top = path.split(".")[1] if path.startswith("arguments.") else None
                assert top is None or top in signature(recipe(name)).parameters, (name, path)


def test_rates_fall_at_the_end_where_no_schedule_of_the_recipe_does():
    assert annealed_share("rsgan", (3, 64, 64)).value == 0.25
    assert annealed_share("sngan", (3, 64, 64)) is None
    assert annealed_share("rsgan", (3, 16, 16)) is None
    assert annealed_share("rsgan", (2,)) is None
    assert annealed_share("cyclegan", (3, 64, 64)) is None


def test_the_documentation_shows_the_rules():
    page = Path(__file__).parents[3] / "docs/how-to/settings.md"
    assert as_markdown() in page.read_text(), "write the table again: sparring.recipes.sizing.as_markdown()"
    assert as_markdown().count("\n") == len(RULES) + 3
