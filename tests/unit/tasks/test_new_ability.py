"""A game with a new ability is a game, a recipe and a task: in-painting is trained, drawn, evaluated and reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.cli import main
from sparring.data import Dataset
from sparring.evaluation.paired import choose_rows, mean_score, noise_reader, pair_protocol, per_image_error
from sparring.evaluation.types import Evaluation
from sparring.game import Data, Game, Move, adam, evaluation_mode
from sparring.metrics import Direction, train_extractor
from sparring.objectives import NonSaturating
from sparring.rng import rand
from sparring.runs.evaluation import evaluate_run, read_evaluation
from sparring.runs.run import Run
from sparring.tasks import Snapshot, Task, evenly_spaced_rows, task_of


class FillMasks(Task):
    """Fill the masked part of images."""

    def suits(self, game: Game) -> bool:
        return hasattr(game, "fill")

    def snapshot(self, game: Any, dataset: Dataset) -> Snapshot | None:
        x = evenly_spaced_rows(dataset, 8)
        hole = centre_mask(x)
        with evaluation_mode(game):
            filled = game.fill(x, hole)
        return Snapshot(torch.stack([x, x * (1 - hole), filled], 1).flatten(0, 1), columns=6)

    def evaluate(self, game: Any, dataset: Dataset, *, held_out: Dataset | None = None, **settings: Any) -> Evaluation:
        samples, seed = settings.get("samples"), settings.get("seed", 0)
        chosen, rows = choose_rows(dataset, held_out, samples, seed)
        read = lambda some: chosen.rows(some)[0].float() / 127.5 - 1  # noqa: E731
        with evaluation_mode(game):
            filled = lambda some: game.fill(read(some), centre_mask(read(some)))  # noqa: E731
            errors = per_image_error({"": filled, "noise": noise_reader(read, rows, seed)}, read, rows)
        protocol = pair_protocol("in-painting error", dataset, held_out, count=len(rows), seed=seed)
        return mean_score("in-painting error", errors, protocol, Direction.LOWER)

    def commands(self, game: Game, run: str) -> list[str]:
        return [f"evaluate {run}"]


class InPainting(Game):
    """Context encoder (Pathak et al., 2016): G fills a hole, D discriminates whole images from filled ones."""

    task = FillMasks()

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.G = nn.Sequential(
            nn.Conv2d(channels + 1, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1), nn.Tanh()
        )
        self.D = nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.LazyLinear(1))
        self.objective = NonSaturating()

    def players(self) -> dict[str, Optimizer]:
        return {"D": adam(self.D, lr=1e-3), "G": adam(self.G, lr=1e-3)}

    def sampling_networks(self) -> tuple[str, ...]:
        return ("G",)

    def fill(self, x: Tensor, hole: Tensor) -> Tensor:
        """Return images whose hole is filled; the rest is as it was."""
        return x * (1 - hole) + hole * self.G(torch.cat([x * (1 - hole), hole], 1))

    def round(self, data: Data, step: int) -> Iterator[Move]:
        x, *_ = next(data)
        hole = (rand(len(x), 1, *x.shape[2:], device=x.device) < 0.25).to(x)
        with torch.no_grad():
            fake = self.fill(x, hole)
        yield Move("D", adversarial=self.objective.critic(self.D(x).flatten(), self.D(fake).flatten()))
        filled = self.fill(x, hole)
        yield Move("G", adversarial=self.objective.generator(self.D(filled).flatten()), error=(filled - x).abs().mean())


def in_painting(shape: tuple[int, ...], *, width: int = 4) -> InPainting:
    """In-painting, small."""
    game = InPainting(shape[0], width)
    game.D(torch.zeros(1, *shape))
    return game


def centre_mask(x: Tensor) -> Tensor:
    """The hole in the middle half of images, (N, 1, H, W)."""
    mask = torch.zeros_like(x[:, :1])
    height, width = x.shape[2:]
    mask[..., height // 4 : -height // 4, width // 4 : -width // 4] = 1
    return mask


RECIPE = f"{__name__}:in_painting"
DATA = ["--data", "digits", "--size", "8", "--device", "cpu"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "run"
    words = ["--out", str(folder), "--steps", "30", "--sample-every", "10", "--batch-size", "16", "--width", "8"]
    assert main(["train", RECIPE, *DATA, *words]) == 0
    return folder


def test_a_snapshot_shows_images_their_holes_and_how_they_are_filled(run):
    assert sorted(path.name for path in (run / "samples").iterdir()) == [f"{step:06d}.png" for step in (0, 10, 20, 30)]
    with Image.open(run / "samples/000030.png") as first, Image.open(run / "samples/000000.png") as last:
        assert first.size == last.size == (394, 262), "4 rows of 6"
        assert first.tobytes() != last.tobytes()


def test_an_evaluation_is_that_of_the_task(run, monkeypatch, capsys):
    opened = Run.open(run, device="cpu", trust=RECIPE)
    found = evaluate_run(opened, samples=64)
    assert [score.name for score in found.scores] == ["in-painting error"]
    assert 0 < found.scores[0].value < found.references["noise"][0].value
    assert read_evaluation(run) == found
    monkeypatch.setattr("sparring.evaluation.extractors.extractor_for", partial(train_extractor, steps=1))
    assert main(["evaluate", str(run), "--trust", RECIPE, "--samples", "64", "--device", "cpu"]) == 0
    assert "in-painting error" in capsys.readouterr().out
    assert json.loads((run / "evaluation.json").read_text())["scores"][0]["value"] == found.scores[0].value


def test_the_report_and_the_next_commands_are_those_of_the_task(run, capsys):
    evaluate_run(Run.open(run, device="cpu", trust=RECIPE), samples=64)
    assert main(["report", str(run), "--trust", RECIPE, "--device", "cpu"]) == 0
    page = (run / "report.html").read_text()
    assert "in-painting error" in page
    assert f"sparring evaluate {run} --trust" in page
    assert "sparring sample" not in page


def test_the_run_is_resumed_and_its_game_loaded(run):
    assert main(["resume", str(run), "--steps", "31", "--trust", RECIPE, "--device", "cpu"]) == 0
    opened = Run.open(run, device="cpu", trust=RECIPE)
    assert opened.step == 31
    assert isinstance(task_of(opened.inference_game), FillMasks)
    x = torch.zeros(2, 1, 8, 8)
    torch.testing.assert_close(opened.inference_game.fill(x, torch.zeros_like(x)), x)
