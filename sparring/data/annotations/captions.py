"""Captions of images: what was written about each, read from tables or from text files beside them, as rows of numbers.

A table is a ``metadata.jsonl`` or ``captions.jsonl`` (``{"file_name": "a.png", "text": "a red heart"}`` a line), or a
``metadata.csv`` or ``captions.csv`` (columns file_name and text); its file names are relative to its own folder. A text
beside an image has the image's name and the ending ``.txt``, and one caption a line. Every image may have several.

A word is told as its code, 1 + CRC-32 of its letters in UTF-8, whatever the data and the process: so there is no
vocabulary to be kept, and a sentence never seen can be told as well. A caption is a row of codes, filled up with zeros.
"""

import csv
import io
import json
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparring.data.sources.files import Files
from sparring.errors import DataError

__all__ = ["Captions", "read_captions", "split_words", "token_ids", "tokenize"]

LONGEST = 64  # words of a caption that are read
TABLES = ("metadata.jsonl", "captions.jsonl", "metadata.csv", "captions.csv")
WORD = re.compile(r"\w+(?:['’]\w+)*")


def split_words(text: str) -> list[str]:
    """Cut a text into words, without capitals and punctuation.

    Args:
        text: In any language that puts something between its words.

    Example:
        >>> split_words("A red heart, isn't it?")
        ['a', 'red', 'heart', "isn't", 'it']
    """
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def token_ids(text: str) -> list[int]:
    """The codes of the words of a text, from 1 to 2³².

    Args:
        text: A caption.

    Example:
        >>> token_ids("Red hearts") == token_ids("red, hearts!")
        True
    """
    return [1 + zlib.crc32(word.encode()) for word in split_words(text)[:LONGEST]]


def tokenize(texts: Sequence[str], longest: int = 1) -> Tensor:
    """Texts as rows of codes.

    Args:
        texts: N captions.
        longest: Columns at least.

    Returns:
        int64 (N, L), zero behind the last word of each.

    Example:
        >>> (tokenize(["a heart", "a"]) > 0).tolist()
        [[True, True], [True, False]]
    """
    found = [token_ids(text) for text in texts]
    rows = torch.zeros(len(found), max([longest, *map(len, found)]), dtype=torch.int64)
    for row, one in zip(rows, found, strict=True):
        row[: len(one)] = torch.tensor(one, dtype=torch.int64)
    return rows


@dataclass(frozen=True, eq=False)
class Captions:
    """One or more captions for each row of a data set.

    Args:
        texts: For each row its captions, at least one.

    Raises:
        DataError: A row has none.

    Example:
        >>> two = Captions((("a red heart",), ("a dog", "a brown dog")))
        >>> len(two), two.sample_tokens(np.array([1, 1]), np.array([0, 1], np.uint64)).shape, two.vocabulary
        (2, torch.Size([2, 3]), ('a', 'brown', 'dog', 'heart', 'red'))
    """

    texts: tuple[tuple[str, ...], ...] = field(repr=False)

    def __post_init__(self) -> None:
        for row, said in enumerate(self.texts):
            if not said:
                raise DataError(f"Row {row} has no caption: give every row at least one.")

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the captions of each row begin, and the number of all, int64 (N + 1,)."""
        return np.concatenate([[0], np.cumsum([len(said) for said in self.texts])])

    @cached_property
    def token_ids(self) -> Tensor:
        """Every caption as a row of codes, int64 (captions, L)."""
        return tokenize([text for said in self.texts for text in said])

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word that occurs, in order."""
        return tuple(sorted({word for said in self.texts for text in said for word in split_words(text)}))

    @cached_property
    def unique(self) -> tuple[str, ...]:
        """Every caption once."""
        return tuple(dict.fromkeys(text for said in self.texts for text in said))

    @cached_property
    def content(self) -> bytes:
        """Everything said, for a fingerprint and a file."""
        return json.dumps(self.texts, ensure_ascii=False).encode()

    def sample_tokens(self, rows: np.ndarray, chances: np.ndarray) -> Tensor:
        """One caption of each row.

        Args:
            rows: Positions, int64 (n,).
            chances: What decides which, uint64 (n,).

        Returns:
            Codes, int64 (n, L); L is the same for every call.
        """
        first, last = self.starts[rows], self.starts[rows + 1]
        return self.token_ids[torch.from_numpy(first + (chances % (last - first).astype(np.uint64)).astype(np.int64))]

    def examples(self, most: int = 64, *, indices: np.ndarray | None = None) -> tuple[str, ...]:
        """The first captions of rows that are evenly spaced, each as often as these rows have it.

        Args:
            most: How many rows are looked at.
            indices: Positions of the rows to choose from, int64 (n,). Default: all.
        """
        among = np.arange(len(self)) if indices is None else indices
        rows = among[np.linspace(0, len(among) - 1, min(most, len(among))).astype(np.int64)]
        return tuple(self.texts[row][0] for row in rows)


