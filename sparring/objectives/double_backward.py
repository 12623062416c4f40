"""Fast second derivatives of layers, for gradient penalties; exact to rounding.

A penalty needs the gradient s = ∂C/∂x of a critic C through a convolution y = x ∗ W, and the derivative of s in W. With
g = ∂C/∂y it is s = g ⋆ W, the gradient of a convolution's input, linear in both. For an upstream ∂P/∂s it follows that

    ∂P/∂g = (∂P/∂s) ∗ W                   a convolution like the first
    ∂P/∂W = ∂⟨g, (∂P/∂s) ∗ W⟩ / ∂W        the gradient of a convolution's weight, with ∂P/∂s in the place of x

torch computes the second as a convolution with a kernel as large as the image, at a fifth of the speed, after copying
the operands into another layout. Here it is computed as the gradient of a weight.

Rectifiers and average pools are linear wherever they have a derivative: their gradients depend on g alone. torch
propagates the remaining zero for x through all layers below, which then compute gradients of zero. Here it is dropped
at once. The gradients of 0 that biases below would have received are added by `attach_zero_grads`: an optimiser applies
its momentum where a gradient is 0, and not where there is none. Derivatives of any order remain.

`fast_double_backward` puts this in the place of torch's functions inside the block; `plain_double_backward` restores
them, as ``--fast off`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import ClassVar, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.graph import Node
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from sparring._types import Context, Settings

__all__ = ["attach_zero_grads", "fast_double_backward", "plain_double_backward"]

_Size: TypeAlias = int | Sequence[int]
_PoolArgs: TypeAlias = tuple[list[int], list[int], list[int], bool, bool, int | None]

_plain: ContextVar[bool] = ContextVar("plain slopes", default=False)


def fast_double_backward(precision: torch.dtype | None = None) -> AbstractContextManager[object]:
    """Return a context with fast second derivatives, unless `plain_double_backward` is active.

    If a precision is given, second derivatives of convolutions are computed in it, unless third derivatives follow.
    """
    return nullcontext() if _plain.get() else _FastMode(precision)


@contextmanager
def plain_double_backward(plain: bool = True) -> Iterator[None]:
    """Return a context with torch's own derivatives; with False, fast ones are used where a penalty requests them."""
    token = _plain.set(plain)
    try:
        yield
    finally:
        _plain.reset(token)


def attach_zero_grads(slope: Tensor, scores: Tensor) -> Tensor:
    """Return the gradient, connected to leaves below rectifiers and pools, which receive a gradient of 0 as in torch.

    Args:
        slope: ∂C/∂x, in a graph.
        scores: C, computed inside `fast_double_backward`.
    """
    leaves = _leaves_behind_cuts(scores.grad_fn)
    return _AttachZeroGrads.apply(slope, *leaves) if leaves else slope


def _leaves_behind_cuts(node: Node | None) -> list[Tensor]:
    """Return the leaves of a graph below functions whose second derivative in x is dropped."""
    found: dict[Node, Tensor] = {}
    seen, todo = set(), [(node, False)]
    while todo:
        node, cut = todo.pop()
        if node is None or (node, cut) in seen:
            continue
        seen.add((node, cut))
        if cut and hasattr(node, "variable"):
            found[node] = node.variable
        cut = cut or isinstance(node, (_LeakyReLU._backward_cls, _AvgPool._backward_cls))
        todo += [(below, cut) for below, _ in node.next_functions]
    return list(found.values())


class _Function(Function):
    """`torch.autograd.Function`, whose `apply` torch leaves untyped."""

    apply: ClassVar[Callable[..., Tensor]]


class _AttachZeroGrads(_Function):
    """The identity, with further leaves in the graph."""

    @staticmethod
    def forward(ctx: Context, slope: Tensor, *leaves: Tensor) -> Tensor:
        ctx.save_for_backward(*leaves)
        return slope.view_as(slope)

    @staticmethod
    def backward(ctx: Context, g: Tensor) -> tuple[Tensor | None, ...]:
        return g, *map(torch.zeros_like, ctx.saved_tensors)


