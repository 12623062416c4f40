"""BigGAN: orthogonal regularisation, truncation, standing statistics, hierarchical noise, spectral norms."""

import pytest
import torch

from sparring.check import check_game
from sparring.games.common.truncation import truncated
from sparring.objectives.penalties import orthogonal_penalty
from sparring.recipes.options import AdamOverrides
from support.biggan import CLASSES, SHAPE, small


def labelled(classes=CLASSES, n=4):
    generator = torch.Generator().manual_seed(0)
    while True:
        x = torch.randn(n, *SHAPE, generator=generator).clamp(-1, 1)
        yield (x, torch.randint(classes, (n,), generator=generator)) if classes else (x,)


# --- the game


@pytest.mark.parametrize("classes", [CLASSES, None])
def test_the_game_keeps_the_rules_with_and_without_classes(classes):
    seen = check_game(small(classes), labelled(classes))
    assert seen.turns == (("D",),) * 4 + (("G",),)
    assert seen.terms == {"D": ("adversarial",), "G": ("adversarial", "orthogonal")}


def test_the_generators_move_includes_the_weighted_penalty_of_its_filters():
    game = small(orthogonal=0.25, critic_steps=1)
    *_, move = game.round(labelled(), 0)
    assert move.terms["orthogonal"].item() == pytest.approx(0.25 * orthogonal_penalty(game.G.filters()).item())
    assert move.terms["orthogonal"] > 0
    *_, move = small(orthogonal=0.0, critic_steps=1).round(labelled(), 0)
    assert set(move.terms) == {"adversarial"}


def test_the_settings_are_the_cifar_scripts_up_to_32_pixels_and_the_papers_above():
    for side, rates, steps in ((32, {"D": 2e-4, "G": 2e-4}, 4), (64, {"D": 2e-4, "G": 5e-5}, 2)):
        game = small(shape=(3, side, side))
        groups = {name: player.param_groups[0] for name, player in game.players().items()}
        assert {name: group["lr"] for name, group in groups.items()} == rates
        assert {group["betas"] for group in groups.values()} == {(0.0, 0.999)}
        assert game.critic_steps == steps
        assert game.orthogonal == 1e-4
    configured = small(critic=AdamOverrides(1e-3), generator=AdamOverrides(3e-3, (0.5, 0.9)), critic_steps=2)
    groups = {name: player.param_groups[0] for name, player in configured.players().items()}
    assert (groups["D"]["lr"], groups["G"]["lr"], groups["G"]["betas"]) == (1e-3, 3e-3, (0.5, 0.9))
    assert configured.critic_steps == 2


def test_sampling_truncates_z_and_leaves_the_class_alone():
    game, rows = small().eval(), small().noise(4)
    fitting = torch.cat([truncated(rows[:, :8], 0.5), rows[:, 8:]], 1)
    assert torch.equal(game.sample(4, noise=rows, truncation=0.5), game.sample(4, noise=fitting))
    assert not torch.equal(game.sample(4, noise=rows, truncation=0.5), game.sample(4, noise=rows))
