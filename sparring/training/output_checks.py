"""Checks of what critics and generators return in a round against how it is used.

`OutputChecks` observes the networks of a game during a round. In a game that names no critics, all networks count as
critics. It raises an error where numbers are certainly wrong,

    scores (N, 1) compared with N numbers every score is compared with every number, (N, N) scores (N, N) of N rows the
    same, inside the critic

and reports probable mistakes:

    scores (N, 1) where (N,) is expected       the next comparison may be the one above
    a sigmoid below a loss that applies its own, or that expects scores without bounds
    a critic with one number for all rows
    images of a generator, or given to a critic, from 0 to 1 or far beyond [−1, 1], where all others are in [−1, 1]
    samples from 0 to 1, or of another shape than the data

A sigmoid below a loss of probabilities, patches of scores and several outputs are not mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

from sparring._types import Settings
from sparring.errors import GameError
from sparring.game import Game, LatentGame, evaluation_mode
from sparring.objectives import LeastSquares, Objective

__all__ = ["OutputChecks"]

SHAPE_OPS = (
    "View",
    "Squeeze",
    "Unsqueeze",
    "Reshape",
    "Flatten",
    "Alias",
    "Slice",
    "Select",
    "ToCopy",
    "Permute",
    "Clone",
)
"""Operations that keep the values, by the names of their backward functions."""
LINEAR_OPS = ("neg", "negative", "add", "radd", "sub", "subtract", "rsub", "mul", "multiply", "rmul")
SIGMOID_OPS = ("sigmoid", "softplus", "logsigmoid", "log_sigmoid", "binary_cross_entropy_with_logits")
MAX_OUTSIDE = 0.5  # share of a generator's pixels outside of [-1, 1]; a normal distribution has a third there
LEVELS = 255.0


@dataclass(frozen=True)
class _Scores:
    """Scores of a critic, or an elementwise function of them.

    Attributes:
        tensor: The scores, kept so that no other tensor gets its id.
        critic: The critic's name.
        squashed: Whether they are a sigmoid's output, scaled and shifted at most.
    """

    tensor: Tensor
    critic: str
    squashed: bool


@dataclass(frozen=True)
class _Pixels:
    """Range and shape of the images that a network received or returned.

    Attributes:
        shape: Of one image, (C, H, W).
        low: The least value.
        high: The largest value.
        outside: Share of the values outside of [-1, 1].
        dark: Whether none is below 0, one is above, and they are no 8-bit images in [-1, 1], which may be that bright.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    outside: float
    dark: bool


