"""Fixtures of the tests of `sparring.runs`."""

from support.digit_games import judge, parts
from support.encoder_runs import runs_
from support.sentence_models import model

__all__ = ["judge", "model", "parts", "runs_"]
