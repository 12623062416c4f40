"""A thousand fuzzed command lines and a thousand fuzzed run folders, with a new seed each time.

    python tests/nightly/fuzz.py                    1,000 of each
    python tests/nightly/fuzz.py --examples 200

Every one must be done, or refused in one sentence with exit code 2: no traceback, and a bait that lies about is never
run. The outcome is written to tests/nightly/results/fuzz.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "tests" / "nightly" / "results" / "fuzz.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=1000, help="of each kind")
    given = parser.parse_args()
    tests = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--timeout",
        "3600",
        "tests/robustness/test_fuzzed.py",
    ]
    here = {**os.environ, "SPARRING_FUZZ": str(given.examples), "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    done = subprocess.run([*tests, "-k", "every"], cwd=ROOT, env=here, capture_output=True, text=True, check=False)
    print(done.stdout[-6000:])
    found = re.findall(r"^E +(\w+(?:Error|Exception)\b.*)$", done.stdout, re.MULTILINE)
    outcome = {
        "command": f"python tests/nightly/fuzz.py --examples {given.examples}",
        "command lines": given.examples,
        "run folders": given.examples,
        "passed": done.returncode == 0,
        "faults": found[:20],
        "seconds": round(time.perf_counter() - began),
    }
    RESULTS.write_text(json.dumps(outcome, indent=1) + "\n")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
