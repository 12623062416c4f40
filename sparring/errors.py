"""The errors a user can cause or meet, one class per remedy. The command line turns each into one sentence."""

import re

SILENT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, ends of lines, changes of the direction of writing, halves of surrogate pairs."""


def printable(text: object) -> str:
    r"""Returns a text in which every character that a terminal would obey, or a file cannot hold, is escaped.

    Names of files, classes and captions can hold any character. What people write in, in any script, stays as it is.

    Args:
        text: Anything, as `str` returns it.

    >>> print(printable("a\x1b[31m\nb é 漢 \udcff"))
    a\x1b[31m\nb é 漢 \xff
    """
    return SILENT.sub(lambda found: _escaped(found[0]), str(text))


def _escaped(character: str) -> str:
    """Returns a character as an escape; a byte of a file's name that is no UTF-8 as that byte."""
    number = ord(character)
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else ascii(character)[1:-1]


UNREADABLE = (OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError)
"""What the standard library raises when a file does not hold what it ought to."""


class SparringError(Exception):
    """Something a user can mend; the message is one printable sentence that names the cause and the remedy."""

    def __str__(self) -> str:
        return printable(super().__str__())


class GameError(SparringError):
    """A game breaks a rule of play."""


class RoundError(GameError):
    """A game's own code raised an exception, which is the cause of this error."""


class DataError(SparringError):
    """The data cannot be used as given."""


class RunError(SparringError):
    """A run folder or a checkpoint cannot be used as given."""


class Diverged(SparringError):
    """A loss, gradient or weight stopped being finite; training stopped before it could be saved."""
