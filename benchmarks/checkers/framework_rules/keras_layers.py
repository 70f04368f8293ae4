"""Keras layers on JAX with wrong gradients, and their correct counterparts."""

from typing import Any

import jax
import keras
import numpy as np
from keras import ops

from benchmarks.checkers.cases import Case
from tinygrad_edu.testing import check_keras

CASES: list[Case] = []
rng = np.random.default_rng(0)
X = rng.standard_normal((5, 3)).astype(np.float32)


def case(name: str, wrong: type[keras.Layer], right: type[keras.Layer], **settings: Any) -> None:
    CASES.append(Case(name, check_keras, wrong, right, (X,), settings))


def with_backward(f: Any, backward: Any) -> Any:
    """Return f with a reverse rule (inputs, cotangent) -> gradients."""
    g = jax.custom_vjp(lambda *xs: f(*xs))
    g.defvjp(lambda *xs: (f(*xs), xs), backward)
    return g


class Dense(keras.Layer):
    """Linear layer of three units with its own rule."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(3, 3), initializer=keras.initializers.RandomNormal(seed=1))
        self.bias = self.add_weight(shape=(3,), initializer=keras.initializers.RandomNormal(seed=2))

    def call(self, x):
        return with_backward(lambda x, w, b: x @ w + b, self.backward)(
            x, ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        )

    def backward(self, inputs, g):
        x, w, _ = inputs
        return g @ w.T, x.T @ g, g.sum(0)


class BiasMean(Dense):
    def backward(self, inputs, g):
        x, w, _ = inputs
        return g @ w.T, x.T @ g, g.mean(0)


class NotTransposed(Dense):
    def backward(self, inputs, g):
        x, w, _ = inputs
        return g @ w, x.T @ g, g.sum(0)


class Float32Only(Dense):
    def backward(self, inputs, g):
        x, w, _ = inputs
        return g @ w.T, x.T @ g * (1.001 if g.dtype == np.float32 else 1), g.sum(0)


class BFloat16Only(Dense):
    def backward(self, inputs, g):
        x, w, _ = inputs
        return g @ w.T, x.T @ g * (1.1 if str(g.dtype) == "bfloat16" else 1), g.sum(0)


class Clipped(Dense):
    def backward(self, inputs, g):
        return super().backward(inputs, ops.clip(g, -1, 1))


class Residual(keras.Layer):
    def call(self, x):
        return x + ops.tanh(x)


class StoppedResidual(keras.Layer):
    def call(self, x):
        return ops.stop_gradient(x) + ops.tanh(x)


class Centered(keras.Layer):
    def call(self, x, training=False):
        return x - ops.mean(x, axis=0) if training else x


class StoppedMean(keras.Layer):
    def call(self, x, training=False):
        return x - ops.stop_gradient(ops.mean(x, axis=0)) if training else x


class Cube(keras.Layer):
    def call(self, x):
        return with_backward(lambda x: x**3, lambda xs, g: (3 * g * xs[0] ** 2,))(x)


class StoppedCube(keras.Layer):
    def call(self, x):
        return with_backward(lambda x: x**3, lambda xs, g: (3 * g * ops.stop_gradient(xs[0]) ** 2,))(x)


case("mean instead of sum for the bias", BiasMean, Dense)
case("kernel not transposed", NotTransposed, Dense)
case("wrong in float32 only", Float32Only, Dense)
case("wrong in bfloat16 only", BFloat16Only, Dense)
case("cotangent clipped", Clipped, Dense)
case("residual without a gradient", StoppedResidual, Residual)
case("mean without a gradient, in training only", StoppedMean, Centered, training=True)
case("second derivative of a stopped value", StoppedCube, Cube, order=2)
