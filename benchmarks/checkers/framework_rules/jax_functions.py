"""Wrong rules of `jax.custom_vjp`, `custom_jvp`, `custom_vmap` and `linear_call`, and their correct counterparts."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jax.custom_derivatives import SymbolicZero, linear_call

from benchmarks.checkers.cases import Case
from tinygrad_edu.testing import check_jax

CASES: list[Case] = []
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))


def case(name: str, wrong: Any, right: Any, *inputs: Any, **settings: Any) -> None:
    CASES.append(Case(name, check_jax, wrong, right, inputs, settings))


def with_vjp(f: Callable[..., Any], backward: Callable[..., Any], **settings: Any) -> Any:
    """Return f with a reverse rule (inputs, cotangent) -> gradients."""
    g = jax.custom_vjp(lambda *xs: f(*xs))
    g.defvjp(lambda *xs: (f(*xs), xs), backward, **settings)
    return g


def with_jvp(f: Callable[..., Any], forward: Callable[..., Any], **settings: Any) -> Any:
    """Return f with a forward rule (inputs, tangents) -> result, tangent."""
    g = jax.custom_jvp(lambda *xs: f(*xs))
    g.defjvp(forward, **settings)
    return g


def sine(x: Any) -> Any:
    return with_vjp(jnp.sin, lambda xs, g: (g * jnp.cos(xs[0]),))(x)


# --- Dtypes ---


def wrong_for(dtype: Any, factor: float) -> Any:
    def backward(xs: Any, g: Any) -> Any:
        return (g * jnp.cos(xs[0]) * (factor if g.dtype == dtype else 1),)

    return with_vjp(jnp.sin, backward)


case("wrong in float32 only", wrong_for(jnp.float32, 1.001), sine, X)
case("wrong in bfloat16 only", wrong_for(jnp.bfloat16, 1.1), sine, X)
case("wrong in float16 only", wrong_for(jnp.float16, 1.1), sine, X)
case(
    "computed in float32 for float64",
    with_vjp(jnp.sin, lambda xs, g: ((g * jnp.cos(xs[0].astype(jnp.float32))).astype(g.dtype),)),
    sine,
    X,
)


# --- Batching ---


def batched(f: Callable[..., Any], rule: Callable[..., Any]) -> Any:
    """Return f with a rule for batches, which receives the size, the batched inputs, and the inputs."""
    g = custom_vmap(lambda *xs: f(*xs))
    g.def_vmap(lambda size, is_batched, *xs: (rule(is_batched, *xs), True))
    return g


def row_product(x: Any) -> Any:
    return x * jnp.sum(x, axis=0, keepdims=True)


def row_product_vjp(x: Any, g: Any) -> Any:
    return g * jnp.sum(x, axis=0, keepdims=True) + jnp.sum(g * x, axis=0, keepdims=True)


def with_batches(forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    """Return `row_product` with rules for a batch of results and for a batch of gradients."""
    f, pull = batched(row_product, forward), batched(row_product_vjp, backward)
    return with_vjp(f, lambda xs, g: (pull(xs[0], g),))


def right_results(is_batched: Any, x: Any) -> Any:
    return x * jnp.sum(x, axis=1, keepdims=True)


def right_gradients(is_batched: Any, x: Any, g: Any) -> Any:
    x, g = jnp.broadcast_arrays(x, g)
    return g * jnp.sum(x, axis=1, keepdims=True) + jnp.sum(g * x, axis=1, keepdims=True)


RIGHT = with_batches(right_results, right_gradients)
case(
    "vmap only: sum over the batch",
    with_batches(lambda is_batched, x: x * jnp.sum(x, axis=0, keepdims=True), right_gradients),
    RIGHT,
    X,
)
case(
    "vmap only: gradient summed over the batch",
    with_batches(right_results, lambda is_batched, x, g: row_product_vjp(*jnp.broadcast_arrays(x, g))),
    RIGHT,
    X,
)
case(
    "vmap only: gradient of the first sample",
    with_batches(right_results, lambda is_batched, x, g: right_gradients(is_batched, x[:1] if is_batched[0] else x, g)),
    RIGHT,
    X,
)


# --- Forward and reverse rules ---


@jax.custom_jvp
def tanh_of_tangent(x):
    return jnp.tanh(x)


tanh_of_tangent.defjvps(lambda t, y, x: t * (1 - y))


@jax.custom_jvp
def tanh(x):
    return jnp.tanh(x)


tanh.defjvps(lambda t, y, x: t * (1 - y * y))


def scaled_power(rule: Callable[..., Any]) -> Any:
    """Return x ** n, with a constant n."""
    f = jax.custom_vjp(lambda x, n: x**n, nondiff_argnums=(1,))
    f.defvjp(lambda x, n: (x**n, x), rule)
    return partial(_third, f)


def _third(f: Any, x: Any) -> Any:
    return f(x, 3)


def with_linear_call(transpose: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: linear_call(lambda w, x: w @ x, transpose, jnp.asarray(Y[:, :3]), x)


def clipped(g: Any) -> Any:
    return jnp.clip(g, -1, 1)


pair = {"a": X, "b": Y}
case("custom_jvp, wrong tangent", tanh_of_tangent, tanh, X)
case(
    "custom_jvp, tangent of the second input dropped",
    with_jvp(jnp.multiply, lambda xs, ts: (xs[0] * xs[1], ts[0] * xs[1])),
    with_jvp(jnp.multiply, lambda xs, ts: (xs[0] * xs[1], ts[0] * xs[1] + xs[0] * ts[1])),
    X,
    Y,
)
case(
    "custom_jvp, another result under differentiation",
    with_jvp(jnp.sin, lambda xs, ts: (jnp.cos(xs[0]), ts[0] * jnp.cos(xs[0]))),
    with_jvp(jnp.sin, lambda xs, ts: (jnp.sin(xs[0]), ts[0] * jnp.cos(xs[0]))),
    X,
)
case(
    "nondiff_argnums in another order",
    scaled_power(lambda n, x, g: (n * g * x ** (n - 2),)),
    scaled_power(lambda n, x, g: (n * g * x ** (n - 1),)),
    X,
)
case(
    "a dictionary with exchanged gradients",
    with_vjp(
        lambda p: p["a"] * p["b"] ** 2,
        lambda xs, g: ({"a": 2 * g * xs[0]["a"] * xs[0]["b"], "b": g * xs[0]["b"] ** 2},),
    ),
    with_vjp(
        lambda p: p["a"] * p["b"] ** 2,
        lambda xs, g: ({"a": g * xs[0]["b"] ** 2, "b": 2 * g * xs[0]["a"] * xs[0]["b"]},),
    ),
    pair,
)
case("cotangent clipped", with_vjp(jnp.sin, lambda xs, g: (clipped(g) * jnp.cos(xs[0]),)), sine, X)
case(
    "linear_call, not transposed",
    with_linear_call(lambda w, g: w @ g),
    with_linear_call(lambda w, g: w.T @ g),
    X[:, :2],
)


# --- Symbolic zeros ---


def tangent_of(xs: Any, ts: Any, drop: bool) -> Any:
    """Return x * y and its tangent; `drop` returns no tangent if any input has none."""
    missing = [isinstance(t, SymbolicZero) for t in ts]
    tangent = sum(t * x for t, x, zero in zip(ts, xs[::-1], missing, strict=True) if not zero)
    if drop and any(missing):
        tangent = jnp.zeros_like(xs[0])
    return xs[0] * xs[1], tangent if not all(missing) else jnp.zeros_like(xs[0])


def symbolic(backward: Callable[..., Any]) -> Any:
    """Return x * y, with a reverse rule that receives the inputs that are perturbed and symbolic zeros."""
    f = jax.custom_vjp(lambda x, y: x * y)
    f.defvjp(
        lambda x, y: (x.value * y.value, (x.value, y.value, x.perturbed, y.perturbed)), backward, symbolic_zeros=True
    )
    return f


def dense(g: Any) -> Any:
    return jnp.zeros(g.shape, g.dtype) if isinstance(g, SymbolicZero) else g


case(
    "custom_jvp with a symbolic zero drops the other tangent",
    with_jvp(jnp.multiply, partial(tangent_of, drop=True), symbolic_zeros=True),
    with_jvp(jnp.multiply, partial(tangent_of, drop=False), symbolic_zeros=True),
    X,
    Y,
)
case(
    "custom_vjp with an unperturbed input drops the other gradient",
    symbolic(lambda r, g: (dense(g) * r[1], dense(g) * r[0]) if r[2] and r[3] else (0 * r[0], 0 * r[1])),
    symbolic(lambda r, g: (dense(g) * r[1], dense(g) * r[0])),
    X,
    Y,
)
two_results = partial(with_vjp, lambda x: (jnp.sin(x), x * x))
case(
    "zeros for one of two cotangents",
    two_results(
        lambda xs, gs: (
            jnp.where(jnp.any(gs[0]) & jnp.any(gs[1]), 1, 0) * (gs[0] * jnp.cos(xs[0]) + 2 * gs[1] * xs[0]),
        )
    ),
    two_results(lambda xs, gs: (gs[0] * jnp.cos(xs[0]) + 2 * gs[1] * xs[0],)),
    X,
)


# --- Second derivatives, complex numbers, callbacks ---


def cube(stop: Callable[[Any], Any]) -> Any:
    return with_vjp(lambda x: x**3, lambda xs, g: (3 * g * stop(xs[0]) ** 2,))


def on_host(slope: Callable[[Any], Any]) -> Any:
    """Return a sine that NumPy computes, with a slope."""

    def f(x: Any) -> Any:
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="expand_dims")

    return with_jvp(f, lambda xs, ts: (f(xs[0]), ts[0] * slope(xs[0])))


def modulus(backward: Callable[..., Any]) -> Any:
    """Return the squared modulus, a real function of complex numbers."""
    return with_vjp(lambda z: jnp.real(z) ** 2 + jnp.imag(z) ** 2, backward)


case("second derivative of stopped residuals", cube(jax.lax.stop_gradient), cube(lambda x: x), X, order=2)
case(
    "conjugation by the convention of PyTorch",
    modulus(lambda zs, g: (2 * g * zs[0],)),
    modulus(lambda zs, g: (2 * g * jnp.conj(zs[0]),)),
    X + 1j * Y,
)
case("slope of a callback", on_host(lambda x: jnp.cos(x) + 0.01), on_host(jnp.cos), X)