class _ConvArgs(NamedTuple):
    """Arguments of a convolution apart from input, weight and bias."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int
    precision: torch.dtype | None

    def convolved(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return x ∗ W + b."""
        return torch.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def by_input(self, g: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        """Return g ⋆ W, the gradient of an input shaped like x."""
        return self._backward(g, x, weight, [True, False, False])[0]

    def by_weight(self, g: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        """Return the gradient of the weight, given the gradient g of the output for the input x."""
        return self._backward(g, x, weight, [False, True, False])[1]

    def _backward(self, g: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]) -> tuple[Tensor, ...]:
        how = (self.stride, self.padding, self.dilation, False, [0, 0], self.groups)
        grads: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(g, x, weight, None, *how, wanted)
        return grads


class _Conv(_Function):
    """y = x ∗ W + b with gradients of W and b only: x is passed in a tuple, so autograd does not track it.

    torch would compute both gradients of one function, and a penalty first needs only that of x.
    """

    @staticmethod
    def forward(ctx: Context, weight: Tensor, bias: Tensor | None, unseen: tuple[Tensor], form: _ConvArgs) -> Tensor:
        ctx.form = form
        (x,) = unseen
        ctx.save_for_backward(x, weight)
        return form.convolved(x, weight, bias)

    @staticmethod
    def backward(ctx: Context, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad
        by_weight = ctx.form.by_weight(g, x, weight) if needed[0] else None
        return by_weight, g.sum((0, 2, 3)) if needed[1] else None, None, None


class _ConvInputGrad(_Function):
    """The identity of y, with the gradient in x."""

    @staticmethod
    def forward(ctx: Context, y: Tensor, x: Tensor, weight: Tensor, form: _ConvArgs) -> Tensor:
        ctx.form = form
        ctx.save_for_backward(x, weight)
        ctx.mark_dirty(y)
        return y

    @staticmethod
    def backward(ctx: Context, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        return g, _ConvBackward.apply(g, weight, (x,), ctx.form), None, None


class _ConvBackward(_Function):
    """s = g ⋆ W, the gradient of a convolution's input."""

    @staticmethod
    def forward(ctx: Context, g: Tensor, weight: Tensor, like: tuple[Tensor], form: _ConvArgs) -> Tensor:
        ctx.form = form
        ctx.save_for_backward(g, weight)
        return form.by_input(g, *like, weight)

    @staticmethod
    def backward(ctx: Context, upstream: Tensor) -> tuple[Tensor | None, ...]:
        g, weight = ctx.saved_tensors
        if ctx.form.precision and not torch.is_grad_enabled():
            upstream, g, weight = (each.to(ctx.form.precision) for each in (upstream, g, weight))
        with torch.autocast(g.device.type, enabled=False):
            by_g = ctx.form.convolved(upstream, weight) if ctx.needs_input_grad[0] else None
            by_weight = ctx.form.by_weight(g, upstream, weight) if ctx.needs_input_grad[1] else None
        return by_g, by_weight, None, None


class _LeakyReLU(_Function):
    """y = x where that is positive, slope · x elsewhere."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, slope: float, inplace: bool) -> Tensor:
        ctx.slope = slope
        y = F.leaky_relu(x, slope, inplace) if slope else F.relu(x, inplace)
        if inplace:
            ctx.mark_dirty(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Context, g: Tensor) -> tuple[Tensor | None, ...]:
        return _LeakyReLUBackward.apply(g, ctx.saved_tensors, ctx.slope), None, None


class _LeakyReLUBackward(_Function):
    """g where y is positive, slope · g elsewhere; its own derivative."""

    @staticmethod
    def forward(ctx: Context, g: Tensor, unseen: tuple[Tensor], slope: float) -> Tensor:
        ctx.slope, (y,) = slope, unseen
        ctx.save_for_backward(y)
        ops = torch.ops.aten
        grad: Tensor = ops.leaky_relu_backward(g, y, slope, True) if slope else ops.threshold_backward(g, y, 0)
        return grad

    @staticmethod
    def backward(ctx: Context, upstream: Tensor) -> tuple[Tensor | None, ...]:
        return _LeakyReLUBackward.apply(upstream, ctx.saved_tensors, ctx.slope), None, None


class _AvgPool(_Function):
    """Average pooling."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, how: _PoolArgs) -> Tensor:
        ctx.how = how
        ctx.save_for_backward(x)
        return F.avg_pool2d(x, *how)

    @staticmethod
    def backward(ctx: Context, g: Tensor) -> tuple[Tensor | None, ...]:
        return _AvgPoolBackward.apply(g, ctx.saved_tensors, ctx.how), None


class _AvgPoolBackward(_Function):
    """The gradient of average pooling."""

    @staticmethod
    def forward(ctx: Context, g: Tensor, like: tuple[Tensor], how: _PoolArgs) -> Tensor:
        ctx.how = how
        grad: Tensor = torch.ops.aten.avg_pool2d_backward(g, *like, *how)
        return grad

    @staticmethod
    def backward(ctx: Context, upstream: Tensor) -> tuple[Tensor | None, ...]:
        return F.avg_pool2d(upstream, *ctx.how), None, None


class _FastMode(TorchFunctionMode):
    """Replaces torch's functions by these."""

    def __init__(self, precision: torch.dtype | None) -> None:
        super().__init__()
        self.instead = REPLACEMENTS | {torch.conv2d: partial(_conv2d, precision)}

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: object,
        args: Iterable[object] = (),
        kwargs: Settings | None = None,
    ) -> object:
        return self.instead.get(function, function)(*args, **(kwargs or {}))


def _conv2d(
    precision: torch.dtype | None,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _Size = 1,
    padding: _Size | str = 0,
    dilation: _Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve as `torch.conv2d` does; rare arguments are left to torch, here and below."""
    if isinstance(padding, str) or input.dim() != 4 or not input.requires_grad:
        return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    form = _ConvArgs(_pair(stride), _pair(padding), _pair(dilation), groups, precision)
    return _ConvInputGrad.apply(_Conv.apply(weight, bias, (input,), form), input, weight, form)


def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    if negative_slope < 0 or (inplace and input._is_view()):
        return F.leaky_relu(input, negative_slope, inplace)
    return _LeakyReLU.apply(input, negative_slope, inplace)


def _relu(input: Tensor, inplace: bool = False) -> Tensor:
    return F.relu(input, inplace) if inplace and input._is_view() else _LeakyReLU.apply(input, 0.0, inplace)


def _avg_pool2d(
    input: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    windows = map(_pair, (kernel_size, stride or kernel_size, padding))
    return _AvgPool.apply(input, (*windows, ceil_mode, count_include_pad, divisor_override))


def _pair(value: _Size) -> list[int]:
    both = [value] if isinstance(value, int) else list(value)
    return both * (2 // len(both))


REPLACEMENTS: dict[Callable[..., object], Callable[..., object]] = {
    F.avg_pool2d: _avg_pool2d,
    F.leaky_relu: _leaky_relu,
    **dict.fromkeys((F.relu, torch.relu, Tensor.relu), _relu),
}
