"""GauGAN and pix2pix on label maps with known ground truth, with sabotaged twins; GauGAN on street scenes.

    python -m benchmarks label_maps digits    GauGAN: three-level maps of MNIST's digits in random colours, 32 × 32
    python -m benchmarks label_maps pairs     pix2pix: the same digits, recoloured, 32 × 32
    python -m benchmarks label_maps camvid    GauGAN: CamVid, 64 × 64, dusk and day (no image is published)

All need $SPARRING_DATA, with MNIST/raw and camvid/camvid_192x144.zip. Every trial is a run folder in ``runs/painting``:
an interrupted benchmark continues, and a trial in the record is not trained again. ``--read`` only writes the record of
what is finished.

The *swap error* of an image is the mean absolute difference between a held-out map painted in the style of another
image and the ground truth: that map in the other image's colours. Most of a digit is background, so a generator that
ignores the map could score well: the *even* error weighs the three levels alike. GauGAN has learned if its swap error
is below .40 and either error below .7 of that against a third image's colours; pix2pix if its error, over all pixels
and over strokes, is below a third of that of the untrained network, the identity and the median training image.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks import records
from benchmarks.trainings import known, recorded, train_missing
from sparring.data import Stream, load
from sparring.game import Game, evaluation_mode
from sparring.games.gaugan import GauGAN
from sparring.inference.label_maps import encode_styles
from sparring.recipes.options import Adam
from sparring.recipes.pix2pix_gaugan import REDUCTIONS, Painters
from sparring.runs.run import Run
from sparring.runs.state import TrainState

ROOT = Path(__file__).parents[2]
RUNS, RECORD = ROOT / "runs" / "painting", Path(__file__).parent / "results" / "label_maps.json"
TRAINED, HELD = 2500, 500  # digits
LEVELS = (0.25, 0.75)  # of brightness, between the three classes of a digit's map


class Blind(GauGAN):
    """An ablation without the label map: every pixel is unknown."""

    def spread(self, labels: Tensor) -> Tensor:
        """Return a one-hot map in which every pixel is unknown."""
        return super().spread(torch.full_like(labels, self.regions))


def blind(
    shape: tuple[int, ...],
    regions: int = 0,
    *,
    networks: Painters = Painters(),
    divergence: float = 0.05,
    critic: Adam = Adam(4e-4, (0.0, 0.9)),
    generator: Adam = Adam(1e-4, (0.0, 0.9)),
) -> GauGAN:
    """GauGAN's twin that drops the label map."""
    built = networks.built(shape, regions + 1, True)
    weights = {"divergence": divergence, "reduction": REDUCTIONS["sum"]}
    return Blind(*built, regions=regions, **weights, critic=critic, generator=generator)


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        suite: Data and evaluation.
        label: Name of the cell within its suite.
        recipe: A name of the table, or a twin here.
        steps: How long.
        seed: Decides everything random.
        batch: Rows of a batch.
        arguments: The recipe's.
        data: Folder below that of the suite's data.
    """

    suite: str
    label: str
    recipe: str
    steps: int
    seed: int = 0
    batch: int = 16
    arguments: dict[str, Any] = field(default_factory=dict)
    data: str = "train"

    @property
    def name(self) -> str:
        """The name of its run folder."""
        return f"{self.suite}-{self.label}-{self.seed}"


FREE = {"divergence": 0.005}
"""At the published .05 a style kept .9 nats of an image's nine colours, and maps were similar (docs/notebook.md)."""
TINY = FREE | {"networks": {"style_norm": False, "latent": 16, "width": 12, "hidden": 32, "gain": 1.0}}
STREETS = FREE | {"networks": TINY["networks"] | {"norm": "instance", "width": 10, "hidden": 16}}
SMALL = {"width": 16}
CELLS = [
    Cell("digits", "gaugan", "gaugan", 2000, 0, arguments=TINY),
    Cell("pairs", "pix2pix", "pix2pix", 1200, 0, arguments=SMALL),
    Cell("digits", "no-map", "benchmarks.control.label_maps:blind", 2000, arguments=TINY),
    Cell("pairs", "shuffled", "pix2pix", 1200, arguments=SMALL, data="shuffled"),
    Cell("digits", "no-style", "gaugan", 840, arguments={**TINY, "style": False}),
    Cell("camvid", "gaugan", "gaugan", 600, 0, 8, STREETS),
    Cell("digits", "gaugan", "gaugan", 2000, 1, arguments=TINY),
    Cell("pairs", "pix2pix", "pix2pix", 1200, 1, arguments=SMALL),
    Cell("camvid", "no-map", "benchmarks.control.label_maps:blind", 600, 0, 8, STREETS),
    Cell("camvid", "gaugan", "gaugan", 600, 1, 8, STREETS),
]


