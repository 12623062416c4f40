"""The default feature extractor: a small classifier trained on the user's own data, without a download.

A metric in features is only as good as the network behind it. The usual one, Inception trained on ImageNet, is large,
was trained on photographs where the data may be digits, and depends on its copy and its resizing. So by default a
network of three convolutions is trained on the real data alone, to predict the classes if there are labels and
otherwise the quarter turn of a rotated image (Gidaris et al., 2018), and the d = 64 activations before its last layer
are the features. Training takes seconds, is determined by the seed, and the SHA-256 of the weights is part of the
protocol of every score.

Any `nn.Module` may be passed instead as a `ModuleExtractor`.
"""

import hashlib
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from sparring._io.atomic import atomic_write
from sparring._types import JsonObject
from sparring.data.cache import cache_folder
from sparring.data.dataset import Dataset
from sparring.errors import DataError
from sparring.metrics.extractors.base import (
    AT_ONCE,
    FEATURES,
    SIDE,
    Classifier,
    ClassifierExtractor,
    FeatureExtractor,
    ModuleExtractor,
    resized,
)

__all__ = ["ClassifierExtractor", "FeatureExtractor", "ModuleExtractor", "extractor_for", "train_extractor"]

STEPS = 300
BATCH = 128
LEARNING_RATE = 2e-3
TRAINED_ON = 20_000  # examples at most
HELD_OUT = 2_000  # images at most, and never more than a tenth of the data

log = logging.getLogger(__name__)


