"""A small transformer that learns to write Python's documentation, character by character."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import Training, program, report, train, writing
from models.shared.text import Text, load, loader, side_by_side
from models.shared.writing import Reader
from tinygrad_edu import Tensor, nn, optim
from tinygrad_edu.training import Epoch, Mean, fit

NAME = "models.char_gpt"
WIDTH, HEADS, LAYERS = 96, 4, 3
WINDOW = 64  # characters in the context
BATCH, SHARD = 16, 8
EPOCHS, LEARNING_RATE, WEIGHT_DECAY, BETAS = 12, 3e-3, 0.1, (0.9, 0.99)
STD = 0.02  # of the initial embeddings; with the usual N(0, 1) the network learns more slowly
SHOWN = 40  # characters in the picture


class CharGPT(Reader):
    """Map characters (N, L), L at most `WINDOW`, to logits (N, size, L) of each next character.

    A decoder-only transformer with normalization before each block, as in A. Radford and others, "Language models are
    unsupervised multitask learners", 2019.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.characters, self.places = nn.Embedding(size, WIDTH, rng=rng), nn.Embedding(WINDOW, WIDTH, rng=rng)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, batch_first=True, norm_first=True, rng=rng)
            for _ in range(LAYERS)
        )
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, size, rng=rng)
        for table in (self.characters, self.places):
            table.weight = nn.init.gaussian(table.weight.shape, STD, rng)

    def forward(self, codes: Any) -> Tensor:
        """Return the logits. The logits at a position depend only on characters up to that position."""
        x = self.embed(codes)
        for layer in self.layers:
            x = layer(x, is_causal=True)
        logits: Tensor = self.head(self.norm(x)).swapaxes(1, 2)
        return logits

    def embed(self, codes: Any) -> Tensor:
        """Return the input of the first layer: character embedding plus position embedding."""
        x: Tensor = self.characters(codes) + self.places(np.arange(codes.shape[-1]))
        return x

    def read(self, codes: ndarray, state: ndarray | None) -> tuple[ndarray, ndarray]:
        """Read more characters. The state is the contents of the window."""
        window = (codes if state is None else np.concatenate([state, codes]))[-WINDOW:]
        return self(window[None]).numpy()[0, :, -1], window

    def attention(self, codes: ndarray) -> ndarray:
        """Return the attention weights (LAYERS, HEADS, L, L) of one window: rows are queries, columns are keys."""
        x, maps = self.embed(codes[None]), []
        for layer in self.layers:
            found = layer.norm1(x)
            _, weights = layer.self_attn(found, found, found, average_attn_weights=False, is_causal=True)
            assert weights is not None
            maps.append(weights.numpy()[0])
            x = layer(x, is_causal=True)
        return np.stack(maps)


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training."""
    text, rng = load(), np.random.default_rng(options.seed)
    model = CharGPT(len(text.alphabet), rng)
    batches = loader(text.train, WINDOW, BATCH, rng)
    optimizer = optim.AdamW(model.parameters(), lr=options.learning_rate, betas=BETAS, weight_decay=WEIGHT_DECAY)
    schedule = writing.schedule(options.learning_rate, options.epochs * len(batches))

    def start(**run: Any) -> Iterator[Epoch]:
        return fit(
            model, optimizer, nn.CrossEntropyLoss(), batches, options.epochs, rng=rng, schedule=schedule, max_norm=1.0,
            metrics={"bits": Mean(writing.bits)}, evaluate_on={"held_out": [side_by_side(text.held_out, WINDOW)]},
            shard_size=SHARD, **run,
        )  # fmt: skip

    pictures = {"attention.png": lambda path: draw_attention(path, *attention_of_passage(model, text))}
    return writing.training(options, text, model, start, WINDOW, pictures)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    return writing.parse(NAME, __doc__, EPOCHS, LEARNING_RATE, arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return train(NAME, parse(arguments), prepare)


def attention_of_passage(model: CharGPT, text: Text) -> tuple[str, ndarray]:
    """Return a held-out passage, and its attention weights (LAYERS, HEADS, SHOWN, SHOWN)."""
    passage = text.passage(SHOWN)
    return passage, model.attention(text.encode(passage))


def draw_attention(path: Path, passage: str, maps: ndarray) -> None:
    """Draw the attention weights of each head on a passage."""
    figure, letters = report.new_figure(2.9 * HEADS, 3.1 * LAYERS), list(passage.replace("\n", "\u21b5"))
    for (layer, head), axes in np.ndenumerate(figure.subplots(LAYERS, HEADS, sharex=True, sharey=True)):
        axes.imshow(maps[layer, head], cmap="Blues", vmin=0, vmax=1)
        axes.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=9)
        axes.set_xticks(range(SHOWN), letters, fontsize=6, family="monospace", va="baseline")
        axes.set_yticks(range(SHOWN), letters, fontsize=6, family="monospace", va="center_baseline")
        axes.tick_params(length=0, pad=2)
        axes.tick_params("x", pad=8)
    figure.supxlabel("attends to", fontsize=9)
    figure.supylabel("position", fontsize=9)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    program(NAME, main)
