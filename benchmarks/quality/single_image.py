"""SinGAN on single photographs: distances beside references and a sabotaged twin, and the paper's applications.

    python -m benchmarks single_image                    what the record lacks, one to ten minutes each
    python -m benchmarks single_image --match rushmore   those whose names contain this

Photographs are read from $SPARRING_DATA/singan. An interrupted training continues. Images are written to the run
folders under --runs, and nowhere else.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import records
from sparring.game import evaluation_mode
from sparring.inference import single_image
from sparring.layers.resampling import back_project, resize_bicubic
from sparring.metrics import random_filters, single_image_distance, single_image_distances
from sparring.rng import fixed_seed
from sparring.runs.run import Run
from sparring.runs.state import load_game
from sparring.visualization import images, video

RESULTS = Path(__file__).parent / "results" / "single_image.json"
PHOTOS = Path(os.environ.get("SPARRING_DATA", "data")) / "singan"
SMALL = {"width": 8, "smallest": 14, "ratio": 0.68, "rounds": 150}
LONG = {"width": 16, "rounds": 800}
LARGER = LONG | {"reconstruction": 100.0, "ratio": 0.794}  # as in docs/how-to/single-image.md for super-resolution
SAMPLES = 8
MAPS = random_filters()


@dataclass(frozen=True)
class Case:
    """One training and what is measured of it."""

    photo: str
    measures: tuple[Callable[..., dict[str, Any]], ...]
    size: int = 64
    seed: int = 0
    arguments: dict[str, Any] = field(default_factory=dict)


def rmse(one: Tensor, other: Tensor) -> float:
    return (one - other).square().mean().sqrt().item()


def distance(real: Tensor, fake: Tensor) -> float:
    """The single-image distance by random filters: no SIFID, whose weights are Inception's."""
    return single_image_distance(real, fake.clamp(-1, 1), MAPS)


def steepness(x: Tensor) -> float:
    """Mean squared difference of neighbours: the energy of the gradient."""
    return ((x.diff(dim=2)[..., :-1].square() + x.diff(dim=3)[:, :, :-1].square()).mean()).item()


def reconstruction(game: Any, folder: Path) -> dict[str, Any]:
    """How far the photograph comes back at each scale, and how far plain enlarging of the scale below would be."""
    one, rows = single_image.require_trained(game), []
    with evaluation_mode(game):
        for k, size in enumerate(one.sizes):
            real, made, below = resize_bicubic(one.image, size), one.reconstruct(k), one.reconstruct(k - 1)
            rows.append([rmse(made, real), None if below is None else rmse(resize_bicubic(below, size), real)])
    images.save_grid(torch.cat([one.image, made.clamp(-1, 1)]), folder / "reconstruction.png", scale=4)
    return {"reconstruction, plain enlarging: RMSE a scale": rows}


def samples(game: Any, folder: Path) -> dict[str, Any]:
    """Whether samples have the photograph's textures, and differ from one another."""
    x, found = single_image.require_trained(game).image, {}
    for start in (0, 1, 2):
        drawn = single_image.sample_seeds(game, range(SAMPLES), start=start)
        distances = single_image_distances(x, drawn.split(1), MAPS)
        images.save_grid(drawn, folder / f"samples-{start}.png", columns=4, scale=4)
        found[f"from scale {start}"] = {
            "distance": distances.mean,
            "standard error": distances.standard_error,
            "deviation among samples, of that of the photograph's pixels": (drawn.std(0).mean() / x.std()).item(),
        }
    other = single_image.load_image_like(PHOTOS / "Generation/pantheon.jpg", 3, None)
    other = resize_bicubic(other, tuple(x.shape[2:]))
    mean, deviation = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)
    with fixed_seed(0):
        noise = mean + deviation * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    shuffled = x.flatten(2)[..., torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(1))]
    found |= {
        "another photograph: distance": distance(x, other),
        "noise of its colours: distance": distance(x, noise),
        "its own pixels shuffled: distance": distance(x, shuffled.view_as(x)),
    }
    wide = single_image.sample_seeds(game, [0, 1], size=(x.shape[2], 2 * x.shape[3]))
    images.save_grid(wide, folder / "wide.png", columns=1, scale=4)
    return found | {"twice as wide: distance": single_image_distances(x, wide.split(1), MAPS).mean}


