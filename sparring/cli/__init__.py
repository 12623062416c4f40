"""The command line: each command is a thin function over the library, and its flags are the function's arguments.

Exit codes: 0 done; 2 wrong usage or bad input, with a one-sentence message; 1 an internal error; 130 and 143 stopped by
a signal, after saving. Torch is imported by commands only, not by their help.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import SequenceMatcher
from importlib import import_module

from sparring import __version__
from sparring.cli.console import unbroken, warn
from sparring.cli.registry import COMMANDS, OWN_FLAGS
from sparring.errors import RoundError, SparringError, printable

__all__ = ["main"]

NO_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory", "can't start new thread")
"""Messages of torch, CUDA, the C++ library, the operating system and Python."""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        words: The words after ``sparring``. Default: those of the process.
    """
    words = sys.argv[1:] if words is None else list(words)
    with unbroken() as lost:
        code = _main(words)
        if error := lost():
            warn(f"sparring: the output cannot be written ({error.strerror}): free some space; the rest is done.")
        return code or (2 if error else 0)


def _main(words: list[str]) -> int:
    """Run a command and return its exit code."""
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            print(overview())
        elif words[0] in ("-V", "--version"):
            print(f"sparring {__version__}")
        else:
            _run(words)
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        if os.environ.get("SPARRING_TRACEBACK"):
            from traceback import print_exception

            print_exception(error)
        print(f"sparring: {printable(sentence)}", file=sys.stderr)
        return 2
    return 0


def _sentence(error: Exception) -> str | None:
    """Return the message for an error that a user can mend, or None for an internal error."""
    if isinstance(error, RoundError):
        return f"{error} SPARRING_TRACEBACK=1 shows the traceback."
    if isinstance(error, SparringError):
        return str(error)
    reason = str(error).strip().partition("\n")[0][:200]
    if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
        return (
            f"There is not enough memory ({reason or type(error).__name__}): give a smaller --batch-size, more "
            "--grad-accum, smaller images, or fewer samples; what was saved before is intact."
        )
    if isinstance(error, OSError):
        what = reason if error.filename is None else f"{str(error.filename)[:200]} cannot be used ({error.strerror})"
        return f"{what}: mend it, or name another."
    return None


def overview() -> str:
    """Return the help of the program."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {words}" for name, (_, words) in COMMANDS.items()]
    return "\n".join(
        [
            "Build, train, evaluate, compare and explore generative adversarial networks.",
            "",
            "usage: sparring COMMAND ...     sparring COMMAND --help     sparring --version",
            "",
            *lines,
            "",
            "example: sparring train dcgan --data digits --out runs/digits --steps 2000",
        ]
    )


def _run(words: list[str]) -> None:
    """Find a command by its name, import its module only, and call it with the words that follow."""
    longest = sorted(COMMANDS, key=len, reverse=True)
    name = next((n for n in longest if n.split() == words[: len(n.split())]), None)
    if name is None:
        like = {each: SequenceMatcher(None, " ".join(words[: len(each.split())]), each).ratio() for each in COMMANDS}
        near = max(like, key=lambda each: like[each])
        hint = f"did you mean {near!r}?" if like[near] >= 0.6 else f"the commands are {', '.join(COMMANDS)}."
        raise SparringError(f"There is no command {words[0]!r}: {hint}")
    module, _, function = COMMANDS[name][0].partition(":")
    command = getattr(import_module(f"sparring.cli.{module}"), function)
    rest = words[len(name.split()) :]
    if name in OWN_FLAGS:
        command(rest)
    else:
        import_module("sparring.cli.options").called(command, rest, name)
