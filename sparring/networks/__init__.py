"""Generators and critics, from the plain perceptron to the residual network."""

from sparring.networks.dcgan import DCGANCritic, DCGANGenerator
from sparring.networks.mlp import (
    AliToyCritic,
    AliToyGenerator,
    GoodfellowCritic,
    GoodfellowGenerator,
    MLPCritic,
    MLPGenerator,
    UnrolledToyCritic,
    UnrolledToyGenerator,
)
from sparring.networks.roles import Critic, Generator

__all__ = [
    "AliToyCritic",
    "AliToyGenerator",
    "Critic",
    "DCGANCritic",
    "DCGANGenerator",
    "Generator",
    "GoodfellowCritic",
    "GoodfellowGenerator",
    "MLPCritic",
    "MLPGenerator",
    "UnrolledToyCritic",
    "UnrolledToyGenerator",
]