class OutputChecks:
    """Observes the inputs and outputs of a game's networks.

    Args:
        game: The game to observe.
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        self.scores: dict[int, _Scores] = {}
        self.derived: dict[int, Tensor] = {}
        self.found: dict[str, None] = {}
        self.squashed: set[str] = set()
        self.seen: dict[str, list[_Pixels]] = {}
        self.made: dict[str, list[_Pixels]] = {}
        self.square: dict[str, tuple[nn.Module, Tensor]] = {}
        self.samples: _Pixels | None = None
        self.data: _Pixels | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Return a context in which networks are observed, for one or several turns.

        Raises:
            GameError: Inside the context, if scores are compared with numbers of another shape.
        """
        with ExitStack() as stack:
            networks = dict(self.game.named_modules())
            parts = {id(network) for network in self.game.unwrapped.children()}
            judges = self.game.critic_networks() or [path for path, network in networks.items() if id(network) in parts]
            for paths, hook in ((judges, self._scored), (self.game.sampling_networks(), self._made)):
                for path in set(paths) & set(networks):
                    name = path.rpartition("game.")[2]
                    stack.callback(networks[path].register_forward_hook(partial(hook, name)).remove)
            stack.enter_context(_CallRecorder(self))
            yield

    def notes(self) -> tuple[str, ...]:
        """Return one sentence per likely mistake.

        Raises:
            GameError: If a critic compares its rows.
        """
        self.scores, self.derived = {}, {}
        for critic, (network, x) in self.square.items():
            _require_rows(critic, network, x)
        images = tuple(self._images())
        return *self.found, *(images or self._samples())

    def sampled(self, images: object, batch: tuple[Tensor, ...]) -> None:
        """Record samples of the game.

        Args:
            images: Samples of the game.
            batch: A batch of the data.
        """
        if isinstance(self.game.unwrapped, LatentGame):
            self.samples, self.data = _pixels(images), _pixels(batch[0])

    def called(self, function: Callable[..., object], given: list[Tensor], result: object) -> None:
        """Record a call of a torch function.

        Args:
            function: The function.
            given: Its tensor arguments.
            result: Its result.
        """
        known = [self.scores[id(each)] for each in given if id(each) in self.scores]
        if not known and not any(id(each) in self.derived for each in given):
            return
        name = getattr(function, "__name__", "").strip("_")
        for scores in known:
            self._compared(scores, name, given, result)
            if scores.squashed and name in SIGMOID_OPS:
                self._note_squashed(scores.critic, f"{name} is applied on top")
        results = [each for each in (result if isinstance(result, (tuple, list)) else [result]) if _is_float(each)]
        for each in results:
            self.derived[id(each)] = each
            for scores in known:
                if each.shape == scores.tensor.shape and id(each) not in self.scores:
                    self.scores[id(each)] = _Scores(each, scores.critic, scores.squashed and name in LINEAR_OPS)

    def _compared(self, scores: _Scores, name: str, given: list[Tensor], result: object) -> None:
        """Raise an error if scores (N, 1) are compared with numbers (N,) of other origin."""
        shape = tuple(scores.tensor.shape)
        if not _is_column(shape) or shape[0] == 1:
            return
        others = [each for each in given if each.shape == shape[:1] and id(each) not in self.derived]
        spread = isinstance(result, Tensor) and result.shape == (*shape[:-1], shape[0])
        if others and (spread or "loss" in name):
            raise GameError(
                f"{scores.critic} returns scores of shape {shape}, and {name} compares each of them with all of "
                f"{shape[0]} numbers: end the forward of {scores.critic} with .flatten(), which gives ({shape[0]},)."
            )

    def _scored(self, critic: str, network: nn.Module, given: tuple[object, ...], scores: object) -> None:
        if not given or not isinstance(given[0], Tensor) or not _is_float(scores):
            return
        rows, shape = len(given[0]), tuple(scores.shape)
        squashed = _ends_in_sigmoid(scores.grad_fn)
        self.scores[id(scores)], self.derived[id(scores)] = _Scores(scores, critic, squashed), scores
        core = self.game.unwrapped
        if isinstance(core, LatentGame) and _is_column(shape) and shape[0] == rows:
            self._note(f"{critic} returns scores of shape {shape}, not ({rows},): end its forward with .flatten().")
        if isinstance(core, LatentGame) and not shape and rows > 1:
            self._note(f"{critic} returns one number for {rows} rows: leave out the mean, and return ({rows},) scores.")
        if squashed and (reason := _expects_raw(core)):
            self._note_squashed(critic, reason)
        if shape == (rows, rows) and rows > 2 and len(given) == 1:
            self.square[critic] = network, given[0].detach()
        if pixels := _pixels(given[0]):
            self.seen.setdefault(critic, []).append(pixels)

    def _made(self, generator: str, network: nn.Module, given: tuple[object, ...], images: object) -> None:
        if pixels := _pixels(images):
            self.made.setdefault(generator, []).append(pixels)

    def _note_squashed(self, critic: str, reason: str) -> None:
        if critic not in self.squashed:
            self.squashed.add(critic)
            self._note(f"{critic} ends in a sigmoid, and {reason}: remove the sigmoid, so that its scores are raw.")

    def _note(self, sentence: str) -> None:
        self.found[sentence] = None

    def _images(self) -> Iterator[str]:
        """Yield warnings about the ranges of images."""
        for critic, seen in self.seen.items():
            shapes, signed, odd = {p.shape for p in seen}, [p for p in seen if p.low < 0], [p for p in seen if p.dark]
            for generator, images in self.made.items():
                made = [pixels for pixels in images if pixels.shape in shapes]
                if made and all(pixels.outside > MAX_OUTSIDE for pixels in made):
                    yield (
                        f"Most pixels that {generator} makes lie outside of [-1, 1], {_range(made)}, and images lie "
                        f"inside: end the forward of {generator} with a tanh."
                    )
                elif made and signed and all(pixels.dark for pixels in made):
                    yield (
                        f"{generator} generates images {_range(made)}, and the other inputs of {critic} are "
                        f"{_range(signed)}: end the forward of {generator} with a tanh, or turn a sigmoid's y into "
                        "2 * y - 1."
                    )
                elif odd and any(pixels.low < 0 for pixels in made):
                    yield (
                        f"{critic} gets images {_range(odd)}, and those of {generator} are {_range(made)}: give "
                        f"{critic} 2 * x - 1 for an x from 0 to 1."
                    )

    def _samples(self) -> Iterator[str]:
        """Yield warnings about samples compared with the data."""
        made, data = self.samples, self.data
        if made is None or data is None:
            return
        if made.shape != data.shape:
            yield (
                f"Samples are of shape {made.shape}, and images of the data of shape {data.shape}: let the generator "
                "make images of the shape that the recipe is given."
            )
        elif made.dark and data.low < 0:
            yield (
                f"Samples are {_range([made])}, and images lie in [-1, 1], as those of the data do: play with images "
                "in [-1, 1], or let sample() return 2 * y - 1."
            )


