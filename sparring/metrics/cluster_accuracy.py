"""Agreement between unsupervised codes and class labels: accuracy under the best one-to-one assignment, and NMI.

    accuracy = max_π (1/N) #{i : π(code_i) = class_i},  π one-to-one                        (Kuhn, 1955)
    I        = Σ p(code, class) log p(code, class) / p(code) p(class)                       in nats, of frequencies
    NMI      = 2 I / (H(code) + H(class)),  0 where neither varies

Purity, the share of the most frequent class of each code, is not suitable: a generator of a single image has purity 1,
while its accuracy is 1/K and its NMI 0.

The best π comes from shortest augmenting paths with prices (Kuhn's Hungarian method as Jonker & Volgenant, 1987, run
it): rows are added one after another, and displaced rows take the cheapest alternative column. O(K³).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ClusterAccuracy", "best_assignment", "cluster_accuracy"]


@dataclass(frozen=True)
class ClusterAccuracy:
    """Result of `cluster_accuracy`.

    Attributes:
        accuracy: Share of samples whose class is that of their code under the best assignment, in [0, 1].
        naming: The class of each code; −1 for codes beyond the number of classes.
        information: Mutual information of code and class, in nats.
        normalised: Mutual information divided by the mean of both entropies, in [0, 1].
        count: Number of samples.
    """

    accuracy: float
    naming: tuple[int, ...]
    information: float
    normalised: float
    count: int


def cluster_accuracy(codes: Tensor, labels: Tensor, *, values: int, classes: int) -> ClusterAccuracy:
    """Compute accuracy and mutual information of codes and classes.

    Args:
        codes: The code of each sample (N,), int64, from 0.
        labels: The class of each sample (N,), int64, from 0.
        values: Number of codes, used or not.
        classes: Number of classes.

    Raises:
        ValueError: If codes and labels are not integers of equal count within their ranges, or are empty.

    Example:
        >>> found = cluster_accuracy(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 0, 1]), values=2, classes=2)
        >>> found.accuracy, found.naming
        (0.75, (1, 0))
        >>> cluster_accuracy(torch.tensor([0, 1, 2, 3]), torch.zeros(4).long(), values=4, classes=4).accuracy
        0.25
    """
    _require(codes, labels, values, classes)
    joint = torch.bincount(codes.cpu() * classes + labels.cpu(), minlength=values * classes).view(values, classes)
    naming = best_assignment(joint)
    right = sum(int(joint[code, name]) for code, name in enumerate(naming) if name >= 0)
    shared, both = _information(joint.double() / len(codes))
    return ClusterAccuracy(right / len(codes), naming, shared, 2 * shared / both if both else 0.0, len(codes))


def best_assignment(gains: Tensor) -> tuple[int, ...]:
    """Return the column of each row, without repetition, that maximises the sum of gains (linear assignment).

    Args:
        gains: Finite numbers (rows, columns).

    Returns:
        One column per row; −1 for rows without a column.

    Example:
        >>> best_assignment(torch.tensor([[9.0, 8.0], [8.0, 1.0]]))
        (1, 0)
    """
    rows, columns = gains.shape
    size = max(rows, columns)
    costs = torch.zeros(size, size, dtype=torch.float64)
    costs[:rows, :columns] = -gains.double()
    table = costs.tolist()
    holders, rents, prices = [-1] * size, [0.0] * size, [0.0] * size
    for row in range(size):
        _augment(row, table, holders, rents, prices)
    names = {row: column for column, row in enumerate(holders) if column < columns}
    return tuple(names.get(row, -1) for row in range(rows))


def _augment(row: int, costs: list[list[float]], holders: list[int], rents: list[float], prices: list[float]) -> None:
    """Add a row along the cheapest augmenting path; cost − rent − price stays non-negative."""
    size = len(costs)
    slack, came = [math.inf] * size, [-1] * size  # least reduced cost to reach each column, and from which column
    reached: list[int] = []
    moving, last = row, -1
    while moving >= 0:
        for column in set(range(size)) - set(reached):
            reduced = costs[moving][column] - rents[moving] - prices[column]
            if reduced < slack[column]:
                slack[column], came[column] = reduced, last
        last = min(set(range(size)) - set(reached), key=lambda column: slack[column])
        step = slack[last]
        rents[row] += step
        for column in range(size):
            if column in reached:
                rents[holders[column]] += step
                prices[column] -= step
            else:
                slack[column] -= step
        reached.append(last)
        moving = holders[last]
    while last >= 0:
        holders[last] = holders[came[last]] if came[last] >= 0 else row
        last = came[last]


def _information(joint: Tensor) -> tuple[float, float]:
    """Return I and H(code) + H(class) of joint frequencies (K, C), in nats; I = H(code) + H(class) − H(code, class)."""
    both = sum(_entropy(joint.sum(side)) for side in (0, 1))
    return max(both - _entropy(joint.flatten()), 0.0), both


def _entropy(shares: Tensor) -> float:
    return -torch.special.xlogy(shares, shares).sum().item()


def _require(codes: Tensor, labels: Tensor, values: int, classes: int) -> None:
    for name, each, most in (("codes", codes, values), ("labels", labels, classes)):
        if each.ndim != 1 or each.dtype != torch.int64 or len(each) != len(codes) or not len(each):
            raise ValueError(f"{name} {each.dtype} {tuple(each.shape)} are no row of int64, one for each sample")
        if each.min() < 0 or each.max() >= most:
            raise ValueError(f"{name} from {int(each.min())} to {int(each.max())} are not below {most}: number from 0")
