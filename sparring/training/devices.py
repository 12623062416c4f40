"""Names of devices; this module does not import torch."""

__all__ = ["DEVICES"]

DEVICES = "cpu, cuda, cuda:N, mps or auto"
"""The values of every ``device`` argument; auto is CUDA where it is available, else the CPU."""
