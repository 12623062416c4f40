"""Conversion of the inputs of metrics to float64, with a check that they are finite."""

from torch import Tensor

__all__ = ["to_float64"]


def to_float64(values: Tensor) -> Tensor:
    """Return values in float64 without a graph, on their device, or on the CPU where the device has no float64.

    Args:
        values: samples, features or probabilities of any shape.

    Raises:
        ValueError: if one is not finite, since every score of such values would be NaN.
    """
    values = values.detach()
    values = (values.cpu() if values.device.type == "mps" else values).double()
    if not values.isfinite().all():
        raise ValueError("values are not all finite, so they have no score; look for NaN in the images")
    return values
