"""What training aids need of a game: one function a need, and one sentence where a game lacks it.

A need looks at what the game declares of its critics (`sparring.critique`) and at its networks. Aids call `require`
when they are put on, so that a game with an aid that does not fit is never built.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from sparring.critique import CLASS, Output
from sparring.errors import GameError
from sparring.game import Game, LatentGame

Need = Callable[[str, Game], str]
"""From the name of an aid and a game to the sentence that refuses it; empty where the game has what is needed."""

COMPARES = "compares_samples"  # the attribute of a layer whose answer to a sample depends on the rest of the batch


def require(aid: str, game: Game, *needs: Need) -> None:
    """Refuses a game that lacks something.

    Args:
        aid: What the aid is called.
        game: The game that it is put around.
        needs: What the game must have, in the order in which they are looked at.

    Raises:
        GameError: If it lacks one; the message says which.
    """
    for need in needs:
        if refusal := need(aid, game):
            raise GameError(refusal)


def critics(aid: str, game: Game) -> str:
    """At least one network that sees samples."""
    return (
        ""
        if game.critic_networks()
        else f"{_core(game)} names no network in critic_networks(): {aid} has nothing to act on."
    )


def one_critic(aid: str, game: Game) -> str:
    """One network that sees samples: of several it is not known which samples each sees."""
    count = len(game.critic_networks())
    return (
        ""
        if count == 1
        else f"{aid} acts on one critic, but {_core(game)} names {count or 'none'} in critic_networks()."
    )


def samples_alone(aid: str, game: Game) -> str:
    """A critic that takes the sample and nothing else."""
    given = game.critique().given or next(filter(None, map(_wanted, _networks(game))), "")
    return f"{aid} shows the critic samples alone, but that of {_core(game)} also takes {given}." if given else ""


def samples_or_labels(aid: str, game: Game) -> str:
    """A critic that takes the sample, and at most its class, for which the game has a method ``one_hot``."""
    return "" if hasattr(game, "one_hot") and game.critique().given in ("", CLASS) else samples_alone(aid, game)


def answers(*outputs: Output) -> Need:
    """Returns the need for a critic that answers in one of some forms."""

    def need(aid: str, game: Game) -> str:
        output = game.critique().output
        if output is Output.SCORE and any(getattr(network, "outcomes", 1) != 1 for network in _networks(game)):
            return f"{aid} must know what the several answers of {_core(game)}'s critic are: declare it in critique()."
        wanted = " or ".join(outputs)
        return "" if output in outputs else f"{aid} needs {wanted}, but the critic of {_core(game)} gives {output}."

    return need


def scored_apart(aid: str, game: Game) -> str:
    """A critic whose score of a sample does not depend on the rest of the batch."""
    modules = [module for network in _networks(game) for module in network.modules()]
    if any(isinstance(module, _BatchNorm) for module in modules):
        return (
            f"{aid} is about the slope of each sample's own score, but the critic of {_core(game)} has batch norm: "
            "choose networks without it, or put virtual batch norm on."
        )
    if any(getattr(module, COMPARES, False) for module in modules):
        return f"{aid} is about the slope of each sample's own score, but the critic compares the samples of a batch."
    return ""


def unpaid(term: str) -> Need:
    """Returns the need for a game that does not pay for a slope by this name already."""

    def need(aid: str, game: Game) -> str:
        return f"{_core(game)} pays {term!r} already: leave {aid} out." if term in game.critique().penalties else ""

    return need


def slopes_towards(target: float) -> Need:
    """Returns the need for a game that pays for no slope, or for one that differs from the same target."""

    def need(aid: str, game: Game) -> str:
        slope = game.critique().slope
        if slope is None or slope == target:
            return ""
        paid = ", ".join(game.critique().penalties)
        return f"{aid} draws slopes towards {target:g}, but {paid} in {_core(game)} draws them towards {slope:g}."

    return need


def trained_together(aid: str, game: Game) -> str:
    """A game whose networks are all trained from the first step on, so that each has a past of its own."""
    later = game.critique().later
    return f"{aid} counts from the first step, but in {_core(game)} {later} begins later." if later else ""


def nobody_ahead(aid: str, game: Game) -> str:
    """A game in which G does not look ahead at steps of D that would leave this aid's term out."""
    looks = game.critique().looks
    return f"{looks} looks ahead at steps of D without the term of {aid}: choose one of them." if looks else ""


