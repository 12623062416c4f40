"""Q, the reader of codes behind a critic's trunk (Chen et al., 2016, appendix C)."""

from torch import nn

from sparring.layers.init import normal

__all__ = ["CodeReader"]


class CodeReader(nn.Sequential):
    """Features (N, F) -> 128 units, batch norm, leaky ReLU -> answers (N, answers).

    Args:
        features: F.
        answers: Numbers that describe the distribution of the codes.
        width: Units of the hidden layer.
    """

    def __init__(self, features: int, answers: int, width: int = 128) -> None:
        hidden = [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(0.1)]
        super().__init__(*hidden, nn.Linear(width, answers))
        self.apply(normal(0.02))
