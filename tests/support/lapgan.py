"""Batches for the tests of LAPGAN and of pyramids."""

import torch


def batches(side=16, channels=1, n=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield (2 * torch.rand(n, channels, side, side, generator=generator) - 1,)
