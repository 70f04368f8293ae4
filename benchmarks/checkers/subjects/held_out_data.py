"""Held out: staircases, ties among the inputs, and layouts of memory, in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.checkers.families import Draw, add, both, normal

# --- Staircases: the slope of each step is 0 ---

flat, once = np.zeros_like, lambda x, g: g
STAIRS: dict[str, Callable[[Any], Any]] = {
    "floor": np.floor,
    "ceil of 3 x": lambda x: np.ceil(3 * x),
    "two decimals": lambda x: np.round(x, 2),
    "four decimals": lambda x: np.round(x, 4),
    "8 bits": lambda x: np.round(np.clip(x, -2, 2) * 127 / 2) * 2 / 127,
    "bins": lambda x: np.searchsorted(np.linspace(-3, 3, 25), x).astype(float),
    "truncated to integers": lambda x: np.trunc(x * 10) / 10,
    "a count of smaller numbers": lambda x: np.sum(x[:, None] > np.linspace(-1, 1, 40), axis=1) / 40,
}
for name, stairs in STAIRS.items():
    add(f"held-out stairs: {name}", stairs, normal(5), lambda x, g: flat(g), slope="zero")
    add(f"held-out stairs: x + {name}", lambda x, f=stairs: x + f(x), normal(5), once)
    add(
        f"held-out stairs: {name} times sin(x)",
        lambda x, f=stairs: f(x) * np.sin(x) + x,
        normal(5),
        lambda x, g, f=stairs: g * (f(x) * np.cos(x) + 1),
    )
add("held-out stairs: sawtooth", lambda x: x % 0.25, normal(5), once)
add("held-out stairs: sum of 1,000 sawteeth", lambda x: np.sum(x % 0.5), normal(1000), lambda x: np.ones_like(x))
add(
    "held-out stairs: steps of another input",
    lambda x, y: x * np.floor(4 * y),
    both(normal(5), normal(5)),
    lambda x, y, g: (g * np.floor(4 * y), flat(y)),
)
add(
    "held-out stairs: nearest entry of a table, times x",
    lambda x: x * TABLE[np.clip((x * 20 + 50).astype(int), 0, 99)],
    normal(5),
    lambda x, g: g * TABLE[np.clip((x * 20 + 50).astype(int), 0, 99)],
)
TABLE = np.cos(np.arange(100.0))

# --- Ties: equal numbers, and any slope between the one-sided ones ---


def tied(*shape: int) -> Draw:
    return lambda rng: (rng.integers(-2, 3, shape).astype(float),)


def two_tied(*shape: int) -> Draw:
    return both(tied(*shape), tied(*shape))


def one_of(index: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda x, g: g * (np.arange(x.size) == index(x))


def shared(x: Any, g: Any) -> Any:
    mask = x == x.max(axis=-1, keepdims=True)
    return mask * (g / mask.sum(axis=-1))[..., None]


def by_rank(x: Any, g: Any) -> Any:
    out = np.empty_like(x)
    out[np.argsort(x, kind="stable")] = g
    return out


add("held-out ties: maximum, to the first", np.max, tied(8), one_of(np.argmax), slope="none")
add("held-out ties: minimum, to the first", np.min, tied(8), one_of(np.argmin), slope="none")
add("held-out ties: maximum of rows, shared", lambda x: x.max(axis=1), tied(4, 5), shared, slope="none")
add("held-out ties: sort", np.sort, tied(6), by_rank, slope="none")
add(
    "held-out ties: three largest",
    lambda x: np.sum(np.sort(x)[-3:]),
    tied(7),
    lambda x: by_rank(x, np.arange(7) > 3),
    slope="none",
)
add("held-out ties: median", np.median, tied(7), lambda x, g: by_rank(x, g * (np.arange(7) == 3)), slope="none")
add("held-out ties: absolute values", np.abs, tied(6), lambda x, g: g * np.sign(x), slope="none")
add("held-out ties: relu", lambda x: np.maximum(x, 0), tied(6), lambda x, g: g * (x > 0), slope="none")
add("held-out ties: relu, 1 at 0", lambda x: np.maximum(x, 0), tied(6), lambda x, g: g * (x >= 0), slope="none")
add("held-out ties: clip", lambda x: np.clip(x, -1, 1), tied(6), lambda x, g: g * (abs(x) <= 1), slope="none")
add("held-out ties: hinge", lambda x: np.sum(np.maximum(1 - x, 0)), tied(6), lambda x: -1.0 * (x < 1), slope="none")
add(
    "held-out ties: maximum of two, to the second",
    np.maximum,
    two_tied(6),
    lambda x, y, g: (g * (x > y), g * (x <= y)),
    slope="none",
)
add(
    "held-out ties: maximum of two, shared",
    np.maximum,
    two_tied(6),
    lambda x, y, g: (g * ((x > y) + 0.5 * (x == y)), g * ((x < y) + 0.5 * (x == y))),
    slope="none",
)
add(
    "held-out ties: city-block distance",
    lambda x, y: np.sum(np.abs(x - y)),
    two_tied(6),
    lambda x, y: (np.sign(x - y), np.sign(y - x)),
    slope="none",
)
add("held-out ties: running maximum", np.maximum.accumulate, tied(6), lambda x, g: running(x, g), slope="none")
add(
    "held-out ties: variance of equal numbers",
    lambda x: np.var(x) + np.sum(x),
    tied(6),
    lambda x: x / 3 - x.mean() / 3 + 1,
)
add(
    "held-out ties: logsumexp of equal numbers",
    lambda x: np.log(np.sum(np.exp(x))),
    tied(6),
    lambda x: np.exp(x) / np.sum(np.exp(x)),
)


def running(x: Any, g: Any) -> Any:
    out = np.zeros_like(x)
    for k in range(x.size):
        out[np.argmax(x[: k + 1])] += g[k]
    return out


# --- Layouts: the same numbers in other orders of memory ---

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "fortran": np.asfortranarray,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "every second": lambda x: np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2],
    "reversed": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "part of a larger array": lambda x: np.pad(x, 2)[2:-2, 2:-2],
    "one row repeated": lambda x: np.broadcast_to(x[0], x.shape),
}
WEIGHTS = np.cos(np.arange(16.0)).reshape(4, 4)
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "flattened": (lambda x: x.ravel() ** 2 * WEIGHTS.ravel(), lambda x, g: 2 * x * (g * WEIGHTS.ravel()).reshape(4, 4)),
    "product": (lambda x: np.tanh(x @ WEIGHTS), lambda x, g: (g * (1 - np.tanh(x @ WEIGHTS) ** 2)) @ WEIGHTS.T),
    "cumulative sum": (lambda x: np.cumsum(x * x, axis=0), lambda x, g: 2 * x * np.cumsum(g[::-1], axis=0)[::-1]),
    "Gram matrix": (lambda x: x.T @ x, lambda x, g: x @ (g + g.T)),
    "rows at indices": (lambda x: np.sin(x[[0, 2, 2]]), lambda x, g: WHERE.T @ (g * np.cos(x[[0, 2, 2]]))),
}
WHERE = np.eye(4)[[0, 2, 2]]
for layout, order in LAYOUTS.items():
    for name, (f, gradient) in FUNCTIONS.items():
        add(
            f"held-out layouts: {name}, {layout}",
            f,
            lambda rng, order=order: (order(rng.uniform(-1.5, 1.5, (4, 4))),),
            gradient,
        )
