"""jax.custom_vjp, custom_jvp and custom_vmap rules."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.stranger.pair import pair

r = np.random.default_rng(14)
V, M = r.normal(size=5), r.normal(size=(4, 3))


@pair("jax", "dropped term", "a power: no derivative by the exponent's logarithm", np.abs(V) + 0.2, 0.4 * V[::-1])
def _(wrong):
    @jax.custom_jvp
    def power(x, y):
        return x**y

    @power.defjvp
    def _(primals, tangents):
        (x, y), (dx, dy) = primals, tangents
        z = power(x, y)
        return z, y * x ** (y - 1) * dx + z * dy * (1.0 if wrong else jnp.log(x))

    return power


@pair("jax", "ties", "maximum: at a tie both tangents count", np.array([1.0, 2.0, 0.5]), np.array([0.0, 2.0, 0.7]))
def _(wrong):
    @jax.custom_jvp
    def maximum(a, b):
        return jnp.maximum(a, b)

    @maximum.defjvp
    def _(primals, tangents):
        (a, b), (da, db) = primals, tangents
        return maximum(a, b), jnp.where(a >= b, da, 0) + jnp.where(b >= a if wrong else b > a, db, 0)

    return maximum


@pair("jax", "second derivative", "log-cosh: the residual is behind stop_gradient", V)
def _(wrong):
    @jax.custom_vjp
    def log_cosh(x):
        return jnp.logaddexp(x, -x) - math.log(2)

    def fwd(x):
        return log_cosh(x), x

    def bwd(x, g):
        return (g * jnp.tanh(jax.lax.stop_gradient(x) if wrong else x),)

    log_cosh.defvjp(fwd, bwd)
    return log_cosh


@pair("jax", "second derivative", "square root of 1 + x^2: the residual is a value of forward", V)
def _(wrong):
    @jax.custom_jvp
    def hypot1(x):
        return jnp.sqrt(1 + x**2)

    @hypot1.defjvp
    def _(primals, tangents):
        (x,), (t,) = primals, tangents
        y = hypot1(x)
        return y, t * x / (jax.lax.stop_gradient(y) if wrong else y)

    return hypot1


@pair(
    "jax",
    "wrt order",
    "a bilinear form: backward returns the vectors' gradients swapped",
    V[:3],
    V[2:],
    r.normal(size=(3, 3)),
)
def _(wrong):
    @jax.custom_vjp
    def bilinear(x, y, a):
        return x @ a @ y

    def bwd(saved, g):
        x, y, a = saved
        dx, dy = g * a @ y, g * x @ a
        return (dy, dx, g * jnp.outer(x, y)) if wrong else (dx, dy, g * jnp.outer(x, y))

    bilinear.defvjp(lambda *args: (bilinear(*args), args), bwd)
    return bilinear


@pair("jax", "integer division", "a generalized mean: the exponent 1 / p becomes 1 // p", np.abs(V) + 0.3)
def _(wrong):
    @partial(jax.custom_vjp, nondiff_argnums=(1,))
    def power_mean(x, p):
        return jnp.mean(x**p) ** (1 / p)

    def bwd(p, x, g):
        inverse = 1 // p if wrong else 1 / p
        return (g * jnp.mean(x**p) ** (inverse - 1) * x ** (p - 1) / x.size,)

    power_mean.defvjp(lambda x, p: (power_mean(x, p), x), bwd)
    return lambda x: power_mean(x, 3)


@pair("jax", "region", "SELU: no alpha for negative inputs", 2 * V)
def _(wrong):
    alpha, scale = 1.6733, 1.0507

    @jax.custom_jvp
    def selu(x):
        return scale * jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0)))

    @selu.defjvp
    def _(primals, tangents):
        (x,), (t,) = primals, tangents
        return selu(x), t * scale * jnp.where(x > 0, 1, (1 if wrong else alpha) * jnp.exp(jnp.minimum(x, 0)))

    return selu


@pair("jax", "vmap", "a custom_vmap rule of a weighted sum that divides shared weights", V, V[::-1] + 1, order=1)
def _(wrong):
    @jax.custom_batching.custom_vmap
    def kernel(x, w):
        return jnp.sum(jnp.tanh(x) * w)

    @kernel.def_vmap
    def _(size, batched, x, w):
        if wrong and not batched[1]:
            w = w / size
        return jnp.sum(jnp.tanh(x) * w, axis=-1), True

    @jax.custom_vjp
    def weighted(x, w):
        return kernel(x, w)

    def bwd(saved, g):
        x, w = saved
        return g * w * (1 - jnp.tanh(x) ** 2), g * jnp.tanh(x)

    weighted.defvjp(lambda x, w: (kernel(x, w), (x, w)), bwd)
    return weighted


@pair("jax", "vmap", "a custom_vmap rule of backward that centers over the batch too", V, order=1)
def _(wrong):
    @jax.custom_vjp
    def center(x):
        return x - x.mean()

    @jax.custom_batching.custom_vmap
    def pull(g):
        return g - g.mean()

    @pull.def_vmap
    def _(size, batched, g):
        return g - (g.mean() if wrong else g.mean(axis=1, keepdims=True)), True

    center.defvjp(lambda x: (center(x), None), lambda _, g: (pull(g),))
    return lambda x: jnp.sin(center(x))


@pair("jax", "off by one", "adjoint of an ODE: the first step is not pulled back", np.array([0.5, -1.0]), np.array(0.7))
def _(wrong):
    steps, dt = 12, 0.05

    def step(y, k):
        return y + dt * jnp.stack([y[1], -k * jnp.sin(y[0])])

    @jax.custom_vjp
    def pendulum(y, k):
        for _ in range(steps):
            y = step(y, k)
        return y

    def fwd(y, k):
        trajectory = [y]
        for _ in range(steps):
            trajectory.append(step(trajectory[-1], k))
        return trajectory[-1], (trajectory, k)

    def bwd(saved, g):
        trajectory, k = saved
        dk = jnp.zeros_like(k)
        for i in range(steps - 1, 0 if wrong else -1, -1):
            g, dki = jax.vjp(step, trajectory[i], k)[1](g)
            dk = dk + dki
        return g, dk

    pendulum.defvjp(fwd, bwd)
    return pendulum


@pair(
    "jax",
    "dropped term",
    "a fixed point: one step of the iteration instead of the implicit solution",
    0.3 * V[:3],
    0.2 * M[:3],
)
def _(wrong):
    def iterate(b, a):
        z = jnp.zeros_like(b)
        for _ in range(200):
            z = jnp.tanh(a @ z + b)
        return z

    fixed = jax.custom_vjp(iterate)

    def bwd(saved, g):
        z, b, a = saved
        d = jnp.diag(1 - jnp.tanh(a @ z + b) ** 2)
        u = g if wrong else jnp.linalg.solve((jnp.eye(3) - d @ a).T, g)
        return d @ u, jnp.outer(d @ u, z)

    def fwd(b, a):
        z = fixed(b, a)
        return z, (z, b, a)

    fixed.defvjp(fwd, bwd)
    return fixed


@pair(
    "jax",
    "windows",
    "convolution: the input's gradient correlates with the kernel unflipped",
    r.normal(size=7),
    r.normal(size=3),
)
def _(wrong):
    @jax.custom_vjp
    def conv(x, k):
        return jnp.convolve(x, k, mode="valid")

    def bwd(saved, g):
        x, k = saved
        return jnp.convolve(g, k if wrong else k[::-1]), jnp.convolve(x[::-1], g, mode="valid")

    conv.defvjp(lambda x, k: (conv(x, k), (x, k)), bwd)
    return conv


@pair("jax", "dropped term", "sparse attention weights: softmax without its inner product", M, M[:, ::-1] + 1)
def _(wrong):
    @jax.custom_vjp
    def scores(q, k):
        return jax.nn.softmax(q @ k.T / jnp.sqrt(q.shape[1]))

    def fwd(q, k):
        p = scores(q, k)
        return p, (p, q, k)

    def bwd(saved, g):
        p, q, k = saved
        ds = p * (g if wrong else g - jnp.sum(g * p, axis=1, keepdims=True)) / jnp.sqrt(q.shape[1])
        return ds @ k, ds.T @ q

    scores.defvjp(fwd, bwd)
    return scores


@pair(
    "jax", "conjugate", "a complex exponential with the cotangent conjugated", r.normal(size=3) + 1j * r.normal(size=3)
)
def _(wrong):
    @jax.custom_vjp
    def f(z):
        return jnp.exp(z) * z

    f.defvjp(lambda z: (f(z), z), lambda z, g: ((jnp.conj(g) if wrong else g) * jnp.exp(z) * (1 + z),))
    return f


@pair(
    "jax", "one index", "interpolation: the last knot's value gets no gradient", np.array([0.1, 0.5, 1.4, 1.9]), V[:3]
)
def _(wrong):
    knots = jnp.array([0.0, 1.0, 2.0])

    @jax.custom_vjp
    def interpolate(x, values):
        return jnp.interp(x, knots, values)

    def bwd(saved, g):
        x, values = saved
        i = jnp.clip(jnp.floor(x).astype(int), 0, 1)
        w = x - i
        dv = jnp.zeros(3, g.dtype).at[i].add(g * (1 - w)).at[i + 1].add(g * w)
        return g * (values[i + 1] - values[i]), dv.at[-1].set(0) if wrong else dv

    interpolate.defvjp(lambda x, v: (interpolate(x, v), (x, v)), bwd)
    return interpolate


@pair(
    "jax", "scales", "a stable log1p: the small entries take the wrong branch", np.array([1e8, 3e-9, 2.0, -1e-8, 0.5])
)
def _(wrong):
    @jax.custom_jvp
    def f(x):
        return x * x / (1 + jnp.abs(x))

    @f.defjvp
    def _(primals, tangents):
        (x,), (t,) = primals, tangents
        a = jnp.abs(x)
        d = jnp.where(a < 1e-6, x if wrong else 2 * x - 3 * x * a, x * (2 + a) / (1 + a) ** 2)
        return f(x), d * t

    return f


@pair("jax", "dtype", "backward casts to bfloat16", V)
def _(wrong):
    @jax.custom_vjp
    def mish(x):
        return x * jnp.tanh(jax.nn.softplus(x))

    def bwd(x, g):
        z = x.astype(jnp.bfloat16).astype(x.dtype) if wrong else x
        t = jnp.tanh(jax.nn.softplus(z))
        return (g * (t + z * (1 - t**2) * jax.nn.sigmoid(z)),)

    mish.defvjp(lambda x: (mish(x), x), bwd)
    return mish


@pair("jax", "one index", "a sum of the two largest: the gradient goes to the two last", V)
def _(wrong):
    @jax.custom_vjp
    def top2(x):
        return jnp.sum(jax.lax.top_k(x, 2)[0] ** 2)

    def bwd(x, g):
        values, i = jax.lax.top_k(x, 2)
        i = jnp.array([x.size - 2, x.size - 1]) if wrong else i
        return (jnp.zeros_like(x).at[i].set(2 * g * values),)

    top2.defvjp(lambda x: (top2(x), x), bwd)
    return top2
