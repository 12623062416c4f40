"""Latent codes: bounds on information, draws, replacement and values to show."""

import math

import pytest
import torch

from sparring.errors import GameError
from sparring.games.common.latent_codes import LatentCodes

# --- the bound


def coded(codes, n=4000):
    torch.manual_seed(0)
    return codes.sample(n, torch.device("cpu")).double()


def test_the_bound_of_a_category_is_from_nothing_to_its_entropy():
    codes = LatentCodes((10,), 0)
    c = coded(codes)
    assert codes.bounds(torch.zeros_like(c), c)["category0"].item() == pytest.approx(0, abs=1e-12)
    assert codes.bounds(1e3 * c, c)["category0"].item() == pytest.approx(math.log(10))
    assert codes.bounds(-c, c)["category0"] < 0, "a reader that is wrong knows less than nothing"


def test_the_bound_of_a_category_is_in_nats():
    codes = LatentCodes((3,), 0)
    c = torch.eye(3, dtype=torch.float64)[[0, 1]]
    answers = torch.tensor([[1.0, 0.0, 0.0], [2.0, 0.5, 0.0]], dtype=torch.float64)
    right = [1 - math.log(math.e + 2), 0.5 - math.log(math.exp(2) + math.exp(0.5) + 1)]
    assert codes.bounds(answers, c)["category0"].item() == pytest.approx(math.log(3) + sum(right) / 2)


@pytest.mark.parametrize(("deviation", "bound"), [(0.1, 2.0768), (1.0, -0.2258)])
def test_the_bound_of_a_continuous_code_has_the_entropy_of_the_uniform_distribution(deviation, bound):
    codes = LatentCodes((), 1)
    c = coded(codes)
    answers = torch.cat([c, torch.full_like(c, 2 * math.log(deviation))], 1)
    assert codes.bounds(answers, c)["continuous0"].item() == pytest.approx(bound, abs=1e-4)


def test_a_mistaken_mean_costs_its_square():
    codes = LatentCodes((), 1)
    c = torch.tensor([[0.2], [-0.6]], dtype=torch.float64)
    means, spreads = torch.tensor([[0.5], [-0.6]]), torch.tensor([[math.log(0.25)], [math.log(4)]])
    likely = [-math.log(math.sqrt(2 * math.pi) * s) - e**2 / (2 * s**2) for s, e in ((0.5, 0.3), (2.0, 0.0))]
    found = codes.bounds(torch.cat([means, spreads], 1).double(), c)["continuous0"]
    assert found.item() == pytest.approx(math.log(2) + sum(likely) / 2, abs=1e-6)


