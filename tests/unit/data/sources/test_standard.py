"""MNIST, Fashion-MNIST and CIFAR-10: small copies in their formats, downloads from a local server, the real files."""

import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparring.data import load
from sparring.data.sources import standard
from sparring.data.sources.download import download_file
from sparring.data.sources.image_sources import Source
from sparring.errors import DataError

ROOT = os.environ.get("SPARRING_DATA")
real = [pytest.mark.data]

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


def idx(values: np.ndarray) -> bytes:
    return np.array([0x800 + values.ndim, *values.shape], ">u4").tobytes() + values.tobytes()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES)))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return tmp_path / "root"


@pytest.fixture
def server(tmp_path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    (tmp_path / "served").mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "served")) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/", tmp_path / "served"
        httpd.shutdown()
        thread.join()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def images_of(source: Source, **form) -> np.ndarray:
    return np.stack(list(source.images(form.get("size"), form.get("channels"))))


def test_mnist_is_framed_in_black_by_default(root, tmp_path):
    data = load("mnist", root=root, cache=tmp_path / "cache")
    assert (data.shape, data.labels.tolist(), data.classes) == ((1, 32, 32), [3, 1, 4, 1, 5], tuple("0123456789"))
    np.testing.assert_array_equal(data.values[:, 2:30, 2:30, 0], IMAGES)
    assert data.values.sum() == IMAGES.sum()


