"""A critic that records its samples."""

from support.toys import LinearCritic


class Spy(LinearCritic):
    """A linear critic that keeps what it was shown."""

    def __init__(self, weight=(0.1, 0.2)):
        super().__init__(weight)
        self.seen = []

    def forward(self, x):
        self.seen.append(x.detach())
        return super().forward(x)
