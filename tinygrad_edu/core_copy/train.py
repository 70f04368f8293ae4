"""Train a small convolutional network on handwritten digits: ``python train.py [epochs]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.core import SGD, Conv2D, Dropout, Flatten, Linear, Sequential, Tanh, Tensor, cross_entropy, no_grad

DIGITS = Path(__file__).parent / "../data/mnist_embedded.npz"  # 1,000 training images and 10,000 test images


def network(rng: np.random.Generator) -> Sequential:
    """Return the network, from images (N, 1, 28, 28) to logits (N, 10). The loss computes the softmax."""
    convolution = Conv2D(1, 16, 3, bias=False, rng=rng)
    convolution.weight.assign(rng.uniform(-3, 3, convolution.weight.shape))  # large, to use the bends of tanh
    return Sequential(convolution, Tanh(), Dropout(0.5, rng), Flatten(), Linear(16 * 26 * 26, 10, bias=False, rng=rng))


def train_one_epoch(model: Any, optimizer: SGD, images: Any, labels: Any, rng: np.random.Generator) -> float:
    """Take a step for each 32 images, in a random order. Return the mean loss."""
    losses = []
    order = rng.permutation(len(images))
    for batch in np.split(order, range(32, len(order), 32)):
        optimizer.zero_grad()
        loss = cross_entropy(model(Tensor(images[batch])), labels[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item() * len(batch))
    return float(np.sum(losses) / len(images))


@no_grad()
def accuracy(model: Any, images: Any, labels: Any) -> float:
    """Return the share of images whose largest logit is that of the label."""
    batches = np.split(images, range(1000, len(images), 1000))
    return float(np.mean(np.concatenate([model(Tensor(batch)).numpy().argmax(1) for batch in batches]) == labels))


def main(epochs: int = 10) -> None:
    """Train, and print the loss and the accuracy on the test images after each epoch."""
    with np.load(DIGITS) as digits:
        x_train, x_test = (digits[name][:, None].astype(np.float32) / 255 for name in ("x_train", "x_test"))
        y_train, y_test = digits["y_train"], digits["y_test"]
    rng = np.random.default_rng(0)
    model = network(rng)
    optimizer = SGD(model.parameters(), lr=0.03, momentum=0.9)
    for epoch in range(1, epochs + 1):
        loss = train_one_epoch(model.train(), optimizer, x_train, y_train, rng)
        print(f"epoch {epoch}: loss {loss:.3f}, accuracy {accuracy(model.eval(), x_test, y_test):.3f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
