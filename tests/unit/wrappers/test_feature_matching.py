"""Feature matching: the distance of the means, its gradient and its batch."""

import pytest
import torch

from sparring.games.gan import GAN
from sparring.objectives import NonSaturating
from sparring.training.trainer import train
from sparring.wrappers.feature_matching import FeatureMatching, absolute, squared
from support.toys import LinearCritic, Point, batches, learn
from support.wrappers import generators_move


class Seeing(LinearCritic):
    """A linear critic whose features are its samples and their products."""

    def features(self, x):
        return torch.cat([x, x.prod(1, keepdim=True)], 1)


# Feature matching.


def matching(start, distance=squared, **settings):
    G = Point(start, spread=0.0)
    return FeatureMatching(GAN(G, Seeing((0.3, -0.2)), NonSaturating(), **learn), distance, **settings)


def constant(value, n=8):
    while True:
        yield (torch.full((n, 2), value),)


def test_matching_is_the_distance_of_the_means():
    move = generators_move(matching(2.0, weight=0.5), constant(3.0))
    assert list(move.terms) == ["matching"]
    assert move.loss.item() == pytest.approx(0.5 * (1 + 1 + 25), rel=1e-6)
    assert generators_move(matching(2.0, absolute), constant(3.0)).loss.item() == pytest.approx(7 / 3, rel=1e-6)


def test_matching_is_zero_exactly_where_the_means_agree():
    assert generators_move(matching(3.0), constant(3.0)).loss.item() == 0.0
    assert generators_move(matching(3.01), constant(3.0)).loss.item() > 0.0
    mixed = iter([(torch.zeros(2, 2),), (torch.tensor([[3.0, 3.0], [1.0, 3.0]]),)])
    agree = matching(0.0)
    agree.G.b.data = torch.tensor([2.0, 3.0])
    assert generators_move(agree, mixed).loss.item() == 0.0, "only means count"


def test_the_gradient_flows_through_the_fake_mean_alone():
    game = matching(2.0)
    move = generators_move(game, constant(3.0))
    move.loss.backward()
    # d/db [ 2 (b − 3)² + (b² − 9)² ] per coordinate: 2 (b₁ − 3) + 2 (b₁b₂ − 9) b₂
    assert game.G.b.grad.tolist() == pytest.approx([2 * (2 - 3) + 2 * (4 - 9) * 2] * 2, rel=1e-6)
    assert game.D.w.grad is None


def test_the_reals_of_matching_are_a_batch_of_their_own():
    data = iter([(torch.full((8, 2), 100.0),), (torch.full((8, 2), 2.0),)])
    assert generators_move(matching(2.0), data).loss.item() == 0.0


@pytest.mark.parametrize("keep", [True, False])
def test_matching_replaces_or_joins_the_generators_terms_and_leaves_the_critics(keep):
    plain = [
        move.terms
        for move in GAN(Point(2.0, spread=0.0), Seeing((0.3, -0.2)), NonSaturating(), **learn).round(constant(3.0), 0)
    ]
    D, G = (move.terms for move in matching(2.0, keep=keep).round(constant(3.0), 0))
    assert plain[0] == D
    assert list(G) == (["adversarial"] if keep else []) + ["matching"]
    assert not keep or G["adversarial"] == plain[1]["adversarial"]


def test_matching_moves_the_generator_onto_the_mean():
    game = matching(0.0)
    for _ in train(game, batches(3.0), 150):
        pass
    assert (game.G.b - 3.0).abs().max() < 0.1
