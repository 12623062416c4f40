"""The common format of records: a head of five entries, then the results of the benchmark.

    format      1
    command     command line that writes the record again, without absolute paths
    versions    of Python, torch and sparring
    machine     processor, threads, and the clock and load average where times are measured
    seeds       seeds of the trainings or measurements, where they are the same for all

Trials of records that grow over several sessions have versions and processor of their own, under ``made``.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import sparring

FORMAT = 1


def head(*, command: str = "", seeds: Sequence[int] | None = None, **machine: Any) -> dict[str, Any]:
    """Return the head of a record.

    Args:
        command: Command line. Default: the present one.
        seeds: Seeds, where they are the same for all results.
        **machine: Further facts, such as the clock.
    """
    facts = {"processor": processor(), "threads": torch.get_num_threads(), **machine}
    found = {"format": FORMAT, "command": command or command_line(), "versions": versions(), "machine": facts}
    return found if seeds is None else {**found, "seeds": list(seeds)}


def made() -> dict[str, str]:
    """Return versions and processor, for a single trial of a record."""
    return {**versions(), "processor": processor()}


def versions() -> dict[str, str]:
    """Return the versions of Python, torch and sparring."""
    return {"python": platform.python_version(), "torch": str(torch.__version__), "sparring": sparring.__version__}


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def command_line() -> str:
    """Return the command line, with absolute paths replaced by their last part."""
    return " ".join([sys.argv[0], *(Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])])


def write(path: Path, record: dict[str, Any]) -> None:
    """Write a record.

    Args:
        path: The file.
        record: The head and the results.
    """
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
