"""Games with non-finite numbers at chosen steps."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from sparring.game import Data, Game, Move, adam
from sparring.networks import MLPCritic, MLPGenerator


class Sick(Game):
    """A game with noise and batch statistics whose critic's move is bad at a step: always, by bad luck, or not made."""

    def __init__(self, at: int, bad: str, luck: float) -> None:
        super().__init__()
        self.G, self.D = MLPGenerator((2,), 2, 4), MLPCritic((2,), 4)
        self.norm = torch.nn.BatchNorm1d(2)
        self.at, self.bad, self.luck = at, bad, luck

    def players(self) -> dict[str, torch.optim.Optimizer]:
        return {"D": adam(self.D, lr=1e-2), "G": adam(self.G, self.norm, lr=1e-2)}

    def sampling_networks(self) -> tuple[str, ...]:
        return ("G",)

    def round(self, data: Data, step: int) -> Iterator[Move]:
        x, *_ = next(data)
        ill = step == self.at and torch.rand(()).item() < self.luck
        if not (ill and self.bad == "absent"):
            kept = self.norm.running_mean.clone()
            score = self.D(self.norm(x + 0.1 * torch.randn_like(x)).detach()).mean()
            if ill and self.bad == "statistic":
                self.norm.running_mean.fill_(torch.inf)
            if ill and self.bad in ("term", "statistic"):
                score = score * torch.nan
            if ill and self.bad == "gradient":
                score = score.detach() + (self.D.head.bias.sum() * 0).sqrt()
            assert not (ill and torch.equal(kept, self.norm.running_mean) and kept.isfinite().all())
            yield Move("D", score=score, calm=0 * score)
            if ill and self.bad == "weight":
                self.D.head.bias.data.fill_(torch.inf)
        yield Move("G", pull=self.norm(self.G(torch.randn(8, 2))).square().mean())
