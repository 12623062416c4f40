"""Techniques with settings, and games that they act on."""

from __future__ import annotations

import torch

from sparring.recipes import recipe
from sparring.recipes.options import Networks
from sparring.recipes.techniques import Techniques, apply_techniques

SMALL = Networks(latent=4, width=8)


EITHER = {  # techniques that act on points and on images
    "instance_noise": {"instance_noise": 0.5, "instance_noise_steps": 3},
    "r1": {"r1": 1.0, "penalty_every": 2},
    "r2": {"r2": 1.0},
    "dragan": {"dragan": 10.0},
    "latent_consistency": {"latent_consistency": 20.0},
    "lecam": {"lecam": 0.3, "lecam_start": 1},
    "feature_matching": {"feature_matching": 1.0},
    "discrimination": {"minibatch": "discrimination"},
    "deviation": {"minibatch": "deviation"},
    "historical_averaging": {"historical_averaging": 0.1},
    "virtual_batch_norm": {"virtual_batch_norm": 4},
    "unrolling": {"unrolling": 2},
    "packing": {"packing": 2},
    "ensemble": {"ensemble": 2},
    "initialisation": {"initialisation": "orthogonal"},
    "schedule": {"schedule": "cosine", "schedule_steps": 3},
}


PICTURES = {
    "diff": {"augment": "diff"},
    "adaptive": {"augment": "adaptive"},
    "consistency": {"consistency": 10.0},
    "balanced_consistency": {"balanced_consistency": 10.0},
}


def game(techniques, name="nsgan", shape=(2,)):
    torch.manual_seed(0)
    return apply_techniques(lambda shape: recipe(name)(shape, networks=SMALL), shape, Techniques(**techniques))
