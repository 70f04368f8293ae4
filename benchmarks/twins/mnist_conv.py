"""``models.mnist_conv``, compared with PyTorch in float32, without dropout, on equally distorted digits."""

from itertools import chain, islice, repeat

import numpy as np
import torch
from torch import nn

from benchmarks.twins.steps import Comparison, compare_steps
from models import mnist_conv
from models.shared import digits
from tinygrad_edu import cross_entropy, data

RECIPE = mnist_conv.RECIPES["augmented"]


def compare(steps: int = 100) -> Comparison:
    """Train both for some steps, at a tenth of the initial learning rate of the recipe, and compare.

    At the full rate, rounding differences grow tenfold every sixteen steps, and reach the size of the loss after 100.
    """
    rng = np.random.default_rng(0)
    ours = mnist_conv.build(RECIPE, rng)
    ours[2].p = 0.0
    loader = digits.loader(data.load_embedded(), RECIPE.batch_size, rng, mnist_conv.AUGMENTATIONS[RECIPE.augmentation])
    batches = [(x, y.astype(np.int64)) for x, y in islice(chain.from_iterable(repeat(loader)), steps)]
    theirs = nn.Sequential(
        nn.Conv2d(1, 16, 3, bias=False), nn.Tanh(), nn.Identity(), nn.Flatten(),
        nn.Linear(mnist_conv.LINEAR_INPUTS, 10, bias=False),
    )  # fmt: skip
    return compare_steps(
        ours,
        cross_entropy,
        theirs,
        torch.nn.functional.cross_entropy,
        batches,
        "SGD",
        lr=RECIPE.learning_rate / 10,
        momentum=RECIPE.momentum,
    )
