"""Requirements of training techniques on a game: one function each, with one message for a game without it.

A need is tested on the `sparring.game.CriticSpec` that the game declares, and on its networks. Techniques call
`require` when they are built, so that a game with a technique that does not fit is never built.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from sparring.errors import GameError
from sparring.game import CLASS_CONDITION, CriticOutput, Game, LatentGame

Need = Callable[[str, Game], str]
"""Maps the name of a technique and a game to the message of refusal; empty if the game meets the requirement."""

COMPARES = "compares_samples"  # attribute of a layer whose output for a sample depends on the rest of the batch


def require(name: str, game: Game, *needs: Need) -> None:
    """Refuse a game that lacks something.

    Args:
        name: Name of the technique.
        game: The wrapped game.
        needs: Requirements on the game, in the order of their checks.

    Raises:
        GameError: If it lacks one; the message names it.
    """
    for need in needs:
        if refusal := need(name, game):
            raise GameError(refusal)


def critics(name: str, game: Game) -> str:
    """Require at least one critic."""
    return (
        ""
        if game.critic_networks()
        else f"{_core(game)} names no network in critic_networks(): {name} has nothing to act on."
    )


def one_critic(name: str, game: Game) -> str:
    """Require one critic: with several the inputs of each are undefined."""
    count = len(game.critic_networks())
    return (
        ""
        if count == 1
        else f"{name} acts on one critic, but {_core(game)} names {count or 'none'} in critic_networks()."
    )


def samples_only(name: str, game: Game) -> str:
    """Require a critic that takes the sample and nothing else."""
    given = game.critic_spec().condition or next(filter(None, map(_wanted, _networks(game))), "")
    return f"{name} shows the critic samples alone, but that of {_core(game)} also takes {given}." if given else ""


def samples_or_classes(name: str, game: Game) -> str:
    """Require a critic that takes the sample, and at most its class, for which the game has a method ``one_hot``."""
    return (
        ""
        if hasattr(game, "one_hot") and game.critic_spec().condition in ("", CLASS_CONDITION)
        else samples_only(name, game)
    )


def critic_outputs(*outputs: CriticOutput) -> Need:
    """Return the need for a critic with one of some forms of output."""

    def need(name: str, game: Game) -> str:
        output = game.critic_spec().output
        if output is CriticOutput.SCORE and any(getattr(network, "outcomes", 1) != 1 for network in _networks(game)):
            return (
                f"{name} needs the kind of the several outputs of {_core(game)}'s critic: declare it in critic_spec()."
            )
        wanted = " or ".join(outputs)
        return "" if output in outputs else f"{name} needs {wanted}, but the critic of {_core(game)} gives {output}."

    return need


def scores_each_sample(name: str, game: Game) -> str:
    """Require a critic whose score of a sample does not depend on the rest of the batch."""
    modules = [module for network in _networks(game) for module in network.modules()]
    if any(isinstance(module, _BatchNorm) for module in modules):
        return (
            f"{name} is about the slope of each sample's own score, but the critic of {_core(game)} has batch norm: "
            "choose networks without it, or put virtual batch norm on."
        )
    if any(getattr(module, COMPARES, False) for module in modules):
        return f"{name} is about the slope of each sample's own score, but the critic compares the samples of a batch."
    return ""


def no_penalty_named(term: str) -> Need:
    """Return the need for a game that does not pay for a slope by this name already."""

    def need(name: str, game: Game) -> str:
        return (
            f"{_core(game)} pays {term!r} already: leave {name} out."
            if term in game.critic_spec().gradient_penalties
            else ""
        )

    return need


def same_penalty_target(target: float) -> Need:
    """Return the need for a game that pays for no slope, or for one that differs from the same target."""

    def need(name: str, game: Game) -> str:
        slope = game.critic_spec().penalty_target
        if slope is None or slope == target:
            return ""
        paid = ", ".join(game.critic_spec().gradient_penalties)
        return f"{name} draws slopes towards {target:g}, but {paid} in {_core(game)} draws them towards {slope:g}."

    return need


def trained_from_start(name: str, game: Game) -> str:
    """Require a game whose networks are all trained from the first step on, so that each has a history."""
    later = game.critic_spec().trained_later
    return f"{name} counts from the first step, but in {_core(game)} {later} begins later." if later else ""


def no_lookahead(name: str, game: Game) -> str:
    """Require a game in which G does not unroll steps of D that would leave this technique's term out."""
    unrolled = game.critic_spec().lookahead
    return f"{unrolled} runs steps of D without the term of {name}: choose one of them." if unrolled else ""


