"""Pixels of arrays and tensors: channels last, and bytes of floating-point numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sparring.data.sources.images import MODES
from sparring.errors import DataError

__all__ = ["TOLERANCE", "as_array", "below_zero", "channels_last", "image_bytes", "range_words", "to_points"]

TOLERANCE = 1e-3  # by which numbers may leave their range, as after resizing; they are clipped


def as_array(name: str, values: np.ndarray | Tensor) -> np.ndarray:
    """Return an array or a tensor as an array of numbers, without a copy where that is possible.

    Args:
        name: Name of the data, for the message.
        values: Any array or tensor.

    Raises:
        DataError: If it is no dense array of real numbers.
    """
    if isinstance(values, Tensor):
        values = _dense(name, values)
    elif isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{name} is a masked array: fill what is masked, as by its method filled.")
    if values.dtype.kind == "O":
        raise DataError(
            f"{name} holds Python objects in an array, such as images of several sizes: give a list of images."
        )
    if values.dtype.kind not in "iuf":
        raise DataError(f"{name} has type {values.dtype}: give uint8 from 0 to 255, or floating-point numbers.")
    return np.asarray(values)


def _dense(name: str, values: Tensor) -> np.ndarray:
    """Return the numbers of a tensor on the CPU."""
    if values.is_nested or values.layout != torch.strided or values.is_quantized or values.is_meta:
        raise DataError(f"{name} is nested, sparse, quantised or on the device meta: give a dense tensor of numbers.")
    if values.requires_grad:
        raise DataError(f"{name} requires gradients, which no data have: give tensor.detach().")
    plain = values.float() if values.dtype == torch.bfloat16 else values
    array: np.ndarray = plain.cpu().resolve_conj().resolve_neg().numpy()
    return array


def channels_last(name: str, values: np.ndarray, *, many: bool) -> tuple[np.ndarray, str]:
    """Return images with the channels on the last axis, as a view; the axis of channels has length 1, 3 or 4.

    Args:
        name: Name of the data, for the message.
        values: Many images (N, C, H, W), (N, H, W, C) or (N, H, W), or one without the N.
        many: Whether there is an axis N.

    Returns:
        Images (N, H, W, C), or one (H, W, C); and a few words about their layout, empty if they have been so.

    Raises:
        DataError: If no axis can be that of channels, both can, or a side is empty.

    Example:
        >>> values, words = channels_last("a", np.zeros((5, 3, 16, 8)), many=True)
        >>> values.shape, words
        ((5, 16, 8, 3), 'channels first (N, C, H, W)')
    """
    before, n = values.shape, "N, " if many else ""
    asked = f"give ({n}C, H, W) or ({n}H, W, C) with 1, 3 or 4 channels"
    sides = values.shape[1:] if many else values.shape
    if len(sides) not in (2, 3):
        raise DataError(f"{name} has shape {before}: {asked}.")
    if 0 in sides:
        raise DataError(f"{name} has shape {before}, an empty side: {asked}.")
    if len(sides) == 2:
        if min(sides) in MODES and max(sides) > 4:
            raise DataError(f"{name} has shape {before}, which may be one image: {asked}.")
        return values[..., None], f"grey ({n}H, W)"
    first, last = sides[0] in MODES, sides[-1] in MODES
    if first and last:
        raise DataError(
            f"{name} has shape {before}, whose first and last axis of an image can both be channels: "
            "give a sparring.data.Dataset, whose values are uint8 (N, H, W, C)."
        )
    if not first and not last:
        raise DataError(f"{name} has shape {before}, without an axis of 1, 3 or 4 channels: {asked}.")
    if last:
        return values, ""
    return np.moveaxis(values, -3, -1), f"channels first ({n}C, H, W)"


def below_zero(values: np.ndarray) -> bool:
    """Return whether numbers are so far below 0 that their range is [−1, 1].

    Args:
        values: Numbers.
    """
    return bool(values.size) and float(values.min()) < -TOLERANCE


def image_bytes(name: str, values: np.ndarray, *, signed: bool) -> np.ndarray:
    """Return images as bytes: from [0, 1] rint(255 x), from [−1, 1] rint(127.5 (x + 1)), bytes as they are.

    Args:
        name: Name of the data, for the message.
        values: Bytes or floating-point numbers of any shape.
        signed: Whether the range of floating-point numbers is [−1, 1].

    Returns:
        ``uint8`` of the same shape.

    Raises:
        DataError: If they are of another type, or a number is not finite or out of range.

    Example:
        >>> image_bytes("a", np.array([-1.0, 0.0, 1.0]), signed=True)
        array([  0, 128, 255], dtype=uint8)
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise DataError(f"{name} has type {values.dtype}: give uint8 from 0 to 255, or floating-point numbers.")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"{name} holds numbers that are not finite: remove them.")
    if low < (-1 if signed else 0) - TOLERANCE or high > 1 + TOLERANCE:
        span = f"{low:g} to {high:g}"
        raise DataError(
            f"{name} holds numbers from {span}: give uint8 from 0 to 255, or scale them to [0, 1] or [−1, 1]."
        )
    numbers = values.astype(np.float64)
    scaled = (numbers + 1) * 127.5 if signed else numbers * 255
    made: np.ndarray = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return made


def to_points(name: str, values: np.ndarray) -> np.ndarray:
    """Return points as ``float32`` (N, 2).

    Args:
        name: Name of the data, for the message.
        values: Numbers (N, 2).

    Raises:
        DataError: If one is not finite.
    """
    with np.errstate(over="ignore"):
        points = np.array(values, np.float32)
    if not np.isfinite(points).all():
        raise DataError(f"{name} holds points that are not finite: remove them.")
    return points


def range_words(signed: bool) -> str:
    """Return a few words about the range of floating-point images.

    Args:
        signed: Whether it is [−1, 1].
    """
    return f"numbers from {'−1' if signed else '0'} to 1"
