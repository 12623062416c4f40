"""Convolutions that are differentiated twice, as gradient penalties do; exact to rounding.

A penalty asks for the slope s = ∂C/∂x of a critic C through a convolution y = x ∗ W, and then how s depends on W. With
g = ∂C/∂y it is s = g ⋆ W, the gradient of a convolution's input, linear in both. For an upstream ∂P/∂s it follows that

    ∂P/∂g = (∂P/∂s) ∗ W                   a convolution like the first
    ∂P/∂W = ∂⟨g, (∂P/∂s) ∗ W⟩ / ∂W        the gradient of a convolution's weight, with ∂P/∂s in the place of x

torch computes the second as a convolution with a kernel as large as the image, at a fifth of the speed, after copying
all of it into another layout. Here it is what it is, a gradient of a weight. Derivatives of any order remain.

`swift_convolutions` puts this in the place of `conv2d` wherever a network inside it convolves; `plain_convolutions`
takes that back for what it surrounds, which is how ``--fast off`` has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

__all__ = ["plain_convolutions", "swift_convolutions"]

_swift: ContextVar[bool] = ContextVar("swift convolutions", default=True)


def swift_convolutions() -> AbstractContextManager[Any]:
    """Returns a context in which convolutions are quickly differentiated twice, unless all are to be plain."""
    return _Swift() if _swift.get() else nullcontext()


@contextmanager
def plain_convolutions(plain: bool = True) -> Iterator[None]:
    """Leaves all convolutions to torch, or, by False, lets them be swift where a network asks for it."""
    token = _swift.set(not plain)
    try:
        yield
    finally:
        _swift.reset(token)


class _Form(NamedTuple):
    """What a convolution is told besides its input, weight and bias."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int

    def by_input(self, g: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        """Returns g ⋆ W, the gradient of an input shaped like x."""
        return self._backward(g, x, weight, [True, False, False])[0]

    def by_weight(self, g: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        """Returns the gradient of a weight that has made an output with gradient g of x."""
        return self._backward(g, x, weight, [False, True, False])[1]

    def _backward(self, g: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]) -> tuple[Tensor, ...]:
        how = (self.stride, self.padding, self.dilation, False, [0, 0], self.groups)
        return torch.ops.aten.convolution_backward(g, x, weight, None, *how, wanted)


class _Convolution(Function):
    """y = x ∗ W + b, which knows the way back to W and b alone: x comes in a tuple, where autograd does not see it.

    torch would ask a function of both for both gradients, wanted or not, and a penalty wants only that of x at first.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor | None, unseen: tuple[Tensor], form: _Form) -> Tensor:
        ctx.form = form
        (x,) = unseen
        ctx.save_for_backward(x, weight)
        return torch.conv2d(x, weight, bias, *form)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:
        x, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad
        by_weight = ctx.form.by_weight(g, x, weight) if needed[0] else None
        return by_weight, g.sum((0, 2, 3)) if needed[1] else None, None, None


class _WayBack(Function):
    """y as it is, with the way back to x, too."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, weight: Tensor, form: _Form) -> Tensor:
        ctx.form = form
        ctx.save_for_backward(x, weight)
        ctx.mark_dirty(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:
        x, weight = ctx.saved_tensors
        return g, _Slope.apply(g, weight, (x,), ctx.form), None, None


class _Slope(Function):
    """s = g ⋆ W, the gradient of a convolution's input."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, weight: Tensor, like: tuple[Tensor], form: _Form) -> Tensor:
        ctx.form = form
        ctx.save_for_backward(g, weight)
        return form.by_input(g, *like, weight)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:
        g, weight = ctx.saved_tensors
        with torch.autocast(g.device.type, enabled=False):
            by_g = torch.conv2d(upstream, weight, None, *ctx.form) if ctx.needs_input_grad[0] else None
            by_weight = ctx.form.by_weight(g, upstream, weight) if ctx.needs_input_grad[1] else None
        return by_g, by_weight, None, None


class _Swift(TorchFunctionMode):
    """Puts these functions in the place of `conv2d`."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (_convolved if function is torch.conv2d else function)(*args, **(kwargs or {}))


def _convolved(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolves as `torch.conv2d` does; what is rare is left to it."""
    if isinstance(padding, str) or input.dim() != 4 or not input.requires_grad:
        return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    form = _Form(_pair(stride), _pair(padding), _pair(dilation), groups)
    return _WayBack.apply(_Convolution.apply(weight, bias, (input,), form), input, weight, form)


def _pair(value: Any) -> list[int]:
    both = [value] if isinstance(value, int) else list(value)
    return both * (2 // len(both))
