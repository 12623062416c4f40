"""Prepared files are whole or the ones before, and an image that is not as it was prepared is never trained on."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import threading
import zipfile
import zlib
from concurrent.futures import wait
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sparring.cli import main
from sparring.data import Stream, checksums, load, prepare
from sparring.data import cache as prepared
from sparring.data.cache import read_prepared
from sparring.data.fingerprint import fingerprint
from sparring.data.prefetch import PrefetchStream
from sparring.data.sources.files import open_files
from sparring.data.sources.readable import read_note, write_note
from sparring.errors import DataError
from support.captions import as_lines
from support.crashes import die_at
from support.runs import difference


def images(folder, shades, size=4):
    """Folders a and b of pictures, so that there are labels, with a caption each."""
    for index, shade in enumerate(shades):
        path = folder / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = np.random.default_rng(shade).integers(0, 256, (size, size), np.uint8)
        Image.fromarray(picture).save(path)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    as_lines(folder, names, [(f"the shade of {name}",) for name in names])
    return folder


def seen(data):
    """Everything that a data set gives, as it is read by rows."""
    rows, *labels = data.rows(np.arange(len(data)))
    return [rows, *labels, data.classes, data.captions and data.captions.texts, data.fingerprint]


def flip(path, place, bit=0):
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def place_of(path, row):
    """Where the bytes of an image begin."""
    values = np.load(path, mmap_mode="r")
    return values.offset + row * values[0].nbytes


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# --- one preparation is one file


def test_a_prepared_file_holds_everything_and_numpy_reads_its_images(tmp_path):
    target = prepare(images(tmp_path / "set", range(5)), tmp_path / "out" / "x.npy")
    assert [path.name for path in target.parent.iterdir()] == ["x.npy"]
    data = load(target)
    assert difference(seen(data), seen(load(tmp_path / "set"))) == ""
    assert data.fingerprint == fingerprint(data.values, data.labels, data.classes, data.captions)
    assert np.array_equal(np.load(target), data.values)
    assert np.array_equal(np.load(target, mmap_mode="r"), data.values)


PHASES = ("open", "fsync", "replace", "rename", "unlink", "remove", "mkdir")


@pytest.mark.parametrize("old", [1, 2])
def test_a_kill_while_replacing_a_prepared_file_leaves_one_of_the_two(tmp_path, old):
    sources = [images(tmp_path / "A", range(6)), images(tmp_path / "B", range(10, 16))]
    states = [seen(load(source)) for source in sources]
    found = set()
    for call in range(1, 60):
        target = tmp_path / str(call) / "x.npy"
        prepare(sources[0], target)
        if old == 1:
            as_version_1(target)
        child = os.fork()
        if not child:
            try:
                die_at(call, PHASES, opening=True)
                prepare(sources[1], target)
            finally:
                os._exit(0)
        finished = os.waitpid(child, 0)[1] == 0
        now = seen(load(target))
        (which,) = [k for k, state in enumerate(states) if difference(state, now) == ""]
        found.add((finished, which))
        if finished:
            break
    assert found == {(False, 0), (False, 1), (True, 1)} if old == 1 else found >= {(False, 0), (True, 1)}
    assert [path.name for path in target.parent.iterdir()] == ["x.npy"]


def as_version_1(target):
    """Convert a prepared file to the form of version 1: the parts in files beside an array."""
    found = read_prepared(target)
    values, labels, words = np.array(found.values), found.labels, found.captions.content
    np.save(target, values)
    np.save(target.with_suffix(".labels.npy"), labels)
    target.with_suffix(".captions.json").write_bytes(words)
    facts = {"sparring": 1, "shape": values.shape, "captions": True, "source": "x", "stamp": "y"}
    facts |= {name: found.facts[name] for name in ("classes", "content")}
    target.with_suffix(".json").write_text(json.dumps(facts))


def test_files_of_version_1_are_read_without_checksums(tmp_path):
    target = prepare(images(tmp_path / "set", range(5)), tmp_path / "x.npy")
    before = seen(load(target))
    as_version_1(target)
    assert difference(before, seen(load(target))) == ""
    assert load(target).checksummed is None
    np.save(target, np.zeros((2, 4, 4, 1), np.uint8))
    with pytest.raises(DataError, match="does not match its description"):
        load(target)


@pytest.mark.parametrize("name", ["x.labels.npy", "x.npy"])
def test_no_part_of_a_file_of_version_1_is_replaced_by_what_is_prepared_from_it(tmp_path, name):
    target = prepare(images(tmp_path / "set", range(5)), tmp_path / "x.npy")
    as_version_1(target)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("x.*")}
    with pytest.raises(DataError, match="would be overwritten"):
        prepare(target, tmp_path / name, size=2)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("x.*")} == before


# --- damage


def places(path, every):
    """Every byte of the head and of what lies behind the images, and some of the images' own."""
    size, found = path.stat().st_size, read_prepared(path).values
    images = range(found.offset, found.offset + found.nbytes)
    return [place for place in range(size) if place not in images or place % every == 0]


