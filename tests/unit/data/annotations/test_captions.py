"""Captions: read from tables and texts, kept through the cache, told as codes, drawn by seed and position."""

import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch

from sparring.data import DataFacts, Dataset, Stream, load, prepare
from sparring.data.annotations.captions import Captions, split_words, token_ids, tokenize
from sparring.data.sources.files import open_files
from sparring.data.sources.image_sources import ImageFiles, content_key
from sparring.errors import DataError
from support.captions import NAMES, SAID, as_lines, pictures


def as_columns(folder, table="captions.csv"):
    rows = [f'{name},"{text}"' for name, texts in zip(NAMES, SAID, strict=True) for text in texts]
    (folder / table).write_text("\n".join(["\ufefffile_name,text", *rows]), encoding="utf-8")


def as_texts(folder):
    for name, texts in zip(NAMES, SAID, strict=True):
        (folder / name).with_suffix(".txt").write_text("\n".join(texts) + "\n\n")


@pytest.mark.parametrize("write", [as_lines, as_columns, as_texts])
def test_captions_are_read_from_tables_and_from_texts_and_again_from_the_cache(tmp_path, write):
    folder, cache = pictures(tmp_path / "data"), tmp_path / "cache"
    write(folder)
    for _ in range(2):  # decoded, then found in the cache
        found = load(folder, cache=cache)
        assert found.captions.texts == SAID
        assert found.values[:, 0, 0].argmax(1).tolist() == [0, 1, 2]
    assert len(list(cache.iterdir())) == 1


def test_captions_found_later_or_changed_make_another_data_set(tmp_path):
    folder, cache = pictures(tmp_path / "data"), tmp_path / "cache"
    plain = load(folder, cache=cache)
    assert plain.captions is None
    assert "captions" not in DataFacts.of(plain).arguments()
    as_texts(folder)
    first = load(folder, cache=cache)
    (folder / "a.txt").write_text("a crimson square")
    second = load(folder, cache=cache)
    assert second.captions.texts[0] == ("a crimson square",)
    assert len({plain.fingerprint, first.fingerprint, second.fingerprint}) == 3


def test_what_was_prepared_before_captions_were_read_is_not_taken_for_captioned(tmp_path):
    folder = pictures(tmp_path / "data")
    as_lines(folder)
    files = open_files(folder)
    source = ImageFiles(files)
    assert source.stamp != content_key(source.title, source.names, list(files.entries.items()))
    (folder / "metadata.jsonl").unlink()
    files = open_files(folder)
    assert ImageFiles(files).stamp == content_key(source.title, source.names, list(files.entries.items()))


def test_a_table_names_files_from_its_own_folder_and_only_the_training_split_counts(tmp_path):
    names = ("train/a.png", "train/b.png", "test/c.png")
    as_lines(pictures(tmp_path / "one", names), names)
    assert load(tmp_path / "one").captions.texts == SAID[:2]
    pictures(tmp_path / "two", names)
    as_lines(tmp_path / "two/train", NAMES[:2], SAID[:2])
    assert load(tmp_path / "two").captions.texts == SAID[:2]


def test_an_unrelated_table_gives_no_captions(tmp_path):
    folder = pictures(tmp_path / "data")
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png", "width": 8}\n')
    (folder / "readme.txt").write_text("about these pictures")
    assert load(folder).captions is None


def test_prepared_files_keep_their_captions_resized_ones_too(tmp_path):
    folder = pictures(tmp_path / "data")
    as_lines(folder)
    path = prepare(folder, tmp_path / "ready")
    assert load(path).captions.texts == SAID
    assert load(path, size=4).captions.texts == SAID


@pytest.mark.parametrize(
    ("table", "content", "match"),
    [
        ("metadata.jsonl", '{"file_name": "a.png", "text": "red"}', "has no caption of b.png, but of 1 other"),
        ("metadata.jsonl", '{"file_name": "z.png", "text": "red"}', "lists z.png, which is missing"),
        ("metadata.jsonl", '{"text": "red"}', "cannot be read .*file_name"),
        ("metadata.jsonl", "no json", "cannot be read"),
        ("metadata.jsonl", '["a.png", "red"]', "cannot be read"),
        ("captions.csv", "name,text\na.png,red", "cannot be read .*file_name"),
        ("a.txt", b"\xff\xfe\xff", "cannot be read"),
        ("b.txt", "green", "has no caption of a.png"),
    ],
)
def test_captions_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, table, content, match):
    folder = pictures(tmp_path / "data")
    (folder / table).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=match):
        load(folder, cache=tmp_path / "cache")


