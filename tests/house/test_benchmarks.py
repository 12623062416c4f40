"""Benchmarks start from their runner, and their records have the common format."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import listing, scripts

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "benchmarks").glob("*/results/*.json"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_the_common_head_and_no_absolute_path(path):
    record = json.loads(path.read_text())
    assert list(record)[:4] == ["format", "command", "versions", "machine"]
    name = record["command"].removeprefix("python -m benchmarks ").split()[0]
    assert scripts()[name].parent == path.parents[1]
    assert not any(word.startswith("/") for word in record["command"].split())


def test_the_runner_lists_every_benchmark_with_one_line():
    assert all(f"{name} " in listing() for name in scripts())
    assert all(path.parent.name in ("speed", "quality", "control") for path in scripts().values())


def test_the_runner_names_the_nearest_benchmark():
    found = subprocess.run([sys.executable, "-m", "benchmarks", "cost"], cwd=ROOT, capture_output=True, text=True)
    assert (found.returncode, "did you mean costs?" in found.stderr) == (1, True)


@pytest.mark.slow
@pytest.mark.parametrize("name", scripts())
def test_every_benchmark_starts(name):
    command = [sys.executable, "-m", "benchmarks", name, "--help"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert f"usage: python -m benchmarks {name}" in found.stdout
