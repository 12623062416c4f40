"""Techniques by name: each can be put on recipes, keeps the rules, resumes bit for bit, and does something."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import get_args

import pytest
import torch

from sparring.abilities import SupportsSampling
from sparring.check import check_game
from sparring.errors import SparringError
from sparring.games.wgan import WGANGP
from sparring.recipes import recipe
from sparring.recipes.techniques import EXCLUSIVE, LIMITS, TABLE, Stage, Techniques, apply_techniques
from support import runs
from support.runs import IMAGES, POINTS, difference, play, start
from support.technique_cases import EITHER, PICTURES, SMALL, game

quick = pytest.fixture(autouse=True)(runs.quick)


TOGETHER = {"packing": 2, "instance_noise": 0.1, "r1": 1.0, "lecam": 0.3, "historical_averaging": 0.1, "ensemble": 2}


def batches(shape, n=8):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield (torch.randn(n, *shape, generator=generator).clamp(-1, 1),)


AROUND = [(technique, name) for technique in [*EITHER, "together"] for name in ("nsgan", "wgan-gp", "rasgan")]


AROUND.remove(("virtual_batch_norm", "wgan-gp"))  # whose toy networks have no batch norm


for technique in ("discrimination", "r1", "r2", "together"):  # WGAN-GP draws the slope of each sample's score towards 1
    AROUND.remove((technique, "wgan-gp"))


@pytest.mark.parametrize(("technique", "name"), AROUND)
def test_every_technique_keeps_the_rules_around_any_objective(technique, name):
    made = game({**EITHER, "together": TOGETHER}[technique], name)
    check_game(made, batches((2,)))
    assert isinstance(made, SupportsSampling)
    assert made.sample(5).shape == (5, 2)


@pytest.mark.parametrize("name", ["nsgan", "hinge"])
@pytest.mark.parametrize("technique", [*EITHER, *PICTURES])
def test_every_technique_keeps_the_rules_on_images(technique, name):
    made = game((EITHER | PICTURES)[technique], name, (1, 8, 8))
    check_game(made, batches((1, 8, 8)))
    assert made.sample(3).shape == (3, 1, 8, 8)


@pytest.mark.parametrize("technique", [*EITHER, *PICTURES, "together"])
def test_every_technique_resumes_bit_for_bit_and_changes_the_training(tmp_path, technique):
    techniques = {**EITHER, **PICTURES, "together": TOGETHER}[technique]
    kind = IMAGES if technique in PICTURES else POINTS
    straight = play(start(tmp_path / "straight", kind=kind, techniques=techniques), 5)
    play(start(tmp_path / "stopped", kind=kind, techniques=techniques), 3)
    resumed = start(tmp_path / "stopped", kind=kind, techniques=techniques)
    assert resumed.step == 3
    play(resumed, 5)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    plain = play(start(tmp_path / "plain", kind=kind), 5)
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("straight", "plain")]
    weights = [list(run.game.parameters()) for run in (straight, plain)]
    same = len(weights[0]) == len(weights[1]) and all(map(torch.equal, *weights))
    if technique != "adaptive":  # which begins with p = 0, see unit/wrappers/test_critic_term.py
        assert logs[0] != logs[1] or not same, "the technique did nothing"


TERMS = {
    "r1": "r1",
    "r2": "r2",
    "dragan": "dragan",
    "consistency": "cr",
    "balanced_consistency": "bcr",
    "latent_consistency": "zcr",
    "lecam": "lecam",
}


@pytest.mark.parametrize("technique", TERMS)
def test_a_name_is_that_technique_and_no_other(technique):
    seen = check_game(game({technique: 0.5, "lecam_start": 0}, shape=(1, 8, 8)), batches((1, 8, 8)))
    assert seen.terms["D"] == ("adversarial", TERMS[technique])


def test_without_techniques_the_game_is_the_recipes_own():
    assert type(apply_techniques(lambda shape: recipe("wgan-gp")(shape, networks=SMALL), (2,), Techniques())) is WGANGP


def test_noise_and_augmentation_reach_every_level_of_a_pyramid():
    make = lambda shape: recipe("lapgan")(shape, latent=4, units=8, width=4)  # noqa: E731
    made = apply_techniques(make, (1, 16, 16), Techniques(instance_noise=0.5, augment="diff"))
    check_game(made, batches((1, 16, 16)))
    seen = made.unwrapped.D
    assert [type(critic).__name__ for critic in seen] == ["TransformedCritic", "TransformedCritic"]
    noisy = made.unwrapped.score(1, torch.zeros(4, 1, 16, 16), torch.zeros(4, 1, 16, 16))
    assert noisy.std() > 0


def test_a_technique_that_the_game_has_already_is_refused():
    with pytest.raises(SparringError, match="'r1' already"):
        apply_techniques(lambda shape: recipe("r3gan")(shape, width=8), (2,), Techniques(r1=1.0))


def test_the_schedule_multiplies_the_pace():
    made = game({"schedule": "linear", "schedule_steps": 100}, "sngan")
    assert made.lr_scale(50) == pytest.approx(0.5 * made.game.lr_scale(50))
    cosine = game({"schedule": "cosine", "schedule_steps": 100})
    paces = [cosine.lr_scale(step) for step in range(0, 120, 20)]
    assert paces[0] == 1
    assert paces[-1] == 0
    assert all(later < earlier for earlier, later in pairwise(paces))


@pytest.mark.parametrize(
    ("techniques", "match"),
    [
        ({"unrolling": 1, "feature_matching": 1.0}, "choose one"),
        ({"r1": -1.0}, "r1 cannot be -1.0"),
        ({"packing": 0}, "packing cannot be 0"),
        ({"packing": 3}, "multiple of 3"),
        ({"augment": "diff"}, "images"),
        ({"virtual_batch_norm": 4}, "batch norm"),
        ({"virtual_batch_norm": 4, "minibatch": "deviation"}, "choose one"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(techniques, match):
    with pytest.raises(SparringError, match=match):
        check_game(game(techniques, "wgan-gp"), batches((2,)))


def test_the_table_is_in_the_order_of_the_stages_and_names_settings():
    names, stages = [row.name for row in TABLE], get_args(Stage)
    assert [stages.index(row.stage) for row in TABLE] == sorted(stages.index(row.stage) for row in TABLE)
    settings = {field.name for field in fields(Techniques)}
    assert {*names, *LIMITS, *(name for pair in EXCLUSIVE for name in pair)} <= settings
    others = {
        "instance_noise_steps",
        "augment_images",
        "penalty_every",
        "lecam_start",
        "unrolling_lr",
        "schedule_steps",
    }
    assert settings - set(names) == others, "a setting is a technique, or belongs to one"
