"""``models.resnet_digits``, compared with PyTorch: the recipe without dropout, on equally distorted digits."""

from typing import Any

import numpy as np
from torch import nn

from benchmarks.twins.steps import Comparison, compare_classifiers
from models import resnet_digits


class Residual(nn.Sequential):
    """Residual block: the sum of its input and the output of its layers."""

    def forward(self, x: Any) -> Any:
        """Return x + f(x)."""
        return x + super().forward(x)


def block(channels: int) -> nn.Module:
    """Return the same block in PyTorch."""
    return Residual(
        nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False),
    )  # fmt: skip


def compare(steps: int = 100, dtype: type = np.float64) -> Comparison:
    """Train both for some steps, and compare; float32 losses diverge as in `mnist_lenet`."""
    first, second = resnet_digits.CHANNELS
    theirs = nn.Sequential(
        nn.Conv2d(1, first, 5, bias=False), nn.MaxPool2d(2), block(first),
        nn.Conv2d(first, second, 5, bias=False), nn.MaxPool2d(2), block(second),
        nn.BatchNorm2d(second), nn.ReLU(), nn.Flatten(), nn.Identity(), nn.Linear(second * 4 * 4, 10),
    )  # fmt: skip
    return compare_classifiers(resnet_digits.build, theirs, steps, dtype)