def test_no_reader_of_what_is_blurred_exceeds_the_information_that_is_left():
    """c + N(0, s²) with U[−1, 1]: the information is h(c + noise) − h(noise), by quadrature; the best Q is below it."""
    s, codes = 0.2, LatentCodes((), 1)
    y = torch.linspace(-3, 3, 20001, dtype=torch.float64)
    density = (torch.special.ndtr((y + 1) / s) - torch.special.ndtr((y - 1) / s)) / 2
    truth = -torch.trapezoid(torch.xlogy(density, density), y).item() - 0.5 * math.log(2 * math.pi * math.e * s * s)
    c = coded(codes, 100_000)
    seen = c + s * torch.randn(c.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    reached = [
        codes.bounds(torch.cat([shrink * seen, torch.full_like(c, 2 * math.log(d))], 1), c)["continuous0"].item()
        for shrink in (0.8, 0.9, 0.95, 1.0)
        for d in (0.15, 0.2, 0.3)
    ]
    assert truth - 0.15 < max(reached) < truth, "a normal Q is not quite the best one"


def test_a_variance_is_kept_within_bounds():
    codes = LatentCodes((), 1)
    c = coded(codes, 8)
    for spread, kept in ((-50.0, -6.0), (50.0, 3.0)):
        answers = torch.cat([c, torch.full_like(c, spread)], 1)
        likely = math.log(2) - (kept + math.log(2 * math.pi)) / 2
        assert codes.bounds(answers, c)["continuous0"].item() == pytest.approx(likely)


def test_terms_are_the_weighted_sums_of_the_bounds_of_their_kind_and_negative_where_something_is_known():
    codes = LatentCodes((3, 4), 2)
    c = coded(codes, 16)
    answers = torch.randn(16, codes.num_outputs, dtype=torch.float64)
    bounds = codes.bounds(answers, c)
    assert list(bounds) == ["category0", "category1", "continuous0", "continuous1"]
    terms = codes.terms(answers, c, 2.0, 0.5)
    assert terms["categorical"].item() == pytest.approx(-2 * (bounds["category0"] + bounds["category1"]).item())
    assert terms["continuous"].item() == pytest.approx(-0.5 * (bounds["continuous0"] + bounds["continuous1"]).item())
    assert set(LatentCodes((3,), 0).terms(torch.zeros(2, 3), torch.eye(3)[:2], 1, 1)) == {"categorical"}
    assert set(LatentCodes((), 1).terms(torch.zeros(2, 2), torch.zeros(2, 1), 1, 1)) == {"continuous"}
    perfect = torch.cat([1e3 * c[:, :7], c[:, 7:], torch.full((16, 2), -4.6, dtype=torch.float64)], 1)
    assert all(term < -1 for term in codes.terms(perfect, c, 1, 1).values())


# --- the codes


def test_codes_are_uniform_and_independent():
    codes = LatentCodes((4, 3), 2)
    c = coded(codes, 20_000)
    assert c.shape == (20_000, 9)
    assert (c[:, :4].sum(1) == 1).all()
    assert (c[:, 4:7].sum(1) == 1).all()
    assert (c[:, :4].mean(0) - 1 / 4).abs().max() < 0.015
    assert (c[:, 4:7].mean(0) - 1 / 3).abs().max() < 0.015
    assert c[:, 7:].abs().max() <= 1
    assert (c[:, 7:].var(0) - 1 / 3).abs().max() < 0.01
    related = torch.corrcoef(c[:, [0, 4, 7, 8]].T) - torch.eye(4)
    assert related.abs().max() < 0.03


def test_one_code_is_replaced_and_everything_else_stays():
    codes = LatentCodes((4, 3), 2)
    c = coded(codes, 5)
    other = codes.replaced(c, "category1", 2)
    assert torch.equal(other[:, 4:7], torch.eye(3)[[2]].expand(5, 3).double())
    assert torch.equal(other[:, [0, 1, 2, 3, 7, 8]], c[:, [0, 1, 2, 3, 7, 8]])
    other = codes.replaced(c, "continuous1", -1.5)
    assert torch.equal(other[:, :8], c[:, :8])
    assert (other[:, 8] == -1.5).all()
    with pytest.raises(GameError, match="category1, continuous0"):
        codes.replaced(c, "colour", 0)
    for value in (3, -1, 0.5):
        with pytest.raises(GameError, match="0 to 2"):
            codes.replaced(c, "category1", value)


def test_values_worth_seeing_are_all_of_a_category_and_the_whole_range_of_the_others():
    values = LatentCodes((3,), 1).values()
    assert values["category0"] == (0, 1, 2)
    assert values["continuous0"] == pytest.approx([-1 + 2 * i / 9 for i in range(10)])


def test_weights_of_a_category_add_up_to_one():
    told = LatentCodes((2,), 1).normalised(torch.tensor([[1.0, 3.0, 5.0], [0.0, 2.0, -1.0]]))
    assert told.tolist() == [[0.25, 0.75, 5.0], [0.0, 1.0, -1.0]]


@pytest.mark.parametrize("wrong", [((), 0), ((1,), 2), ((10,), -1)])
def test_codes_without_information_are_refused(wrong):
    with pytest.raises(GameError, match="--categories 10"):
        LatentCodes(*wrong)
