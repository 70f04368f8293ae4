"""Held out: Keras layers with wrong gradients, and their correct counterparts."""

from typing import Any

import jax
import keras
import numpy as np
from keras import ops

from benchmarks.checkers.cases import Case
from benchmarks.checkers.framework_rules.keras_layers import X, with_backward
from tinygrad_edu.testing import check_keras


class Gate(keras.Layer):
    """The product of two inputs, with a weight."""

    def build(self, *shapes):
        self.scale = self.add_weight(shape=(3,), initializer=keras.initializers.RandomNormal(seed=3))

    def call(self, x, y):
        return with_backward(lambda x, y, w: x * y * w, self.backward)(x, y, ops.convert_to_tensor(self.scale))

    def backward(self, inputs, g):
        x, y, w = inputs
        return g * y * w, g * x * w, (g * x * y).sum(0)


class GateOfOther(Gate):
    def backward(self, inputs, g):
        x, y, w = inputs
        return g * y * w, g * y * w, (g * x * y).sum(0)


class Noisy(keras.Layer):
    """A random mask in training, from a fixed key."""

    key_of_backward = 0

    def call(self, x, training=False):
        if not training:
            return x
        backward = lambda xs, g: (g * self.mask(xs[0], self.key_of_backward),)  # noqa: E731
        return with_backward(lambda x: x * self.mask(x, 0), backward)(x)

    def mask(self, x: Any, key: int):
        return jax.random.bernoulli(jax.random.key(key), 0.5, x.shape).astype(x.dtype)


class NoisyAnew(Noisy):
    key_of_backward = 1


Y = np.random.default_rng(4).standard_normal((5, 3)).astype(np.float32)
CASES = [
    Case("held-out: gradient of the other input", check_keras, GateOfOther, Gate, (X, Y), {}),
    Case("held-out: another mask in the backward pass", check_keras, NoisyAnew, Noisy, (X,), {"training": True}),
]
