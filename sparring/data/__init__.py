"""Data sets of images or points by name or path, and endless, resumable, sharded batches of them."""

from sparring.data.annotations.label_maps import LabelMapClasses
from sparring.data.dataset import Dataset, Mixture, PairedDomain
from sparring.data.facts import DataFacts
from sparring.data.inspection import Inspection, inspect
from sparring.data.loading import NAMES, load, load_images, load_named_images, prepare
from sparring.data.sources.domains import pair_domains
from sparring.data.sources.in_memory import DataLike
from sparring.data.stream import Stream

__all__ = [
    "NAMES",
    "DataFacts",
    "DataLike",
    "Dataset",
    "Inspection",
    "LabelMapClasses",
    "Mixture",
    "PairedDomain",
    "Stream",
    "inspect",
    "load",
    "load_images",
    "load_named_images",
    "pair_domains",
    "prepare",
]
