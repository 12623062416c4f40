"""Data: sets of images or points by name or path, and endless, resumable, sharded batches of them."""

from sparring.data.dataset import Dataset, Mixture
from sparring.data.domains import Regions, Second
from sparring.data.facts import DataFacts
from sparring.data.loading import NAMES, load, prepare
from sparring.data.sources.domains import together
from sparring.data.stream import Stream

__all__ = ["NAMES", "DataFacts", "Dataset", "Mixture", "Regions", "Second", "Stream", "load", "prepare", "together"]
