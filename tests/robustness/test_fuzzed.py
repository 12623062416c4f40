"""A few fuzzed command lines and run files, always the same ones; tests/nightly/fuzz.py plays thousands of new ones."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparring.cli import main
from support import fuzzed, runs

COUNT = int(os.environ.get("SPARRING_FUZZ", 40))
few = settings(
    max_examples=COUNT,
    derandomize=COUNT == 40,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
quick = pytest.fixture(scope="module")(runs.quick)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder to work in, with a finished run and a bait that must stay untouched."""
    folder, before = tmp_path_factory.mktemp("fuzz"), Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        runs.quick(patch)
        patch.setattr("sparring.cli.train.STEPS", 3)  # the default
        os.chdir(folder)
        (folder / "bait.py").write_text("open('touched', 'w').close()\n")
        words = [
            "train",
            "nsgan",
            "--data",
            "ring",
            *fuzzed.TINY,
            "--steps",
            "2",
            "--sample-every",
            "100",
            "--out",
            "run",
        ]
        assert main([*words, "--eval-every", "0.008"]) == 0
        assert main(["evaluate", "run", "--metrics", "modes", "--samples", "20"]) == 0
        shutil.copytree("run", "kept")
        yield folder
        os.chdir(before)
    assert not (folder / "touched").exists()


@given(st.data())
@few
def test_every_command_line_is_done_or_refused_in_a_sentence(workplace, data):
    words = data.draw(fuzzed.lines("run", "made"))
    if not Path("run/run.json").exists():
        shutil.copytree("kept", "run", dirs_exist_ok=True)
    fuzzed.require_sentence(words)


@given(st.data())
@few
def test_every_run_folder_is_used_or_refused_in_a_sentence(workplace, data):
    content, words = data.draw(fuzzed.folders(Path("kept")))
    fuzzed.require_sentence_of(Path("kept"), Path("copy"), content, words)


@pytest.mark.parametrize(
    ("word", "near"),
    [("trian", "train"), ("--widht", "--width"), ("nsgna", "nsgan"), ("rign", "ring"), ("--stesp", "--steps")],
)
def test_the_nearest_name_is_given(workplace, word, near):
    words = ["train", "nsgan", "--data", "ring", "--width", "4", "--steps", "1", "--out", "near", "--dry-run"]
    code, output = fuzzed.play([word if each == near else each for each in words])
    assert code == 2
    if word.startswith("--"):
        assert "Perhaps you meant" in output
        assert f" {near} " in output
    else:
        assert f"did you mean {near}" in output.replace("'", "")


def test_the_oracle_detects_an_error_of_the_fuzzer(workplace):
    assert fuzzed.changed({"a": [1, {"b": 2}]}, ("a", 1, "b"), 3) == {"a": [1, {"b": 3}]}
    assert fuzzed.changed({"a": [1, 2]}, ("a", 0), fuzzed.places) == {"a": [2]}
    assert len(fuzzed.places(json.loads('{"a": [1, {"b": 2}]}'))) == 5
