"""What cannot be loaded: every refusal is one sentence that names the thing and the remedy."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.data import load, load_images, load_named_images
from sparring.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "set" / "good.png")
    return tmp_path / "set"


def refused(name, *sentences, **wish):
    with pytest.raises(DataError) as caught:
        load(name, **wish)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    for sentence in sentences:
        assert sentence in message


def test_unknown_names_get_the_nearest_one():
    refused("mnits", "mnits is neither a known data set nor a path: did you mean mnist, or another of ring, grid")
    refused("swissroll", "did you mean swiss-roll")
    refused("fashion", "did you mean fashion-mnist")


def test_missing_paths(tmp_path):
    refused(tmp_path / "nothing", "nothing does not exist: give the path of a folder, zip or array file")
    refused("photos.zip", "photos.zip does not exist")


def test_files_of_another_kind(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", "notes.txt is no image, zip, .npy or .npz file")


def test_folders_without_images(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty holds no images among its 0 file(s): put some there that end in .png")
    (tmp_path / "empty" / "art.psd").write_bytes(b"8BPS")
    refused(tmp_path / "empty", "holds no images among its 1 file(s)")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"8BPS\0\1" + bytes(40)])
def test_one_damaged_image_is_named(folder, content):
    (folder / "bad.png").write_bytes(content)
    refused(folder, "bad.png is not a readable image (", "): replace or remove it.")


def test_a_truncated_image_is_named(folder):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    image.save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:-500])
    refused(folder, "cut.jpg is not a readable image", "truncated")
    assert not [path for path in (folder.parent / "cache").iterdir() if path.suffix == ".npy"]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("side", [9_000, 12_000, 60_000])
def test_decompression_bombs_are_refused_before_they_are_decoded(folder, side):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    refused(folder, "bomb.png has more than 67108864 pixels: make it smaller or remove it.")


def test_pixels_of_unknown_range_are_refused(folder):
    Image.fromarray(np.zeros((8, 8), np.float32)).save(folder / "deep.tiff")
    refused(folder, "deep.tiff has 32-bit pixels", "convert it to 8 or 16 bits")


@pytest.mark.parametrize("channels", [0, 2, 5, -1])
def test_impossible_channels(folder, channels):
    refused(folder, f"cannot have {channels} channels: choose 1 (grey), 3 (colour) or 4", channels=channels)
    refused("digits", f"digits cannot have {channels} channels", channels=channels)


@pytest.mark.parametrize("size", [0, -8, 5000])
def test_impossible_sizes(folder, size):
    refused(folder, f"cannot be resized to {size} pixels: choose a size from 1 to 4096", size=size)


def test_damaged_archives(tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4 nothing")
    refused(tmp_path / "bad.zip", "bad.zip is not a readable zip archive")
    with zipfile.ZipFile(tmp_path / "torn.zip", "w") as archive:
        archive.writestr("a.png", bytes(1000))
    content = bytearray((tmp_path / "torn.zip").read_bytes())
    content[100:110] = b"x" * 10
    (tmp_path / "torn.zip").write_bytes(content)
    refused(tmp_path / "torn.zip", "torn.zip/a.png cannot be read", "CRC")


def test_damaged_array_files(tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"hello")
    refused(tmp_path / "bad.npy", "bad.npy is not a readable array file")
    (tmp_path / "bad.npz").write_bytes(b"PK\3\4")
    refused(tmp_path / "bad.npz", "bad.npz is not a readable array file")


def test_a_torn_cache_is_prepared_again(folder, caplog):
    whole = load(folder)
    (prepared,) = (folder.parent / "cache").glob("set-????????????????.npy")
    content = prepared.read_bytes()
    for end in (-10, 20, 200):
        prepared.write_bytes(content[:end])
        assert load(folder).fingerprint == whole.fingerprint
        assert f"{prepared} is damaged. It is prepared again" in caplog.text
        assert prepared.read_bytes() == content


def test_a_cache_that_cannot_be_written(folder, tmp_path):
    (tmp_path / "file").write_text("")
    refused(folder, "cannot be written", "SPARRING_CACHE", cache=tmp_path / "file")


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind"
)
def test_an_image_that_may_not_be_read(folder):
    (folder / "good.png").chmod(0)
    refused(folder, "good.png cannot be read", "permissions")


def test_broken_links_are_passed_over(folder):
    (folder / "link.png").symlink_to(folder / "nowhere.png")
    assert len(load(folder)) == 1


def test_an_inaccessible_path_is_refused():
    with pytest.raises(DataError, match=r"cannot be accessed \(File name too long\): give another path"):
        load("é" * 300)


def test_images_of_several_sources_are_loaded_in_one_shape(tmp_path):
    for folder, count in (("first", 3), ("second", 2)):
        (tmp_path / folder).mkdir()
        for index in range(count):
            Image.fromarray(np.full((9, 12), 40 * index, np.uint8)).save(tmp_path / folder / f"{index}.png")
    names, loaded = load_named_images([tmp_path / "first", tmp_path / "second/0.png"], shape=(1, 8, 8))
    assert loaded.shape == (4, 1, 8, 8)
    assert -1 == loaded.min() < loaded.max() <= 1
    assert names[2:] == (str(tmp_path / "first/2.png"), str(tmp_path / "second/0.png"))
    places = [tmp_path / "first", tmp_path / "second"]
    assert torch.equal(load_images(places, shape=(1, 8, 8), max_images=4), loaded)
    with pytest.raises(DataError, match="No image is given"):
        load_images([], shape=(1, 8, 8))
    with pytest.raises(DataError, match=r"the shape \(2,\) of points"):
        load_images(places, shape=(2,))
    with pytest.raises(DataError, match="ring holds points"):
        load_images(["ring"], shape=(1, 8, 8))
