"""MNIST, Fashion-MNIST and CIFAR-10 in their standard files below a data root; downloaded if missing.

| name          | files below the root                                       | source                         |
|---------------|------------------------------------------------------------|--------------------------------|
| mnist         | ``MNIST/raw/train-{images-idx3,labels-idx1}-ubyte[.gz]``   | LeCun, Cortes and Burges, 1998 |
| fashion-mnist | ``FashionMNIST/raw/``, with the same names                 | Xiao, Rasul and Vollgraf, 2017 |
| cifar10       | ``cifar-10-batches-bin/data_batch_[1-5].bin``, or          | Krizhevsky, 2009               |
|               | ``cifar10/cifar10_train.zip`` with ``<class>/<index>.webp`` |                                |
"""

import gzip
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparring._io.atomic import atomic_write
from sparring.data.annotations.labels import read_labels
from sparring.data.sources.download import download_file
from sparring.data.sources.files import ZipFiles
from sparring.data.sources.image_sources import ImageArrays, ImageFiles, Source, content_key
from sparring.errors import DataError

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class IdxDataset:
    """A set of 28 × 28 grey images in the IDX format of MNIST.

    Args:
        name: Name of the data.
        folder: Folder below the root.
        servers: Servers of the files, in the order of preference.
        images: MD5 of the compressed image file.
        labels: MD5 of the compressed label file.
        classes: Names of the classes.
    """

    name: str
    folder: str
    servers: tuple[str, ...]
    images: str
    labels: str
    classes: tuple[str, ...]

    def source(self, root: Path) -> Source:
        """Return the training images; 32 × 32 by a border of two black pixels, unless another size is requested.

        Args:
            root: Data root.

        Raises:
            DataError: If a file is missing and cannot be downloaded.
        """
        images = self.file(root, "train-images-idx3-ubyte", self.images)
        labels = self.file(root, "train-labels-idx1-ubyte", self.labels)

        def read() -> tuple[np.ndarray, np.ndarray]:
            return read_idx(images, 3)[..., None], read_idx(labels, 1).astype(np.int64)

        return ImageArrays(self.name, content_key(file_stamps(images, labels)), read, self.classes, border=2)

    def file(self, root: Path, name: str, md5: str) -> Path:
        """Find one file, plain or compressed, or download it.

        Args:
            root: Data root.
            name: Without ``.gz``.
            md5: Checksum of the compressed file.
        """
        folder = root / self.folder
        for path in (folder / f"{name}.gz", folder / name):
            if path.is_file():
                return path
        return download_file([f"{server}{name}.gz" for server in self.servers], folder / f"{name}.gz", md5)


MNIST = IdxDataset(
    "mnist",
    "MNIST/raw",
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    DIGITS,
)
FASHION = IdxDataset(
    "fashion-mnist",
    "FashionMNIST/raw",
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "25c81989df183df01b3e8a0aad5dffbe",
    CLOTHES,
)
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an IDX file of bytes: two zeros, type 8, number of dimensions, each as big-endian 32 bits, then the content.

    Args:
        path: Plain or compressed (``.gz``).
        dimensions: How many there must be.

    Returns:
        ``uint8`` of that many dimensions.

    Raises:
        DataError: If the file is damaged.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}): remove it to download it again.") from error
    head = np.frombuffer(content, ">u4", min(1 + dimensions, len(content) // 4))
    shape = tuple(int(length) for length in head[1:])
    if len(shape) != dimensions or head[0] != 0x800 + dimensions or len(content) != 4 * len(head) + np.prod(shape):
        raise DataError(f"{path} is not a complete IDX file: remove it to download it again.")
    return np.frombuffer(content, np.uint8, offset=4 * len(head)).reshape(shape)


def cifar10(root: Path) -> Source:
    """Return the 50,000 training images, 32 × 32 in colour, in their original order.

    Args:
        root: Data root.

    Raises:
        DataError: If the files are missing and cannot be downloaded.
    """
    folder, archive = root / "cifar-10-batches-bin", root / "cifar10" / "cifar10_train.zip"
    if archive.is_file() and not (folder / CIFAR_FILES[0]).is_file():
        files = ZipFiles(archive)
        names, labels, classes, *_ = read_labels(files)
        order = sorted(range(len(names)), key=lambda index: names[index].rsplit("/", 1)[-1])
        if labels is None or classes != THINGS:
            raise DataError(
                f"{archive} has the folders {', '.join(classes)}: it must have one for each class of CIFAR-10."
            )
        return ImageFiles(files, (tuple(names[index] for index in order), labels[order], classes))
    paths = [folder / name for name in CIFAR_FILES]
    if not all(path.is_file() for path in paths):
        unpack(download_file([CIFAR_URL], root / "cifar-10-binary.tar.gz", CIFAR_MD5), folder)
    return ImageArrays("cifar10", content_key(file_stamps(*paths)), lambda: read_batches(paths), THINGS)


def unpack(archive: Path, folder: Path) -> None:
    """Extract CIFAR-10's training batches from its archive, and nothing else.

    Args:
        archive: The ``.tar.gz`` file.
        folder: Where the batches go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for name in CIFAR_FILES:
            member = tar.extractfile(f"cifar-10-batches-bin/{name}")
            assert member is not None
            with atomic_write(folder / name) as file:
                file.write(member.read())


def read_batches(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Read CIFAR-10's binary files: for each image a label, then 1024 bytes of red, of green and of blue.

    Args:
        paths: The batches, in order.

    Returns:
        Images ``uint8`` (N, 32, 32, 3) and labels int64 (N,).

    Raises:
        DataError: If a file is damaged.
    """
    rows = []
    for path in paths:
        content = np.fromfile(path, np.uint8)
        if not len(content) or len(content) % 3073:
            raise DataError(f"{path} is not a complete CIFAR-10 batch: remove it to download it again.")
        rows.append(content.reshape(-1, 3073))
    table = np.concatenate(rows)
    return table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), table[:, 0].astype(np.int64)


def file_stamps(*paths: Path) -> list[tuple[str, int, int]]:
    """Return path, size and modification time of files.

    Args:
        *paths: Files.
    """
    return [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
