"""What a game's critics say and how the game uses it: the facts from which follows which training techniques fit.

A game declares them in `Game.critique`. A technique states what it needs (`sparring.wrappers.requirements`), and is
refused where the facts contradict it. What is not declared is taken for the plain case: one score a sample, of the
sample alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CLASS", "Critique", "Output"]

CLASS = "a class"


class Output(StrEnum):
    """What one answer of a critic is."""

    SCORE = "one score a sample"
    PATCHES = "a map of scores of patches"
    SCALES = "maps of features and scores at several scales"
    SCORES = "scores of several questions"
    CLASSES = "logits of classes"
    OUTCOMES = "logits of a distribution over outcomes"
    CODES = "codes, which another network judges"


@dataclass(frozen=True)
class Critique:
    """The facts of one game.

    Attributes:
        output: What a critic answers. A score may be a logit, a Wasserstein score, or minus an energy.
        given: What a critic is given in addition to the sample, such as `CLASS`; empty for nothing.
        placed: Whether that has places which belong to those of the sample, as a picture or a map beside it has.
        fooling: The terms of G's move by which it fools the critic; empty where that is its only term.
        upkeep: Terms that are paid in moves of their own, beside those in which the players meet.
        penalties: Terms of D's loss that are penalties on the slope of each sample's score.
        slope: The norm of the slope at which these cost nothing, 0 or 1; None where there are none.
        single: Whether D must score each sample by itself, so that no layer may compare samples.
        noise: What a row of noise holds in addition to z ~ N(0, I), such as "codes"; empty for nothing.
        parts: How G is used other than as one function of noise; empty where it is one.
        reads: What else reads the critic's features; empty for nothing.
        mixed: What a batch of the critic holds, where it is not all real or all made by one G; empty where it is.
        compares: What is compared of two samples as the critic sees them; empty for nothing.
        later: What begins to be trained later than the rest; empty for nothing.
        ahead: Why a step of D is not one of gradient descent on the game's `critic_terms`; empty where it is.
        looks: The technique by which G looks ahead at D's steps; empty for none.
        centred: Whether a score of 0 lies midway between real and fake; None where that is not known.
    """

    output: Output = Output.SCORE
    given: str = ""
    placed: bool = False
    fooling: tuple[str, ...] = ()
    upkeep: tuple[str, ...] = ()
    penalties: tuple[str, ...] = ()
    slope: float | None = None
    single: bool = False
    noise: str = ""
    parts: str = ""
    reads: str = ""
    mixed: str = ""
    compares: str = ""
    later: str = ""
    ahead: str = ""
    looks: str = ""
    centred: bool | None = None
