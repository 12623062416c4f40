"""Evaluation of a run: scores of its trained game on its own data, kept in its folder as ``evaluation.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Unpack

from sparring._io.folder import Folder, open_atomic
from sparring.evaluation.types import Evaluation, EvaluationSettings
from sparring.runs.run import Run
from sparring.tasks import task_of
from sparring.visualization.images import save_grid

__all__ = ["evaluate_run", "read_evaluation", "save_evaluation"]

FILE = "evaluation.json"


def evaluate_run(run: Run, **settings: Unpack[EvaluationSettings]) -> Evaluation:
    """Score the game of a run as its task does, and write ``evaluation.json`` and images into the run's folder.

    Args:
        run: The run.
        settings: Settings of `sparring.evaluation.evaluator.evaluate`.
    """
    game = run.inference_game
    return save_evaluation(run, task_of(game).evaluate(game, run.training, held_out=run.held_out, **settings))


def save_evaluation(run: Run, result: Evaluation) -> Evaluation:
    """Write ``evaluation.json`` and the images of an evaluation into the folder of a run, and return the evaluation.

    Args:
        run: The run.
        result: Its evaluation.

    Raises:
        RunError: If the folder cannot be written.
    """
    record = {"step": run.step, "images": run.images, "seconds": result.seconds, **result.to_json()}
    with open_atomic(run.folder / FILE, run.home) as file:
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        file.write(text.encode(errors="backslashreplace"))
    for name, images in result.images.items():
        save_grid(images, run.folder / f"{name}.png", columns=8, folder=run.home)
    return result


def read_evaluation(folder: Path | Folder) -> Evaluation | None:
    """Return the evaluation in the folder of a run, or None if there is none.

    Args:
        folder: The run's folder.

    Raises:
        ValueError: If the file is damaged, as for `Evaluation.from_json`.
    """
    home = Folder.open(folder)
    try:
        return Evaluation.from_json(json.loads(home.read(FILE)))
    except FileNotFoundError:
        return None
