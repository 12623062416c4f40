"""kill -9 at random moments, the same command again each time: as if nothing had happened, to the last bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import forked

pytestmark = pytest.mark.slow

FORKED = Path(forked.__file__)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    done = subprocess.run(
        [sys.executable, FORKED, "kill", tmp_path_factory.mktemp("kill")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("family", ["gan", "wgan", "relativistic", "translation", "one image", "two processes"])
def test_a_killed_run_ends_like_one_that_was_left_alone(results, family):
    result = results[family]
    assert len(result["deaths"]) >= 2, "the training was over before it could be killed"
    assert result["notes"] == [], "no death leaves a broken checkpoint"
    assert result["left over"] == []
    assert (result["step"], result["lines"]) == (24, 24)
    assert result["difference"] == ""
    assert result["same log"]


def test_the_kills_happened_during_training(results):
    found = [tuple(names) for result in results.values() if isinstance(result, dict) for names in result["deaths"]]
    assert len(set(found)) > 1, f"every death came at the same moment: {found}"


def test_when_one_process_hangs_the_other_exits_after_its_timeout_and_the_run_resumes(results):
    took, message = results["hang"]
    crowd = max(1.0, os.getloadavg()[0] / os.cpu_count())
    assert took < 3 + 5 * crowd
    assert message.startswith(
        "Another process of the training is gone; start the same command again. The checkpoint of"
    )


def test_when_one_process_is_killed_the_other_exits_within_seconds(results):
    crowd = max(1.0, os.getloadavg()[0] / os.cpu_count())  # processes to a processor: other processes may share them
    assert results["widow"] < 5 * crowd
