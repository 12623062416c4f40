"""Data: sets of images or points by name or path, and endless, resumable, sharded batches of them."""

from sparring.data.catalogue import NAMES, load, prepare
from sparring.data.couples import together
from sparring.data.dataset import Dataset, Mixture
from sparring.data.domains import Regions, Second
from sparring.data.stream import Stream

__all__ = ["NAMES", "Dataset", "Mixture", "Regions", "Second", "Stream", "load", "prepare", "together"]
