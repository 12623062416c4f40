"""Data: sets of images or points by name or path, and endless, resumable, sharded batches of them."""

from sparring.data.catalogue import load
from sparring.data.dataset import Dataset, Mixture
from sparring.data.stream import Stream

__all__ = ["Dataset", "Mixture", "Stream", "load"]
