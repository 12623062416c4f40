"""The weights of the FID Inception: search, download, verification by SHA-256, and conversion to safetensors.

TensorFlow's graph of 5 December 2015 is public as a PyTorch file of 95,628,359 bytes, which pytorch-fid calls
`pt_inception-2015-12-05-6726825d.pth` and torch-fidelity `weights-inception-2015-12-05-6726825d.pth`; the last part is
the head of its SHA-256. A file is hashed before it is opened, and opened without running what may be pickled in it.
`convert` writes it as safetensors with the hash of the source and of the weights.
"""

import hashlib
import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from sparring._io.atomic import atomic_write
from sparring._io.paths import expand_user
from sparring.data.cache import cache_folder
from sparring.data.sources.download import download_file
from sparring.errors import DataError
from sparring.metrics.extractors.base import weights_sha256
from sparring.metrics.extractors.inception import InceptionV3

__all__ = ["REFERENCE", "convert", "download", "found", "read"]

REFERENCE = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""SHA-256 of the public file, which makes a Fréchet distance an FID."""
SERVERS = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
)
NAMES = ("inception-2015-12-05.safetensors", *(server.rpartition("/")[2] for server in SERVERS))
VARIABLE = "SPARRING_INCEPTION"
COUNTERS = ".num_batches_tracked"  # in some files; not weights
UNREADABLE = (SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError, LookupError)
"""Exceptions that reading a file of another format can raise."""


def found(path: str | Path | None = None, *, cache: str | Path | None = None) -> Path | None:
    """Return the file of the weights: the given one, else from `$SPARRING_INCEPTION`, the cache or torch's own cache.

    Args:
        path: A file, or a folder that holds one by a public name.
        cache: The cache, by default `$SPARRING_CACHE`, else `~/.cache/sparring`; the file lies in `inception` there.

    Returns:
        The file, or None where it is in neither cache.

    Raises:
        DataError: A file or folder was named, and it is not there.
    """
    named = path or os.environ.get(VARIABLE)
    folders = [cache_folder(cache) / "inception", Path(torch.hub.get_dir()) / "checkpoints"]
    if named:
        folders = [expand_user(named)]
        if folders[0].is_file():
            return folders[0]
    for folder in folders:
        for name in NAMES:
            if (folder / name).is_file():
                return folder / name
    if named:
        raise DataError(f"There are no Inception weights at {named}: name the file {NAMES[1]} from {SERVERS[0]}.")
    return None


def download(cache: str | Path | None = None) -> Path:
    """Download the public file into the cache.

    Args:
        cache: As in `found`.

    Returns:
        The file, complete and checked.

    Raises:
        DataError: If no server can be reached, or none sent the right content; the message names where to put the file.
    """
    target = cache_folder(cache) / "inception" / NAMES[1]
    remedy = f"put {target.name} into {target.parent}, or name the file in ${VARIABLE}."
    return download_file(SERVERS, target, REFERENCE, algorithm="SHA-256", remedy=remedy)


def read(path: str | Path, *, sha256: str = REFERENCE) -> InceptionV3:
    """Read the network from a public file, or from a file of `convert`.

    The global random state is neither read nor changed.

    Args:
        path: The file.
        sha256: SHA-256 that the file, or the file from which it was converted, must have.

    Raises:
        DataError: The file is absent, has another SHA-256, holds anything but these weights, or is damaged.
    """
    path = expand_user(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): name a file of the Inception weights.") from error
    converted = _converted(path)
    have = converted.get("source_sha256") or hashlib.sha256(content).hexdigest()
    if have != sha256:
        made_from = "was converted from a file of SHA-256" if converted else "has the SHA-256"
        raise DataError(f"{path} {made_from} {have}, not {sha256}: it is damaged or another network; get {SERVERS[0]}.")
    network = _network(path, _tensors(path, content))
    if converted and weights_sha256(network) != converted.get("weights_sha256"):
        raise DataError(f"{path} is damaged, its weights do not have the hash it records: convert the source again.")
    return network


def convert(source: str | Path, target: str | Path, *, sha256: str = REFERENCE) -> Path:
    """Write the weights of a public file as safetensors, which hold no code.

    Args:
        source: A file in the layout of pytorch-fid or torch-fidelity, with or without the counters of batch norm.
        target: Path of the safetensors.
        sha256: SHA-256 that the source must have.

    Returns:
        The target, fit for `read` and for `$SPARRING_INCEPTION`.

    Raises:
        DataError: As in `read`, or the target cannot be written.
    """
    target = expand_user(target)
    if target.suffix != ".safetensors":
        raise DataError(f"{target} is to hold safetensors: give it a name that ends in .safetensors.")
    network = read(source, sha256=sha256)
    known = {"format": "pt", "source_sha256": sha256, "weights_sha256": weights_sha256(network)}
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            file.write(safetensors.torch.save(weights, known))
    except OSError as error:
        raise DataError(f"{target} cannot be written ({error.strerror}): name a path in a writable folder.") from error
    return target


def _converted(path: Path) -> dict[str, str]:
    """Return the metadata that `convert` recorded, empty for other files."""
    if path.suffix != ".safetensors":
        return {}
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            known = file.metadata() or {}
    except (SafetensorError, OSError):
        return {}
    return known if "source_sha256" in known else {}


def _tensors(path: Path, content: bytes) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load(content)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        # torch's own reason recommends to load the file unsafely
        raise DataError(f"{path} does not hold plain tensors and nothing else: get {SERVERS[0]}.") from error


def _network(path: Path, tensors: Mapping[str, Tensor]) -> InceptionV3:
    """Build the network on given weights; every name, shape and type must fit."""
    with torch.device("meta"):  # draws no random weights
        network = InceptionV3()
    wanted = {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}
    weights = dict(tensors) if isinstance(tensors, Mapping) else {}
    weights = {name: value for name, value in weights.items() if not str(name).endswith(COUNTERS)}
    have = {name: (value.shape, value.dtype) for name, value in weights.items() if isinstance(value, Tensor)}
    if wrong := [name for name in wanted | weights if have.get(name) != wanted.get(name)]:
        raise DataError(f"{path} is no FID Inception, {len(wrong)} parts differ, first {wrong[0]}: get {SERVERS[0]}.")
    network.load_state_dict(weights, assign=True)
    return network
