"""The finale: your whole engine, and a network that it trains. Run it: ``python engine.py``."""

import time

import numpy as np

from tinygrad_edu.data import load_embedded  # only the data; the engine is yours

# --- The engine, from the lessons in which you wrote it ---

# hole: names
from lesson06_ops import exp, reshape, tanh
from lesson07_recorder import Op, no_grad, op
from lesson08_views import StaleValueError, Tensor
from lesson09_second_order import grad, hvp, jvp
from lesson10_softmax import cross_entropy, logsumexp, sigmoid, softplus
from lesson11_convolution import conv2d, correlate
from lesson12_memory import GraphFreedError
from lesson13_joint_rules import JointOp, checkpoint
from lesson14_vmap import jacobian, vmap
# end

# --- The network of the original script: 3x3 kernels, tanh, and a linear layer ---


def initial(rng, kernels=16, side=28):
    """Return a dict of the initial weights, for square images with `side` pixels per side."""
    inputs = kernels * (side - 2) ** 2
    bound = np.sqrt(1 / inputs)
    return {
        "kernels": rng.uniform(-1, 1, (kernels, 1, 3, 3)),
        "bias": np.zeros(kernels),
        "weight": rng.uniform(-bound, bound, (inputs, 10)),
    }


def logits(weights, images):
    """Return (N, 10) logits of images (N, 1, side, side): convolution, tanh, and flattened maps times the weight."""
    # hole: logits, in the core: layers.Conv2D.forward, layers.Linear.forward
    maps = tanh(conv2d(images, weights["kernels"], weights["bias"]))
    return reshape(maps, shape=(len(images), weights["weight"].shape[0])) @ weights["weight"]
    # end


def step(weights, images, labels, rate):
    """Return the loss, a float, and a new dict with the weights after one step of gradient descent."""
    # hole: step, in the core: sgd.SGD.update
    leaves = {name: Tensor(array, requires_grad=True) for name, array in weights.items()}
    loss = cross_entropy(logits(leaves, images), labels)
    loss.backward()
    return float(loss.data), {name: x.data - rate * x.grad for name, x in leaves.items()}
    # end


def train(weights, images, labels, epochs, rng, rate=0.05, batch=20):
    """Yield the mean loss of each epoch, and the weights after it."""
    for _ in range(epochs):
        order, losses = rng.permutation(len(images)), []
        for chosen in np.split(order, range(batch, len(order), batch)):
            loss, weights = step(weights, images[chosen], labels[chosen], rate)
            losses.append(loss)
        yield np.mean(losses), weights


def right(weights, images, labels):
    """Return the share of images that the network classifies correctly. With arrays, no graph is recorded."""
    return np.mean(logits(weights, images).argmax(axis=1) == labels)


def pixels(images):
    """Return images of bytes as an array (N, 1, 28, 28) of numbers from 0 to 1."""
    return images[:, np.newaxis] / 255


if __name__ == "__main__":
    digits, rng, began = load_embedded(), np.random.default_rng(0), time.perf_counter()
    test = pixels(digits.x_test[:500]), digits.y_test[:500]
    for loss, weights in train(initial(rng), pixels(digits.x_train), digits.y_train, 5, rng):
        seconds = time.perf_counter() - began
        print(f"loss {loss:.3f}, accuracy on {len(test[1])} other digits {right(weights, *test):.1%}, {seconds:.0f} s")