def read_captions(files: Files, names: Sequence[str]) -> Captions | None:
    """The captions of image files, if they have any.

    Args:
        files: A folder or an archive.
        names: The image files, in order.

    Raises:
        DataError: A table or text cannot be read, or some images have captions and others none.
    """
    said: dict[str, list[str]] = {name: [] for name in names}
    absent = []
    for place, name, text in _read(files, names, caption_files(files, names)):
        if name in said and text.strip():
            said[name].append(text.strip())
        elif name not in files.entries:
            absent.append((place, name))
    silent = [name for name, texts in said.items() if not texts]
    if len(silent) == len(said):
        for place, name in absent:
            raise DataError(f"{files.title}/{place} speaks of {name}, which is not there: name files from its folder.")
        return None
    if silent:
        raise DataError(
            f"{files.title} gives {silent[0]} no caption, and {len(said) - len(silent)} other image(s) one: "
            "write it, or remove the others'."
        )
    return Captions(tuple(map(tuple, said.values())))


def caption_files(files: Files, names: Iterable[str]) -> list[str]:
    """The files that may hold captions: tables, and texts beside the images.

    Args:
        files: A folder or an archive.
        names: The image files.
    """
    return [*caption_tables(files), *(text for text in map(text_beside, names) if text in files.entries)]


def caption_tables(files: Files) -> list[str]:
    """The files that are tables of captions by their names.

    Args:
        files: A folder or an archive.
    """
    return [name for name in files.entries if name.rpartition("/")[2] in TABLES]


def unused_tables(files: Files, names: Sequence[str]) -> dict[str, str]:
    """The tables that give no image a caption, to a sentence with the path and the reason.

    Args:
        files: A folder or an archive.
        names: The image files.
    """
    known = set(names)
    reason = "gives none of the images a caption and is not used: write a file_name and a text an entry."
    idle = [
        table
        for table in caption_tables(files)
        if not any(name in known and text.strip() for _, name, text in _read(files, names, [table]))
    ]
    return {table: f"{files.title}/{table} {reason}" for table in idle}


def text_beside(name: str) -> str:
    """The name of the text beside an image.

    Args:
        name: Of the image.

    Example:
        >>> text_beside("hearts/red.1.PNG")
        'hearts/red.1.txt'
    """
    return name.rpartition(".")[0] + ".txt"


def _read(files: Files, names: Sequence[str], places: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yields where something is said, of which file, and what."""
    pictures = {text_beside(name): name for name in names}
    for place in places:
        try:
            content = files.read(place).decode("utf-8-sig")
            if place in pictures:
                yield from ((place, pictures[place], line) for line in content.splitlines())
            else:
                folder = PurePosixPath(place).parent
                read = _lines if place.endswith(".jsonl") else _columns
                yield from ((place, str(folder / name), text) for name, text in read(content))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error) as error:
            raise DataError(
                f"{files.title}/{place} cannot be read ({error}): write UTF-8, a file_name and a text an entry."
            ) from error


def _lines(content: str) -> Iterator[tuple[str, str]]:
    for line in filter(str.strip, content.splitlines()):
        row: dict[str, Any] = json.loads(line)
        text = row.get("text", [])
        texts = [text] if isinstance(text, str) else text
        if not all(isinstance(one, str) for one in [row["file_name"], *texts]):
            raise ValueError("a file_name or text is no text")
        yield from ((row["file_name"], one) for one in texts)


def _columns(content: str) -> Iterator[tuple[str, str]]:
    for row in csv.DictReader(io.StringIO(content)):
        yield row["file_name"], row.get("text") or ""
