"""``models.vit``, compared with PyTorch: AdamW at a constant rate, on equally distorted digits."""

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.twins.steps import Comparison, bent_digits, compare_steps
from models import vit
from tinygrad_edu import cross_entropy


class VisionTransformer(nn.Module):
    """The same network in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        width, count = vit.WIDTH, vit.SIDE**2
        self.patches = nn.Conv2d(1, width, vit.PATCH, stride=vit.STRIDE)
        self.token = nn.Parameter(torch.empty(1, 1, width))
        self.places = nn.Parameter(torch.empty(1 + count, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, vit.HEADS, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(vit.LAYERS)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, images: Any) -> Any:
        """Return the logits."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(images), 1, -1), patches], dim=1) + self.places
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x[:, 0]))


def compare(steps: int = 100, dtype: type = np.float64) -> Comparison:
    """Train both for some steps, and compare."""
    rng = np.random.default_rng(0)
    ours, theirs = vit.VisionTransformer(rng).astype(dtype), VisionTransformer()
    batches = bent_digits(steps, dtype, rng)
    theirs.to(torch.from_numpy(batches[0][0]).dtype)
    their_loss = nn.functional.cross_entropy
    return compare_steps(
        ours, cross_entropy, theirs, lambda logits, labels: their_loss(logits, labels.long()), batches, "AdamW",
        lr=vit.LEARNING_RATE, weight_decay=vit.WEIGHT_DECAY,
    )  # fmt: skip
