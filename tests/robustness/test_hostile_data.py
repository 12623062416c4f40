"""Five hundred hostile images, and archives: no crash, no hang, no byte written outside, each named with the reason."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparring.cli import main
from sparring.data import DataFacts, load, load_images
from sparring.data.annotations.label_maps import LabelMapClasses, decode_boundaries, decode_label_map
from sparring.data.annotations.palettes import read_instances, read_label_map
from sparring.data.sources.files import ZipFiles, is_safe_member
from sparring.data.sources.images import FORMATS, decode, decode_upright, open_image, read_header
from sparring.data.sources.layouts import decode_half
from sparring.errors import DataError
from sparring.experiments import plots
from sparring.inference import single_image
from sparring.inference.translation import translate_files
from sparring.runs.run import Run
from support import hostile, runs

COUNT, SIZE = 500, 16


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def files():
    return hostile.files(COUNT, seed=0)


def written(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*") if "cache" not in path.parts}


def readable(content: bytes) -> bool:
    """Whether Pillow alone, with our limits, reads it to the end."""
    try:
        picture = open_image("x", content)
        picture.load()
        return picture.mode not in ("I", "F")
    except (
        DataError,
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
        OverflowError,
        Image.DecompressionBombError,
    ):
        return False


def sentence(path: Path | str, **how) -> str | None:
    """Return the error message of data that cannot be loaded; None otherwise."""
    return refusal(load, path, **how)


def refusal(function, *words, **how) -> str | None:
    """The sentence in which something is refused, if it is."""
    try:
        function(*words, **how)
    except DataError as error:
        message = str(error)
    else:
        return None
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_five_hundred_hostile_images_in_a_folder(tmp_path, files):
    folder = written(tmp_path / "set", files)
    (tmp_path / "outside").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "outside" / "private.png")
    strays = hostile.strays(folder, tmp_path / "outside")
    before, threads = snapshot(tmp_path), threading.active_count()
    loaded = load(folder, size=SIZE, skip_unreadable=True)
    assert snapshot(tmp_path) == before, "nothing but the cache was touched"
    assert threading.active_count() == threads
    start = f"{folder}: "
    skipped = {sentence.split(" ")[0] for sentence in loaded.skipped if not sentence.startswith(start)}
    bad = [sentence.removeprefix(start).split()[0] for sentence in loaded.skipped if sentence.startswith(start)]
    assert skipped == {str(folder / name) for name in strays}
    assert not any("private" in sentence for sentence in loaded.skipped)
    assert len(loaded) + len(bad) == COUNT
    assert set(bad) == {name for name, content in files.items() if not readable(content)}
    assert 200 < len(bad) < 400
    for kind in ("sound", "thin"):
        assert not any(kind in name for name in bad)
    for kind in ("noise", "zeros", "bomb", "foreign"):
        assert all(name in bad for name in files if kind in name), kind
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in loaded.skipped)
    good = [name for name in sorted(files) if name not in bad]
    assert (loaded.values[7] == decode("x", files[good[7]], SIZE, loaded.shape[0])).all()


def test_by_default_the_first_unreadable_file_is_an_error(tmp_path, files):
    folder = written(tmp_path / "set", dict(list(files.items())[:40]))
    with pytest.raises(DataError, match=r"set: 00\d-\w+\.\w+ .*(replace or remove it|make it smaller or remove it)"):
        load(folder, size=SIZE)


def test_each_hostile_image_alone_is_read_or_refused_in_a_sentence(tmp_path, files):
    for name, content in list(files.items())[:120]:
        path = tmp_path / name
        path.write_bytes(content)
        assert sentence(path, size=SIZE) is None or name in sentence(path, size=SIZE)
        path.unlink()


def test_hostile_archives(tmp_path, files):
    packed = hostile.archive(tmp_path / "set.zip", dict(list(files.items())[:66]), *hostile.OUTWARD)
    before = snapshot(tmp_path)
    loaded = load(packed, size=SIZE, skip_unreadable=True)
    assert snapshot(tmp_path) == before
    assert not list(Path(tmp_path).rglob("evil*"))
    assert not (runs.SCRATCH / "evil.png").exists()
    leading = [sentence for sentence in loaded.skipped if "leads out of it" in sentence]
    assert len(leading) == len(hostile.OUTWARD)
    assert len(loaded) + len(loaded.skipped) == 66 + len(hostile.OUTWARD)
    assert not any(is_safe_member(name) for name in hostile.OUTWARD)


def test_damaged_archives_are_read_or_refused_in_a_sentence(tmp_path, files):
    good = {name: content for name, content in files.items() if "sound" in name}
    packed = hostile.archive(tmp_path / "good.zip", good)
    rng, messages = random.Random(1), []
    for number in range(100):
        path = hostile.damaged(packed, rng, tmp_path / f"{number}.zip")
        messages += [sentence(path, size=8, skip_unreadable=skip_unreadable) for skip_unreadable in (False, True)]
    assert len(list(filter(None, messages))) > 50


def test_a_member_cannot_exceed_its_declared_size(tmp_path):
    """The directory declares a hundred bytes, the stream decompresses to ten million."""
    hostile.archive(tmp_path / "bomb.zip", {"a.png": bytes(10**7)})
    content = (tmp_path / "bomb.zip").read_bytes()
    for field in (content.rindex(b"PK\1\2") + 24, content.index(b"PK\3\4") + 22):
        content = content[:field] + (100).to_bytes(4, "little") + content[field + 4 :]
    (tmp_path / "bomb.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png cannot be read"):
        ZipFiles(tmp_path / "bomb.zip").read("a.png")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    folder = written(tmp_path / "set", {"a.png": b""})
    with open(folder / "a.png", "r+b") as file:
        file.truncate(2**40)  # a hole: it takes no room
    assert "a.png has 1099511627776 bytes, more than the 268435456 allowed" in sentence(folder)


def test_only_the_formats_of_the_list_are_decoded():
    rng = random.Random(0)
    assert set(FORMATS) == set(hostile.FORMATS)
    for kind in hostile.FOREIGN:
        try:
            content = hostile.encoded(hostile.picture(rng, "1" if kind == "XBM" else "RGB", 32), kind)
        except (OSError, KeyError, ValueError):
            continue
        if kind not in ("PDF",):  # which Pillow writes and does not read
            Image.open(BytesIO(content)).close()
        with pytest.raises(DataError, match="not a readable image"):
            open_image("x", content)


def test_the_search_is_made_once_and_cached(tmp_path, files, monkeypatch):
    folder = written(tmp_path / "set", dict(list(files.items())[:30]))
    first = load(folder, size=SIZE, skip_unreadable=True)
    monkeypatch.setattr("sparring.data.sources.readable.decode", None)
    again = load(folder, size=8, skip_unreadable=True)
    assert again.skipped == first.skipped
    (record,) = (tmp_path / "cache").glob("*.sifted.json")
    record.write_text("[" * 10**5)
    monkeypatch.undo()
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    assert load(folder, size=8, skip_unreadable=True).skipped == first.skipped
    assert json.loads(record.read_text())


def test_labels_and_captions_stay_with_their_images(tmp_path, files):
    good = [content for name, content in files.items() if "sound" in name][:4]
    for label in ("cat", "dog"):
        (tmp_path / "set" / label).mkdir(parents=True)
    for number, content in enumerate(good):
        path = tmp_path / "set" / ("cat" if number % 2 else "dog") / f"{number}.png"
        path.write_bytes(content)
        path.with_suffix(".txt").write_text(f"number {number}")
    whole = load(tmp_path / "set", size=8)
    for label in ("cat", "dog"):
        (tmp_path / "set" / label / "0a.png").write_bytes(b"no picture")
        (tmp_path / "set" / label / "0a.txt").write_text("no picture")
    sifted = load(tmp_path / "set", size=8, skip_unreadable=True)
    assert (sifted.values == whole.values).all()
    assert (sifted.labels == whole.labels).all()
    assert sifted.captions.texts == whole.captions.texts
    assert sifted.fingerprint == whole.fingerprint


def test_of_pairs_both_are_passed_over(tmp_path, files):
    good = [content for name, content in files.items() if "sound" in name][:5]
    for side in ("trainA", "trainB"):
        (tmp_path / "set" / side).mkdir(parents=True)
        for number, content in enumerate(good):
            Image.open(BytesIO(content)).convert("RGB").resize((8, 8)).save(tmp_path / "set" / side / f"{number}.png")
    (tmp_path / "set/trainA/1.png").write_bytes(b"")
    (tmp_path / "set/trainB/3.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"[13]\.png"):
        load(f"pairs:{tmp_path / 'set'}", size=8)
    pairs = load(f"pairs:{tmp_path / 'set'}", size=8, skip_unreadable=True)
    assert (len(pairs), len(pairs.paired_domain.dataset)) == (3, 3)
    assert (pairs.values == pairs.paired_domain.dataset.values).all()
    assert len(pairs.skipped) == 2
    unpaired = load(f"unpaired:{tmp_path / 'set'}", size=8, skip_unreadable=True)
    assert (len(unpaired), len(unpaired.paired_domain.dataset)) == (4, 4)


def test_nothing_readable_is_an_error(tmp_path):
    folder = written(tmp_path / "set", {"a.png": b"", "b.jpg": b"x"})
    with pytest.raises(DataError, match=r"2 image\(s\), none of which can be read: .*a\.png"):
        load(folder, skip_unreadable=True)


def test_the_command_line_names_what_it_passes_over_and_resumes(tmp_path, files, capsys):
    folder = written(tmp_path / "set", dict(list(files.items())[:44]))
    tiny = ["--size", "16", "--batch-size", "4", "--width", "4", "--latent", "4", "--device", "cpu"]
    words = ["train", "dcgan", "--data", str(folder), *tiny, "--out", str(tmp_path / "run")]
    assert main([*words, "--steps", "1"]) == 2
    assert not (tmp_path / "run").exists()
    capsys.readouterr()
    assert main([*words, "--steps", "1", "--skip-unreadable"]) == 0
    output = capsys.readouterr().err
    assert output.count("note: Skipped: ") == 4
    lines = (tmp_path / "run/skipped-files.txt").read_text().splitlines()
    assert f"{len(lines) - 3} more, all of them named in skipped-files.txt" in output
    assert main(["resume", str(tmp_path / "run"), "--steps", "2"]) == 0
    assert Run.open(tmp_path / "run", device="cpu").dataset.skipped == tuple(lines)
    capsys.readouterr()
    target = tmp_path / "prepared.npy"
    assert main(["data", "prepare", str(folder), str(target), "--size", "16", "--skip-unreadable"]) == 0
    assert capsys.readouterr().out.count("Passed over: ") == len(lines)
    assert len(np.load(target)) == 44 - len(lines)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset.json", "[" * 10**5),
        ("dataset.json", '{"labels": 3}'),
        ("dataset.json", '{"labels": [["a.png", 1e999]]}'),
        ("dataset.json", '{"labels": [["a.png", ' + "9" * 5000 + "]]}"),
        ("dataset.json", '{"labels": [["a.png", 99999999999999999999999]]}'),
        ("dataset.json", '{"labels": [["a.png", 1000000000]]}'),
        ("metadata.jsonl", "[" * 10**5),
        ("metadata.jsonl", '{"file_name": ["a.png"], "text": "x"}'),
        ("metadata.jsonl", '{"file_name": "a.png", "text": [[]]}'),
        ("metadata.jsonl", '{"file_name": "../../etc/passwd", "text": "x"}'),
        ("metadata.csv", "file_name,text\n" + '"' * 10**6),
    ],
)
def test_hostile_tables_are_refused_in_a_sentence(tmp_path, name, content):
    folder = written(tmp_path / "set", {"a.png": hostile.encoded(hostile.picture(random.Random(0)), "PNG")})
    (folder / name).write_text(content)
    assert sys.getrecursionlimit() < 10**5
    message = sentence(folder, size=8)
    assert name in message
    assert len(message) < 1000


REGIONS = LabelMapClasses(("a", "b"), ((0, 0, 0), (255, 255, 255)))
DECODERS = {
    "head": read_header,
    "upright": decode_upright,
    "image": lambda name, content: decode(name, content, 8, 3),
    "whole image": lambda name, content: decode(name, content, None, 4),
    "left half": lambda name, content: decode_half(name, content, 8, 3, 0),
    "right half": lambda name, content: decode_half(name, content, 8, 1, 1),
    "label map": lambda name, content: decode_label_map(
        name, content, 8, regions=LabelMapClasses(tuple(map(str, range(255))))
    ),
    "label map in colour": lambda name, content: decode_label_map(name, content, 8, regions=REGIONS),
    "map of objects": lambda name, content: decode_boundaries(name, content, 8),
}
OPENERS = {
    "photograph": lambda path: load(f"whole:{path}"),
    "mask": lambda path: single_image.load_image_like(path, 1),
    "drawn map": lambda path: read_label_map(path, REGIONS, nearest=True),
    "drawn objects": read_instances,
}


@pytest.mark.parametrize("reader", DECODERS)
def test_every_decoder_error_becomes_a_message_that_names_the_file(files, reader):
    """The only exception of a damaged file is DataError, for every reader."""
    messages = {name: refusal(DECODERS[reader], f"the file {name}", content) for name, content in files.items()}
    assert all(f"the file {name} " in words for name, words in messages.items() if words)
    assert 100 < len(list(filter(None, messages.values()))) < 480


@pytest.mark.parametrize("place", ["a", "b"])
def test_every_entry_point_names_a_hostile_image(tmp_path, files, place):
    """As one of pairs, a label map, a photograph, a mask, a map that is painted."""
    for side in "ab":
        (tmp_path / "set" / side).mkdir(parents=True)
    for name, content in list(files.items())[: 3 * len(hostile.KINDS)]:
        path = (tmp_path / "set" / place / "0").with_suffix(Path(name).suffix)
        for side in "ab":
            Image.new("L", (16, 16), 1).save(tmp_path / "set" / side / "0.png")
        (tmp_path / "set" / place / "0.png").unlink()
        path.write_bytes(content)
        for opener in OPENERS:
            assert str(path) in (refusal(OPENERS[opener], path) or str(path)), opener
        for kind in ("pairs", "pictures", "maps", "unpaired"):
            assert path.name in (sentence(f"{kind}:{tmp_path / 'set'}", size=8) or path.name), kind
        path.unlink()


def test_inputs_of_a_run_name_a_hostile_image(tmp_path, files, monkeypatch):
    """What is encoded, inverted, used as a style, or translated."""
    facts = DataFacts((1, 8, 8), other=(3, 8, 8))
    monkeypatch.setattr("sparring.inference.translation.translate", lambda game, x, to, **how: x)
    refused = 0
    for name, content in list(files.items())[: 3 * len(hostile.KINDS)]:
        path = tmp_path / name
        path.write_bytes(content)
        encoded = refusal(partial(load_images, shape=facts.shape), [path])
        translated = refusal(lambda source: list(translate_files(None, facts, [source], "B", tmp_path / "out")), path)
        assert (encoded is None) == (translated is None)
        assert name in (encoded or name)
        assert name in (translated or name)
        refused += encoded is not None
    assert 10 < refused < 25


def test_a_map_that_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", tmp_path / "absent.png", tmp_path):
        assert "is not a file: give an image file" in refusal(read_label_map, path, REGIONS)


def test_a_film_names_a_damaged_picture(tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/000001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"000001\.png is not a readable image"):
        plots.film(tmp_path)
