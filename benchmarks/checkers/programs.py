"""Difficult functions with correct gradients: linear algebra, low precision, kinks, networks."""

from itertools import pairwise
from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import Draw, add, both, in_float32, iterated, normal

# --- Linear algebra ---


def with_condition(condition: float) -> Draw:
    def draw(rng: np.random.Generator) -> Any:
        u, v = (np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(2))
        return (u @ np.diag(np.geomspace(1, 1 / condition, 4)) @ v,)

    return draw


for condition in (1e2, 1e4, 1e6):
    add(f"log-determinant at condition {condition:g}", lambda x: tg.linalg.slogdet(x)[1], with_condition(condition))
    add(f"inverse at condition {condition:g}", tg.linalg.inv, with_condition(condition))
    add(f"solve at condition {condition:g}", lambda x: tg.linalg.solve(x, np.arange(4.0)), with_condition(condition))
    add(f"determinant at condition {condition:g}", tg.linalg.det, with_condition(condition))
add(
    "svd, two close singular values",
    lambda x: tg.linalg.svd(x)[1],
    lambda rng: (np.diag([3.0, 1.0, 1.0 + 1e-3]) + 1e-5 * rng.standard_normal((3, 3)),),
)
add(
    "eigenvalues, two of them close",
    lambda x: tg.linalg.eigvalsh(x + x.T),
    lambda rng: (np.diag([3.0, 1.0, 1.0 + 1e-3]) + 1e-5 * rng.standard_normal((3, 3)),),
)
add("product of 20 matrices", lambda x: iterated(lambda y: y @ x, x, 20), normal(3, 3, scale=0.6))
add("cholesky", lambda x: tg.linalg.cholesky(x @ x.T + 1e-3 * np.eye(4)), normal(4, 4))

# --- Low precision ---

add("sine in float32", in_float32(tg.sin), normal(6))
add("softmax in float32", in_float32(lambda x: tg.softmax(x)), normal(6))
add("network in float32", in_float32(lambda x, w: tg.tanh(x @ w) @ w), both(normal(3, 4), normal(4, 4)))
add("sum of squares in float32", in_float32(lambda x: tg.sum(x * x)), normal(50))
add("sine in float16", in_float32(tg.sin, np.float16), normal(6))

# --- Kinks and jumps near the point ---

for away in (1e-2, 1e-4, 1e-6, 1e-8):
    add(
        f"abs at a distance of {away:g}",
        tg.abs,
        lambda rng, d=away: (d * rng.uniform(1, 2, 4) * rng.choice([-1, 1], 4),),
    )
    add(f"maximum at a distance of {away:g}", lambda x, d=away: tg.maximum(x, x[::-1] + d), normal(4))
    add(
        f"step at a distance of {away:g}",
        lambda x, d=away: tg.floor(x) * x,
        lambda rng, d=away: (3 + d * rng.uniform(1, 2, 4),),
    )
add("many kinks", lambda x: tg.sum(tg.abs(tg.sin(40 * x))), normal(40))
add("sorted", lambda x: tg.sort(x) * np.arange(30.0), normal(30))
add("median", lambda x: tg.median(x), normal(31))
add("max of 1000", tg.max, normal(1000))


NETWORKS: list[str] = []  # networks with kinks near every point


def perceptron(width: int, depth: int) -> None:
    def f(x: Any, *weights: Any) -> Any:
        for w in weights[:-1]:
            x = tg.relu(x @ w)
        return x @ weights[-1]

    def draw(rng: np.random.Generator) -> Any:
        sizes = [8, *[width] * depth, 4]
        weights = [rng.standard_normal(s) * np.sqrt(2 / s[0]) for s in pairwise(sizes)]
        return (rng.standard_normal((32, 8)), *weights)

    name = f"relu network 32 x {width}, {depth} layers"
    NETWORKS.append(name)
    add(name, f, draw)


perceptron(16, 1)
perceptron(64, 2)
perceptron(512, 1)
perceptron(512, 2)


def lenet(x: Any, k1: Any, k2: Any, w: Any) -> Any:
    x = tg.max_pool2d(tg.relu(tg.conv2d(x, k1)), 2)
    x = tg.max_pool2d(tg.relu(tg.conv2d(x, k2)), 2)
    return tg.reshape(x, (x.shape[0], -1)) @ w


NETWORKS.append("LeNet with max pooling")
add(
    "LeNet with max pooling",
    lenet,
    both(normal(4, 1, 16, 16), normal(6, 1, 3, 3, scale=0.3), normal(8, 6, 3, 3, scale=0.2), normal(32, 10, scale=0.2)),
)
add(
    "network of tanh, 6 layers",
    lambda x, w: iterated(lambda x: tg.tanh(x @ w), x, 6),
    both(normal(4, 8), normal(8, 8, scale=0.5)),
)
add(
    "batch normalization of nearly equal inputs",
    lambda x: tg.batch_norm(x, None, None, training=True),
    normal(6, 3, scale=1e-3, offset=1.0),
)
add("recurrence of 50 steps", lambda x: iterated(lambda h: tg.tanh(0.9 * h + x), x * 0, 50), normal(4))
add("product of 20", tg.prod, normal(20))
add("cumulative product", tg.cumprod, normal(8))
