"""``models.char_gpt``, compared with PyTorch.

The comparison is in float64. In float32, losses diverge after some 40 steps, by up to 1e-3 within 100 steps, and so do
PyTorch's losses in float32 and float64: rounding errors change the sign of inputs of ReLU. With GELU they agree.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.twins.steps import Comparison, compare_steps
from models import char_gpt
from models.shared.text import load, loader
from tinygrad_edu import cross_entropy


class CharGPT(nn.Module):
    """The same network in PyTorch."""

    def __init__(self, size: int) -> None:
        super().__init__()
        width, heads = char_gpt.WIDTH, char_gpt.HEADS
        self.characters, self.places = nn.Embedding(size, width), nn.Embedding(char_gpt.WINDOW, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, batch_first=True, norm_first=True)
            for _ in range(char_gpt.LAYERS)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, size)

    def forward(self, codes: Any) -> Any:
        """Return the logits."""
        length = codes.shape[1]
        x = self.characters(codes) + self.places(torch.arange(length))
        mask = nn.Transformer.generate_square_subsequent_mask(length, dtype=x.dtype)
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=True)
        return self.head(self.norm(x)).transpose(1, 2)


def compare(steps: int = 100, dtype: type = np.float64) -> Comparison:
    """Train both for some steps, and compare."""
    text, rng = load(), np.random.default_rng(0)
    ours, theirs = char_gpt.CharGPT(len(text.alphabet), rng).astype(dtype), CharGPT(len(text.alphabet))
    theirs.to(torch.from_numpy(np.zeros(0, dtype)).dtype)
    batches = list(loader(text.train, char_gpt.WINDOW, char_gpt.BATCH, rng))[:steps]
    lr = char_gpt.LEARNING_RATE
    return compare_steps(ours, cross_entropy, theirs, nn.functional.cross_entropy, batches, lr=lr)
