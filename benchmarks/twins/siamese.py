"""``models.siamese``, compared with PyTorch without augmentation.

The comparison is in float64. In float32, losses diverge after some 20 steps, by up to 2 %, because rounding moves
values across a kink of ReLU, a pool or the margin.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.twins.steps import Comparison, compare_steps
from models import siamese
from tinygrad_edu import data


class Embedding(nn.Module):
    """The same network in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 2),
        )  # fmt: skip

    def forward(self, images: Any) -> Any:
        """Return a point for each image."""
        return self.network(images.reshape(-1, 1, 28, 28))


def contrastive_loss(points: Any, labels: Any) -> Any:
    """Return the same loss in PyTorch."""
    a, b = torch.triu_indices(len(labels), len(labels), 1)
    distance, same = nn.functional.pairwise_distance(points[a], points[b]), labels[a] == labels[b]
    return (distance[same] ** 2).mean() / 2 + (torch.relu(siamese.MARGIN - distance[~same]) ** 2).mean() / 2


def compare(steps: int = 100) -> Comparison:
    """Train both for some steps, and compare."""
    digits, rng = data.load_embedded(), np.random.default_rng(0)
    images, labels = siamese.as_floats(digits.x_train).astype(np.float64), digits.y_train.astype(np.int64)
    loader = data.DataLoader(images, labels, batch_size=siamese.BATCH, rng=rng)
    batches = [batch for _ in range(-(-steps // len(loader))) for batch in loader][:steps]
    ours = siamese.Embedding(rng).astype(np.float64)
    return compare_steps(
        ours, siamese.ContrastiveLoss(), Embedding().double(), contrastive_loss, batches, lr=siamese.LEARNING_RATE / 10
    )