def train_extractor(
    dataset: Dataset,
    *,
    seed: int = 0,
    steps: int = STEPS,
    side: int = SIDE,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> ClassifierExtractor:
    """Train the default extractor on real images: to predict their classes, or without labels their quarter turns.

    On one CPU the same data, seed, steps and number of threads give the same weights to the bit. The global random
    state is neither read nor changed. A tenth of the images, 2,000 at most, is held out to measure the accuracy.

    Args:
        dataset: Real images, at least 20.
        seed: Seed of the initial weights, the held-out part and the order.
        steps: Updates, each on 128 examples.
        side: Height and width of the extractor's inputs in pixels, a multiple of 8; images are resized to it, so finer
            detail is not measured.
        device: Device of training and of the extractor.
        progress: Called after each update with the updates done and to do.

    Returns:
        The extractor, in evaluation mode.

    Raises:
        DataError: If the data are not images, or too few.
    """
    _require_images(dataset, steps, side)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(dataset), generator=generator).numpy()
    held = min(HELD_OUT, len(order) // 10)
    copies = 1 if dataset.classes else 4
    with torch.inference_mode(False), torch.enable_grad():
        network = fresh_classifier(dataset, side, seed).to(device)
        _fit(network, *_examples(dataset, order[held:][: TRAINED_ON // copies], side), steps, generator, progress)
    extractor = ClassifierExtractor(network, name=extractor_name(dataset, side), accuracy=math.nan, side=side)
    images, targets = _examples(dataset, order[:held], side)
    right = torch.cat([extractor.predict(_scaled(x)).cpu() for x in images.split(AT_ONCE)]) == targets
    extractor.accuracy = right.double().mean().item()
    return extractor


def extractor_for(
    dataset: Dataset,
    *,
    cache: str | Path | None = None,
    seed: int = 0,
    steps: int = STEPS,
    side: int = SIDE,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> ClassifierExtractor:
    """Return the default extractor of a data set, trained on first use and then cached.

    The cache holds a pair of files (safetensors and JSON) for each content of the data, architecture, seed, steps and
    side. A pair whose weights do not have the recorded hash is reported in the log, trained anew and replaced.

    Args:
        dataset: Real images, at least 20.
        cache: The cache, by default `$SPARRING_CACHE`, else `~/.cache/sparring`; the pairs lie in `extractors` there.
        seed: As in `train_extractor`.
        steps: As in `train_extractor`.
        side: As in `train_extractor`.
        device: Device of the extractor and of its training.
        progress: As in `train_extractor`; not called if the extractor is cached.

    Returns:
        The extractor, in evaluation mode.

    Raises:
        DataError: If the data are not images, or too few.
    """
    _require_images(dataset, steps, side)
    made_from = {
        "data": dataset.fingerprint,
        "architecture": Classifier.ARCHITECTURE,
        "seed": seed,
        "steps": steps,
        "side": side,
    }
    key = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]
    stem = cache_folder(cache) / "extractors" / key
    kept = _kept(stem, dataset, side, device)
    if kept is None:
        kept = train_extractor(dataset, seed=seed, steps=steps, side=side, device=device, progress=progress)
        _keep(stem, kept, made_from)
    return kept


def extractor_name(dataset: Dataset, side: int) -> str:
    """Name the extractor of a data set by its task, width, data and side."""
    task = "classifier" if dataset.classes else "rotations"
    return f"{task}-{FEATURES} trained on {dataset.name} {side}x{side}"


def fresh_classifier(dataset: Dataset, side: int, seed: int) -> Classifier:
    """Build the classifier for a data set with weights drawn from a seed, without changing the global random state."""
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: torch.manual_seed would touch every device
        network = Classifier(dataset.shape[0], len(dataset.classes) or 4, side).float()
        return nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)  # twice as fast on a CPU


def _require_images(dataset: Dataset, steps: int, side: int) -> None:
    if len(dataset.shape) != 3:
        raise DataError(
            f"{dataset.name} holds points, but an extractor needs images: evaluate points by mode coverage."
        )
    if len(dataset) < 20:
        raise DataError(f"{dataset.name} holds {len(dataset)} images, but an extractor needs 20: use a module.")
    if steps < 1 or side < 8 or side % 8:
        raise ValueError(f"steps {steps} must be positive and side {side} a positive multiple of 8")


def _examples(dataset: Dataset, rows: np.ndarray, side: int) -> tuple[Tensor, Tensor]:
    """Return images uint8 (n, C, side, side) with their classes, or in four quarter turns with the turns' numbers."""
    images, targets = [], []
    for chunk in np.array_split(rows, -(-len(rows) // AT_ONCE)):
        raw, *labels = dataset.rows(np.sort(chunk))
        images.append(resized(raw.float(), side).round().to(torch.uint8))
        targets += labels[:1]
    x = torch.cat(images)
    if dataset.classes:
        return x, torch.cat(targets)
    return torch.cat([x.rot90(turns, (2, 3)) for turns in range(4)]), torch.arange(4).repeat_interleave(len(x))


def _scaled(images: Tensor) -> Tensor:
    """Return bytes as floats in [−1, 1]."""
    return images.float() / 127.5 - 1


def _fit(
    network: Classifier,
    images: Tensor,
    targets: Tensor,
    steps: int,
    generator: torch.Generator,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Minimise the cross entropy by Adam, the learning rate falling to zero along half a cosine."""
    device = next(network.parameters()).device
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    pace = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train()
    for step in range(steps):
        rows = torch.randint(len(images), (BATCH,), generator=generator)
        loss = F.cross_entropy(network(_scaled(images[rows].to(device))), targets[rows].to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        pace.step()
        if progress is not None:
            progress(step + 1, steps)


def _kept(stem: Path, dataset: Dataset, side: int, device: str) -> ClassifierExtractor | None:
    """Return the extractor in the cache, or None where there is none or it is broken."""
    try:
        record = json.loads(stem.with_suffix(".json").read_text("utf-8"))
        network = fresh_classifier(dataset, side, seed=0)
        network.load_state_dict(safetensors.torch.load(stem.with_suffix(".safetensors").read_bytes()))
        name = extractor_name(dataset, side)
        extractor = ClassifierExtractor(network.to(device), name=name, accuracy=float(record["accuracy"]), side=side)
        if extractor.sha256 != record["sha256"]:
            raise ValueError("its weights do not have the recorded hash")
        return extractor
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as broken:
        log.warning("the extractor %s in the cache is broken and will be trained anew: %s", stem, broken)
        return None


def _keep(stem: Path, extractor: ClassifierExtractor, made_from: JsonObject) -> None:
    """Write weights, then record; a cache that cannot be written costs time, not the extractor."""
    state = {name: value.cpu().contiguous() for name, value in extractor.network.state_dict().items()}
    known = {"name": extractor.name, "sha256": extractor.sha256, "accuracy": extractor.accuracy}
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(stem.with_suffix(".safetensors")) as file:
            file.write(safetensors.torch.save(state))
        with atomic_write(stem.with_suffix(".json")) as file:
            file.write(json.dumps(known | {"made_from": made_from}, indent=2).encode())
    except OSError as failed:
        log.warning("the extractor could not be kept in the cache, set SPARRING_CACHE to a writable folder: %s", failed)
