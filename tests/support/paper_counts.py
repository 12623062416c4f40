""""""

import torch


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def on_paper(make, *given, **settings):
    """Builds a network without its memory."""
    with torch.device("meta"):
        return make(*given, **settings)
