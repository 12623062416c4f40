"""Progress: plain lines at intervals where there is no terminal, and the time that is left."""

import pytest

from sparring.cli import console
from sparring.cli.console import progress


@pytest.fixture
def at(monkeypatch):
    """Set the clock."""
    now = [0.0]
    monkeypatch.setattr(console.time, "perf_counter", lambda: now[0])

    def set_clock(seconds):
        now[0] = seconds

    return set_clock


def test_lines_come_at_intervals_with_the_time_left(at, capsys):
    with progress("preparing images") as show:
        for seconds, done in ((1, 10), (5, 50), (6, 60), (11, 110)):
            at(seconds)
            show.update(done, 200)
    assert capsys.readouterr().out.splitlines() == [
        "preparing images: 50 of 200  15 s left",
        "preparing images: 110 of 200  9 s left",
    ]


def test_short_work_is_not_shown_unless_its_last_state_is_to_be_kept(at, capsys):
    for keep in (False, True):
        with progress(total=2, keep=keep) as show:
            show.update(1, head="step 1")
            show.update(2, head="step 2", tail="D/loss 0.5")
    assert capsys.readouterr().out == "step 2  0 s left  D/loss 0.5\n"


def test_what_was_done_before_does_not_count_for_the_pace(at, capsys):
    with progress(done=3, total=5) as show:
        at(60)
        show.line("nsgan, seed 0 finished", 4, "4 of 5 trials")
        show.line("nsgan, seed 1 failed", 3, "3 of 5 trials")
    assert capsys.readouterr().out.splitlines() == [
        "nsgan, seed 0 finished; 4 of 5 trials, about 1 min 00 s left",
        "nsgan, seed 1 failed; 3 of 5 trials",
    ]
