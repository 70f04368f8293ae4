"""``models.mnist_lenet``, compared with PyTorch: the recipe without dropout, on equally distorted digits."""

import numpy as np
from torch import nn

from benchmarks.twins.steps import Comparison, compare_classifiers
from models import mnist_lenet


def compare(steps: int = 100, dtype: type = np.float64) -> Comparison:
    """Train both for some steps, and compare.

    In float64, the losses agree up to rounding. In float32, they diverge after some steps, because rounding changes the
    maximum of a pool or the sign of an input of ReLU; PyTorch's losses in float32 and float64 differ as much.
    """
    first, second = mnist_lenet.CHANNELS
    theirs = nn.Sequential(
        nn.Conv2d(1, first, 5, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(first), nn.ReLU(),
        nn.Conv2d(first, second, 5, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(second), nn.ReLU(),
        nn.Flatten(), nn.Identity(), nn.Linear(second * 4 * 4, 10),
    )  # fmt: skip
    return compare_classifiers(mnist_lenet.build, theirs, steps, dtype)