def explicit_terms(name: str, game: Game) -> str:
    """Require a critic whose steps are those of descent on what the game states as its `critic_terms`."""
    if reason := game.critic_spec().custom_critic_step:
        return f"{name} takes steps of D by its terms alone, but in {_core(game)} {reason}."
    if not (hasattr(game.unwrapped, "critic_terms") and hasattr(game.unwrapped, "generator_terms")):
        return f"{name} takes steps of D by its terms, which {_core(game)} does not state: give it critic_terms."
    return ""


def one_pair(name: str, game: Game) -> str:
    """Require one G that starts from noise, and one D that scores its samples."""
    core, spec = game.unwrapped, game.critic_spec()
    plain = isinstance(core, LatentGame) and core.critic_networks() == ("D",) and spec.output is not CriticOutput.CODES
    return (
        "" if plain else f"{name} needs a game of one G that starts from noise and one D, which {_core(game)} is not."
    )


def plain_noise(name: str, game: Game) -> str:
    """Require noise that is z ~ N(0, I) and nothing else."""
    holds = game.critic_spec().noise_condition
    return f"{name} needs noise of z alone, but that of {_core(game)} also holds {holds}." if holds else ""


def one_generator_function(name: str, game: Game) -> str:
    """Require a generator that the game uses as one function of noise."""
    parts = game.critic_spec().generator_use
    return f"{name} puts another network in the place of G, but {_core(game)} {parts}." if parts else ""


def has_attributes(*abilities: str) -> Need:
    """Return the need for attributes: ``fakes``, ``noise``, ``G``."""

    def need(name: str, game: Game) -> str:
        lacks = next((ability for ability in abilities if not hasattr(game, ability)), None)
        return f"{name} needs a game that has {lacks!r}; {_core(game)} has none." if lacks else ""

    return need


def no_compared_samples(name: str, game: Game) -> str:
    """Require a game without a comparison of samples in the critic's features, which a draw per sample would change."""
    compares = game.critic_spec().compared_samples
    return (
        f"{name} changes each sample by a draw of its own, but {_core(game)} compares {compares}." if compares else ""
    )


def no_spatial_condition(name: str, game: Game) -> str:
    """Require a critic without a condition that is aligned with the sample's pixels."""
    spec = game.critic_spec()
    if not spec.spatial_condition:
        return ""
    return f"{name} moves pixels, but the critic of {_core(game)} compares them with {spec.condition} place by place."


def unmixed_batches(name: str, game: Game) -> str:
    """Require a critic whose batches are all real or all of one G, and whose features no other term compares."""
    spec = game.critic_spec()
    if spec.mixed_batches:
        mixed = spec.mixed_batches
        return f"{name} compares samples of one kind, but {_core(game)} shows its critic {mixed} in one batch."
    if spec.features_shared_with:
        return f"{name} adds to the critic's features, which {spec.features_shared_with} of {_core(game)} also reads."
    return f"The critic of {_core(game)} must score each sample by itself: leave {name} out." if spec.per_sample else ""


def no_gradient_penalties(name: str, game: Game) -> str:
    """Require a critic without a penalty on the slope of each sample's score."""
    paid = ", ".join(game.critic_spec().gradient_penalties)
    return (
        f"{name} couples the samples of a batch, but {_core(game)} pays {paid} for the slope of each." if paid else ""
    )


def zero_centred(name: str, game: Game) -> str:
    """Score with a zero midway between real and fake."""
    if game.critic_spec().zero_centred is False:
        return f"{name} reads the sign of D's scores, but 0 is not midway between real and fake in {_core(game)}."
    return ""


def _networks(game: Game) -> list[nn.Module]:
    return [game.get_submodule(path) for path in game.critic_networks()]


def _wanted(critic: nn.Module) -> str:
    """Return the name of an argument that a critic takes after the sample; empty where there is none."""
    while (inner := getattr(critic, "critic", None)) is not None and hasattr(critic, "transform"):
        critic = inner
    _, *more = signature(critic.forward).parameters.values()
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    wanted = (given for given in more if given.kind in positional and given.default is Parameter.empty)
    return next((repr(given.name) for given in wanted), "")


def _core(game: Game) -> str:
    return type(game.unwrapped).__name__