def test_a_flipped_bit_anywhere_in_a_prepared_file_is_refused_by_its_name(tmp_path):
    path, rng = prepare(images(tmp_path / "set", range(6)), tmp_path / "x.npy"), random.Random(0)
    content, whole, chosen = path.read_bytes(), seen(load(path)), places(path, 3)
    unread = range(mark := content.index(b"SPARRING"), mark + 8)  # only where the footer is damaged
    for place in chosen:
        flip(path, place, rng.randrange(8))
        if place in unread:
            assert difference(seen(load(path)), whole) == ""
        else:
            with pytest.raises(DataError, match=re.escape(str(path))):
                seen(load(path))
        path.write_bytes(content)
    assert len(chosen) > 600


def test_the_sentence_names_the_file_the_image_and_the_remedy(tmp_path):
    path = prepare(images(tmp_path / "set", range(6)), tmp_path / "x.npy")
    data = load(path)
    flip(path, place_of(path, 4) + 7)
    data.rows(np.array([0, 1, 2, 3, 5]))
    words = r"x\.npy is damaged: image 4 does not match its checksum\. Copy the file again, or prepare it again"
    for read in (lambda: data.rows(np.array([2, 4])), lambda: data.subset(np.array([4])).rows(np.array([0]))):
        with pytest.raises(DataError, match=words):
            read()
    with pytest.raises(DataError, match=words):
        prepare(path, tmp_path / "y.npy", size=2)
    assert not (tmp_path / "y.npy").exists()


def test_a_training_on_a_damaged_file_ends_in_a_sentence(tmp_path, capsys):
    path = prepare(images(tmp_path / "set", range(6), size=8), tmp_path / "x.npy")
    flip(path, place_of(path, 3))
    words = ["train", "nsgan", "--data", str(path), "--batch-size", "6", "--steps", "2", "--out", str(tmp_path / "run")]
    assert main([*words, "--device", "cpu"]) == 2
    output = capsys.readouterr().err
    assert f"sparring: {path} is damaged: image 3 " in output
    assert "Traceback" not in output


def test_prefetched_batches_raise_in_the_thread_that_requests_them(tmp_path):
    path = prepare(images(tmp_path / "set", range(6)), tmp_path / "x.npy")
    flip(path, place_of(path, 3))
    with pytest.raises(DataError, match="image 3"):
        next(PrefetchStream(Stream(load(path), 6)))


def test_an_image_is_checked_once_a_process_by_any_reader(tmp_path, monkeypatch):
    count = []
    counting = SimpleNamespace(crc32=lambda content: count.append(1) or zlib.crc32(content))
    data = load(prepare(images(tmp_path / "set", range(6)), tmp_path / "x.npy"))
    monkeypatch.setattr(checksums, "zlib", counting)
    rest, part = data.split(0.5)
    rest.rows(np.array([0, 1]))
    rest.rows(np.array([1, 0, 1]))
    assert len(count) == 2
    part.rows(np.arange(3))
    data.rows(np.arange(6))
    assert len(count) == 6
    data.all_rows()
    assert len(count) == 6


@pytest.mark.parametrize("pack", [False, True])
def test_a_flipped_bit_anywhere_in_the_cache_is_mended_from_the_source(tmp_path, cache, caplog, pack):
    folder, rng = images(tmp_path / "set", range(6)), random.Random(0)
    if pack:
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for path in folder.rglob("*.*"):
                archive.write(path, path.relative_to(folder))
        folder = tmp_path / "set.zip"
    whole = seen(load(folder))
    (path,) = cache.iterdir()
    content = path.read_bytes()
    for place in places(path, 17)[:: 11 if pack else 5]:
        caplog.clear()
        flip(path, place, rng.randrange(8))
        assert difference(seen(load(folder)), whole) == ""
        if path.read_bytes() != content:
            assert path.read_bytes()[place - 1 : place] == content[place - 1 : place], "the unread marker"
            path.write_bytes(content)
        elif not caplog.records:
            pytest.fail(f"a flip at {place} was mended without a note")
    assert [each.name for each in cache.iterdir()] == [path.name]


def test_a_cache_that_is_damaged_while_a_training_reads_it_is_mended(tmp_path, cache, caplog):
    folder = images(tmp_path / "set", range(40))
    expected = list(islice(Stream(load(folder), 4, seed=1), 30))
    batches = PrefetchStream(Stream(load(folder), 4, seed=1))
    (path,) = cache.iterdir()
    content = path.read_bytes()
    for number, batch in enumerate(expected):
        if number == 3:  # in the first epoch, when some images have been read
            wait([batches._coming])
            for row in range(40):
                flip(path, place_of(path, row), 3)
        assert difference(list(batch), list(next(batches))) == ""
    assert path.read_bytes() == content
    assert caplog.text.count("is prepared again from its source") == 1