def enlargement(game: Any, folder: Path) -> dict[str, Any]:
    """Twice as large: how near to the truth, to the photograph when made small again, and how sharp."""
    one = single_image.require_trained(game)
    x, (height, width) = one.image, one.image.shape[2:]
    truth = single_image.load_image_like(PHOTOS / "Generation/mtrushmore.jpg", 3, None)
    truth = resize_bicubic(truth, (2 * height, 2 * width))
    bicubic = resize_bicubic(x, (2 * height, 2 * width))
    ways = {
        "bicubic": bicubic,
        "bicubic, back-projected": back_project(bicubic, x, single_image.PROJECTIONS),
        "SinGAN": single_image.super_resolve(game, factor=2, projections=0),
        "SinGAN with noise": single_image.super_resolve(game, factor=2, projections=0, noise=True),
        "SinGAN, back-projected": single_image.super_resolve(game, factor=2),
    }
    images.save_grid(torch.cat([truth, *ways.values()]), folder / "larger.png", columns=2, scale=3)
    return {
        f"2 times as large, {name}": {
            "RMSE to the truth": rmse(made, truth),
            "mean difference to the photograph, made small again": (resize_bicubic(made, (height, width)) - x)
            .abs()
            .mean()
            .item(),
            "energy of the gradient, of the truth's": steepness(made) / steepness(truth),
            "distance to the truth": distance(truth, made),
        }
        for name, made in ways.items()
    }


