"""Breaks the code on purpose, one line at a time, and checks that the tests fail.

    python tests/nightly/mutation/mutations.py                     every mutation
    python tests/nightly/mutation/mutations.py --match penalties   those of one file
    python tests/nightly/mutation/mutations.py --new               those that the record does not hold yet

Each mutation is made in a copy of the repository, where the named tests then must fail. A mutation that survives is a
test that cannot fail; the command lists it and exits with 1. Results are written to
tests/nightly/results/mutations.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import pytest

TABLES = sorted(path.stem for path in Path(__file__).parent.glob("mutants*.py"))
MUTANTS = [row for table in TABLES for row in import_module(table).MUTANTS]
ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "tests" / "nightly" / "results" / "mutations.json"


def left_out(folder: str, names: list[str]) -> set[str]:
    """Return what a copy of the repository does not need."""
    outputs = {"runs"} if Path(folder) == ROOT else set()
    return outputs | set(shutil.ignore_patterns(".*", "__pycache__", "results")(folder, names))


def killed(copy: Path, file: str, old: str, new: str, tests: str) -> bool:
    """Return whether the tests fail once `old` is `new` in a file."""
    path = copy / "sparring" / file
    source = path.read_text()
    if source.count(old) < 1:
        raise SystemExit(f"{file} has no {old!r}: bring its table, tests/mutants*.py, up to date.")
    path.write_text(source.replace(old, new, 1))
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()]
        here = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        code = subprocess.run(command, cwd=copy, env=here, capture_output=True, check=False).returncode
        if code == pytest.ExitCode.USAGE_ERROR:
            sys.exit(f"{file} names tests that are not there: {tests}.")
        return code == 1
    finally:
        path.write_text(source)


def record(outcomes: list[dict[str, object]]) -> None:
    """Write the outcomes over those of earlier runs; mutations that are no longer listed are dropped."""
    before = json.loads(RESULTS.read_text())["outcomes"] if RESULTS.exists() else []
    known = {(each["file"], each["old"], each["new"]): each for each in [*before, *outcomes]}
    listed = [known[mutant[:3]] for mutant in MUTANTS if mutant[:3] in known]
    RESULTS.write_text(
        json.dumps({"command": "python tests/nightly/mutation/mutations.py", "outcomes": listed}, indent=1) + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only mutations of files whose name contains this")
    parser.add_argument("--new", action="store_true", help="only mutations that the record does not hold yet")
    chosen = parser.parse_args()
    held = (
        {(each["file"], each["old"], each["new"]) for each in json.loads(RESULTS.read_text())["outcomes"]}
        if chosen.new
        else set()
    )
    outcomes, start = [], time.time()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "sparring"
        shutil.copytree(ROOT, copy, ignore=left_out)
        for file, old, new, tests in MUTANTS:
            if chosen.match not in file or (file, old, new) in held:
                continue
            dead = killed(copy, file, old, new, tests)
            outcomes.append({"file": file, "old": old, "new": new, "tests": tests, "killed": dead})
            print(f"{'killed  ' if dead else 'SURVIVED'} {file}: {old!r} -> {new!r}", flush=True)
            record(outcomes)
    alive = [outcome for outcome in outcomes if not outcome["killed"]]
    print(f"{len(outcomes) - len(alive)} of {len(outcomes)} mutations killed in {time.time() - start:.0f} s.")
    sys.exit(bool(alive))


if __name__ == "__main__":
    main()
