"""Uses of trained games: sampling, interpolation, latent directions, inversion, encoding, translation and more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparring._lazy import lazy_names

if TYPE_CHECKING:
    from sparring.inference.conditional import (
        interpolate_classes,
        interpolate_texts,
        sample_class,
        sample_text,
        traverse,
    )
    from sparring.inference.directions import (
        closed_form_directions,
        principal_directions,
        shift_along,
        truncation_sweep,
    )
    from sparring.inference.encoding import (
        attribute_direction,
        edit,
        encode,
        interpolate_images,
        knn_accuracy,
        nearest_neighbours,
        reconstruct,
        relative_error,
    )
    from sparring.inference.inversion import Inversion, invert
    from sparring.inference.label_maps import encode_styles, interpolate_styles, paint, sample_styles
    from sparring.inference.latent_table import LatentTable, encode_files
    from sparring.inference.sampling import (
        generate,
        interpolate,
        interpolate_seeds,
        latents_from_seeds,
        parse_seeds,
        sample,
        sample_seeds,
    )
    from sparring.inference.single_image import animate, harmonize, paint_to_image, super_resolve
    from sparring.inference.translation import translate

__all__ = [
    "Inversion",
    "LatentTable",
    "animate",
    "attribute_direction",
    "closed_form_directions",
    "edit",
    "encode",
    "encode_files",
    "encode_styles",
    "generate",
    "harmonize",
    "interpolate",
    "interpolate_classes",
    "interpolate_images",
    "interpolate_seeds",
    "interpolate_styles",
    "interpolate_texts",
    "invert",
    "knn_accuracy",
    "latents_from_seeds",
    "nearest_neighbours",
    "paint",
    "paint_to_image",
    "parse_seeds",
    "principal_directions",
    "reconstruct",
    "relative_error",
    "sample",
    "sample_class",
    "sample_seeds",
    "sample_styles",
    "sample_text",
    "shift_along",
    "super_resolve",
    "translate",
    "traverse",
    "truncation_sweep",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "conditional": ["interpolate_classes", "interpolate_texts", "sample_class", "sample_text", "traverse"],
        "directions": ["closed_form_directions", "principal_directions", "shift_along", "truncation_sweep"],
        "encoding": [
            "attribute_direction",
            "edit",
            "encode",
            "interpolate_images",
            "knn_accuracy",
            "nearest_neighbours",
            "reconstruct",
            "relative_error",
        ],
        "inversion": ["Inversion", "invert"],
        "label_maps": ["encode_styles", "interpolate_styles", "paint", "sample_styles"],
        "latent_table": ["LatentTable", "encode_files"],
        "sampling": [
            "generate",
            "interpolate",
            "interpolate_seeds",
            "latents_from_seeds",
            "parse_seeds",
            "sample",
            "sample_seeds",
        ],
        "single_image": ["animate", "harmonize", "paint_to_image", "super_resolve"],
        "translation": ["translate"],
    },
)
