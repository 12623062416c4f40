"""Batches and policies for the tests of augmentation."""

import torch

NEVER, ALWAYS = torch.tensor(0.0), torch.tensor(1.0)


def labelled(height=4, width=4, n=1):
    """Images whose pixel in row i and column j is 10 i + j."""
    one = 10.0 * torch.arange(height)[:, None] + torch.arange(width)
    return one.expand(n, 1, height, width).clone()


def numbers(*values):
    return torch.tensor(values).view(-1, 1, 1, 1)
