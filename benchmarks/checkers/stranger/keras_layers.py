"""Keras layers with a custom gradient on the backend JAX."""

import jax
import jax.numpy as jnp
import keras
import numpy as np

from benchmarks.checkers.stranger.pair import pair

M = np.random.default_rng(15).normal(size=(4, 3))


@pair("keras", "factor", "a sharpened softplus: the slope's derivative forgets beta", M)
def _(wrong):
    @keras.ops.custom_gradient
    def softplus(x):
        y = keras.ops.softplus(2.5 * x) / 2.5

        def backward(g, upstream=None):
            g = g if upstream is None else upstream
            return (g * keras.ops.sigmoid(x if wrong else 2.5 * x),)

        return y, backward

    class Softplus(keras.layers.Layer):
        def call(self, x):
            return softplus(x)

    return Softplus()


@pair("keras", "broadcasting", "a scale of each feature: summed over the first sample only", M)
def _(wrong):
    @jax.custom_vjp
    def scale(x, w):
        return x * w

    scale.defvjp(lambda x, w: (x * w, (x, w)), lambda s, g: (g * s[1], (g * s[0])[: 1 if wrong else None].sum(axis=0)))

    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1],), initializer="ones")

        def call(self, x):
            return scale(x, self.w.value)

    return Scale()


@pair("keras", "dropped term", "a dense layer with a fused tanh: the bias skips the activation", M)
def _(wrong):
    @jax.custom_vjp
    def dense(x, w, b):
        return jnp.tanh(x @ w + b)

    def fwd(x, w, b):
        y = dense(x, w, b)
        return y, (x, w, y)

    def bwd(saved, g):
        x, w, y = saved
        d = g * (1 - y**2)
        return d @ w.T, x.T @ d, (g if wrong else d).sum(axis=0)

    dense.defvjp(fwd, bwd)

    class Dense(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(
                shape=(shape[-1], 2), initializer=keras.initializers.RandomNormal(stddev=0.8, seed=1)
            )
            self.b = self.add_weight(shape=(2,), initializer=keras.initializers.RandomNormal(stddev=0.8, seed=2))

        def call(self, x):
            return dense(x, self.w.value, self.b.value)

    return Dense()


@pair("keras", "normalization", "an RMS norm: the variance's share is divided by n - 1", M)
def _(wrong):
    @jax.custom_vjp
    def rms(x):
        return x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)

    def bwd(x, g):
        s = jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)
        n = x.shape[-1] - (1 if wrong else 0)
        return (g / s - x * jnp.sum(g * x, axis=-1, keepdims=True) / (n * s**3),)

    rms.defvjp(lambda x: (rms(x), x), bwd)

    class RMSNorm(keras.layers.Layer):
        def call(self, x):
            return rms(x)

    return RMSNorm()
