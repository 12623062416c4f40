"""Commands that a user may run next on a trained run."""

from __future__ import annotations

import shlex

from sparring.abilities import SupportsLabelMaps, SupportsSingleImage, SupportsTranslation
from sparring.recipes.importing import outside
from sparring.runs.run import Run

__all__ = ["commands"]


def commands(run: Run) -> list[str]:
    """Return command lines that continue, use or evaluate a run.

    Args:
        run: Trained.
    """
    named, step = run.record["recipe"], run.step
    where = shlex.quote(str(run.folder)) + (f" --trust {shlex.quote(named)}" if outside(named) else "")
    if isinstance(run.game, SupportsLabelMaps):
        uses = [
            f"paint {where} --palette palette.gpl",
            f"paint {where} --labels map.png --style photo.jpg --out painted.png",
            f"paint {where} --labels map.png --seeds 0,1,2 --frames 60 --out styles.gif",
        ]
    elif isinstance(run.game, SupportsTranslation):
        uses = [f"translate {where} photos/ --to {getattr(run.game, 'domain', 'B')} --strips --out translated"]
    elif isinstance(run.game.unwrapped, SupportsSingleImage):
        uses = [
            f"sample {where} --seeds 0-15 --out samples.png",
            f"sample {where} --seeds 0 --size 400x150 --start-scale 1 --out wide.png",
            f"singan super-resolve {where} --factor 2 --out larger.png",
            f"singan animate {where} --out moving.gif",
            f"singan evaluate {where}",
        ]
    else:
        uses = [
            f"sample {where} --seeds 0-63 --out samples.png",
            f"interpolate {where} --seeds 0,1,2 --frames 60 --out walk.gif",
            f"evaluate {where}",
        ]
    return [f"sparring {line}" for line in (f"resume {where} --steps {2 * step}", *uses, f"report {where}")]
