"""Matching and mismatched images and captions of a batch, and a margin loss between them.

A wrong pair must be wrong. Two rows are apart if neither their captions nor their images are equal; an image and its
mirror image count as equal, by the mean of each channel.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

from sparring.rng import rand


def are_different(x: Tensor, codes: Tensor) -> Tensor:
    """Return which rows are apart.

    Args:
        x: Images, (N, C, H, W).
        codes: Word codes of their captions, (N, L).

    Returns:
        bool (N, N), symmetric.

    >>> x = torch.tensor([0.0, 1.0, 2.0, 0.0])[:, None, None, None]
    >>> are_different(x, torch.tensor([[1], [1], [2], [3]])).int().tolist()
    [[0, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]]
    """
    tones = x.double().mean((2, 3))
    seen = (tones[:, None] - tones).abs().amax(2) > 1e-9
    return torch.logical_and(seen, (codes[:, None] != codes).any(2))


def sample_mismatched(apart: Tensor, captions: Tensor, rivals: int = 1) -> tuple[Tensor, Tensor]:
    """Draw for each row others that are apart from it, uniform over those, and keeps that of the nearest caption.

    Args:
        apart: bool (N, N).
        captions: Embeddings of the captions, (N, F).
        rivals: How many are drawn, or all where there are fewer.

    Returns:
        Their numbers (N,), and whether there is one, bool (N,).
    """
    draws = rand(*apart.shape, device=apart.device) + 1
    drawn = (draws * apart).topk(min(rivals, len(apart)), 1).indices
    far = torch.cdist(captions, captions).masked_fill(~apart, torch.inf).gather(1, drawn)
    return drawn.gather(1, far.argmin(1, keepdim=True)).squeeze(1), apart.any(1)


def structured_loss(images: Tensor, captions: Tensor, apart: Tensor) -> Tensor:
    """Return by how much wrong pairs are not worse, by a margin of 1, than right ones (Reed et al., 2016, equation 2).

    Args:
        images: Embeddings of the images, (N, F).
        captions: Embeddings of their captions, (N, F).
        apart: Which pairs are wrong, bool (N, N).

    >>> structured_loss(torch.eye(2), torch.eye(2), torch.eye(2) == 0).item()  # 1 + 0 − 1 / √2, both ways
    0.5857864618301392
    """
    fits = images @ captions.T / images.shape[1] ** 0.5
    right = fits.diagonal()
    wrongs = (relu(1 + fits - right[:, None]) + relu(1 + fits.T - right[:, None])) * apart
    return wrongs.sum() / apart.sum().clamp_min(1)
