"""A vision transformer, which reads digits as sequences of patches."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import Outcome, Training, classifier, digits, program, report, train
from tinygrad_edu import Tensor, broadcast_to, concatenate, cross_entropy, data, nn, optim
from tinygrad_edu.training import Accuracy, Epoch, evaluating, fit

NAME = "models.vit"
PATCH, STRIDE = 8, 4  # pixels of a patch's side, and from one patch to the next
SIDE = (28 - PATCH) // STRIDE + 1  # patches in a row
WIDTH, HEADS, LAYERS = 64, 4, 4
EPOCHS, LEARNING_RATE, WEIGHT_DECAY = 100, 2e-3, 0.05
STD = 0.02  # of the initial class token and positions
ATTENTION = "attention.png"


class VisionTransformer(nn.Module):
    """Map images (N, 1, 28, 28) to logits (N, 10).

    The overlapping patches of an image are a sequence for a transformer encoder with normalization before each block. A
    learned class token comes first, and only its output goes to the head: A. Dosovitskiy and others, "An image is worth
    16x16 words", ICLR 2021.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.patches = nn.Conv2D(1, WIDTH, PATCH, stride=STRIDE, rng=rng)
        self.token = nn.init.gaussian((1, 1, WIDTH), STD, rng)
        self.places = nn.init.gaussian((1 + SIDE * SIDE, WIDTH), STD, rng)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                WIDTH, HEADS, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True, rng=rng
            )
            for _ in range(LAYERS)
        )  # fmt: skip
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10, rng=rng)

    def forward(self, images: Any) -> Tensor:
        """Return the logits."""
        x = self.embed(images)
        for layer in self.layers:
            x = layer(x)
        logits: Tensor = self.head(self.norm(x[:, 0]))
        return logits

    def embed(self, images: Any) -> Tensor:
        """Return the input of the first layer: the class token and the patches, plus their positions."""
        patches = self.patches(images).flatten(2).swapaxes(1, 2)
        token = broadcast_to(self.token, (len(patches), 1, WIDTH))
        return concatenate([token, patches], axis=1) + self.places

    def attention(self, images: ndarray) -> ndarray:
        """Return the attention weights (LAYERS, N, HEADS, SIDE, SIDE) of the class token to the patches."""
        x, maps = self.embed(images), []
        for layer in self.layers:
            found = layer.norm1(x)
            _, weights = layer.self_attn(found, found, found, average_attn_weights=False)
            assert weights is not None
            maps.append(weights.numpy()[:, :, 0, 1:])
            x = layer(x)
        return np.stack(maps).reshape(LAYERS, len(images), HEADS, SIDE, SIDE)


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training. One seed gives the same bits on the same machine."""
    images, rng = digits.load(options), np.random.default_rng(options.seed)
    model = VisionTransformer(rng)
    batches = digits.loader(images, options.batch_size, rng, classifier.augment)
    optimizer = optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = classifier.schedule(options.learning_rate, options.epochs * len(batches))

    def start(**run: Any) -> Iterator[Epoch]:
        return fit(
            model, optimizer, cross_entropy, batches, options.epochs, rng=rng, schedule=schedule,
            metrics={"accuracy": Accuracy(), "cross_entropy": cross_entropy},
            evaluate_on=digits.evaluation_sets(images), evaluate_every=classifier.EVALUATE_EVERY,
            shard_size=digits.SHARD_SIZE, **run,
        )  # fmt: skip

    def draw(folder: Path, outcome: Outcome) -> None:
        training.draw(folder, outcome)
        draw_attention(folder / ATTENTION, *attention_of_digits(model))

    training = classifier.training(options, images, model, start)
    return replace(training, draw=draw, pictures=(*training.pictures, ATTENTION))


def reader(options: Mapping[str, Any]) -> nn.Module:
    """Return the network of a run with these options, for `models.predict`."""
    return VisionTransformer(np.random.default_rng(0))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    return classifier.parse(NAME, __doc__, EPOCHS, arguments, LEARNING_RATE)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return train(NAME, parse(arguments), prepare)


def attention_of_digits(model: Any) -> tuple[ndarray, ndarray]:
    """Return the first test image of each digit (10, 28, 28), and the last layer's attention to its patches."""
    embedded = data.load_embedded()
    images = embedded.x_test[[np.flatnonzero(embedded.y_test == digit)[0] for digit in range(10)]]
    with evaluating(model):
        return images, model.attention(data.to_float(images))[-1]


def draw_attention(path: Path, images: ndarray, maps: ndarray) -> None:
    """Draw images (N, 28, 28), and below each the attention (N, HEADS, SIDE, SIDE) of each head, over the image."""
    pixels, edge = np.arange(28) + 0.5, (PATCH - STRIDE) / 2
    figure = report.new_figure(1.1 * len(images), 1.1 * (1 + HEADS))
    rows = figure.subplots(1 + HEADS, len(images))
    for k, column in enumerate(rows.T):
        column[0].imshow(images[k], cmap="gray_r", extent=(0, 28, 28, 0))
        for axes, weights in zip(column[1:], maps[k], strict=True):
            axes.imshow(weights, cmap="Blues", extent=(edge, 28 - edge, 28 - edge, edge))
            axes.contour(pixels, pixels, images[k], [127.5], colors="black", linewidths=0.6)
    for axes in rows.flat:
        axes.set(xticks=[], yticks=[], xlim=(0, 28), ylim=(28, 0))
    for row, name in zip(rows, ("image", *(f"head {head + 1}" for head in range(HEADS))), strict=True):
        row[0].set_ylabel(name, fontsize=9)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    program(NAME, main)
