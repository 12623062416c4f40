"""Evaluation of games: metrics by name, sample sets, and the scores of samples, translations and label maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparring._lazy import lazy_names

if TYPE_CHECKING:
    from sparring.evaluation.evaluator import evaluate
    from sparring.evaluation.extractors import get_extractor
    from sparring.evaluation.label_maps import evaluate_label_maps
    from sparring.evaluation.registry import METRICS, default_metrics, get_metrics
    from sparring.evaluation.single_image import evaluate_single_image
    from sparring.evaluation.translation import evaluate_translation
    from sparring.evaluation.types import EvalContext, Evaluation, Metric

__all__ = [
    "METRICS",
    "EvalContext",
    "Evaluation",
    "Metric",
    "default_metrics",
    "evaluate",
    "evaluate_label_maps",
    "evaluate_single_image",
    "evaluate_translation",
    "get_extractor",
    "get_metrics",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "evaluator": ["evaluate"],
        "extractors": ["get_extractor"],
        "label_maps": ["evaluate_label_maps"],
        "registry": ["METRICS", "default_metrics", "get_metrics"],
        "single_image": ["evaluate_single_image"],
        "translation": ["evaluate_translation"],
        "types": ["EvalContext", "Evaluation", "Metric"],
    },
)
