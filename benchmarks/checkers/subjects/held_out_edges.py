"""Held out: edges of domains, exact zeros, tiny and huge units, narrow precision."""

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import Draw, add, both, in_float32, normal, powers_of_ten, uniform


def with_zeros(count: int) -> Draw:
    return lambda rng: (rng.permutation(np.concatenate([np.zeros(count), rng.standard_normal(4)])),)


def zeros(*shape: int) -> Draw:
    return lambda rng: (np.zeros(shape),)


add("held-out edges: x**2.5 at 0 and above", lambda x: x**2.5, lambda rng: (np.append(0.0, rng.uniform(0.1, 2, 3)),))
add(
    "held-out edges: x**1.5 at 0 and above",
    lambda x: x**1.5 + 2 * x,
    lambda rng: (np.append(0.0, rng.uniform(0.1, 2, 3)),),
)
add("held-out edges: square of sqrt near 0", lambda x: tg.sqrt(x) ** 2 * 3, powers_of_ten(-14, -8, 4))
add(
    "held-out edges: sqrt(x * x + y * y) at 0 and a slope",
    lambda x: tg.sqrt(tg.sum(x * x, axis=1) + 1e-12),
    lambda rng: (rng.standard_normal((3, 2)) * [[0], [1], [1]],),
)
add("held-out edges: x |x| with zeros", lambda x: x * tg.abs(x) + x, with_zeros(2))
add("held-out edges: x log x, tiny", lambda x: tg.xlogy(x, x), powers_of_ten(-20, -5, 4))
add("held-out edges: exp(-1 / x) at small x", lambda x: tg.exp(-1 / x), uniform(0.02, 0.2, 4))
add("held-out edges: sinc with zeros", lambda x: tg.sinc(x) + x, with_zeros(2))
add("held-out edges: product with one zero", lambda x: tg.prod(x), with_zeros(1))
add("held-out edges: product with two zeros", lambda x: tg.prod(x) + tg.sum(x), with_zeros(2))
add("held-out edges: squares at exactly 0", lambda x: tg.sum(x * x) + tg.sum(x), zeros(5))
add("held-out edges: sin, tanh, exp at exactly 0", lambda x: tg.sin(x) + tg.tanh(2 * x) + tg.exp(x), zeros(4))
add("held-out edges: fourth power at exactly 0", lambda x: x**4, zeros(3), slope="zero")
add("held-out edges: weights of exactly 0", lambda x, w: tg.tanh(x @ w), both(normal(3, 4), zeros(4, 2)))
add(
    "held-out edges: arcsin and arccos inside, 1e-9",
    lambda x: tg.arcsin(x) - tg.arccos(x),
    lambda rng: (1 - 10 ** rng.uniform(-9, -6, 3),),
)
add("held-out edges: log1p near -1", tg.log1p, lambda rng: (-1 + 10 ** rng.uniform(-9, -4, 4),))
add(
    "held-out edges: clip with numbers at its bounds",
    lambda x: tg.clip(x, -1.0, 1.0),
    lambda rng: (np.array([1.0, -1.0, 0.3, 2.0]),),
    slope="none",
)
add(
    "held-out edges: maximum of equal numbers",
    lambda x, y: tg.maximum(x, y),
    lambda rng: (np.array([1.0, 2.0]), np.array([1.0, 3.0])),
    slope="none",
)
add(
    "held-out edges: leaky relu at 0",
    lambda x: tg.leaky_relu(x),
    lambda rng: (np.append(0.0, rng.standard_normal(3)),),
    slope="none",
)
add(
    "held-out edges: norm at 0",
    lambda x: tg.sqrt(tg.sum(x * x) + 0.0) if x.numpy().any() else 0 * tg.sum(x),
    zeros(3),
    slope="none",
)
add(
    "held-out edges: step exactly at its jump",
    lambda x: tg.floor(x) + x,
    lambda rng: (np.array([2.0, 0.3]),),
    slope="none",
)
add("held-out edges: softplus at 1e-30", tg.softplus, normal(4, scale=1e-30))
add("held-out edges: squares of 1e-30", lambda x: (1e30 * x) ** 2, normal(4, scale=1e-30))
add(
    "held-out edges: meters of 1e30 and 1e-30",
    lambda x, y: x * y + tg.sin(x * 1e-30),
    both(normal(3, scale=1e30), normal(3, scale=1e-30)),
)
add("held-out edges: logs of 1e-300 to 1e300", tg.log, powers_of_ten(-300, 300, 5))
add("held-out edges: cube root of 1e-30 to 1e30", tg.cbrt, powers_of_ten(-30, 30, 5, signed=True))
add("held-out edges: ratios of 1e15", lambda x, y: x / (x + y), both(uniform(1e15, 2e15, 3), uniform(1, 2e15, 3)))
add("held-out edges: layer norm in float32", in_float32(lambda x: tg.layer_norm(x, (6,))), normal(3, 6))
add(
    "held-out edges: attention in float32",
    in_float32(lambda q, k: tg.softmax(q @ k.T) @ k),
    both(normal(4, 3), normal(4, 3)),
)
add("held-out edges: logsumexp in float32", in_float32(lambda x: tg.logsumexp(x)), normal(20, scale=5))
add("held-out edges: tanh in float16", in_float32(tg.tanh, np.float16), normal(5))
add("held-out edges: sum in float16", in_float32(lambda x: tg.mean(x * x), np.float16), normal(8))
add(
    "held-out edges: float32 for one of two inputs",
    lambda x, y: tg.sin(x) * in_float32(tg.exp)(y),
    both(normal(4), normal(4)),
)
