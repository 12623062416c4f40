"""Fixtures of the tests of `sparring.evaluation`."""

from support.digit_games import judge, parts
from support.evaluators import ring

__all__ = ["judge", "parts", "ring"]
