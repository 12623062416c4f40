"""Stamps: what makes two scores comparable, and what does not."""

import json

import pytest
import torch

from sparring.data.sources.toy import ring
from sparring.errors import SparringError
from sparring.metrics import Direction, ModuleExtractor, Score, make_protocol, require_same_protocol, same_protocol

EXTRACTOR = ModuleExtractor(torch.nn.Flatten(), "pixels")


def stamped(**changes):
    known = {"dataset": ring(), "split": "all", "real": 1000, "fake": 1000, "seed": 0, "extractor": EXTRACTOR}
    return make_protocol("fid", **known | changes)


def test_a_stamp_is_plain_and_complete():
    found = stamped(neighbours=3)
    assert json.loads(json.dumps(found)) == found
    assert found["metric"] == "fid"
    assert (found["real"], found["fake"], found["seed"], found["split"]) == (1000, 1000, 0, "all")
    assert (found["extractor"], found["extractor_sha256"]) == ("pixels", EXTRACTOR.sha256)
    assert found["resize"] == "by the module"
    assert found["fingerprint"] == ring().fingerprint
    assert found["settings"] == {"neighbours": 3}
    assert found["torch"] == torch.__version__
    assert found["sparring"]
    assert stamped(extractor=None)["extractor_sha256"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"split": "held out"},
        {"real": 999},
        {"fake": 5000},
        {"extractor": ModuleExtractor(torch.nn.Linear(2, 2), "pixels")},
        {"extractor": None},
        {"neighbours": 5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_a_score_forbids_comparing(change):
    assert not same_protocol(stamped(), stamped(**change))
    with pytest.raises(SparringError, match="measure both again"):
        require_same_protocol(stamped(), stamped(**change))


def test_other_data_and_another_metric_forbid_comparing():
    first = stamped()
    assert not same_protocol(first, first | {"fingerprint": "0"})
    assert not same_protocol(first, first | {"metric": "kid"})
    assert not same_protocol(first, {key: value for key, value in first.items() if key != "resize"})
    assert not same_protocol({key: value for key, value in first.items() if key != "resize"}, first)


def test_seeds_and_names_may_differ():
    assert same_protocol(stamped(), stamped(seed=7, extractor=ModuleExtractor(torch.nn.Flatten(), "the same")))
    require_same_protocol(stamped(), stamped(seed=7))


def test_the_message_names_each_difference_and_its_values():
    with pytest.raises(SparringError, match=r"fake \(1000 and 5000\)") as caught:
        require_same_protocol(stamped(), stamped(fake=5000, seed=3))
    assert "seed" not in str(caught.value)
    assert "real" not in str(caught.value)


def test_scores_compare_in_their_own_direction():
    low, high = Score("fid", 1.0, stamped(), Direction.LOWER), Score("fid", 2.0, stamped(), Direction.LOWER)
    assert low.beats(high)
    assert not high.beats(low)
    assert not low.beats(low)
    bad, good = (
        Score("recall", 0.1, stamped(), Direction.HIGHER),
        Score("recall", 0.9, stamped(), Direction.HIGHER, (0.8, 1.0)),
    )
    assert good.beats(bad)
    assert not bad.beats(good)
    with pytest.raises(SparringError, match="different scores"):
        low.beats(good)
    with pytest.raises(SparringError, match="fake"):
        low.beats(Score("fid", 3.0, stamped(fake=1), Direction.LOWER))