# --- digits of three levels in colours


def scans() -> np.ndarray:
    """The digits that are used, uint8 (N, 32, 32)."""
    return load("mnist", size=32, channels=1).rows(np.arange(TRAINED + HELD))[0][:, 0].numpy()


def levelled() -> np.ndarray:
    """Their label maps, (N, 32, 32)."""
    bright = scans() / 255
    return np.stack([bright > level for level in LEVELS]).sum(0)


def palettes() -> np.ndarray:
    """The colours of each picture's levels, (N, 3, 3), from 0 to 255."""
    return np.random.default_rng(0).integers(0, 256, (TRAINED + HELD, 3, 3))


def coloured(maps: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Maps (N, H, W) in colours (N, 3, 3), (N, H, W, 3)."""
    return np.stack([palette[m] for m, palette in zip(maps, colours, strict=True)])


def make_digits(folder: Path) -> None:
    """Write images and label maps of the training digits."""
    maps = levelled()[:TRAINED]
    store(folder / "train" / "images", coloured(maps, palettes()[:TRAINED]))
    store(folder / "train" / "labels", maps)


def store(folder: Path, images: np.ndarray) -> None:
    """Write pictures, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{number:04d}.png")


def judge_digits(game: Game, run: Run) -> dict[str, float]:
    """Paint held-out maps in the styles of other held-out pictures."""
    maps, colours = levelled()[TRAINED:], palettes()[TRAINED:]
    labels, order = torch.from_numpy(maps), np.arange(HELD)
    given, third = np.roll(order, 1), np.roll(order, 7)
    styles = encode_styles(game, scaled(coloured(maps, colours))[given])
    made = painted(game, labels, styles)

    def errors(kind: str, truth: np.ndarray) -> dict[str, float]:
        off = (made - scaled(truth)).abs().mean(1)
        even = [off[labels == level].mean().item() for level in range(3)]
        return {f"{kind} error": off.mean().item(), f"even {kind} error": float(np.mean(even))}

    right, wrong = (coloured(maps, colours[which]) for which in (given, third))
    return errors("swap", right) | errors("third's", wrong)


def painted(game: Game, labels: Tensor, styles: Tensor) -> Tensor:
    """Paint map by map, each in its style."""
    with evaluation_mode(game):
        pairs = zip(labels.split(50), styles.split(50), strict=True)
        return torch.cat([game.paint(m, z) for m, z in pairs])  # type: ignore[operator]


def scaled(pictures: np.ndarray) -> Tensor:
    """Bytes (N, H, W, 3) as images (N, 3, H, W) in [−1, 1]."""
    return torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1


# --- pairs of digits in two ways of drawing


def drawn(scans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Digits, (N, 32, 32): light strokes on dark blue; and dark ones on cream whose upper edges are red."""
    ink = scans[..., None] / 255
    a = (1 - ink) * np.array([20, 30, 90]) + ink * np.array([250, 230, 180])
    edge = np.clip(ink - np.roll(ink, 1, 1), 0, 1)
    b = (1 - ink) * np.array([245, 235, 205]) + ink * np.array([40, 70, 40])
    return a, (1 - edge) * b + edge * np.array([220, 30, 30])


def make_pairs(folder: Path) -> None:
    """Write pairs, and the same images in unpaired order."""
    a, b = drawn(scans()[:TRAINED])
    for name, partners in (("train", b), ("shuffled", np.roll(b, 1234, 0))):
        store(folder / name / "a", a)
        store(folder / name / "b", partners)


def judge_pairs(game: Game, run: Run) -> dict[str, float]:
    """Translate held-out pictures, beside the identity and the median picture."""
    numbers = scans()
    a, b = (scaled(part) for part in drawn(numbers[TRAINED:]))
    median = scaled(np.median(drawn(numbers[:TRAINED])[1], 0)[None])
    ink = torch.from_numpy(numbers[TRAINED:].astype(np.float32))[:, None]
    with evaluation_mode(game):
        made = torch.cat([game.translate(part, "B") for part in a.split(100)])  # type: ignore[operator]

    def errors(kind: str, guess: Tensor) -> dict[str, float]:
        off = (guess - b).abs().mean(1, keepdim=True)
        return {f"{kind}": off.mean().item(), f"{kind}, strokes": ((off * ink).sum() / ink.sum()).item()}

    return errors("error", made) | errors("identity", a) | errors("median", median.expand_as(b))


# --- street scenes


def judge_camvid(game: Game, run: Run) -> dict[str, float]:
    """Layout by colours of regions, and style by statistics of pictures, on the test set."""
    train, test = (streets(split) for split in ("train", "test"))
    x, labels = everything(test)
    styles = encode_styles(game, x)
    own = painted(game, labels, styles)
    other = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
    swapped = painted(game, labels, styles[other])
    colours = Colours(*everything(train))
    return {
        "layout": colours.share(own, labels),
        "layout, swapped style": colours.share(swapped, labels),
        "layout of photographs": colours.share(x, labels),
        "layout by chance": colours.share(x, labels[other]),
        **moved(own, swapped, x[other]),
    }


def streets(split: str) -> Any:
    """A part of CamVid."""
    zipped = Path(os.environ["SPARRING_DATA"]) / "camvid" / "camvid_192x144.zip"
    return load(f"pairs:{zipped}/{split}", size=64)


def everything(dataset: Any) -> tuple[Tensor, Tensor]:
    """All its images and label maps."""
    x, labels = next(Stream(dataset, batch_size=len(dataset)))
    return x, labels


class Colours:
    """What the colours of each class are in photographs: a normal distribution each, of red, green and blue.

    Args:
        x: Photographs, (N, 3, H, W).
        labels: Their label maps.
    """

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        flat, classes = x.permute(0, 2, 3, 1).reshape(-1, 3).double(), labels.flatten()
        self.known = [k for k in range(int(classes.max())) if (classes == k).sum() > 1000]
        self.normals = []
        for k in self.known:
            colours = flat[classes == k]
            spread = torch.cov(colours.T) + 1e-3 * torch.eye(3).double()
            self.normals.append(torch.distributions.MultivariateNormal(colours.mean(0), spread))

    def share(self, x: Tensor, labels: Tensor) -> float:
        """The mean over classes of how often a place's colour is likeliest for its class in the map."""
        flat, classes = x.permute(0, 2, 3, 1).reshape(-1, 3).double(), labels.flatten()
        guess = torch.stack([normal.log_prob(flat) for normal in self.normals]).argmax(0)
        hits = [(guess[classes == k] == number).double().mean() for number, k in enumerate(self.known)]
        return torch.stack(hits).mean().item()


def moved(own: Tensor, swapped: Tensor, reference: Tensor) -> dict[str, float]:
    """How the means and deviations of a picture's channels change with the style of a reference."""
    before, after, goal = (torch.cat([x.mean((2, 3)), x.std((2, 3))], 1) for x in (own, swapped, reference))
    far, near = (before - goal).norm(dim=1), (after - goal).norm(dim=1)
    light = [x.mean((1, 2, 3)) for x in (swapped, reference)]
    return {
        "statistics nearer": (near < far).double().mean().item(),
        "distance before": far.mean().item(),
        "distance after": near.mean().item(),
        "brightness follows": torch.corrcoef(torch.stack(light))[0, 1].item(),
    }


# --- the suites

MAKE: dict[str, Callable[[Path], None]] = {"digits": make_digits, "pairs": make_pairs}
EVALUATIONS: dict[str, Callable[[Game, Run], dict[str, float]]] = {
    "digits": judge_digits,
    "pairs": judge_pairs,
    "camvid": judge_camvid,
}


def learned(cell: dict[str, Any]) -> bool:
    """Whether a finished cell has learned, by the rules at the head of this file."""
    now, before = cell["averaged"], cell["untrained"]
    if cell["suite"] == "digits":
        near = all(now[f"{kind}swap error"] < 0.7 * now[f"{kind}third's error"] for kind in ("", "even "))
        return now["swap error"] < 0.40 and near
    if cell["suite"] == "pairs":
        parts = ("", ", strokes")
        worst = {part: min(before[f"error{part}"], now[f"identity{part}"], now[f"median{part}"]) for part in parts}
        return all(now[f"error{part}"] < worst[part] / 3 for part in parts)
    layout = now["layout"] - now["layout by chance"] > 0.5 * (now["layout of photographs"] - now["layout by chance"])
    return layout and now["statistics nearer"] > 0.75 and now["brightness follows"] > 0.5


class Spent:
    """Seconds of the processor that a training has cost, over all its stops.

    Args:
        path: Where they are kept.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.begun = path, time.process_time()
        self.before = float(path.read_text()) if path.exists() else 0.0

    def seconds(self) -> float:
        """All of them."""
        return self.before + time.process_time() - self.begun

    def close(self) -> None:
        """Keep them."""
        self.path.write_text(f"{self.seconds():.1f}")


def place(cell: Cell) -> str:
    """Where the data of a cell are; they are made where they are missing."""
    if cell.suite == "camvid":
        return f"pairs:{Path(os.environ['SPARRING_DATA']) / 'camvid' / 'camvid_192x144.zip'}/train"
    folder = RUNS / f"data-{cell.suite}"
    if not (folder / "whole").exists():
        MAKE[cell.suite](folder)
        (folder / "whole").touch()
    return f"pairs:{folder / cell.data}"


def play(cell: Cell) -> dict[str, Any]:
    """Train or resume a cell, and evaluate it and its untrained weights."""
    folder, size = RUNS / cell.name, 64 if cell.suite == "camvid" else 32
    chosen: Any = {"arguments": cell.arguments, "batch_size": cell.batch, "seed": cell.seed, "ema_decay": 0.99}
    run = Run.create(folder, cell.recipe, data=place(cell), size=size, device="cpu", **chosen)
    spent = Spent(folder / "seconds.txt")
    with closing(spent):
        for report in run.fit(cell.steps):
            if report.step % 100 == 0:
                print(f"{cell.name}: step {report.step}, {spent.seconds():.0f} s", flush=True)
    evaluate_cell = EVALUATIONS[cell.suite]
    result = {
        **asdict(cell),
        "seconds": round(spent.seconds()),
        "averaged": rounded(evaluate_cell(run.inference_game, run)),
        "latest": rounded(evaluate_cell(run.game, run)),
        "untrained": rounded(
            evaluate_cell(TrainState.fresh(run.config, run.training, run.game.device).game.eval(), run)
        ),
        "made": records.made(),
    }
    (folder / "cell.json").write_text(json.dumps(result, indent=1) + "\n")
    return result


def rounded(scores: dict[str, float]) -> dict[str, float]:
    """Four digits behind the point."""
    return {name: round(value, 4) for name, value in scores.items()}


def finished() -> dict[str, dict[str, Any]]:
    """Return the cells that were trained here, and those of the record with the same settings."""
    return known(CELLS, RUNS, recorded(RECORD))


def write() -> None:
    """Write the record, and print it as a table."""
    rows = [{**cell, "learned": learned(cell)} for cell in finished().values()]
    record = {
        **records.head(command="python -m benchmarks label_maps"),
        "finished": f"{len(rows)} of {len(CELLS)} cells",
        "cells": rows,
    }
    records.write(RECORD, record)
    for row in rows:
        for which in ("untrained", "averaged"):
            words = ", ".join(f"{name} {value:.3f}" for name, value in row[which].items())
            print(f"{row['suite']:7} {row['label']:9} {row['seed']} {which:9} {words}")
        print(f"{row['suite']:7} {row['label']:9} {row['seed']} learned   {row['learned']} ({row['seconds']} s)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", choices=[*EVALUATIONS, []], default=[])
    parser.add_argument("--only", default="", help="train only the cells whose name holds this")
    parser.add_argument("--read", action="store_true", help="train nothing, write the record of what is finished")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    suites = () if chosen.read else chosen.suites or EVALUATIONS
    requested = [cell for cell in CELLS if cell.suite in suites and chosen.only in cell.name]
    train_missing(requested, finished(), play, write)
    write()
