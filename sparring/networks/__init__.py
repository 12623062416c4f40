"""Generators, critics and encoders: the architectures of published systems, and parts to build others."""

from sparring.networks.autoencoder import Autoencoder, DCGANAutoencoder, MLPAutoencoder
from sparring.networks.biggan import BigGANCritic, BigGANGenerator
from sparring.networks.common.base import Critic, Generator, Shape
from sparring.networks.common.branching import BranchingGenerator
from sparring.networks.common.caption_lookup import CaptionLookup
from sparring.networks.common.code_reader import CodeReader
from sparring.networks.common.conditional import ConcatCritic, ConcatGenerator, TwoHeadCritic
from sparring.networks.common.encoders import (
    DCGANEncoder,
    DCGANJointCritic,
    Encoder,
    InjectedGenerator,
    JointCritic,
    MLPEncoder,
    MLPJointCritic,
)
from sparring.networks.common.pair_input import PairCritic
from sparring.networks.common.stages import ProjectionCritic, Stages
from sparring.networks.common.text import GRUTextEncoder, HashedTextEncoder
from sparring.networks.cyclegan import PatchCritic, ResNetTranslator
from sparring.networks.dcgan import DCGANCritic, DCGANGenerator
from sparring.networks.efficientnet_lite import EfficientNetLite0
from sparring.networks.fastgan import FastGANCritic, FastGANGenerator
from sparring.networks.fourier import FourierCritic, FourierGenerator
from sparring.networks.ganilla import GANILLATranslator
from sparring.networks.infogan import InfoGANCritic, InfoGANGenerator
from sparring.networks.lapgan import BaseCritic, BaseGenerator, LevelCritic, LevelGenerator
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
from sparring.networks.nicegan import NICECritic, NICEEncoder, NICEEncodingCritic, NICETranslator
from sparring.networks.projected import ProjectedCritic
from sparring.networks.r3gan import R3GANCritic, R3GANGenerator
from sparring.networks.radford import RadfordCritic, RadfordGenerator
from sparring.networks.resnet import ResNetCritic, ResNetGenerator
from sparring.networks.sagan import SAGANCritic, SAGANGenerator
from sparring.networks.singan import SinGANCritic, SinGANGenerator
from sparring.networks.sncnn import SNCNNCritic, SNCNNGenerator
from sparring.networks.spade import MultiScaleCritic, SPADEGenerator, StyleEncoder
from sparring.networks.stackgan import StackGANCritic, StageIGenerator, StageIIGenerator
from sparring.networks.stylegan2 import Mapping, StyleGAN2Critic, StyleGAN2Generator, Synthesis
from sparring.networks.turing import TuringCritic, TuringEncoder, TuringGenerator, TuringPointEncoder
from sparring.networks.unet import UNet

__all__ = [
    "AliToyCritic",
    "AliToyGenerator",
    "Autoencoder",
    "BaseCritic",
    "BaseGenerator",
    "BigGANCritic",
    "BigGANGenerator",
    "BranchingGenerator",
    "CaptionLookup",
    "CodeReader",
    "ConcatCritic",
    "ConcatGenerator",
    "Critic",
    "DCGANAutoencoder",
    "DCGANCritic",
    "DCGANEncoder",
    "DCGANGenerator",
    "DCGANJointCritic",
    "EfficientNetLite0",
    "Encoder",
    "FastGANCritic",
    "FastGANGenerator",
    "FourierCritic",
    "FourierGenerator",
    "GANILLATranslator",
    "GRUTextEncoder",
    "Generator",
    "GoodfellowCritic",
    "GoodfellowGenerator",
    "HashedTextEncoder",
    "InfoGANCritic",
    "InfoGANGenerator",
    "InjectedGenerator",
    "JointCritic",
    "LevelCritic",
    "LevelGenerator",
    "MLPAutoencoder",
    "MLPCritic",
    "MLPEncoder",
    "MLPGenerator",
    "MLPJointCritic",
    "Mapping",
    "MultiScaleCritic",
    "NICECritic",
    "NICEEncoder",
    "NICEEncodingCritic",
    "NICETranslator",
    "PairCritic",
    "PatchCritic",
    "ProjectedCritic",
    "ProjectionCritic",
    "R3GANCritic",
    "R3GANGenerator",
    "RadfordCritic",
    "RadfordGenerator",
    "ResNetCritic",
    "ResNetGenerator",
    "ResNetTranslator",
    "SAGANCritic",
    "SAGANGenerator",
    "SNCNNCritic",
    "SNCNNGenerator",
    "SPADEGenerator",
    "Shape",
    "SinGANCritic",
    "SinGANGenerator",
    "StackGANCritic",
    "StageIGenerator",
    "StageIIGenerator",
    "Stages",
    "StyleEncoder",
    "StyleGAN2Critic",
    "StyleGAN2Generator",
    "Synthesis",
    "TuringCritic",
    "TuringEncoder",
    "TuringGenerator",
    "TuringPointEncoder",
    "TwoHeadCritic",
    "UNet",
    "UnrolledToyCritic",
    "UnrolledToyGenerator",
]
