"""Ops as programs call them, each at one size, compared with PyTorch and with the limit of NumPy: group "programs".

A limit is the time of the calls of NumPy (or of LAPACK through it) that an op on NumPy cannot do without.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy import ndarray

from benchmarks.ops import Case, agreeing, measure
from benchmarks.statistics import median

Shape = tuple[int, ...]
RNG = np.random.default_rng


@dataclass(frozen=True, kw_only=True)
class Program(Case):
    """A case with its own inputs.

    Attributes
    ----------
    arrays : callable
        Returns the inputs by name.
    limit : callable or None
        Makes the calls that limit the op, given the inputs.
    limit_is : str
        What `limit` calls.
    reason : str
        Why the op takes more than three times PyTorch's time, if it does.
    """

    arrays: Callable[[], dict[str, ndarray]]
    limit: Callable[[Any], Any] | None = None
    limit_is: str = ""
    reason: str = ""


def _normal(**shapes: Shape) -> Callable[[], dict[str, ndarray]]:
    return lambda: {name: RNG(0).standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def _pairs(n: int) -> Callable[[], dict[str, ndarray]]:
    return lambda: {name: RNG(k).standard_normal((n, 64)).astype(np.float32) for k, name in enumerate("xy")}


def _triangular(n: int, columns: int) -> Callable[[], dict[str, ndarray]]:
    def arrays() -> dict[str, ndarray]:
        made = _normal(x=(n, n), y=(n, columns))()
        return made | {"x": made["x"] + n * np.eye(n, dtype=np.float32)}

    return arrays


def _definite() -> dict[str, ndarray]:
    x = RNG(0).standard_normal((200, 200)).astype(np.float32)
    return {"x": x @ x.T + 200 * np.eye(200, dtype=np.float32)}


def _speech() -> dict[str, ndarray]:
    steps, samples, classes, labels = 200, 16, 20, 30
    return {
        "x": RNG(0).standard_normal((steps, samples, classes)).astype(np.float32),
        "labels": RNG(1).integers(1, classes, (samples, labels)), "steps": np.full(samples, steps),
        "sizes": RNG(2).integers(10, labels + 1, samples),
    }  # fmt: skip


def _sampled(channels: int) -> Callable[[], dict[str, ndarray]]:
    return lambda: {
        "x": RNG(0).standard_normal((8, channels, 64, 64)).astype(np.float32),
        "grid": RNG(1).uniform(-1, 1, (8, 64, 64, 2)).astype(np.float32),
        "taps": RNG(2).integers(0, 8 * channels * 64**2, (4, 8 * channels * 64**2)),
    }


def _bags() -> dict[str, ndarray]:
    return {
        "x": RNG(0).standard_normal((10_000, 64)).astype(np.float32),
        "rows": np.sort(RNG(1).integers(0, 1000, 10_000)),
    }


def _solve_blocks(a: Any) -> None:
    """Solve the systems of the forward and the backward pass by blocks, and compute a triangle of an outer product."""
    for _ in range(2):
        for k in range(0, len(a.x), 32):
            rows = slice(k, k + 32)
            np.linalg.solve(np.tril(a.x[rows, rows]), a.y[rows] - a.x[rows, :k] @ a.y[:k])
    np.triu(a.y * a.y.T)


def _one_norms(a: Any) -> None:
    """Compute all differences and their absolute values, sums, signs and products with a gradient, in blocks."""
    x, y = np.ascontiguousarray(a.x.T), np.ascontiguousarray(a.y.T)
    for k in range(len(a.x)):
        differences = x[:, k : k + 1] - y
        np.add.reduce(np.abs(differences), 0)
        for _ in range(2):
            signs = np.sign(x[:, k : k + 1] - y)
            np.add.reduce(signs * signs[0], 1)


def _gather(a: Any) -> None:
    """Take the four pixels of each point, and add their gradients."""
    gradient = np.zeros(a.x.size, np.float32)
    for taps in a.taps:
        np.add.at(gradient, taps, a.x.reshape(-1).take(taps, mode="wrap"))


def _windows(a: Any) -> None:
    """Compare each element of each window with the maximum, and add its share of the gradient."""
    images, maxima = np.zeros_like(a.x), a.x[:, :, :11, :11, :11]
    for offset in np.ndindex(3, 3, 3):
        pixels = (slice(None), slice(None), *(slice(k, k + 21, 2) for k in offset))
        chosen = np.equal(a.x[pixels], maxima)
        images[pixels] += np.where(chosen, maxima, 0)


PROGRAMS = (
    *(Program(f"cdist, {n:,} x 64", lambda m, a: m.cdist(a.x, a.y), arrays=_pairs(n)) for n in (500, 2000, 5000)),
    *(Program(f"pdist, {n:,} x 64", lambda m, a: m.pdist(a.x),
              lambda m, a: m.nn.functional.pdist(a.x), arrays=_normal(x=(n, 64))) for n in (500, 2000, 5000)),
    Program("cdist, p=1, 1,000 x 64", lambda m, a: m.cdist(a.x, a.y, 1.0), arrays=_pairs(1000), limit=_one_norms,
            limit_is="differences and signs", reason="every pass over all differences is a call of NumPy"),
    Program("det, 1,000 of 3 x 3", lambda m, a: m.linalg.det(a.x), arrays=_normal(x=(1000, 3, 3))),
    Program("det, 100 x 100", lambda m, a: m.linalg.det(0.1 * a.x), arrays=_normal(x=(100, 100))),
    Program("solve_triangular, 300 x 300, 300 columns", lambda m, a: m.linalg.solve_triangular(a.x, a.y, upper=True),
            arrays=_triangular(300, 300)),
    Program("solve_triangular, 300 x 300, 1 column", lambda m, a: m.linalg.solve_triangular(a.x, a.y, upper=True),
            arrays=_triangular(300, 1), limit=_solve_blocks, limit_is="np.linalg.solve of blocks",
            reason="NumPy has no triangular solver"),
    Program("cholesky, 200 x 200", lambda m, a: m.linalg.cholesky(a.x), arrays=_definite),
    Program("ctc_loss, 200 steps", lambda m, a: m.nn.ctc_loss(m.log_softmax(a.x, 2), a.labels, a.steps, a.sizes),
            lambda m, a: m.nn.functional.ctc_loss(m.log_softmax(a.x, 2), a.labels, a.steps, a.sizes), arrays=_speech),
    Program("gelu, 10^6", lambda m, a: m.gelu(a.x), lambda m, a: m.nn.functional.gelu(a.x),
            arrays=_normal(x=(10_000, 100))),
    Program("hardswish, 10^6", lambda m, a: m.hardswish(a.x), lambda m, a: m.nn.functional.hardswish(a.x),
            arrays=_normal(x=(10_000, 100))),
    *(Program(f"grid_sample, {channels} channels", lambda m, a: m.grid_sample(a.x, a.grid),
              lambda m, a: m.nn.functional.grid_sample(a.x, a.grid, align_corners=False), arrays=_sampled(channels),
              limit=_gather, limit_is="take and add.at", reason="NumPy reads and adds one pixel of a point per call")
      for channels in (3, 16)),
    Program("max_pool3d, 3 x 3 x 3, stride 2", lambda m, a: m.max_pool3d(a.x, 3, 2),
            lambda m, a: m.nn.functional.max_pool3d(a.x, 3, 2), arrays=_normal(x=(2, 8, 24, 24, 24)), limit=_windows,
            limit_is="one comparison and sum per offset", reason="ties share the gradient: all are compared"),
    Program("conv_transpose3d, stride 2", lambda m, a: m.conv_transpose3d(a.x, a.w, stride=2),
            lambda m, a: m.nn.functional.conv_transpose3d(a.x, a.w, stride=2),
            arrays=_normal(x=(2, 16, 8, 8, 8), w=(16, 8, 4, 4, 4))),
    Program("attention, 512 tokens", lambda m, a: m.scaled_dot_product_attention(a.q, a.k, a.v),
            lambda m, a: m.nn.functional.scaled_dot_product_attention(a.q, a.k, a.v),
            arrays=_normal(q=(4, 8, 512, 32), k=(4, 8, 512, 32), v=(4, 8, 512, 32))),
    Program("segment_sum, 10,000 rows", lambda m, a: m.segment_sum(a.x, a.rows, 1000),
            lambda m, a: m.zeros(1000, 64).index_add(0, a.rows, a.x), arrays=_bags),
    Program("interpolate, bilinear", lambda m, a: m.interpolate(a.x, scale_factor=2, mode="bilinear"),
            lambda m, a: m.nn.functional.interpolate(a.x, scale_factor=2, mode="bilinear"),
            arrays=_normal(x=(8, 16, 32, 32))),
)  # fmt: skip


def lines(rounds: int, part: str = "") -> Iterator[str]:
    """Yield the rows of the table for the programs whose names contain `part`."""
    yield f"{'':<42}{'ours, ms':>10}{'ours / PyTorch':>16}{'limit / PyTorch':>17}"
    for case in (case for case in PROGRAMS if part in case.name):
        arrays = case.arrays()
        a, limit = SimpleNamespace(**arrays), case.limit
        found = measure([*agreeing(case, arrays), *([] if limit is None else [lambda a=a, f=limit: f(a)])], rounds)
        ours, *others = (median([row[k] / row[1] for row in found]) for k in range(len(found[0])))
        row = f"{case.name:<42}{median([row[0] for row in found]):10.2f}{ours:16.2f}"
        yield row if limit is None else f"{row}{others[1]:17.2f}  {case.limit_is}; {case.reason}"
