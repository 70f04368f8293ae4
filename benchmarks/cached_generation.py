"""Time to generate tokens with and without a cache of keys and values: ``python -m benchmarks.cached_generation``."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, nn
from tinygrad_edu.training import generate

WIDTH, HEADS, LAYERS, WINDOW, SIZE = 256, 4, 4, 512, 96


class RotaryDecoder(nn.Module):
    """Map token ids (N, L) to logits (N, L, size) of each next token, with rotary positions."""

    def __init__(self, size: int, width: int, heads: int, layers: int, rng: np.random.Generator) -> None:
        self.embedding = nn.Embedding(size, width, rng=rng)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, batch_first=True, norm_first=True, rng=rng)
            for _ in range(layers)
        )
        for layer in self.layers:
            layer.self_attn.rotary = nn.RotaryEmbedding(width // heads)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, size, rng=rng)

    def forward(self, ids: Any, caches: Sequence[nn.KeyValueCache] | None = None) -> Tensor:
        """Return the logits. With caches, the ids are those at the positions after the cached ones."""
        x = self.embedding(ids)
        for k, layer in enumerate(self.layers):
            x = layer(x, is_causal=True, cache=None if caches is None else caches[k])
        logits: Tensor = self.head(self.norm(x))
        return logits

    def new_caches(self) -> list[nn.KeyValueCache]:
        """Return an empty cache for each layer."""
        return [nn.KeyValueCache() for _ in self.layers]


def main() -> None:
    """Print the seconds of both, and the greatest difference of the logits at all positions."""
    model = RotaryDecoder(SIZE, WIDTH, HEADS, LAYERS, np.random.default_rng(0)).eval()
    start = time.perf_counter()
    cached = generate(model, [0], WINDOW - 1, caches=model.new_caches())
    middle = time.perf_counter()
    plain = generate(model, [0], WINDOW - 1)
    end = time.perf_counter()
    caches = model.new_caches()
    steps = [model(cached[None, k : k + 1], caches).numpy()[0, 0] for k in range(WINDOW)]
    difference = np.abs(model(cached[None]).numpy()[0] - steps).max()
    print(f"{WINDOW - 1} tokens: {middle - start:.2f} s with a cache, {end - middle:.2f} s without, ", end="")
    print(f"{(end - middle) / (middle - start):.1f} times as fast")
    print(f"equal tokens: {np.array_equal(cached, plain)}; greatest difference of logits: {difference:.1e}")


if __name__ == "__main__":
    main()
