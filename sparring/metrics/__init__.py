"""How good is what a generator makes: coverage, distances of distributions, and the features and stamps behind them."""

from sparring.metrics.extractor import Extractor, Extracts, ModuleExtractor, extractor_for, train_extractor
from sparring.metrics.frechet import Moments, frechet_distance, frechet_from_moments
from sparring.metrics.neighbours import DensityCoverage, PrecisionRecall, density_coverage, precision_recall
from sparring.metrics.points import ModeCoverage, mode_coverage
from sparring.metrics.stamp import Better, Score, require_same_protocol, same_protocol, stamp

__all__ = [
    "Better",
    "DensityCoverage",
    "Extractor",
    "Extracts",
    "ModeCoverage",
    "ModuleExtractor",
    "Moments",
    "PrecisionRecall",
    "Score",
    "density_coverage",
    "extractor_for",
    "frechet_distance",
    "frechet_from_moments",
    "mode_coverage",
    "precision_recall",
    "require_same_protocol",
    "same_protocol",
    "stamp",
    "train_extractor",
]
