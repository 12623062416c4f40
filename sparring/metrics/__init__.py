"""How good is what a generator makes: coverage, distances of distributions, and the features and stamps behind them."""

from sparring.metrics.confidence import ClassifierScore, classifier_score
from sparring.metrics.extractor import Extractor, Extracts, ModuleExtractor, extractor_for, train_extractor
from sparring.metrics.frechet import Moments, frechet_distance, frechet_from_moments
from sparring.metrics.histogram import ModeHistogram, mode_histogram, stacked, stacked_histogram
from sparring.metrics.inception_extractor import InceptionExtractor, inception
from sparring.metrics.kernel import KernelDistance, kernel_distance, kernel_distance_over_subsets
from sparring.metrics.memory import Memorisation, memorisation, nearest
from sparring.metrics.neighbours import DensityCoverage, PrecisionRecall, density_coverage, precision_recall
from sparring.metrics.parzen import ParzenLikelihood, parzen_likelihood
from sparring.metrics.path_length import PathLength, path_length
from sparring.metrics.points import ModeCoverage, mode_coverage
from sparring.metrics.similarity import PairSimilarity, ms_ssim, pair_similarity, ssim
from sparring.metrics.sliced import PyramidDistance, pyramid_distance, sliced_wasserstein
from sparring.metrics.stamp import Better, Score, require_same_protocol, same_protocol, stamp
from sparring.metrics.uncertainty import Bootstrap, Extrapolation, bootstrap, extrapolated

__all__ = [
    "Better",
    "Bootstrap",
    "ClassifierScore",
    "DensityCoverage",
    "Extractor",
    "Extracts",
    "Extrapolation",
    "InceptionExtractor",
    "KernelDistance",
    "Memorisation",
    "ModeCoverage",
    "ModeHistogram",
    "ModuleExtractor",
    "Moments",
    "PairSimilarity",
    "ParzenLikelihood",
    "PathLength",
    "PrecisionRecall",
    "PyramidDistance",
    "Score",
    "bootstrap",
    "classifier_score",
    "density_coverage",
    "extractor_for",
    "extrapolated",
    "frechet_distance",
    "frechet_from_moments",
    "inception",
    "kernel_distance",
    "kernel_distance_over_subsets",
    "memorisation",
    "mode_coverage",
    "mode_histogram",
    "ms_ssim",
    "nearest",
    "pair_similarity",
    "parzen_likelihood",
    "path_length",
    "precision_recall",
    "pyramid_distance",
    "require_same_protocol",
    "same_protocol",
    "sliced_wasserstein",
    "ssim",
    "stacked",
    "stacked_histogram",
    "stamp",
    "train_extractor",
]
