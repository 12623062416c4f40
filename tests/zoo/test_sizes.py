"""Every recipe for images plays, samples and resumes at sizes that are neither square nor powers of two."""

from __future__ import annotations

from math import isfinite

import pytest
import torch

from sparring import RECIPES
from sparring.abilities import SupportsLabelMaps, SupportsSampling, SupportsTranslation
from sparring.data.annotations.captions import tokenize
from sparring.game import evaluation_mode
from sparring.training.trainer import train
from support.recipe_cases import SAID, small
from support.runs import SMALL, after_a_stop

IMAGE_RECIPES = [name for name, row in RECIPES.items() if "image" in row.needs]
SIZES = [(48, 64), *(pytest.param(size, marks=pytest.mark.slow) for size in ((100, 100), (128, 171)))]
LARGE = (512, 512)
WIDE = {"r3gan": {"width": 32}}  # whose channels are halved from 64 pixels on
BATCH = 2


def facts_and_batch(name, shape):
    """What a recipe is told of data of a shape besides it, and a batch."""
    needs, generator = RECIPES[name].needs, torch.Generator().manual_seed(0)
    x, other = (torch.randn(BATCH, *shape, generator=generator).clamp(-1, 1) for _ in range(2))
    if needs.startswith("labelled"):
        return {"classes": 3}, (x, torch.arange(BATCH) % 3)
    if needs.startswith("captioned"):
        return {"captions": SAID}, (x, tokenize(SAID[:BATCH]))
    if needs.startswith("unpaired"):
        return {"other": shape}, (x, other)
    if needs.startswith("paired"):
        return {"other": shape, "paired": True}, (x, other)
    if needs.endswith("label maps"):
        return {"regions": 3}, (x, torch.randint(4, (BATCH, *shape[1:]), generator=generator))
    return {}, (x,)


def made(game, batch, shape):
    """Images of a game: samples, translations or pictures of label maps."""
    with evaluation_mode(game):
        if isinstance(game, SupportsTranslation):
            return game.translate(batch[0], "B")
        if isinstance(game, SupportsLabelMaps):
            return game.paint(batch[1], game.styles(BATCH))
        assert isinstance(game, SupportsSampling)
        return game.sample(BATCH)


def batches(batch):
    while True:
        yield tuple(part.clone() for part in batch)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", IMAGE_RECIPES)
def test_every_recipe_plays_samples_and_resumes_at_any_size(name, size):
    shape = (3, *size)
    facts, batch = facts_and_batch(name, shape)
    built = []

    def build():
        built.append(small(name, shape, **facts))
        return built[-1]

    assert after_a_stop(build, lambda: batches(batch)) == ""
    images = made(built[0], batch, shape)
    assert images.shape == (BATCH, *shape)
    assert images.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGE_RECIPES)
def test_every_recipe_takes_a_step_at_512(name, monkeypatch):
    for key, value in WIDE.get(name, {}).items():
        monkeypatch.setitem(SMALL, key, value)
    shape = (3, *LARGE)
    facts, batch = facts_and_batch(name, shape)
    game = small(name, shape, **facts)
    for report in train(game, batches(batch), 1):
        assert all(isfinite(value) for value in report.scalars().values())
    assert made(game, batch, shape).shape == (BATCH, *shape)
