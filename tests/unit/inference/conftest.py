"""Fixtures of the tests of `sparring.inference`."""

from support.encoder_runs import runs_
from support.label_map_runs import data, run

__all__ = ["data", "run", "runs_"]
