"""Errors of images whose truth is known: pairs, their references, and how many are compared."""

import numpy as np
import pytest
from torch import nn

from sparring.data import Dataset
from sparring.data.dataset import PairedDomain
from sparring.data.sources.domains import pair_domains
from sparring.evaluation.paired import pair_shortfall_notes
from sparring.evaluation.registry import get_metrics
from sparring.evaluation.translation import evaluate_translation
from sparring.games.pix2pix import Pix2Pix
from support.translations import Darker, Means


def partners(to, by):
    """A translator that subtracts a number, and pairs whose B is A less a half."""
    a = Dataset("a", np.random.default_rng(0).integers(100, 256, (24, 8, 8, 3), np.uint8))
    b = Dataset("b", (a.values - 64).astype(np.uint8))
    rows = pair_domains(a, PairedDomain(b, True))
    game = Pix2Pix(Darker(by), nn.Linear(1, 1), critic=None, generator=None, to=to)
    return game, rows


def test_translations_of_pairs_are_compared_with_their_partners():
    settings = {"metrics": get_metrics(["frechet"]), "extractor": Means(), "samples": 12}
    for to, by in (("B", 64 / 127.5), ("A", -64 / 127.5)):
        found = evaluate_translation(*partners(to, by), **settings)
        assert [score.name for score in found.scores] == [
            f"to {to}: Fréchet distance",
            f"to {to}: error to the partner",
        ]
        assert found.scores[1].value == pytest.approx(0, abs=1e-5)
        values = {name: column[1].value for name, column in found.references.items()}
        assert values["left alone"] == pytest.approx(64 / 127.5, abs=1e-5)
        assert values["another's"] > 0.2
        assert values["noise"] > 0.2
    wrong = evaluate_translation(*partners("B", 0.0), **settings | {"references": False})
    assert wrong.scores[1].value == pytest.approx(64 / 127.5, abs=1e-5)
    assert not wrong.references


@pytest.mark.parametrize(("held", "reason"), [(None, "there are 7 pairs."), (range(3), "there are 3 held-out pairs.")])
def test_fewer_pairs_than_requested_are_reported(held, reason):
    rows = range(7)
    most = len(held or rows)
    assert pair_shortfall_notes(rows, held, 9) == (f"9 images were requested and {most} are compared: {reason}",)
    assert pair_shortfall_notes(rows, held, most) == pair_shortfall_notes(rows, held, None) == ()
