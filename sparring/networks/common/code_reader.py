"""Q, the reader of codes behind a critic's trunk (Chen et al., 2016, appendix C)."""

from torch import Tensor, nn

from sparring.layers.init import normal

__all__ = ["CodeReader"]


class CodeReader(nn.Sequential):
    """Features (N, F) -> 128 units, batch norm, leaky ReLU -> answers (N, answers).

    Features that a layer has added to the critic's since, behind its own (minibatch discrimination), are not read.

    Args:
        features: F.
        answers: Numbers that describe the distribution of the codes.
        width: Units of the hidden layer.
    """

    def __init__(self, features: int, answers: int, width: int = 128) -> None:
        hidden = [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(0.1)]
        super().__init__(*hidden, nn.Linear(width, answers))
        self.apply(normal(0.02))
        self.features = features

    def forward(self, h: Tensor) -> Tensor:
        """Read codes from features (N, F), or more."""
        return super().forward(h[:, : self.features])