def test_mnist_in_other_sizes(root, tmp_path):
    form = {"root": root, "cache": tmp_path / "cache"}
    np.testing.assert_array_equal(load("mnist", size=28, **form).values[..., 0], IMAGES)
    assert load("mnist", size=16, channels=3, **form).shape == (3, 16, 16)
    expected = np.asarray(Image.fromarray(IMAGES[0]).resize((64, 64), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(load("mnist", size=64, **form).values[0, ..., 0], expected)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0", gzip.compress(b"x")[:-4], gzip.compress(idx(IMAGES)[:-1]), gzip.compress(idx(LABELS)), b"\x1f\x8b9"],
    ids=["empty", "two bytes", "cut gzip", "cut images", "labels", "no gzip"],  # gzip holds the time: no id to sort by
)
def test_damaged_files_are_named(root, content):
    path = root / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz is (damaged|not a complete IDX file).*remove it"):
        len(standard.MNIST.source(root))


def test_absent_files_are_downloaded_once(root, server, tmp_path):
    url, served = server
    content = {
        name: gzip.compress(idx(values)) for name, values in {"images-idx3": IMAGES, "labels-idx1": LABELS}.items()
    }
    for name, packed in content.items():
        (served / f"train-{name}-ubyte.gz").write_bytes(packed)
    small = replace(
        standard.MNIST, servers=(url,), images=md5(content["images-idx3"]), labels=md5(content["labels-idx1"])
    )
    for _ in range(2):
        source = small.source(tmp_path / "fresh")
        np.testing.assert_array_equal(images_of(source, size=28)[..., 0], IMAGES)
        assert source.labels.tolist() == LABELS.tolist()
        for path in served.iterdir():
            path.unlink()  # the second time nothing is there to be had


def test_a_corrupt_download_is_refused_and_the_next_server_tried(server, tmp_path):
    url, served = server
    (served / "bad").write_bytes(b"something else")
    (served / "good").write_bytes(b"the right thing")
    target = tmp_path / "new" / "file.gz"
    with pytest.raises(DataError, match=f"its MD5 is {md5(b'something else')}, not {md5(b'the right thing')}"):
        download_file([f"{url}bad"], target, md5(b"the right thing"))
    assert list(target.parent.iterdir()) == []
    assert download_file([f"{url}absent", f"{url}bad", f"{url}good"], target, md5(b"the right thing")) == target
    assert target.read_bytes() == b"the right thing"


def test_without_a_network_the_remedy_is_named(tmp_path):
    offline = replace(standard.MNIST, servers=("http://127.0.0.1:9/",))
    with pytest.raises(DataError) as caught:
        offline.source(tmp_path)
    message = str(caught.value)
    assert "http://127.0.0.1:9/train-images-idx3-ubyte.gz" in message
    assert f"put the file into {tmp_path / 'MNIST' / 'raw'}" in message
    assert "--data-root" in message
    assert "\n" not in message


def cifar_batch(number: int) -> tuple[np.ndarray, bytes]:
    rng = np.random.default_rng(number)
    images = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    rows = [bytes([number + index]) + image.transpose(2, 0, 1).tobytes() for index, image in enumerate(images)]
    return images, b"".join(rows)


def test_cifar_is_read_from_its_binary_files(tmp_path):
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for number in range(1, 6):
        (tmp_path / "cifar-10-batches-bin" / f"data_batch_{number}.bin").write_bytes(cifar_batch(number)[1])
    data = load("cifar10", root=tmp_path, cache=tmp_path / "cache")
    np.testing.assert_array_equal(data.values, np.concatenate([cifar_batch(number)[0] for number in range(1, 6)]))
    assert data.labels.tolist() == [1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    assert data.classes[1] == "automobile"
    (tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin").write_bytes(b"short")
    with pytest.raises(DataError, match=r"data_batch_3.bin is not a complete CIFAR-10 batch"):
        load("cifar10", root=tmp_path, cache=tmp_path / "cache")


def test_cifar_is_read_from_an_archive_in_its_original_order(tmp_path):
    (tmp_path / "cifar10").mkdir()
    with zipfile.ZipFile(tmp_path / "cifar10" / "cifar10_train.zip", "w") as archive:
        for index in range(20):
            content = io.BytesIO()
            Image.new("RGB", (32, 32), (index, 0, 0)).save(content, "WEBP", lossless=True)
            archive.writestr(f"{standard.THINGS[(7 * index) % 10]}/{index:05}.webp", content.getvalue())
    by_folder = load(tmp_path / "cifar10" / "cifar10_train.zip", cache=tmp_path / "cache")
    data = load("cifar10", root=tmp_path, cache=tmp_path / "cache")
    assert data.values[:, 0, 0, 0].tolist() == list(range(20))
    assert data.labels.tolist() == [(7 * index) % 10 for index in range(20)]
    assert by_folder.labels.tolist() == sorted(data.labels.tolist())  # not mixed up in the cache
    assert by_folder.classes == data.classes == standard.THINGS


def test_cifar_is_downloaded_and_unpacked(tmp_path, server, monkeypatch):
    url, served = server
    with tarfile.open(served / "cifar.tar.gz", "w:gz") as archive:
        for number in range(1, 6):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/data_batch_{number}.bin")
            member.size = len(cifar_batch(number)[1])
            archive.addfile(member, io.BytesIO(cifar_batch(number)[1]))
        archive.addfile(tarfile.TarInfo("../evil"))
    monkeypatch.setattr(standard, "CIFAR_URL", f"{url}cifar.tar.gz")
    monkeypatch.setattr(standard, "CIFAR_MD5", md5((served / "cifar.tar.gz").read_bytes()))
    source = standard.cifar10(tmp_path / "root")
    np.testing.assert_array_equal(images_of(source)[:2], cifar_batch(1)[0])
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == [
        "cifar-10-batches-bin",
        "cifar-10-binary.tar.gz",
    ]
    assert not (tmp_path / "evil").exists()


def test_cifar_is_unpacked_into_a_folder_that_may_be_there_or_not(tmp_path):
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        for number in range(1, 6):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/data_batch_{number}.bin")
            member.size = len(cifar_batch(number)[1])
            archive.addfile(member, io.BytesIO(cifar_batch(number)[1]))
    for _ in range(2):
        standard.unpack(tmp_path / "cifar.tar.gz", tmp_path / "data" / "cifar")
        assert len(list((tmp_path / "data" / "cifar").iterdir())) == 5


@pytest.mark.parametrize(
    ("name", "mean", "first"),
    [
        pytest.param("mnist", 0.1306604762738429, [5, 0, 4, 1, 9], marks=real),
        pytest.param("fashion-mnist", 0.2860405969887955, [9, 0, 0, 3, 0], marks=real),
    ],
)
def test_the_real_idx_sets(name, mean, first, tmp_path):
    data = load(name, cache=tmp_path)
    images, labels = data.rows(np.arange(60_000))
    assert (len(data), data.shape, np.bincount(labels).min() > 5400) == (60_000, (1, 32, 32), True)
    assert labels[:5].tolist() == first
    inner = images[:, :, 2:30, 2:30].double()
    assert abs(inner.mean().item() / 255 - mean) < 1e-9
    assert inner.sum() == images.double().sum()


@pytest.mark.data
def test_the_real_cifar10():
    with closing(standard.cifar10(Path(str(ROOT)))) as source:
        batch = np.stack(list(islice(source.images(None, None), 10_000)))
    labels = source.labels
    assert (len(source), source.classes[0], batch.shape) == (50_000, "airplane", (10_000, 32, 32, 3))
    assert np.bincount(labels).tolist() == [5000] * 10
    assert labels[:3].tolist() == [6, 9, 9]  # frog, truck, truck
    rows = batch.transpose(0, 3, 1, 2).reshape(10_000, -1)
    content = np.concatenate([labels[:10_000, None].astype(np.uint8), rows], axis=1).tobytes()
    assert md5(content) == "5dd7e06a14cb22eb9f671a540d1b7c25"  # data_batch_1.bin: order, labels and pixels


@pytest.mark.data
def test_real_photographs(tmp_path):
    data = load(Path(str(ROOT)) / "cat2dog" / "cat2dog_128.zip" / "testA", size=32, cache=tmp_path)
    assert (len(data), data.shape, data.classes) == (100, (3, 32, 32), ())
    assert 20 < data.values.std() < 120
