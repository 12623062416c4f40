"""The command of games that can be asked for a class or a code: what does each change?"""

from __future__ import annotations

from pathlib import Path

from sparring.cli.console import say
from sparring.cli.options import RunFolder


def traverse(
    run: RunFolder,
    code: str | None = None,
    seeds: str = "0-7",
    values: tuple[float, ...] = (),
    truncation: float = 1.0,
    out: Path = Path("traversal"),
    checkpoint: str = "newest",
    device: str = "auto",
) -> None:
    """Draws what each code changes: one grid a code, one row a seed, one column a value of the code.

    Args:
        run: The run's folder.
        code: The name of a code, such as category0, continuous1 or class; all of them unless told.
        seeds: Numbers and ranges, such as 0-7; everything but the code stays as a seed has it.
        values: What the code is set to, such as -2 -1 0 1 2; all values worth seeing unless told.
        truncation: Below 1 more typical samples, above 1 more daring ones.
        out: The folder of the pictures, each named after its code; or a picture file, whose name gets the code's.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.inference import conditional, sampling
    from sparring.runs.outputs import require_outputs
    from sparring.runs.state import load
    from sparring.visualization import images

    game, numbers = load(run, device=device, checkpoint=checkpoint), sampling.parse_seeds(seeds)
    if out.suffix:
        images.require_still(out)
    names = [code] if code else conditional.names(game)
    files = {name: out.with_stem(f"{out.stem}-{name}") if out.suffix else out / f"{name}.png" for name in names}
    require_outputs(run, files.values())
    for name, target in files.items():
        drawn = conditional.traverse(game, name, numbers, values=values, truncation=truncation)
        path = images.save_grid(drawn.flatten(0, 1), target, columns=drawn.shape[1])
        say(f"{name}: {drawn.shape[1]} values of {drawn.shape[0]} seeds are in {path}.")