class _CallRecorder(TorchFunctionMode):
    """Reports every call of a torch function."""

    def __init__(self, conventions: OutputChecks) -> None:
        super().__init__()
        self.conventions = conventions

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: object,
        args: Iterable[object] = (),
        kwargs: Settings | None = None,
    ) -> object:
        result = function(*args, **(kwargs or {}))
        given = [each for each in (*args, *(kwargs or {}).values()) if isinstance(each, Tensor)]
        self.conventions.called(function, given, result)
        return result


def _require_rows(critic: str, network: nn.Module, x: Tensor) -> None:
    """Raise an error for a critic whose scores are (N, N) for any N."""
    rows = len(x) - 1
    with evaluation_mode(network):
        scores = network(x[:rows])
    if tuple(scores.shape) == (rows, rows):
        raise GameError(
            f"{critic} returns scores of shape ({len(x)}, {len(x)}) for {len(x)} rows: its forward adds a (N, 1) to a "
            "(N,), which gives all pairs; flatten both."
        )


def _expects_raw(core: Game) -> str:
    """Return why a built-in game expects unbounded scores; an empty string if it does not."""
    objective = getattr(core, "objective", None)
    if not isinstance(objective, Objective) or not _is_builtin(type(objective)) or not _is_builtin(type(core).round):
        return ""
    if isinstance(objective, LeastSquares) and min(targets := (objective.a, objective.b, objective.c)) >= 0:
        return "" if max(targets) <= 1 else "some of the targets are above 1"
    return f"{type(objective).__name__} expects scores without bounds"


def _is_builtin(what: type | Callable[..., object]) -> bool:
    return str(what.__module__).startswith("sparring.")


def _ends_in_sigmoid(node: Node | None) -> bool:
    """Return whether the last function of a tensor, apart from reshaping, was a sigmoid."""
    while node is not None and (node.name().startswith(SHAPE_OPS) or type(node).__name__.startswith("Unsafe")):
        node = node.next_functions[0][0]
    return node is not None and node.name().startswith(("SigmoidBackward", "HardsigmoidBackward"))


def _is_column(shape: tuple[int, ...]) -> bool:
    """Return whether a shape is (N, 1), (N, 1, 1), ..."""
    return len(shape) > 1 and set(shape[1:]) == {1}


def _is_float(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.is_floating_point()


def _pixels(images: object) -> _Pixels | None:
    """Return range and shape of a batch of images; None for other tensors."""
    if not _is_float(images) or images.dim() != 4 or images.shape[1] > 4 or not images.numel():
        return None
    x = images.detach().float()
    low, high = x.min().item(), x.max().item()
    dark = low >= 0 and high > 0
    if dark:
        levels = x * LEVELS
        bright = ((levels - levels.round()).abs() < 1e-3).all() and (levels.round() % 2 == 1).all()
        dark = not bright
    return _Pixels(tuple(x.shape[1:]), low, high, (x.abs() > 1).float().mean().item(), dark)


def _range(images: list[_Pixels]) -> str:
    """Return the range of images as text."""
    return f"from {min(pixels.low for pixels in images):.2g} to {max(pixels.high for pixels in images):.2g}"
