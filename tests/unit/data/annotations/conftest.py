"""Fixtures of the tests of `sparring.data.annotations`."""

from support.sentence_models import model

__all__ = ["model"]
