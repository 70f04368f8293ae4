"""``models.diffusion``, compared with PyTorch in float32, with equal noise and 20 images per step."""

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.twins.steps import Comparison, compare_steps
from models import diffusion
from tinygrad_edu import data
from tinygrad_edu.nn import mse_loss

BATCH = 20


class Block(nn.Module):
    """The same block in PyTorch."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.norm = nn.GroupNorm(8, channels)
        self.modulation = nn.Linear(diffusion.WIDTH, 2 * channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.past = nn.Identity() if channels_in == channels else nn.Conv2d(channels_in, channels, 1)

    def forward(self, x: Any, condition: Any) -> Any:
        """Map feature maps and a condition to feature maps."""
        scale, shift = self.modulation(condition)[..., None, None].chunk(2, dim=1)
        return self.past(x) + self.second(nn.functional.silu(self.norm(self.first(x)) * (1 + scale) + shift))


class Velocity(nn.Module):
    """The same network in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        fine, coarse, width = diffusion.CHANNELS, 2 * diffusion.CHANNELS, diffusion.WIDTH
        self.frequencies = torch.from_numpy(diffusion.FREQUENCIES)
        self.time = nn.Sequential(nn.Linear(len(self.frequencies), width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(diffusion.ANY + 1, width)
        self.enter, self.before = nn.Conv2d(4, fine, 3, padding=1), Block(fine, fine)
        self.down, self.up = nn.Conv2d(fine, coarse, 2, stride=2), nn.ConvTranspose2d(coarse, fine, 2, stride=2)
        self.middle = nn.ModuleList(Block(coarse, coarse) for _ in range(2))
        self.after, self.leave = Block(2 * fine, fine), nn.Conv2d(fine, 4, 3, padding=1)

    def forward(self, images: Any, times: Any, labels: Any) -> Any:
        """Return the velocity of each pixel."""
        condition = nn.functional.silu(self.time(torch.cos(times[:, None] * self.frequencies)) + self.label(labels))
        fine = self.before(self.enter(nn.functional.pixel_unshuffle(images, 2)), condition)
        x = self.down(fine)
        for block in self.middle:
            x = block(x, condition)
        x = self.after(torch.cat([fine, self.up(x)], dim=1), condition)
        return nn.functional.pixel_shuffle(self.leave(x), 2)


def compare(steps: int = 100) -> Comparison:
    """Train both for some steps, and compare."""
    digits, rng = data.load_embedded(), np.random.default_rng(0)
    rows = [rng.choice(len(digits.x_train), BATCH, replace=False) for _ in range(steps)]
    batches = [diffusion.on_the_way(digits.x_train[some], digits.y_train[some].astype(np.int64), rng) for some in rows]
    ours = diffusion.Velocity(rng)
    return compare_steps(ours, mse_loss, Velocity(), nn.functional.mse_loss, batches, lr=diffusion.LEARNING_RATE / 3)
