"""What ``sparring train --plan`` says: what the training will cost, and what would cost less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparring.cli.screen import clock, say, show_table

if TYPE_CHECKING:
    from sparring.plan import Plan
    from sparring.run import Run

__all__ = ["tell"]


def tell(run: Run, aim: int, *, images: bool) -> None:
    """Plays a few steps of a run in copies and says what training it will cost.

    Args:
        run: As it would be trained; it is left as it is.
        aim: Where to end.
        images: Whether that is a number of images, not of steps.
    """
    from sparring.plan import plan

    say("Playing a few steps of each batch size ...")
    found = plan(run)
    rows = [
        [f"{probe.batch:,}", f"{1000 * probe.seconds:,.0f} ms", f"{probe.speed:,.0f}", _size(probe.memory)]
        for probe in found.probes
    ]
    show_table(["batch", "a step", "images/s", "memory"], rows)
    if probe := found.asked:
        rounds = -(-aim // probe.images) if images else aim
        seen = f"{rounds:,} steps of {probe.images:,} images"
        say(f"Time: about {clock(rounds * probe.seconds)} for {seen}, besides pictures and judgements.")
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
    if (better := found.faster()) and found.asked:
        times = better.speed / found.asked.speed
        lines.append(
            f"--batch {better.batch} would be {times:.1f} times as fast by the image, but is another training: "
            "an update then sees other gradients, so rates may have to follow."
        )
    return lines


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
