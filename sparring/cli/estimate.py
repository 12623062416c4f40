"""What ``sparring train --plan`` says: what the training will cost, and what would cost less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparring.cli.console import clock, say, show_table

if TYPE_CHECKING:
    from sparring.runs.profiling import Option, Plan, Probe
    from sparring.runs.run import Run

__all__ = ["advice", "tell"]


def tell(run: Run, aim: int, *, images: bool) -> None:
    """Plays steps of a run, and of what could be chosen instead, in copies, and says what training will cost.

    Each row is printed when it was first measured; at the end, or at Ctrl-C, the medians of all.

    Args:
        run: As it would be trained; it is left as it is.
        aim: Where to end.
        images: Whether that is a number of images, not of steps.

    Raises:
        KeyboardInterrupt: After Ctrl-C, once what is known was printed.
    """
    from sparring.runs.profiling import SECONDS, plans

    say(f"Playing steps for about {SECONDS:g} s; Ctrl-C ends that with what is known by then.")
    found: Plan | None = None
    try:
        for later in plans(run):
            for line in _news(found, later):
                say(line)
            found = later
    except KeyboardInterrupt:
        say("Stopped." if found and found.probes else "Stopped before anything was measured.")
        if found and found.probes:
            _conclude(found, aim, images)
        raise
    if found:
        _conclude(found, aim, images)


def _news(before: Plan | None, now: Plan) -> list[str]:
    """What has been begun or left out since."""
    begun = now.probes[len(before.probes) if before else 0 :]
    lines = [
        f"{_named(it.option)}: {_milliseconds(it.seconds)} a step, {it.speed:,.1f} images/s, {_size(it.memory)}"
        for it in begun
    ]
    known = before.left_out if before else {}
    return lines + [f"{_named(option)}: left out, {why}" for option, why in now.left_out.items() if option not in known]


def _conclude(found: Plan, aim: int, images: bool) -> None:
    """Prints the medians of all steps, what the whole training will take, and advice."""
    say()
    say("Medians of the steps in turns, and their quartiles:")
    show_table(["", "steps", "a step", "quartiles", "images/s", "memory"], [_row(probe) for probe in found.probes])
    if step := found.step():
        seconds, rows = step
        rounds = -(-aim // rows) if images else aim
        base = found.base
        more = f", extended from batch {base.batch}" if base and base.batch != found.asked.batch else ""
        most = "at most " if found.asked.stage else ""
        say(
            f"Time: {most}about {clock(rounds * seconds)} for {rounds:,} steps of {rows:,} images{more}, "
            "without pictures and judgements."
        )
    say(f"A checkpoint takes about {_size(found.probes[0].state)}; --keep says how many stay.")
    for line in advice(found):
        say(line)


def advice(found: Plan) -> list[str]:
    """Returns a sentence for each thing that would cost less, or that must be otherwise to fit.

    Args:
        found: What was measured.
    """
    lines, parts = [], found.parts()
    if parts is None:
        lines.append("No part of this batch fits into memory: take smaller images or a smaller --width.")
    elif parts > 1:
        lines.append(
            f"The batch does not fit into memory ({_size(found.free)} are free): play it with --parts {parts}."
        )
    base = found.base
    for better in sorted(found.faster(), key=lambda probe: -probe.speed):
        assert base is not None
        times = better.speed / base.speed
        if better.option.precision != found.asked.precision:
            lines.append(f"--precision {better.option.precision} would be {times:.1f} times as fast.")
        elif base.option == found.asked:
            lines.append(
                f"--batch {better.batch} would be {times:.1f} times as fast by the image, but is another training: "
                "an update then sees other gradients, so rates may have to follow."
            )
    if not lines:
        several = base is not None and len(base.times) > 2 and len(found.probes) > 1
        few = "Too few steps were played to compare options: nothing is recommended."
        lines.append("Nothing that was tried is faster beyond the spread of the steps." if several else few)
    return lines


def _named(option: Option) -> str:
    width = f", width {option.width}" if option.width else ""
    stage = f", {option.stage}" if option.stage else ""
    return f"batch {option.batch:,}, {option.precision}{width}{stage}"


def _row(probe: Probe) -> list[str]:
    low, high = map(_milliseconds, probe.quartiles)
    named = _named(probe.option)
    return [
        named,
        str(len(probe.times)),
        _milliseconds(probe.seconds),
        f"{low} to {high}",
        f"{probe.speed:,.1f}",
        _size(probe.memory),
    ]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.3g} ms" if seconds < 0.1 else f"{1000 * seconds:,.0f} ms"


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
