"""Exceptions, one class per kind of remedy. The command line prints each as one sentence."""

import re

SILENT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, marks of writing direction, unpaired surrogates."""


def printable(text: object) -> str:
    r"""Escape control characters and unpaired surrogates in a text.

    Names of files, classes and captions can hold any character; a terminal would execute some, and a file cannot store
    others. Letters of all scripts are kept.

    Args:
        text: Any object; its `str` is escaped.

    >>> print(printable("a\x1b[31m\nb é 漢 \udcff"))
    a\x1b[31m\nb é 漢 \xff
    """
    return SILENT.sub(lambda found: _escaped(found[0]), str(text))


def _escaped(character: str) -> str:
    """Return the escape sequence of a character; for an undecodable byte of a file name, that of the byte."""
    number = ord(character)
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else ascii(character)[1:-1]


UNREADABLE = (OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError)
"""Exceptions that the standard library raises for malformed files."""


class SparringError(Exception):
    """An error that the user can fix. The message is one printable sentence with the cause and the remedy."""

    def __str__(self) -> str:
        return printable(super().__str__())


class GameError(SparringError):
    """A game violates the `Game` interface."""


class RoundError(GameError):
    """A game's own code raised an exception, which is the cause of this error."""


class DataError(SparringError):
    """The data cannot be used as given."""


class RunError(SparringError):
    """A run folder or a checkpoint cannot be used as given."""


class Diverged(SparringError):
    """A loss, gradient or weight is not finite. Training stopped before it was saved."""
