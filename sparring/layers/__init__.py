"""Layers of generators and critics: normalisation, resampling, attention, residual blocks, initialisation."""

from sparring.layers.attention import SelfAttention
from sparring.layers.fourier import FourierFeatures
from sparring.layers.minibatch import MinibatchDiscrimination, MinibatchStdDev
from sparring.layers.normalization import (
    ILN,
    AdaILN,
    ClassConditionalBatchNorm,
    ConditionalBatchNorm,
    Norm,
    VirtualBatchNorm,
    WithReferenceBatch,
    instance_norm,
    layer_norm,
    to_virtual_batch_norm,
)
from sparring.layers.palette import Palette
from sparring.layers.pyramid import Pyramid, downsample, laplacian_pyramid, reconstruct, upsample
from sparring.layers.resampling import (
    BILINEAR,
    Blur,
    BlurDown,
    BlurUp,
    ConvDown,
    GlobalMean,
    GlobalSum,
    UpConv,
    back_project,
    resize_bicubic,
    upsample_conv,
)
from sparring.layers.residual import (
    ConditionalUpBlock,
    DownBlock,
    FirstBlock,
    Residual,
    SameBlock,
    UpBlock,
    residual_glorot,
)
from sparring.layers.simple import Affine, GaussianHead, Maxout, ProjectionHead
from sparring.layers.spade import SPADE, SPADEBlock, batch_norm_without_affine, resize_labels
from sparring.layers.spectral import spectral, stateless_spectral, stateless_spectral_norm
from sparring.layers.stylegan2 import EqualizedConv, EqualizedLinear, ModulatedConv
from sparring.layers.tiled_norm import collect_moments, with_moments
from sparring.layers.upsample_fusion import can_fuse_upsampling, fused_upsampling

__all__ = [
    "BILINEAR",
    "ILN",
    "SPADE",
    "AdaILN",
    "Affine",
    "Blur",
    "BlurDown",
    "BlurUp",
    "ClassConditionalBatchNorm",
    "ConditionalBatchNorm",
    "ConditionalUpBlock",
    "ConvDown",
    "DownBlock",
    "EqualizedConv",
    "EqualizedLinear",
    "FirstBlock",
    "FourierFeatures",
    "GaussianHead",
    "GlobalMean",
    "GlobalSum",
    "Maxout",
    "MinibatchDiscrimination",
    "MinibatchStdDev",
    "ModulatedConv",
    "Norm",
    "Palette",
    "ProjectionHead",
    "Pyramid",
    "Residual",
    "SPADEBlock",
    "SameBlock",
    "SelfAttention",
    "UpBlock",
    "UpConv",
    "VirtualBatchNorm",
    "WithReferenceBatch",
    "back_project",
    "batch_norm_without_affine",
    "can_fuse_upsampling",
    "collect_moments",
    "downsample",
    "fused_upsampling",
    "instance_norm",
    "laplacian_pyramid",
    "layer_norm",
    "reconstruct",
    "residual_glorot",
    "resize_bicubic",
    "resize_labels",
    "spectral",
    "stateless_spectral",
    "stateless_spectral_norm",
    "to_virtual_batch_norm",
    "upsample",
    "upsample_conv",
    "with_moments",
]
