"""Captions of images from tables or text files, as rows of token ids.

A table is a ``metadata.jsonl`` or ``captions.jsonl`` (``{"file_name": "a.png", "text": "a red heart"}`` a line), or a
``metadata.csv`` or ``captions.csv`` (columns file_name and text); its file names are relative to its own folder. A text
file has the name of its image with the suffix ``.txt``, and one caption a line. An image may have several captions.

The token id of a word is 1 + CRC-32 of its letters in UTF-8, independent of the data: so no vocabulary is stored, and
unseen text can be tokenised as well. A caption is a row of token ids, padded with zeros.
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

import numpy as np
import torch
from torch import Tensor

from sparring._types import JsonObject
from sparring.data.sources.files import Files
from sparring.errors import DataError

__all__ = ["Captions", "read_captions", "split_words", "token_ids", "tokenize"]

LONGEST = 64  # maximum number of words of a caption
TABLES = ("metadata.jsonl", "captions.jsonl", "metadata.csv", "captions.csv")
WORD = re.compile(r"\w+(?:['’]\w+)*")


def split_words(text: str) -> list[str]:
    """Split a text into words, in lower case and without punctuation.

    Args:
        text: In any language that separates words.

    Example:
        >>> split_words("A red heart, isn't it?")
        ['a', 'red', 'heart', "isn't", 'it']
    """
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def token_ids(text: str) -> list[int]:
    """Return the token ids of the words of a text, from 1 to 2³².

    Args:
        text: A caption.

    Example:
        >>> token_ids("Red hearts") == token_ids("red, hearts!")
        True
    """
    return [1 + zlib.crc32(word.encode()) for word in split_words(text)[:LONGEST]]


def tokenize(texts: Sequence[str], longest: int = 1) -> Tensor:
    """Return the token ids of texts, padded with zeros.

    Args:
        texts: N captions.
        longest: Minimum number of columns.

    Returns:
        int64 (N, L), zero after the last word of each.

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
        texts: The captions of each row, at least one.

    Raises:
        DataError: If a row has no caption.

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
        """Index of the first caption of each row, and the total number, int64 (N + 1,)."""
        return np.concatenate([[0], np.cumsum([len(said) for said in self.texts])])

    @cached_property
    def token_ids(self) -> Tensor:
        """Token ids of every caption, int64 (captions, L)."""
        return tokenize([text for said in self.texts for text in said])

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word that occurs, sorted."""
        return tuple(sorted({word for said in self.texts for text in said for word in split_words(text)}))

    @cached_property
    def unique(self) -> tuple[str, ...]:
        """Every distinct caption."""
        return tuple(dict.fromkeys(text for said in self.texts for text in said))

    @cached_property
    def content(self) -> bytes:
        """All captions as JSON, for fingerprints and files."""
        return json.dumps(self.texts, ensure_ascii=False).encode()

    def sample_tokens(self, rows: np.ndarray, chances: np.ndarray) -> Tensor:
        """Return the token ids of one caption of each row.

        Args:
            rows: Positions, int64 (n,).
            chances: Random numbers that select the caption, uint64 (n,).

        Returns:
            int64 (n, L); L is the same for every call.
        """
        first, last = self.starts[rows], self.starts[rows + 1]
        return self.token_ids[torch.from_numpy(first + (chances % (last - first).astype(np.uint64)).astype(np.int64))]

    def examples(self, most: int = 64, *, indices: np.ndarray | None = None) -> tuple[str, ...]:
        """Return the first caption of evenly spaced rows, in their order and with repetitions.

        Args:
            most: Maximum number of rows.
            indices: Positions of the rows to choose from, int64 (n,). Default: all.
        """
        among = np.arange(len(self)) if indices is None else indices
        rows = among[np.linspace(0, len(among) - 1, min(most, len(among))).astype(np.int64)]
        return tuple(self.texts[row][0] for row in rows)


def read_captions(files: Files, names: Sequence[str]) -> Captions | None:
    """Return the captions of image files, if they have any.

    Args:
        files: A folder or an archive.
        names: The image files, in order.

    Raises:
        DataError: If a table or text cannot be read, or only some images have captions.
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
            raise DataError(f"{files.title}/{place} lists {name}, which is missing: list files relative to its folder.")
        return None
    if silent:
        raise DataError(
            f"{files.title} has no caption of {silent[0]}, but of {len(said) - len(silent)} other image(s): "
            "add it, or remove the others."
        )
    return Captions(tuple(map(tuple, said.values())))


def caption_files(files: Files, names: Iterable[str]) -> list[str]:
    """Return the files that may hold captions: tables, and text files of the images.

    Args:
        files: A folder or an archive.
        names: The image files.
    """
    return [*caption_tables(files), *(text for text in map(text_beside, names) if text in files.entries)]


def caption_tables(files: Files) -> list[str]:
    """Return the files whose names are those of caption tables.

    Args:
        files: A folder or an archive.
    """
    return [name for name in files.entries if name.rpartition("/")[2] in TABLES]


def unused_tables(files: Files, names: Sequence[str]) -> dict[str, str]:
    """Return the tables without a caption of any image, with a sentence of the path and the reason.

    Args:
        files: A folder or an archive.
        names: The image files.
    """
    known = set(names)
    reason = "has no caption of any image and is not used: write a file_name and a text in each entry."
    idle = [
        table
        for table in caption_tables(files)
        if not any(name in known and text.strip() for _, name, text in _read(files, names, [table]))
    ]
    return {table: f"{files.title}/{table} {reason}" for table in idle}


def text_beside(name: str) -> str:
    """Return the name of the text file of an image.

    Args:
        name: Of the image.

    Example:
        >>> text_beside("hearts/red.1.PNG")
        'hearts/red.1.txt'
    """
    return name.rpartition(".")[0] + ".txt"


def _read(files: Files, names: Sequence[str], places: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield table or text file, image and caption."""
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
                f"{files.title}/{place} cannot be read ({error}): write UTF-8 with file_name and text in each entry."
            ) from error


def _lines(content: str) -> Iterator[tuple[str, str]]:
    for line in filter(str.strip, content.splitlines()):
        row: JsonObject = json.loads(line)
        text = row.get("text", [])
        texts = [text] if isinstance(text, str) else text
        if not all(isinstance(one, str) for one in [row["file_name"], *texts]):
            raise ValueError("a file_name or text is not a string")
        yield from ((row["file_name"], one) for one in texts)


def _columns(content: str) -> Iterator[tuple[str, str]]:
    for row in csv.DictReader(io.StringIO(content)):
        yield row["file_name"], row.get("text") or ""
