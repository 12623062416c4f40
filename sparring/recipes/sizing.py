"""Settings that follow the data and the length of a training, as one table of rules.

A paper gives the settings of its own data and budget. A rule of `RULES` says which of them another training leaves, for
which value, and why. A rule applies only where the user gives none of its settings, on images, and in the recipes that
it names; on points every default stays. Each rule sees what those above it chose. Without a known length, rules that
need one do not apply.

The rules of StyleGAN2 are those by which its authors set it up for data that they have not tuned it to (Karras et al.,
2020, the configuration "auto" of the code with adaptive augmentation).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from math import exp, log, prod, sqrt
from typing import Any, NamedTuple

from sparring.recipes import RECIPES

__all__ = ["RULES", "Choice", "Rule", "Situation", "annealed_share", "as_markdown", "derive", "most_parameters"]

SHORT = 1_000_000  # images: below, a training is shorter than those of the papers on images
SMALL = 32  # side in pixels below which images are toys
PASSES = 5  # over the data, from which a critic begins to memorise it
FEWEST = 1_000_000  # parameters that any training may have
VALUES = 1000  # values of images to be seen for each parameter
WIDTHS, PAPER = (512, 256, 128, 64, 32, 16, 8), 64  # channels
GAMMAS = {32: (0.05, 0.005), 64: (2.0, 0.2), 256: (150.0, 15.0)}  # R3GAN's, by the side in pixels
BURN_IN = 20_000_000  # images of R3GAN's burn-in
SHARE = 0.25  # of a training, over which rates fall to zero
LEAST = 1000  # images of a half-life, and of the rise of augmentation, since a short training may be extended
AVERAGE = 10_000 / 32  # images of the half-life of averaged weights for each image of a batch
IMAGES = ("images", "points or images", "labelled points or images")  # needs of the recipes that rules may name
LOGISTIC = ("dcgan", "nsgan", "rsgan", "rasgan")
RELATIVE = ("rsgan", "rasgan")  # their critics are spectrally normalised, which bears fast rates


@dataclass(frozen=True)
class Situation:
    """What the rules see.

    Attributes:
        shape: (C, H, W) of images.
        rows: Number of images that are trained on.
        batch: Images of a batch.
        draws: Batches of a step.
        steps: Steps of the training. Default: not known.
        images: Images that it will see, where they are counted. Default: from the steps.
    """

    shape: tuple[int, ...]
    rows: int
    batch: int
    draws: int = 1
    steps: int | None = None
    images: int | None = None

    @property
    def pixels(self) -> int:
        """Pixels of an image."""
        return prod(self.shape[1:])

    @property
    def side(self) -> float:
        """Side in pixels of a square as large as an image."""
        return sqrt(self.pixels)

    @property
    def seen(self) -> int | None:
        """Images that the training will see; None if its length is not known."""
        if self.images is not None or self.steps is None:
            return self.images
        return self.steps * self.batch * self.draws

    @property
    def is_short(self) -> bool:
        """Whether images that are no toys are seen less often than in the papers."""
        return self.seen is not None and self.seen < SHORT and self.side >= SMALL


class Choice(NamedTuple):
    """A setting that a rule chose.

    Attributes:
        value: The value, plain.
        reason: Why, in a few words.
    """

    value: Any
    reason: str


class Rule(NamedTuple):
    """A row of the table.

    Attributes:
        settings: Paths of the settings, as in ``run.json``.
        recipes: The recipes that have it. Default: all for images that have the settings.
        values: Values of the settings for a situation; None where the recipe's own stay.
        formula: The values, in words.
        why: The reason, in words.
    """

    settings: tuple[str, ...]
    recipes: tuple[str, ...]
    values: Callable[[Situation], tuple[Any, ...] | None]
    formula: str
    why: str


def _when(condition: Callable[[Situation], bool], *values: Any) -> Callable[[Situation], tuple[Any, ...] | None]:
    return lambda it: values if condition(it) else None


def _short(it: Situation) -> bool:
    return it.is_short


def _large(it: Situation) -> bool:
    return it.side > SMALL


def _long(it: Situation) -> bool:
    return _large(it) and it.seen is not None and it.seen >= 5 * SHORT


def _repeated(it: Situation) -> bool:
    return it.is_short and it.seen is not None and it.seen >= PASSES * it.rows


def _r1(it: Situation) -> tuple[Any, ...] | None:
    return (_round(0.0002 * it.pixels / it.batch),) if _large(it) else None


def _gammas(it: Situation) -> tuple[Any, ...] | None:
    sides = sorted(GAMMAS)
    if it.side == SMALL:
        return None
    if it.side < SMALL:
        scale = it.pixels / SMALL**2
        return ([_round(scale * gamma) for gamma in GAMMAS[SMALL]],)
    low = max(side for side in sides[:-1] if side <= it.side)
    high = min(side for side in sides if side > low)
    t = log(it.side / low) / log(high / low)
    pairs = zip(GAMMAS[low], GAMMAS[high], strict=True)
    return ([_round(exp((1 - t) * log(a) + t * log(b))) for a, b in pairs],)


def _burn_in(it: Situation) -> tuple[Any, ...] | None:
    if it.seen is None:
        return None
    return (max(1, round(min(BURN_IN, 0.4 * it.seen) / it.batch)),)


def _average(it: Situation) -> tuple[Any, ...] | None:
    if it.seen is None or it.side < SMALL:
        return None
    half_life = max(LEAST, min(AVERAGE * it.batch, it.seen / 20))
    return (round(0.5 ** (it.batch * it.draws / half_life), 6),)


def _speed(it: Situation) -> tuple[Any, ...] | None:
    return None if it.seen is None else (max(LEAST, min(500_000, it.seen // 8)),)


def _round(value: float) -> float:
    return float(f"{value:.3g}")


_CRITIC, _GENERATOR = "arguments.critic", "arguments.generator"
_RATES = (f"{_CRITIC}.lr", f"{_CRITIC}.betas", f"{_GENERATOR}.lr", f"{_GENERATOR}.betas")
_AUGMENT, _IMAGES = "techniques.augment", "techniques.augment_images"
_FAST = (1e-3, [0.0, 0.99], 1e-3, [0.0, 0.99])
_MEASURED = "measured on photographs of clothes at 64 × 64, see docs/how-to/settings.md"

RULES: tuple[Rule, ...] = (
    Rule(("batch_size",), LOGISTIC, _when(_short, 32), "32 below 1 M images to be seen", "twice as many updates"),
    Rule(
        ("arguments.networks.network", "arguments.networks.width"),
        LOGISTIC,
        _when(_short, "dcgan", 32),
        "DCGAN's networks of width 32 below 1 M images to be seen",
        "narrow networks see more images in the same time",
    ),
    Rule(_RATES, RELATIVE, _when(_short, *_FAST), "1e-3, β (0, .99) below 1 M images to be seen", _MEASURED),
    Rule(
        (_AUGMENT,),
        LOGISTIC,
        _when(_repeated, "diff"),
        "diff from 5 passes over the data, below 1 M images to be seen, without other techniques",
        "a critic that sees each image often memorises it",
    ),
    Rule(
        ("arguments.residual", "arguments.group"),
        ("stylegan2",),
        _when(_large, True, 4),
        "shortcuts and groups of 4 above 32 px",
        "as the authors beyond CIFAR-10",
    ),
    Rule(("arguments.penalty",), ("stylegan2",), _r1, "γ = .0002 · pixels / batch above 32 px", "the authors' rule"),
    Rule(
        ("arguments.path", "arguments.mixing"),
        ("stylegan2",),
        _when(_long, 2.0, 0.9),
        "path 2, mixing .9 above 32 px, from 5 M images to be seen",
        "smoother styles in long trainings",
    ),
    Rule(
        ("arguments.mapping",),
        ("stylegan2",),
        _when(lambda it: it.side >= 256 and it.seen is not None and it.seen >= 25 * SHORT, 8),
        "8 layers from 256 px and 25 M images to be seen, else 2",
        "as the authors' large configurations",
    ),
    Rule(
        ("arguments.penalty",),
        ("r3gan",),
        _gammas,
        "γ .05 → .005 at 32 px, 2 → .2 at 64, 150 → 15 at 256, a power law between",
        "the authors' pairs",
    ),
    Rule(
        ("arguments.burn_in",),
        ("r3gan",),
        _burn_in,
        "20 M images, at most .4 of the images to be seen",
        "γ and the rates must fall before the end",
    ),
    Rule(
        ("ema_decay",),
        (),
        _average,
        "half-life of batch · 312 images, at most a twentieth of the images to be seen",
        "the average must forget the untrained start",
    ),
    Rule(
        (_IMAGES,),
        (),
        _speed,
        "an eighth of the images to be seen, at most 500,000",
        "p can reach .8 in a tenth of the training",
    ),
)
"""The rules in the order in which they apply. After them, the width of every recipe for images that has one is the
widest of `WIDTHS` up to the paper's with which all networks have at most `most_parameters`."""

