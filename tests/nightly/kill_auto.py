"""Nightly kill -9 test of automatic training: ten deaths at random moments, the same winner bit by bit.

    python tests/nightly/kill_auto.py                 ten deaths
    python tests/nightly/kill_auto.py --kills 50      as many

The outcome is written to tests/nightly/results/kill_auto.json; the command exits with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, it finds its helpers

from support import auto_killed

RESULTS = Path(__file__).parent / "results" / "kill_auto.json"


def main() -> None:
    """Run the test, and write its outcome."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=10, help="number of deaths")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = auto_killed.main(Path(folder), options.parse_args().kills)
    same = (
        found["difference"] == ""
        and found["journals"][0] == found["journals"][1]
        and found["winners"][0] == found["winners"][1]
        and not found["left over"]
    )
    record = {
        "deaths at rows of the journal": found["deaths"],
        "rows": len(found["journals"][0]),
        "winners": found["winners"],
        "difference": found["difference"],
        "same": same,
        "seconds": round(time.perf_counter() - start, 1),
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__)},
    }
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record))
    sys.exit(not same)


if __name__ == "__main__":
    main()
