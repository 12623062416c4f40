"""Metrics of generators: distances, coverage, diversity, memorisation; feature extractors and protocols."""

from sparring.metrics.class_histogram import ModeHistogram, channel_labels, mode_histogram, stacked_histogram
from sparring.metrics.cluster_accuracy import ClusterAccuracy, best_assignment, cluster_accuracy
from sparring.metrics.extractors.classifier import (
    ClassifierExtractor,
    FeatureExtractor,
    ModuleExtractor,
    extractor_for,
    train_extractor,
)
from sparring.metrics.extractors.inception_extractor import InceptionExtractor, inception
from sparring.metrics.extractors.squeezenet import SqueezeNetExtractor, squeezenet
from sparring.metrics.extractors.vision_model import VisionModelExtractor, vision_model
from sparring.metrics.frechet import Moments, frechet_distance, frechet_from_moments
from sparring.metrics.gan_train_test import Accuracy, LabelledAccuracies, gan_test, gan_train, labelled_accuracies
from sparring.metrics.inception_score import ClassifierScore, classifier_score
from sparring.metrics.intervals import Bootstrap, Extrapolation, bootstrap, extrapolate, wilson_interval
from sparring.metrics.intra_class_diversity import IntraClassDiversity, intra_class_diversity
from sparring.metrics.kid import KernelDistance, kernel_distance, kernel_distance_over_subsets
from sparring.metrics.label_map_accuracy import LabelMapAccuracy
from sparring.metrics.memorization import Memorisation, memorisation, nearest
from sparring.metrics.mode_coverage import ModeCoverage, mode_coverage
from sparring.metrics.ms_ssim import PairSimilarity, ms_ssim, pair_similarity, ssim
from sparring.metrics.parzen import ParzenLikelihood, parzen_likelihood
from sparring.metrics.perceptual_path_length import PathLength, path_length
from sparring.metrics.precision_recall import DensityCoverage, PrecisionRecall, density_coverage, precision_recall
from sparring.metrics.protocol import Direction, Score, make_protocol, require_same_protocol, same_protocol
from sparring.metrics.single_image_frechet import (
    SingleImageDistances,
    inception_maps,
    random_filters,
    single_image_distance,
    single_image_distances,
)
from sparring.metrics.sliced_wasserstein import PyramidDistance, pyramid_distance, sliced_wasserstein

__all__ = [
    "Accuracy",
    "Bootstrap",
    "ClassifierExtractor",
    "ClassifierScore",
    "ClusterAccuracy",
    "DensityCoverage",
    "Direction",
    "Extrapolation",
    "FeatureExtractor",
    "InceptionExtractor",
    "IntraClassDiversity",
    "KernelDistance",
    "LabelMapAccuracy",
    "LabelledAccuracies",
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
    "SingleImageDistances",
    "SqueezeNetExtractor",
    "VisionModelExtractor",
    "best_assignment",
    "bootstrap",
    "channel_labels",
    "classifier_score",
    "cluster_accuracy",
    "density_coverage",
    "extractor_for",
    "extrapolate",
    "frechet_distance",
    "frechet_from_moments",
    "gan_test",
    "gan_train",
    "inception",
    "inception_maps",
    "intra_class_diversity",
    "kernel_distance",
    "kernel_distance_over_subsets",
    "labelled_accuracies",
    "make_protocol",
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
    "random_filters",
    "require_same_protocol",
    "same_protocol",
    "single_image_distance",
    "single_image_distances",
    "sliced_wasserstein",
    "squeezenet",
    "ssim",
    "stacked_histogram",
    "train_extractor",
    "vision_model",
    "wilson_interval",
]