def test_the_content_of_captions_is_their_letters():
    assert Captions((("ein rötes Herz", "心"),)).content == '[["ein rötes Herz", "心"]]'.encode()


def test_a_data_set_refuses_captions_that_do_not_fit_its_rows():
    values = np.zeros((3, 8, 8, 1), np.uint8)
    with pytest.raises(DataError, match="captions for 2 rows, not for 3"):
        Dataset("few", values, captions=Captions((("a",), ("b",))))
    with pytest.raises(DataError, match="Row 1 has no caption"):
        Captions((("a",), ()))


# --- codes


def test_words_are_identified_by_the_checksum_of_their_letters():
    assert token_ids("Red HEART, red!") == [1 + zlib.crc32(b"red"), 1 + zlib.crc32(b"heart"), 1 + zlib.crc32(b"red")]
    assert split_words("Ｆｕｌｌ width; isn't") == ["full", "width", "isn't"]
    rows = tokenize(["a red heart", "", "red"], longest=5)
    assert rows.shape == (3, 5)
    assert (rows > 0).sum(1).tolist() == [3, 0, 1]
    assert rows[2, 0] == rows[0, 1] == 1 + zlib.crc32(b"red")
    assert tokenize(["word " * 1000]).shape == (1, 64)


def test_codes_are_the_same_in_every_process():
    code = "from sparring.data.annotations.captions import token_ids; print(token_ids('a red heart'))"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert said.stdout.strip() == str(token_ids("a red heart"))


# --- streams


def spoken(rows=6, several=3):
    texts = tuple(tuple(f"row{row} way{k}" for k in range(several if row % 2 else 1)) for row in range(rows))
    values = np.arange(rows, dtype=np.uint8).repeat(16).reshape(rows, 4, 4, 1)
    return Dataset("spoken", values, np.arange(rows) % 2, ("even", "odd"), captions=Captions(texts))


def read(batch):
    """Which image each row of a batch shows, and which of its captions it carries."""
    x, labels, said = batch
    rows = ((x[:, 0, 0, 0] + 1) * 127.5).round().long()
    assert torch.equal(labels, rows % 2)
    every = torch.stack([tokenize([f"row{row} way{k}" for k in range(3)]) for row in rows])
    ways = (every == said[:, None]).all(2).long().argmax(1)
    return list(zip(rows.tolist(), ways.tolist(), strict=True))


def test_a_stream_shows_every_image_with_a_caption_of_its_own_in_the_end_each_of_them():
    seen = [pair for batch, _ in zip(Stream(spoken(), 6), range(40), strict=False) for pair in read(batch)]
    assert set(seen) == {(row, way) for row in range(6) for way in range(3 if row % 2 else 1)}
    often = [sum(pair == (1, way) for pair in seen) for way in range(3)]
    assert sum(often) == 40
    assert min(often) >= 5


def test_captions_are_a_function_of_seed_and_position_for_any_shards():
    whole = [read(next(stream)) for stream in [Stream(spoken(), 6, seed=3)] for _ in range(3)]
    resumed = Stream(spoken(), 6, seed=3)
    resumed.seek(2)
    assert read(next(resumed)) == whole[2]
    shards = [Stream(spoken(), 6, seed=3, rank=rank, world=2) for rank in range(2)]
    assert [pair for shard in shards for pair in read(next(shard))] == whole[0]
    other = Stream(spoken(), 6, seed=4)
    assert [read(next(other)) for _ in range(3)] != whole


def test_parts_of_a_data_set_keep_their_own_captions():
    rest, held = spoken().split(0.34)
    assert (len(rest), len(held)) == (4, 2)
    for part in (rest, held):
        assert {row for row, _ in read(next(Stream(part, len(part))))} == set(part.indices.tolist())
    assert DataFacts.of(rest).arguments()["captions"] == ("row0 way0", "row2 way0", "row4 way0", "row5 way0")


def test_some_captions_are_evenly_spaced_and_as_frequent_as_in_the_data():
    few = Captions(tuple((f"number {k // 2}",) for k in range(1000)))
    assert few.examples(5) == ("number 0", "number 124", "number 249", "number 374", "number 499")
    assert Captions((("a",), ("a",))).examples() == ("a", "a")


@pytest.mark.data
def test_real_captions_are_read_from_a_zip():
    found = load(os.path.join(os.environ["SPARRING_DATA"], "emoji_text/noto_emoji_72.zip"), size=8)
    assert len(found) == len(found.captions) == 2743
    assert found.captions.texts[0] == ("joker",)
    assert "heart" in found.captions.vocabulary
