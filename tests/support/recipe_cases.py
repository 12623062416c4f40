"""One small game of every recipe, with its batches."""

import torch

from sparring.data.annotations.captions import tokenize
from sparring.recipes import RECIPES
from sparring.runs.recipe_args import fill_arguments, find_recipe
from support.runs import tiny

POINTS, IMAGES, DOMAINS = (2,), (1, 16, 16), (1, 32, 32)


CASES = [
    (name, shape)
    for name, row in RECIPES.items()
    for shape in ((POINTS,) if "points" in row.needs else ())
    + ((DOMAINS,) if row.needs.startswith("unpaired") else (IMAGES,) if "image" in row.needs else ())
]


SAID = ("a red heart", "a blue heart", "one dog", "two dogs")


def known(name):
    """What a recipe is told of the data besides its shape, and what its batches hold besides images."""
    if RECIPES[name].needs.startswith("labelled"):
        return {"classes": 3}, (torch.arange(4) % 3,)
    if RECIPES[name].needs.startswith("captioned"):
        return {"captions": SAID}, (tokenize(SAID),)
    if RECIPES[name].needs.startswith("unpaired"):
        return {"other": DOMAINS}, (torch.randn(4, *DOMAINS).clamp(-1, 1),)
    if RECIPES[name].needs.startswith("paired"):
        return {"other": IMAGES, "paired": True}, (torch.randn(4, *IMAGES).clamp(-1, 1),)
    if RECIPES[name].needs.endswith("label maps"):
        return {"regions": 3}, (torch.arange(4 * 16 * 16).view(4, 16, 16) % 4,)
    return {}, ()


def batches(shape, n=4):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield (torch.randn(n, *shape, generator=generator).clamp(-1, 1),)


def small(name, shape, **facts):
    """A recipe's game with the smallest networks."""
    function = find_recipe(name)
    torch.manual_seed(0)
    return function(shape, **facts, **fill_arguments(function, tiny(name)))
