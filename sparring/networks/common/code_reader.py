"""Q, the head that predicts latent codes from a critic's features (Chen et al., 2016, appendix C)."""

from torch import Tensor, nn

from sparring.layers.init import normal

__all__ = ["CodeReader"]


class CodeReader(nn.Sequential):
    """Head Q: features (N, F) to 128 units, batch norm, leaky ReLU, to outputs (N, answers).

    Features that a layer has since appended to the critic's (minibatch discrimination) are ignored.

    Args:
        features: F.
        answers: Number of parameters of the distribution of the codes.
        width: Units of the hidden layer.
    """

    def __init__(self, features: int, answers: int, width: int = 128) -> None:
        hidden = [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(0.1)]
        super().__init__(*hidden, nn.Linear(width, answers))
        self.apply(normal(0.02))
        self.features = features

    def forward(self, h: Tensor) -> Tensor:
        """Return the parameters of the codes' distribution, given features (N, F) or more."""
        return super().forward(h[:, : self.features])  # type: ignore[no-untyped-call]