def inversion(game: Any, folder: Path) -> dict[str, Any]:
    """A patch of the photograph turned into its negative: does harmonising bring it back, and leave the rest alone?"""
    x = single_image.require_trained(game).image
    height, width = x.shape[2:]
    mask = torch.zeros(1, 1, height, width)
    mask[..., height // 4 : height // 2, width // 4 : width // 2] = 1
    spoiled = torch.where(mask > 0, -x, x)
    made = {k: single_image.harmonize(game, spoiled, mask, scale=k) for k in (1, 2, 3)}
    images.save_grid(torch.cat([spoiled, *made.values()]), folder / "inverted.png", columns=2, scale=4)
    where = (mask > 0).expand_as(x)
    far = single_image.feather_mask(mask, 7 * width / 250, 5 * width / 250).expand_as(x) < 1e-6
    return {
        "inverted patch: RMSE": rmse(spoiled[where], x[where]),
        **{f"harmonised at scale {k}: RMSE": rmse(y[where], x[where]) for k, y in made.items()},
        "largest change away from the mask": max((y - spoiled)[far].abs().max().item() for y in made.values()),
    }


def composite(picture: str, mask: str, reach: float) -> Callable[..., dict[str, Any]]:
    """A picture into which its makers pasted something: does it come nearer to the photograph's textures?"""

    def measure(game: Any, folder: Path) -> dict[str, Any]:
        x = single_image.require_trained(game).image
        size = tuple(x.shape[2:])
        pasted, white = (
            single_image.load_image_like(PHOTOS / picture, 3, size),
            single_image.load_image_like(PHOTOS / mask, 1, size),
        )
        scales = range(1, len(single_image.require_trained(game).sizes))
        made = {k: single_image.harmonize(game, pasted, white, scale=k, reach=reach) for k in scales}
        images.save_grid(torch.cat([x, pasted, *made.values()]), folder / "pasted.png", columns=3, scale=4)
        return {
            "as pasted: distance": distance(x, pasted),
            **{f"at scale {k}: distance": distance(x, y) for k, y in made.items()},
        }

    return measure


def drawing(game: Any, folder: Path) -> dict[str, Any]:
    """A drawing of eight colours and no detail, of another arrangement: does it take on the photograph's textures?"""
    x = single_image.require_trained(game).image
    coarse = resize_bicubic(x, (6, 9)).flip(3)
    flat = torch.nn.functional.interpolate(coarse, size=x.shape[2:], mode="nearest")
    made = {k: single_image.paint_to_image(game, flat, scale=k) for k in (1, 2)}
    images.save_grid(torch.cat([flat, *made.values()]), folder / "painted.png", columns=3, scale=4)
    return {"drawing: distance": distance(x, flat)} | {
        f"painted at scale {k}: distance": distance(x, y) for k, y in made.items()
    }


def foreign(game: Any, folder: Path) -> dict[str, Any]:
    """A drawing in pure colours that the photograph lacks: as it is, and brought to five of the photograph's."""
    x = single_image.require_trained(game).image
    coarse = resize_bicubic(x, (6, 9)).flip(3)
    flat = torch.nn.functional.interpolate(coarse, size=x.shape[2:], mode="nearest")
    pure = torch.where(flat > flat.mean((2, 3), keepdim=True), 0.9, -0.9)
    ways = {"": None, ", five colours": 5}
    made = {name: single_image.paint_to_image(game, pure, scale=1, colours=count) for name, count in ways.items()}
    images.save_grid(torch.cat([pure, *made.values()]), folder / "foreign.png", columns=3, scale=4)
    return {"foreign drawing: distance": distance(x, pure)} | {
        f"foreign drawing painted at scale 1{name}: distance": distance(x, y) for name, y in made.items()
    }


def film(game: Any, folder: Path) -> dict[str, Any]:
    """A film of 40 frames: does it begin at the photograph, move, and move smoothly?"""
    one = single_image.require_trained(game)
    frames = torch.cat(list(single_image.animate(game, 40, start=1)))
    video.save_animation(video.frames(frames), folder / "moving.gif", fps=10)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    return {
        "first frame to the photograph: RMSE": rmse(frames[:1], one.image),
        "from frame to frame: RMSE": rmse(frames[1:], frames[:-1]),
        "between frames of any two times: RMSE": rmse(frames, frames[order]),
        "distance of the last frame": distance(one.image, frames[-1:]),
    }


RUSHMORE, LEARNED = "Generation/mtrushmore.jpg", (reconstruction, samples)
CASES = {
    "rushmore-0": Case(RUSHMORE, (*LEARNED, enlargement, inversion, drawing, foreign)),
    "rushmore-1": Case(RUSHMORE, (*LEARNED, enlargement, inversion, drawing), seed=1),
    "rushmore-no-reconstruction": Case(RUSHMORE, LEARNED, arguments={"reconstruction": 0.0}),
    "rushmore-100": Case(RUSHMORE, (*LEARNED, enlargement), arguments={"reconstruction": 100.0}),
    "rushmore-long": Case(RUSHMORE, (*LEARNED, enlargement, drawing), arguments=LONG),
    "rushmore-100-long": Case(RUSHMORE, (*LEARNED, enlargement), arguments=LONG | {"reconstruction": 100.0}),
    "rushmore-larger-0": Case(RUSHMORE, (*LEARNED, enlargement), arguments=LARGER),
    "rushmore-larger-1": Case(RUSHMORE, (*LEARNED, enlargement), seed=1, arguments=LARGER),
    "rushmore-quantised": Case(RUSHMORE, (*LEARNED, drawing, foreign), arguments={"quantise": 1}),
    "stone": Case(
        "Editing/stone.png", (*LEARNED, composite("Editing/stone_edit_1.png", "Editing/stone_edit_1_mask.png", 20))
    ),
    "scream": Case(
        "Harmonization/scream.jpg",
        (*LEARNED, composite("Harmonization/scream_naive.jpg", "Harmonization/scream_naive_mask.jpg", 7)),
    ),
    "lightning": Case("Animation/lightning1.png", (*LEARNED, film), arguments={"noisy_border": True}),
}


def measured(name: str, case: Case, runs: Path) -> dict[str, Any]:
    """Train a case, or goes on with it, and measures."""
    arguments = SMALL | case.arguments
    folder, start = runs / name, time.process_time()
    how: dict[str, Any] = {"data": PHOTOS / case.photo, "size": case.size, "seed": case.seed, "device": "cpu"}
    run = Run.create(folder, "singan", arguments=arguments, **how)
    steps = run.game.stages()[-1].end
    for _ in run.fit(steps, save_every=50, sample_every=steps):
        continue
    row = {"photo": case.photo, "shape": list(run.dataset.shape), "seed": case.seed, "arguments": arguments}
    row |= {"steps": steps, "training, CPU seconds": round(time.process_time() - start, 1)}
    game = load_game(folder, device="cpu")
    for measure in case.measures:
        row |= measure(game, folder)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only cases whose names contain this")
    parser.add_argument("--again", action="store_true", help="measure anew what the record holds; trainings are kept")
    parser.add_argument("--runs", type=Path, default=Path("runs/one-image"), help="where trainings are")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for name, case in CASES.items():
        if chosen.match in name and (chosen.again or name not in recorded()):
            row = measured(name, case, chosen.runs)
            print(name, json.dumps(row, indent=1), flush=True)
            rows = {**recorded(), name: row}
            records.write(RESULTS, {**records.head(command="python -m benchmarks single_image"), "cases": rows})


def recorded() -> dict[str, Any]:
    return json.loads(RESULTS.read_text())["cases"] if RESULTS.exists() else {}
