"""Held out: wrong JAX rules, and their correct counterparts."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from benchmarks.checkers.cases import Case
from benchmarks.checkers.framework_rules.jax_functions import X, Y, batched, with_jvp, with_vjp
from tinygrad_edu.testing import check_jax


def normalized(x: Any) -> Any:
    return x / jnp.sum(x * x)


def normalized_vjp(x: Any, g: Any) -> Any:
    square = jnp.sum(x * x)
    return g / square - 2 * x * jnp.sum(g * x) / square**2


def with_batched_rule(rule: Any) -> Any:
    pull = batched(normalized_vjp, rule)
    return with_vjp(normalized, lambda xs, g: (pull(xs[0], g),))


def samples(x: Any, g: Any) -> Any:
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    return g / square - 2 * x * jnp.sum(g * x, axis=-1, keepdims=True) / square**2


def one_norm(is_batched: Any, x: Any, g: Any) -> Any:
    """Apply the squared norm of the whole batch to each sample."""
    square = jnp.sum(x * x)
    return g / square - 2 * x * jnp.sum(g * x, axis=-1, keepdims=True) / square**2


def wrong_value(xs: Any, ts: Any) -> Any:
    return jnp.sin(xs[0]) + 1e-3, ts[0] * jnp.cos(xs[0])


def right_value(xs: Any, ts: Any) -> Any:
    return jnp.sin(xs[0]), ts[0] * jnp.cos(xs[0])


def scaled_product(stop: Any) -> Any:
    return with_vjp(lambda x, y: x * y * y, lambda xs, g: (g * xs[1] ** 2, 2 * stop(g) * xs[0] * xs[1]))


def half(limit: float) -> Any:
    """Return a square whose gradient is 0 below a limit in float16."""
    return with_vjp(
        lambda x: x * x,
        lambda xs, g: (2 * g * xs[0] * (jnp.abs(xs[0]) > (limit if xs[0].dtype == jnp.float16 else 0)),),
    )


CASES = [
    Case("held-out: vmap only: one norm for the batch", check_jax, with_batched_rule(one_norm),
         with_batched_rule(lambda is_batched, x, g: samples(x, g)), (X[0],), {}),
    Case("held-out: custom_jvp returns another value", check_jax, with_jvp(jnp.sin, wrong_value),
         with_jvp(jnp.sin, right_value), (X,), {}),
    Case("held-out: second derivative of a stopped cotangent", check_jax, scaled_product(lax.stop_gradient),
         scaled_product(lambda g: g), (X, Y), {"order": 2}),
    Case("held-out: threshold in float16", check_jax, half(0.5), half(0.0), (X,), {}),
]  # fmt: skip
