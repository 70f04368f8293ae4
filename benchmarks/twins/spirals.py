"""``models.spirals``, compared with PyTorch in float32."""

import numpy as np
import torch
from torch import nn

from benchmarks.twins.steps import Comparison, compare_steps
from models import spirals
from tinygrad_edu import cross_entropy, data


def compare(steps: int = 100) -> Comparison:
    """Train both for some steps, and compare."""
    rng = np.random.default_rng(0)
    loader = data.DataLoader(*spirals.spirals(spirals.BATCH * steps, rng), batch_size=spirals.BATCH, rng=rng)
    theirs = nn.Sequential(
        nn.Linear(2, spirals.WIDTH), nn.Tanh(), nn.Linear(spirals.WIDTH, spirals.WIDTH), nn.Tanh(),
        nn.Linear(spirals.WIDTH, spirals.ARMS),
    )  # fmt: skip
    return compare_steps(
        spirals.build(rng),
        cross_entropy,
        theirs,
        torch.nn.functional.cross_entropy,
        list(loader),
        lr=spirals.LEARNING_RATE,
    )
