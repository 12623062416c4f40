"""Generators and critics, from the plain perceptron to the residual network."""

from sparring.networks.common.base import Critic, Generator
from sparring.networks.dcgan import DCGANCritic, DCGANGenerator
from sparring.networks.infogan import InfoGANCritic, InfoGANGenerator
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
from sparring.networks.radford import RadfordCritic, RadfordGenerator
from sparring.networks.resnet import ResNetCritic, ResNetGenerator
from sparring.networks.sncnn import SNCNNCritic, SNCNNGenerator

__all__ = [
    "AliToyCritic",
    "AliToyGenerator",
    "Critic",
    "DCGANCritic",
    "DCGANGenerator",
    "Generator",
    "GoodfellowCritic",
    "GoodfellowGenerator",
    "InfoGANCritic",
    "InfoGANGenerator",
    "MLPCritic",
    "MLPGenerator",
    "RadfordCritic",
    "RadfordGenerator",
    "ResNetCritic",
    "ResNetGenerator",
    "SNCNNCritic",
    "SNCNNGenerator",
    "UnrolledToyCritic",
    "UnrolledToyGenerator",
]