CAP = (
    "at most a parameter for each value of the images, and for each thousand values to be seen, but a million at least"
)


def as_markdown() -> str:
    """Return the rules as a table in Markdown."""
    rows = [("settings", "recipes", "value", "why"), ("---",) * 4]
    for rule in RULES:
        names = ", ".join(f"`{path.removeprefix('arguments.').removeprefix('techniques.')}`" for path in rule.settings)
        rows.append((names, ", ".join(rule.recipes) or "all", rule.formula, rule.why))
    rows.append(
        ("`width`", "all that have one", f"the widest of {', '.join(map(str, WIDTHS))}, at most the paper's", CAP)
    )
    rows.append(
        (
            "`anneal`",
            "all without falling rates",
            f"{SHARE:g} from {SMALL} px",
            "the last noise of the weights averages out",
        )
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def annealed_share(recipe: str, shape: tuple[int, ...]) -> Choice | None:
    """Return the share of a training over which rates fall to zero where its end is known; None to leave them.

    Args:
        recipe: Name of the recipe.
        shape: Shape of the data.
    """
    if not _has_rules(recipe) or len(shape) != 3 or prod(shape[1:]) < SMALL**2 or recipe in ("r3gan", "sngan"):
        return None
    return Choice(SHARE, "rates that fall to zero at a known end")


def derive(
    recipe: str,
    settings: Mapping[str, Any],
    given: Collection[str],
    situation: Situation,
    parameters: Callable[[Mapping[str, Any]], int | None],
) -> dict[str, Choice]:
    """Return the settings that follow the data, by their path in ``run.json``.

    Args:
        recipe: Name of the recipe.
        settings: All settings of the run by path, those that the user did not give at the paper's values.
        given: Paths of the settings that the user gave.
        situation: The data and the length.
        parameters: Returns the number of parameters of all networks with some other settings, by path; None if such
            networks cannot be built.
    """
    found: dict[str, Choice] = {}
    if not _has_rules(recipe) or len(situation.shape) != 3:
        return found
    for rule in RULES:
        if rule.recipes and recipe not in rule.recipes:
            continue
        if any(path not in settings or path in given for path in rule.settings):
            continue
        if rule.settings == (_AUGMENT,) and any(path.startswith("techniques.") for path in given):
            continue
        if rule.settings == (_IMAGES,) and settings.get("techniques.augment") != "adaptive":
            continue
        values = rule.values(situation)
        for path, value in zip(rule.settings, values or (), strict=False):
            found[path] = Choice(value, f"{rule.formula}: {rule.why}")
        if "batch_size" in found:
            situation = replace(situation, batch=found["batch_size"].value)
    free = {path: value for path, value in settings.items() if path not in {*given, *found}}
    return found | _narrowed(recipe, free, situation, parameters)


def most_parameters(situation: Situation) -> int:
    """Return how many parameters the networks of a training may have.

    Args:
        situation: The data and the length.
    """
    values = prod(situation.shape)
    limits = [situation.rows * values] + ([] if situation.seen is None else [situation.seen * values // VALUES])
    return max(FEWEST, min(limits))


def _narrowed(
    recipe: str, free: Mapping[str, Any], it: Situation, parameters: Callable[[Mapping[str, Any]], int | None]
) -> dict[str, Choice]:
    """Return the width of networks that would have more parameters than the data allow."""
    width = next((path for path in ("arguments.width", "arguments.networks.width") if path in free), None)
    most = most_parameters(it)
    if width is None or (parameters({}) or 0) <= most:
        return {}
    beside = recipe == "stylegan2" and "arguments.latent" in free
    found: dict[str, Any] = {}
    paper = free[width] or (PAPER if "networks" in width else WIDTHS[0] + 1)
    for channels in (each for each in WIDTHS if each < paper):
        found = {width: channels} | ({"arguments.latent": max(64, min(512, 16 * channels))} if beside else {})
        count = parameters(found)
        if count is not None and count <= most:
            break
    return {path: Choice(value, f"{most:,} parameters: {CAP}") for path, value in found.items()}


def _has_rules(recipe: str) -> bool:
    return recipe in RECIPES and RECIPES[recipe].needs in IMAGES
