"""Read the code of the documentation: fenced blocks, commands, and the settings with which they take seconds."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = ("docs/reference/api/", "docs/reference/commands/")
FENCE = re.compile(
    r"(?P<before>(?:^<!-- .*? -->\n)*)^```(?P<language>\w+)\n(?P<text>.*?)^```$", flags=re.DOTALL | re.MULTILINE
)
LIMITS = {"--steps": 4, "--kimg": 0.2, "--minutes": 0.01, "--eval-every": 0.1, "--frames": 4, "--samples": 60}
LIMITS |= {"--size": 32, "--rounds": 2, "--jobs": 1, "--batch-size": 16, "--patience": 2, "--random-crop": 4}
"""The largest values with which the commands of the documentation are run."""
NARROW = {"cyclegan": ["--width", "4", "--blocks", "1"], "compare": ["--width", "4"], "singan": ["--width", "4"]}
"""Flags that make the networks of some commands small; other stock recipes get ``--width 8``."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Path of the page, relative to the repository.
        line: Line of the fence.
        language: Word behind the fence.
        text: Its content.
        reason: Why it is not run, or empty.
        file: File that the reader saves it as, or empty.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str = ""
    file: str = ""


def pages() -> list[str]:
    """Return the paths of all written pages with code, relative to the repository."""
    found = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]
    return ["README.md", "CONTRIBUTING.md", *(page for page in found if not page.startswith(GENERATED))]


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    text, found = (ROOT / page).read_text(), []
    for match in FENCE.finditer(text):
        notes = dict(re.findall(r"<!-- (not run|file): (.*?) -->", match["before"]))
        line = text.count("\n", 0, match.start("language")) + 1
        found.append(
            Block(page, line, match["language"], match["text"], notes.get("not run", ""), notes.get("file", ""))
        )
    return found


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every ``sparring`` command of a shell block, or of the workers that ``torchrun`` starts."""
    for line in text.replace("\\\n", " ").split("\n"):
        before, start, rest = line.partition("sparring ")
        if start and (not before or before.endswith("-m ")):
            yield shlex.split(rest.partition(" > ")[0], comments=True)


def inline(page: str) -> list[list[str]]:
    """Return the words of every complete command in the text of a page."""
    text = FENCE.sub("", (ROOT / page).read_text())
    found = re.findall(r"`sparring ([^`]+)`", text)
    return [shlex.split(words) for words in found if "…" not in words and "..." not in words and "|" not in words]


def tiny(words: list[str]) -> list[str]:
    """Return a command with settings that take seconds."""
    small = list(words)
    for i, word in enumerate(small[:-1]):
        if word in LIMITS and re.fullmatch(r"[\d.]+", small[i + 1]):
            small[i + 1] = min(small[i + 1], str(LIMITS[word]), key=float)
    if words[0] == "auto":
        small = [word for i, word in enumerate(small) if not {word, small[i - 1]} & {"--minutes", "--hours"}]
        return [*small, "--steps", "9" if "60" in words else "18"]
    narrow = NARROW.get(words[0]) or NARROW.get(words[1] if len(words) > 1 else "", ["--width", "8"])
    trains = words[0] in ("train", "compare") or (words[0] == "singan" and words[1].endswith((".jpg", ".png")))
    if trains and ":" not in words[1] and "--width" not in words:
        small += narrow
    return small
