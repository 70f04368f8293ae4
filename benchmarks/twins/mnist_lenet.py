"""LeNet's twin in PyTorch: the recipe of `models.classifier` without dropout, on the same bent digits."""

import numpy as np
from torch import nn

from benchmarks.twins.steps import Comparison, compare_classifiers
from models import mnist_lenet


def compare(steps: int = 100, dtype: type = np.float64) -> Comparison:
    """Return the losses of our steps and of PyTorch's, and the seconds that each took.

    In float64 they agree to rounding. In float32 they do so for a while; then rounding decides which of two numbers is
    the larger, or whether one is above zero, and PyTorch's differ from its own in float64 as much as from ours.
    """
    first, second = mnist_lenet.CHANNELS
    theirs = nn.Sequential(
        nn.Conv2d(1, first, 5, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(first), nn.ReLU(),
        nn.Conv2d(first, second, 5, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(second), nn.ReLU(),
        nn.Flatten(), nn.Identity(), nn.Linear(second * 4 * 4, 10),
    )  # fmt: skip
    return compare_classifiers(mnist_lenet.build, theirs, steps, dtype)
