"""Refused commands and their messages."""

from sparring.cli import main


def refused(capsys, *words):
    """Runs a command that must fail, and returns its one sentence."""
    assert main(list(words)) == 2
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert told.err.startswith("sparring: ")
    assert told.err.count("\n") == 1
    return told.err