def test_threads_that_find_the_same_damage_mend_it_once(tmp_path, cache, caplog):
    folder = images(tmp_path / "set", range(40))
    whole, data = seen(load(folder)), load(folder)
    (path,) = cache.iterdir()
    flip(path, place_of(path, 7))
    found = []
    threads = [threading.Thread(target=lambda: found.append(seen(data))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [difference(each, whole) for each in found] == [""] * 4
    assert caplog.text.count("is prepared again from its source") == 1


def test_every_part_of_two_domains_is_mended(tmp_path, cache, caplog):
    for index in range(3):
        for name, below in (("photos", 256), ("maps", 3), ("instances", 4)):
            path = tmp_path / "set" / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng(index).integers(0, below, (8, 8), np.uint8)).save(path)
    name, rows = f"pairs:{tmp_path / 'set'}", np.arange(3)
    whole = load(name)
    expected = [*whole.rows(rows), whole.paired_domain.rows(rows)]
    prepared = sorted(cache.glob("*.npy"))
    assert len(prepared) == 3
    for path in prepared:
        content = path.read_bytes()
        flip(path, place_of(path, 1))
        data = load(name)
        assert difference([*data.rows(rows), data.paired_domain.rows(rows)], expected) == ""
        assert path.read_bytes() == content
    assert caplog.text.count("is prepared again from its source") == 3


def test_a_damaged_cache_whose_source_has_changed_is_refused(tmp_path, cache):
    folder = images(tmp_path / "set", range(6))
    data = load(folder)
    (path,) = cache.iterdir()
    flip(path, place_of(path, 1))
    images(folder, range(1, 7))
    with pytest.raises(DataError, match=r"image 1 .*, and its source has changed: restore the source"):
        data.rows(np.arange(6))


def test_a_source_that_has_changed_under_the_same_stamp_is_not_taken_for_what_it_was(tmp_path, cache):
    place = tmp_path / "set" / "1.pgm"
    place.parent.mkdir()
    place.write_bytes(b"P5 2 2 255\n" + bytes([1, 2, 3, 4]))
    time = place.stat().st_mtime_ns
    data = load(place.parent)
    place.write_bytes(b"P5 2 2 255\n" + bytes([1, 2, 3, 5]))
    os.utime(place, ns=(time, time))
    (path,) = cache.iterdir()
    flip(path, place_of(path, 0))
    with pytest.raises(DataError, match="its source has changed"):
        data.rows(np.arange(1))


def test_a_cache_that_is_damaged_again_at_once_is_refused(tmp_path, cache):
    folder = images(tmp_path / "set", range(6))
    data = load(folder)
    (path,) = cache.iterdir()
    again = data.checksummed.again

    def failing():
        fresh = again()
        flip(path, place_of(path, 1))
        return fresh

    data.checksummed.again = failing
    flip(path, place_of(path, 1))
    with pytest.raises(DataError, match=r"also after it was prepared again: set \$SPARRING_CACHE"):
        data.rows(np.arange(6))


def test_the_file_records_of_the_cache_are_checked(tmp_path):
    record, facts = tmp_path / "x.sifted.json", {"a/1.png": "no picture", "ü.png": "cut short"}
    write_note(record, facts)
    content = record.read_bytes()
    assert read_note(record) == facts
    for place in range(len(content)):
        flip(record, place, place % 8)
        assert read_note(record) in (None, facts)
        record.write_bytes(content)


def test_raw_arrays_are_read_as_before(tmp_path):
    np.save(tmp_path / "raw.npy", np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4))
    with (tmp_path / "raw.npy").open("ab") as file:
        np.save(file, np.zeros(7))  # a second array behind the first
    data = load(tmp_path / "raw.npy")
    assert (data.values.shape, data.checksummed, data.labels) == ((2, 4, 4, 1), None, None)
    assert read_prepared(tmp_path / "raw.npy") is None
    assert read_prepared(tmp_path / "nowhere.npy") is None
    assert open_files(tmp_path / "raw.npy") is None


def test_nothing_is_noted_where_nothing_is_damaged(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "sparring")
    for _ in range(2):
        seen(load(images(tmp_path / "set", range(6))))
    assert not caplog.records


@pytest.mark.parametrize("facts", [3, [], {}, {"shape": []}, {"shape": [float("inf")]}, {"shape": ["x"]}, {"shape": 4}])
def test_a_description_that_describes_nothing_is_damage(tmp_path, facts):
    known = {"sparring": prepared.VERSION, "labels": [0, 0], "captions": [0, 0]}
    text = json.dumps({**known, **facts} if isinstance(facts, dict) else facts).encode()
    end = prepared.FOOTER.pack(prepared.MAGIC, 0, len(text), prepared._sealed(text, 0))
    (tmp_path / "x.npy").write_bytes(text + end)
    with pytest.raises(DataError, match="is damaged"):
        prepared.read_prepared(tmp_path / "x.npy")
