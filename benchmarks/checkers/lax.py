"""Functions of `jax.lax` and inputs for each, for `check_jax`."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.checkers.campaign import Sample
from tinygrad_edu.testing import check_jax

rng = np.random.default_rng(0)


def draw(*shape: int) -> Any:
    return rng.standard_normal(shape)


# Functions of one input by the interval that their inputs are drawn from.
UNARY = {
    "everywhere": "abs asinh atan bessel_i0e bessel_i1e cbrt ceil cos cosh erf erfc exp exp2 expm1 floor logistic neg "
    "round sign sin sinh square tan tanh",
    "positive": "digamma lgamma log log1p rsqrt sqrt",
    "within 1": "acos asin atanh erf_inv",
    "above 1": "acosh",
}
VECTORS: dict[str, list[Any]] = {
    "everywhere": [draw(6), 1e-6 * draw(6), 30 * draw(6), np.zeros(3), np.array([1e-300, 1e300, -1e8])],
    "positive": [np.exp(draw(6)), np.exp(20 * draw(6)), np.array([1e-12, 1.0, 1e12])],
    "within 1": [np.tanh(draw(6)), 1e-6 * draw(6), np.array([0.0, 1 - 1e-6, 1e-6 - 1])],
    "above 1": [1 + np.exp(draw(6)), 1 + np.exp(10 * draw(6)), np.array([1 + 1e-6, 1e8])],
}
PAIR = (draw(2, 3), draw(2, 3))
POSITIVE = (np.exp(draw(6)), np.exp(draw(6)))
CLOSE = (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.5, 3.0]))  # ties
SQUARE = draw(4, 4)
GRAM = SQUARE @ SQUARE.T + np.eye(4)
IMAGE, KERNEL = draw(1, 2, 6, 6), draw(3, 2, 3, 3)


def _gather(x: Any, indices: Any) -> Any:
    numbers = lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))
    return lax.gather(x, jnp.asarray(indices)[:, None], numbers, (1, x.shape[1]))


def _scatter(f: Callable[..., Any], x: Any, y: Any) -> Any:
    numbers = lax.ScatterDimensionNumbers(
        update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,)
    )
    return f(x, jnp.array([[2], [0], [2]]), y, numbers)


def _distinct_scatter(f: Callable[..., Any], x: Any, y: Any) -> Any:
    return _scatter(lambda x, k, y, n: f(x, jnp.array([[2], [0], [1]]), y, n), x, y)


def _root(a: Any) -> Any:
    def newton(f: Any, x: Any) -> Any:
        return lax.fori_loop(0, 40, lambda _, x: x - f(x) / jax.jvp(f, (x,), (jnp.ones_like(x),))[1], x)

    return lax.custom_root(lambda x: x**3 + x - a, jnp.ones_like(a), newton, lambda g, y: y / g(jnp.ones_like(y)))


def _solve(a: Any, b: Any) -> Any:
    solve = lambda matvec, b: jnp.linalg.solve(a, b)  # noqa: E731
    transposed = lambda vecmat, b: jnp.linalg.solve(a.T, b)  # noqa: E731
    return lax.custom_linear_solve(lambda x: a @ x, b, solve, transposed)


# Functions of other inputs, with the inputs of each sample.
OTHERS: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]] = {
    **{name: (getattr(lax, name), [PAIR, CLOSE, (1e-8 * PAIR[0], 1e8 * PAIR[1])])
       for name in ("add", "sub", "mul", "div", "atan2", "max", "min", "nextafter", "rem")},
    "pow": (lax.pow, [POSITIVE, (np.array([0.0, 0.0, 2.0]), np.array([2.0, 3.0, 0.0]))]),
    "pow of a negative number": (lambda x: lax.pow(x, 3.0), [(-POSITIVE[0],)]),
    "integer_pow": (lambda x: lax.integer_pow(x, 3), [(draw(6),), (np.zeros(3),), (1e3 * draw(6),)]),
    "integer_pow, -2": (lambda x: lax.integer_pow(x, -2), [(draw(6),), (1e-3 * draw(6),)]),
    "igamma": (lax.igamma, [POSITIVE, (20 * POSITIVE[0], 20 * POSITIVE[1])]),
    "igammac": (lax.igammac, [POSITIVE, (20 * POSITIVE[0], 20 * POSITIVE[1])]),
    "random_gamma_grad": (lax.random_gamma_grad, [POSITIVE]),
    "betainc": (lambda x: lax.betainc(2.0, 3.0, x), [(np.linspace(0.05, 0.95, 5),)]),
    "polygamma": (lambda x: lax.polygamma(2.0, x), [(POSITIVE[0],)]),
    "zeta": (lambda q: lax.zeta(3.0, q), [(POSITIVE[0],)]),
    "clamp": (lambda a, x, b: lax.clamp(a, x, b), [(np.full(6, -0.5), draw(6), np.full(6, 0.5))]),
    "select": (lambda x, y: lax.select(jnp.asarray(PAIR[0] > 0), x, y), [PAIR]),
    "select_n": (lambda x, y, z: lax.select_n(jnp.array([0, 2, 1]), x, y, z), [(draw(3), draw(3), draw(3))]),
    "reduce_precision": (lambda x: lax.reduce_precision(x, 11, 52), [(draw(6),)]),
    **{name: (partial(getattr(lax, name), axis=1), [(PAIR[0],), (np.zeros((2, 3)),), (np.ones((2, 3)),)])
       for name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")},
    "cumsum, reversed": (lambda x: lax.cumsum(x, axis=1, reverse=True), [(PAIR[0],)]),
    "cumprod, zeros": (lambda x: lax.cumprod(x), [(np.array([1.0, 0.0, 2.0, 0.0]),), (np.array([2.0, 0.0, 3.0]),)]),
    "reduce_prod": (lambda x: jnp.prod(x), [(draw(5),), (np.array([2.0, 0.0, 3.0]),), (np.array([0.0, 0.0, 3.0]),)]),
    "reduce_max": (lambda x: jnp.max(x, axis=1), [(PAIR[0],), (np.array([[1.0, 1.0, 0.5]]),)]),
    "reduce, logaddexp": (lambda x: lax.reduce(x, -jnp.inf, jnp.logaddexp, (1,)), [(PAIR[0],)]),
    "reduce_window, add": (lambda x: lax.reduce_window(x, 0.0, lax.add, (2, 2), (1, 1), "SAME"), [(draw(4, 4),)]),
    "reduce_window, max": (lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"), [(draw(4, 4),)]),
    "reduce_window, mul": (lambda x: lax.reduce_window(x, 1.0, lax.mul, (2,), (1,), "VALID"), [(draw(5),)]),
    "sort": (lax.sort, [(draw(8),), (np.array([1.0, 3.0, 2.0, 3.0]),)]),
    "sort of two": (lambda x, y: lax.sort((x, y), num_keys=1), [(draw(6), draw(6))]),
    "top_k": (lambda x: lax.top_k(x, 3)[0], [(draw(8),)]),
    "approx_max_k": (lambda x: lax.approx_max_k(x, 3)[0], [(draw(8),)]),
    "concatenate": (lambda x, y: lax.concatenate([x, y], 1), [PAIR]),
    "pad": (lambda x, v: lax.pad(x, v, [(1, 2, 1), (-1, 1, 0)]), [(PAIR[0], np.array(0.5))]),
    "slice": (lambda x: lax.slice(x, (0, 0), (2, 3), (1, 2)), [(PAIR[0],)]),
    "dynamic_slice": (lambda x: lax.dynamic_slice(x, (1, 2), (1, 2)), [(PAIR[0],)]),
    "dynamic_update_slice": (lambda x, y: lax.dynamic_update_slice(x, y, (1, 2)), [(PAIR[0], draw(1, 2))]),
    "rev": (lambda x: lax.rev(x, (1,)), [(PAIR[0],)]),
    "transpose": (lambda x: lax.transpose(x, (1, 0)), [(PAIR[0],)]),
    "broadcast_in_dim": (lambda x: lax.broadcast_in_dim(x, (2, 3, 4), (0, 1)), [(PAIR[0],)]),
    "reshape": (lambda x: lax.reshape(x, (3, 2), (1, 0)), [(PAIR[0],)]),
    "squeeze": (lambda x: lax.squeeze(x, (0,)), [(draw(1, 3),)]),
    "gather": (lambda x: _gather(x, [2, 0, 2]), [(draw(4, 2),)]),
    "gather out of bounds": (lambda x: _gather(x, [5, 0, 2]), [(draw(4, 2),)]),
    "scatter_add": (partial(_scatter, lax.scatter_add), [(draw(4, 2), draw(3, 2))]),
    "scatter_sub": (partial(_scatter, lax.scatter_sub), [(draw(4, 2), draw(3, 2))]),
    "scatter": (partial(_distinct_scatter, lax.scatter), [(draw(4, 2), draw(3, 2))]),
    "scatter, repeated": (partial(_scatter, lax.scatter), [(draw(4, 2), draw(3, 2))]),
    "scatter_mul": (partial(_distinct_scatter, lax.scatter_mul), [(draw(4, 2), draw(3, 2))]),
    "scatter_max": (partial(_distinct_scatter, lax.scatter_max), [(draw(4, 2), draw(3, 2))]),
    "dot": (lax.dot, [(draw(3, 2), draw(2, 4)), (draw(3), draw(3))]),
    "dot_general, batched": (
        lambda x, y: lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,)))), [(draw(2, 3, 4), draw(2, 4, 2))]),
    "ragged_dot": (lambda x, y: lax.ragged_dot(x, y, jnp.array([2, 1, 2])), [(draw(5, 3), draw(3, 3, 2))]),
    "conv": (lambda x, k: lax.conv(x, k, (1, 1), "SAME"), [(IMAGE, KERNEL)]),
    "conv, strides and dilation": (
        lambda x, k: lax.conv_general_dilated(x, k, (2, 1), ((1, 0), (2, 1)), (1, 2), (2, 1)), [(IMAGE, KERNEL)]),
    "conv, groups": (
        lambda x, k: lax.conv_general_dilated(x, k, (1, 1), "VALID", feature_group_count=2),
        [(IMAGE, draw(4, 1, 3, 3))]),
    "conv, batch groups": (
        lambda x, k: lax.conv_general_dilated(x, k, (1, 1), "VALID", batch_group_count=2),
        [(draw(2, 2, 5, 5), draw(4, 2, 3, 3))]),
    "conv_transpose": (
        lambda x, k: lax.conv_transpose(x, k, (2, 2), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW")),
        [(IMAGE, KERNEL)]),
    "conv_general_dilated_patches": (
        lambda x: lax.conv_general_dilated_patches(x, (3, 3), (1, 1), "VALID"), [(IMAGE,)]),
    "scan": (lambda x: lax.scan(lambda h, y: (jnp.tanh(h + y), h * y), x[0], x), [(draw(6),)]),
    "scan, reversed": (lambda x: lax.scan(lambda h, y: (jnp.sin(h * y), h), x[0], x, reverse=True), [(draw(6),)]),
    "associative_scan": (lambda x: lax.associative_scan(jnp.multiply, x), [(draw(6),), (np.array([1.0, 0.0, 2.0]),)]),
    "map": (lambda x: lax.map(lambda y: y**3, x), [(draw(6),)]),
    "cond": (lambda x: lax.cond(x[0] > 0, lambda x: jnp.sin(x), lambda x: x**2, x), [(draw(6),), (draw(6),)]),
    "switch": (lambda x: lax.switch(1, [jnp.sin, jnp.cos, jnp.tan], x), [(draw(6),)]),
    "fori_loop": (lambda x: lax.fori_loop(0, 5, lambda _, y: jnp.sin(y) + x, x), [(draw(6),)]),
    "custom_root": (_root, [(draw(5),), (np.zeros(3),)]),
    "custom_linear_solve": (_solve, [(GRAM, draw(4))]),
    "linalg.cholesky": (lambda x: lax.linalg.cholesky(x @ x.T + jnp.eye(4)), [(SQUARE,)]),
    "linalg.cholesky, symmetrized": (lambda x: lax.linalg.cholesky(x), [(GRAM,)]),
    "linalg.eigh": (lambda x: lax.linalg.eigh(x + x.T)[1], [(SQUARE,)]),
    "linalg.lu": (lambda x: lax.linalg.lu(x)[0], [(SQUARE,)]),
    "linalg.qr": (lambda x: lax.linalg.qr(x, full_matrices=False), [(draw(5, 3),), (SQUARE,)]),
    "linalg.svd": (lambda x: lax.linalg.svd(x, compute_uv=False), [(draw(4, 3),), (draw(3, 4),)]),
    "linalg.svd, whole": (lambda x: jnp.abs(lax.linalg.svd(x, full_matrices=False)[0]), [(draw(4, 3),)]),
    "linalg.triangular_solve": (
        lambda a, b: lax.linalg.triangular_solve(a, b, left_side=True, lower=True), [(GRAM, draw(4, 2))]),
    "linalg.triangular_solve, unit diagonal": (
        lambda a, b: lax.linalg.triangular_solve(a, b, unit_diagonal=True, transpose_a=True), [(GRAM, draw(2, 4))]),
    "linalg.tridiagonal_solve": (
        lambda d, b: lax.linalg.tridiagonal_solve(0.3 * d, d, 0.2 * d, b), [(2 + np.exp(draw(5)), draw(5, 2))]),
    "linalg.householder_product": (lambda a, t: lax.linalg.householder_product(a, t), [(draw(4, 3), draw(3))]),
    "fft": (lambda x: jnp.abs(jnp.fft.fft(x)), [(draw(6),)]),
    "rfft and irfft": (lambda x: jnp.fft.irfft(jnp.fft.rfft(x) * 2j, 7), [(draw(7),)]),
    "complex, real, imag": (lambda x, y: lax.imag(lax.complex(x, y) ** 3), [PAIR]),
    "expand_dims": (lambda x: lax.expand_dims(x, (1,)), [(draw(3),)]),
    "stop_gradient of a part": (lambda x: x + 0 * lax.stop_gradient(x), [(draw(3),)]),
    "logistic, saturated": (lax.logistic, [(np.array([20.0, -20.0, 500.0, -500.0]),)]),
}  # fmt: skip


def samples(only: str) -> Iterator[Sample]:
    """Yield a check for each function and input."""
    unary = [
        (name, getattr(lax, name), [(x,) for x in VECTORS[kind]]) for kind, ns in UNARY.items() for name in ns.split()
    ]
    for name, f, points in [*unary, *((name, *rest) for name, rest in OTHERS.items())]:
        if re.search(only, name):
            yield from ((name, partial(check_jax, f, *point)) for point in points)
