"""The classifier score: confidence and diversity of predicted classes; with Inception, the Inception Score.

    score = exp E_x KL(p(y|x) ‖ p(y)) = exp(H(p(y)) − E_x H(p(y|x))),   p(y) = E_x p(y|x)    (Salimans et al., 2016)

It is 1 if all predictions are equal, and K, the number of classes, if each is certain and all classes are equally
frequent: exp of the mutual information of image and class. It uses no real images, so a memorised image of
each class is perfect to it, and a score by another classifier than Inception-v3 is another score: call it *classifier
score*, and compare it with the same classifier's score of real images.

The published number is the mean over 10 splits. The estimate within a split of n images is too low by about
(K − 1) / 2n of itself where the classifier is sure, so compare at equal counts only (Chong & Forsyth, 2020).
"""

import statistics
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.metrics._float64 import to_float64

__all__ = ["ClassifierScore", "classifier_score"]


@dataclass(frozen=True)
class ClassifierScore:
    """Result of `classifier_score`.

    Attributes:
        mean: mean over the splits, in [1, K].
        deviation: standard deviation over the splits, as published beside the mean.
        splits: number of splits.
    """

    mean: float
    deviation: float
    splits: int


def classifier_score(probabilities: Tensor, *, splits: int = 10, seed: int = 0) -> ClassifierScore:
    """Return the exponential of the mutual information of image and predicted class (Salimans et al., 2016).

    The images are shuffled before they are split, since generated ones often come sorted by class.

    Args:
        probabilities: p(y|x) (N, K) of generated images, such as `logits.softmax(dim=1)`.
        splits: parts of near-equal size over which mean and deviation are taken; 10 in the published protocol.
        seed: decides the shuffling.

    Raises:
        ValueError: if the rows are no probabilities or there are fewer images than splits.

    Example:
        >>> sure = torch.eye(4).repeat(5, 1)
        >>> round(classifier_score(sure, splits=1).mean, 9), classifier_score(torch.full((20, 4), 0.25)).mean
        (4.0, 1.0)
    """
    if probabilities.ndim != 2 or not 1 <= splits <= len(probabilities):
        raise ValueError(f"probabilities {tuple(probabilities.shape)} cannot be split in {splits}: (N, K) is needed")
    p = to_float64(probabilities)
    total = p.sum(dim=1, keepdim=True)
    if p.min() < 0 or (total - 1).abs().max() > 0.01:  # half precision is off by 0.4 %
        raise ValueError("rows of probabilities are not negative and sum to 1; take logits.softmax(dim=1) first")
    shuffled = torch.randperm(len(p), generator=torch.Generator().manual_seed(seed)).to(p.device)
    scores = [_of_split(part) for part in (p / total)[shuffled].tensor_split(splits)]
    return ClassifierScore(statistics.fmean(scores), statistics.pstdev(scores), splits)


def _of_split(p: Tensor) -> float:
    information = torch.special.entr(p.mean(dim=0)).sum() - torch.special.entr(p).sum(dim=1).mean()
    return information.exp().item()
