"""Gradient penalties, weight clipping and an orthogonality penalty for critics.

    ====================  =====================================  ==================================================
    `gradient_penalty`    E (‖∇C(x̂)‖₂ − 1)², x̂ = εx + (1 − ε)x̃   Gulrajani et al. (2017), equation 3
    `dragan`              E (‖∇C(x + noise)‖₂ − 1)²              Kodali et al. (2017)
    `r1`, `r2`            E ‖∇C‖² on reals, on fakes             Mescheder et al. (2018), equation 9, without its γ/2
    `patch_penalty`       E (‖∂ΣC(x̂) / ∂x̂_p‖₂ − 1)² for a pixel p  Shaham et al. (2019), code
    `clip`                every weight into [−c, c]              Arjovsky et al. (2017), Algorithm 1
    `orthogonal_penalty`  Σ ‖WᵀW ⊙ (1 − I)‖²_F                   Brock et al. (2019), equation 3, without its β
    ====================  =====================================  ==================================================

A penalty is differentiable in the critic's parameters (double backward) and does not propagate into the samples. The
norm runs over everything but the batch, in `patch_penalty` over the channels of a pixel. Gradients are squared and
differentiated twice, which is too inaccurate in half precision: inside a penalty the critic runs in full precision even
under autocast. The gradient of the penalty itself is rounded as all gradients are: where autocast has bfloat16, so do
its convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from sparring.objectives.batch_statistics import batch_std
from sparring.objectives.double_backward import attach_zero_grads, fast_double_backward

Critic = Callable[[Tensor], Tensor]
"""Maps samples (N, ...) to outputs (N,) or (N, K)."""

ROOT_GUARD = 1e-12
"""Added under the root of a norm, whose derivative at 0 is infinite; shifts a norm of 5 by 1e-13."""


def gradient_penalty(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    *,
    target: float = 1.0,
    mix: Tensor | None = None,
    through: bool = False,
) -> Tensor:
    """Return E (‖∇C(x̂)‖₂ − target)² at points x̂ between reals and fakes (Gulrajani et al., 2017, equation 3).

    A critic under this penalty must not normalise over the batch: a gradient per sample would have no meaning.

    Args:
        critic: The critic.
        real: Real samples (N, ...).
        fake: Fake samples (N, ...).
        target: The gradient norm with zero penalty.
        mix: ε in [0, 1], one per sample (N,); Default: drawn uniformly.
        through: Whether the penalty is also differentiable in the samples, as unrolling needs.

    Raises:
        ValueError: If reals and fakes differ in shape.

    >>> linear = lambda x: x @ torch.tensor([3.0, 4.0])
    >>> round(10 * gradient_penalty(linear, torch.zeros(2, 2), torch.ones(2, 2)).item(), 4)
    160.0
    """
    return _norm_penalty(critic, _between(real, fake, mix), target, through)


def patch_penalty(critic: Critic, real: Tensor, fake: Tensor, *, mix: Tensor | None = None) -> Tensor:
    """Return E (‖∂ΣC(x̂) / ∂x̂_p‖₂ − 1)² over the pixels p of images between reals and fakes (Shaham et al., 2019).

    For critics of patches, whose scores are maps. The norm runs over channels alone: over a whole image it would grow
    with the size, and reduce the gradient of each score instead of keeping it near 1.

    Args:
        critic: The critic, images (N, C, H, W) to maps of scores (N, 1, H', W').
        real: Real images (N, C, H, W).
        fake: Fake images (N, C, H, W).
        mix: ε in [0, 1], one per image (N,); Default: drawn uniformly.

    Raises:
        ValueError: If reals and fakes differ in shape.

    >>> double, images = lambda x: 2 * x[:, :1], torch.zeros(1, 3, 5, 7)
    >>> round(patch_penalty(double, images, images).item(), 6)
    1.0
    >>> round(gradient_penalty(double, images, images).item(), 2)  # (2 √35 − 1)²: what flattening makes of it
    117.34
    """
    slopes = _scores_and_gradients(critic, _between(real, fake, mix))[1]
    return ((slopes.square().sum(1) + ROOT_GUARD).sqrt() - 1.0).square().mean()


def dragan(critic: Critic, real: Tensor, *, spread: float = 0.5) -> Tensor:
    """Return E (‖∇C(x̂)‖₂ − 1)² around the data: x̂ = x + α · spread · std · u (Kodali et al., 2017; official code).

    α is uniform in [0, 1], one per sample; u uniform in [0, 1), one per coordinate; std is that of the whole batch.

    Args:
        critic: The critic.
        real: Real samples (N, ...).
        spread: Reach of the noise, in standard deviations of the batch.
    """
    share = _per_sample(torch.rand(len(real), device=real.device, dtype=real.dtype), real)
    noise = spread * batch_std(real) * torch.rand_like(real)
    return _norm_penalty(critic, real + share * noise, 1.0)


def r1(critic: Critic, real: Tensor) -> Tensor:
    """Return E ‖∇C(x)‖², the squared gradient norm on real samples (Mescheder et al., 2018, equation 9).

    There is no ½ here. The papers multiply by γ/2: a game that follows them writes `gamma / 2 * r1(D, x)`.

    Args:
        critic: The critic.
        real: Real samples (N, ...).

    >>> r1(lambda x: x @ torch.tensor([3.0, 4.0]), torch.zeros(7, 2)).item()
    25.0
    """
    return scores_and_squared_norms(critic, real)[1].mean()


def r2(critic: Critic, fake: Tensor) -> Tensor:
    """Return E ‖∇C(G)‖², `r1` on fake samples (Mescheder et al., 2018); again without the γ/2 of the papers.

    Args:
        critic: The critic.
        fake: Fake samples (N, ...).
    """
    return scores_and_squared_norms(critic, fake)[1].mean()


@torch.no_grad()
def clip(module: nn.Module, bound: float) -> None:
    """Move every parameter into [−bound, bound], in place (Arjovsky et al., 2017, Algorithm 1, line 7).

    This includes biases and the scales of normalisation layers, as in the official code.

    Args:
        module: The critic.
        bound: The paper's c, 0.01 there.

    Raises:
        ValueError: If the bound is not positive.
    """
    if bound <= 0:
        raise ValueError(f"weights are clipped to [-bound, bound]: bound must be positive, got {bound}")
    for parameter in module.parameters():
        parameter.clamp_(-bound, bound)


def orthogonal_penalty(weights: Iterable[Tensor]) -> Tensor:
    """Return Σ ‖WᵀW ⊙ (1 − I)‖²_F, the squared inner products of different filters (Brock et al., 2019, equation 3).

    The columns of the paper's W are filters; torch's weights hold them as rows, (filters, ...), and so does the code
    here. With M the products of different filters the gradient is 4 M W; the authors' code uses half of it.

    Args:
        weights: One tensor (filters, ...) a layer, at least one.

    >>> orthogonal_penalty([torch.tensor([[1.0, 0.0], [2.0, 3.0]])])  # 2 · ⟨(1, 0), (2, 3)⟩²
    tensor(8.)
    """
    return torch.stack([_off_diagonal_energy(weight.flatten(1)) for weight in weights]).sum()


def full_precision(x: Tensor) -> torch.autocast:
    """Return a context without autocast on the device of `x`. Inputs should be at least float32."""
    return torch.autocast(x.device.type, enabled=False)


def _autocast_dtype(x: Tensor) -> torch.dtype | None:
    """Return bfloat16 if autocast is enabled with it on the device of `x`."""
    device, half = x.device.type, torch.bfloat16
    mixed = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == half
    return half if mixed and x.dtype == torch.float32 else None


def _off_diagonal_energy(rows: Tensor) -> Tensor:
    """Return the squared inner products of different rows, each pair counted twice, without autocast."""
    rows = rows if rows.dtype == torch.float64 else rows.float()
    with full_precision(rows):
        products = rows @ rows.mT
        return (products - torch.diag(products.diag())).square().sum()


def scores_and_squared_norms(critic: Critic, x: Tensor, *, through: bool = False) -> tuple[Tensor, Tensor]:
    """Return the scores C(x_i) and ‖∇C(x_i)‖², (N,) both, from one pass in the graph of the critic's parameters.

    Args:
        critic: The critic; each output depends on its own sample alone.
        x: Samples (N, ...).
        through: Whether the samples receive a gradient.
    """
    scores, gradient = _scores_and_gradients(critic, x, through)
    return scores, gradient.flatten(1).square().sum(1)


def _scores_and_gradients(critic: Critic, x: Tensor, through: bool = False) -> tuple[Tensor, Tensor]:
    """Return the scores and the gradient of their sum, which holds every sample's gradient, in full precision."""
    x = x if through and x.requires_grad else x.detach().requires_grad_()
    x = x if x.dtype == torch.float64 else x.float()
    with fast_double_backward(_autocast_dtype(x)), full_precision(x), torch.enable_grad():
        scores = critic(x)
        (gradient,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
        return scores, attach_zero_grads(gradient, scores)


def _norm_penalty(critic: Critic, x: Tensor, target: float, through: bool = False) -> Tensor:
    return ((scores_and_squared_norms(critic, x, through=through)[1] + ROOT_GUARD).sqrt() - target).square().mean()


def _between(real: Tensor, fake: Tensor, mix: Tensor | None) -> Tensor:
    """Return x̂ = εx + (1 − ε)x̃, one ε a sample."""
    if real.shape != fake.shape:
        raise ValueError(
            f"points between reals and fakes need equal shapes, got {tuple(real.shape)} and {tuple(fake.shape)}; "
            "draw as many fakes as reals"
        )
    share = torch.rand(len(real), device=real.device) if mix is None else mix
    share = _per_sample(share.to(real.dtype), real)
    return share * real + (1 - share) * fake


def _per_sample(weights: Tensor, x: Tensor) -> Tensor:
    """Return (N,) weights shaped (N, 1, ..., 1), to be broadcast over all of a sample."""
    return weights.reshape(-1, *[1] * (x.dim() - 1))
