"""kill -9 at random moments of an automatic training, the same call again each time: the same winner, bit by bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support import auto_killed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    done = subprocess.run(
        [sys.executable, auto_killed.__file__, tmp_path_factory.mktemp("auto"), "3"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_winner_is_the_same_to_the_last_bit(result):
    assert len(result["deaths"]) >= 2, "the training was over before it could be killed"
    assert result["winners"][0] == result["winners"][1]
    assert result["difference"] == ""


def test_scores_and_decisions_are_the_same(result):
    assert result["journals"][0] == result["journals"][1]
    assert result["left over"] == []