def steps_by_its_terms(aid: str, game: Game) -> str:
    """A critic whose steps are those of descent on what the game states as its `critic_terms`."""
    if reason := game.critique().ahead:
        return f"{aid} takes steps of D by its terms alone, but in {_core(game)} {reason}."
    if not (hasattr(game.unwrapped, "critic_terms") and hasattr(game.unwrapped, "generator_terms")):
        return f"{aid} takes steps of D by its terms, which {_core(game)} does not state: give it critic_terms."
    return ""


def pair(aid: str, game: Game) -> str:
    """One G that starts from noise, and one D that scores its samples."""
    core, critique = game.unwrapped, game.critique()
    plain = isinstance(core, LatentGame) and core.critic_networks() == ("D",) and critique.output is not Output.CODES
    return "" if plain else f"{aid} needs a game of one G that starts from noise and one D, which {_core(game)} is not."


def noise_alone(aid: str, game: Game) -> str:
    """Noise that is z ~ N(0, I) and nothing else."""
    holds = game.critique().noise
    return f"{aid} needs noise of z alone, but that of {_core(game)} also holds {holds}." if holds else ""


def one_function(aid: str, game: Game) -> str:
    """A generator that the game uses as one function of noise."""
    parts = game.critique().parts
    return f"{aid} puts another network in the place of G, but {_core(game)} {parts}." if parts else ""


def has(*abilities: str) -> Need:
    """Returns the need for attributes: ``fakes``, ``noise``, ``G``."""

    def need(aid: str, game: Game) -> str:
        lacks = next((ability for ability in abilities if not hasattr(game, ability)), None)
        return f"{aid} needs a game that has {lacks!r}; {_core(game)} has none." if lacks else ""

    return need


def seen_once(aid: str, game: Game) -> str:
    """A game that compares no two samples by what the critic sees of each, which an aid changes by its own draw."""
    compares = game.critique().compares
    return f"{aid} changes each sample by a draw of its own, but {_core(game)} compares {compares}." if compares else ""


def no_places(aid: str, game: Game) -> str:
    """A critic that takes nothing whose places belong to those of the sample."""
    critique = game.critique()
    if not critique.placed:
        return ""
    return f"{aid} moves what a picture shows, but the critic of {_core(game)} sees it beside {critique.given}."


def one_kind_a_batch(aid: str, game: Game) -> str:
    """A critic whose batches are all real or all made by one G, and whose features nobody else compares."""
    critique = game.critique()
    if critique.mixed:
        return f"{aid} compares samples of one kind, but {_core(game)} shows its critic {critique.mixed} in one batch."
    if critique.reads:
        return f"{aid} adds to the critic's features, which {critique.reads} of {_core(game)} also reads."
    return f"The critic of {_core(game)} must score each sample by itself: leave {aid} out." if critique.single else ""


def no_slopes(aid: str, game: Game) -> str:
    """A critic without a penalty on the slope of each sample's score."""
    paid = ", ".join(game.critique().penalties)
    return f"{aid} couples the samples of a batch, but {_core(game)} pays {paid} for the slope of each." if paid else ""


def centred(aid: str, game: Game) -> str:
    """Scores with a zero midway between real and fake."""
    if game.critique().centred is False:
        return f"{aid} reads the sign of D's scores, but 0 is not midway between real and fake in {_core(game)}."
    return ""


def _networks(game: Game) -> list[nn.Module]:
    return [game.get_submodule(path) for path in game.critic_networks()]


def _wanted(critic: nn.Module) -> str:
    """Returns the name of an argument that a critic takes after the sample; empty where it wants none."""
    while (inner := getattr(critic, "critic", None)) is not None and hasattr(critic, "transform"):
        critic = inner
    _, *more = signature(critic.forward).parameters.values()
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    wanted = (given for given in more if given.kind in positional and given.default is Parameter.empty)
    return next((repr(given.name) for given in wanted), "")


def _core(game: Game) -> str:
    return type(game.unwrapped).__name__
