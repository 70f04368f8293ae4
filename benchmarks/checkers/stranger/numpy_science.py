"""Physics, graphics, finance, networks and solvers in NumPy."""

import numpy as np
from scipy.special import ndtr

from benchmarks.checkers.stranger.pair import pair

r = np.random.default_rng(13)


@pair(
    "numpy",
    "windows",
    "convolution with stride 2: the last window is not in the gradient",
    r.normal(size=9),
    r.normal(size=3),
)
def _(wrong):
    def f(x, k):
        return np.array([x[i : i + 3] @ k for i in range(0, len(x) - 2, 2)])

    def vjp(x, k, g):
        dx, dk = np.zeros_like(x), np.zeros_like(k)
        for j, i in enumerate(range(0, len(x) - 3 if wrong else len(x) - 2, 2)):
            dx[i : i + 3] += g[j] * k
            dk += g[j] * x[i : i + 3]
        return dx, dk

    return {"f": f, "vjp": vjp}


@pair(
    "numpy", "dropped term", "causal attention: the keys' gradient is not divided by sqrt(d)", *r.normal(size=(3, 4, 2))
)
def _(wrong):
    def weights(q, k):
        s = np.where(np.tri(len(q), dtype=bool), q @ k.T / np.sqrt(q.shape[1]), -np.inf)
        e = np.exp(s - s.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def vjp(q, k, v, g):
        p = weights(q, k)
        dp = g @ v.T
        ds = p * (dp - np.sum(dp * p, axis=1, keepdims=True))
        scale = np.sqrt(q.shape[1])
        return ds @ k / scale, ds.T @ q / (1 if wrong else scale), p.T @ g

    return {"f": lambda q, k, v: weights(q, k) @ v, "vjp": vjp}


@pair(
    "numpy",
    "off by one",
    "backpropagation through time: the last step reads the state after it",
    0.5 * r.normal(size=(3, 3)),
    r.normal(size=(4, 3)),
)
def _(wrong):
    def states(w, x):
        h = [np.zeros(3)]
        for row in x:
            h.append(np.tanh(h[-1] @ w + row))
        return h

    def vjp(w, x, g):
        h, dw, dx, dh = states(w, x), np.zeros_like(w), np.zeros_like(x), g
        for t in range(len(x) - 1, -1, -1):
            da = dh * (1 - h[t + 1] ** 2)
            before = h[t + 1] if wrong and t == len(x) - 1 else h[t]
            dw += np.outer(before, da)
            dx[t] = da
            dh = da @ w.T
        return dw, dx

    return {"f": lambda w, x: states(w, x)[-1], "vjp": vjp}


@pair(
    "numpy",
    "region",
    "linear interpolation: the slope goes on outside of the table",
    np.array([-0.5, 0.3, 1.7, 2.2, 4.6]),
)
def _(wrong):
    knots, values = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 0.0, 2.0, 1.5])

    def vjp(x, g):
        i = np.clip(np.searchsorted(knots, x) - 1, 0, 2)
        slope = (values[i + 1] - values[i]) / (knots[i + 1] - knots[i])
        return g * slope if wrong else g * slope * ((x > 0) & (x < 3))

    return {"f": lambda x: np.interp(x, knots, values), "vjp": vjp}


@pair("numpy", "branch", "Black-Scholes: the put has the rho of the call", 100.0, 95.0, 0.5, 0.03, 0.2)
def _(wrong):
    def d1(S, K, T, rate, sigma):
        return (np.log(S / K) + (rate + sigma**2 / 2) * T) / (sigma * np.sqrt(T))

    def put(S, K, T, rate, sigma):
        a = d1(S, K, T, rate, sigma)
        return K * np.exp(-rate * T) * ndtr(sigma * np.sqrt(T) - a) - S * ndtr(-a)

    def greeks(S, K, T, rate, sigma):
        a = d1(S, K, T, rate, sigma)
        b = a - sigma * np.sqrt(T)
        density, discount = np.exp(-(a**2) / 2) / np.sqrt(2 * np.pi), np.exp(-rate * T)
        theta = S * density * sigma / (2 * np.sqrt(T)) - rate * K * discount * ndtr(-b)
        rho = K * T * discount * (ndtr(b) if wrong else -ndtr(-b))
        return -ndtr(-a), discount * ndtr(-b), theta, rho, S * density * np.sqrt(T)

    return {"f": put, "grad": greeks}


@pair(
    "numpy",
    "conjugate",
    "a filter in the frequency domain: the adjoint is not conjugated",
    r.normal(size=5) + 1j * r.normal(size=5),
)
def _(wrong):
    h = np.array([1.0, 0.5 - 1j, 2j, -0.3, 0.1 + 0.1j])
    return {"f": lambda z: h * z + z**2, "vjp": lambda z, g: g * (h + 2 * z if wrong else np.conj(h + 2 * z))}


@pair("numpy", "jvp", "sensitivities of an ODE: one Euler step too few", np.array([1.0, 0.3]), 0.4)
def _(wrong):
    steps, dt = 30, 0.1

    def field(y, mu):
        return np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    def f(y, mu):
        for _ in range(steps):
            y = y + dt * field(y, mu)
        return y

    def jvp(y, mu, dy, dmu):
        for i in range(steps):
            J = np.array([[0.0, 1.0], [-2 * mu * y[0] * y[1] - 1, mu * (1 - y[0] ** 2)]])
            if not (wrong and i == steps - 1):
                dy = dy + dt * (J @ dy + np.array([0.0, (1 - y[0] ** 2) * y[1] * dmu]))
            y = y + dt * field(y, mu)
        return dy

    return {"f": f, "jvp": jvp}


@pair("numpy", "one index", "a pinhole camera: the depth column divides by z once", np.array([0.4, -0.3, 2.5]))
def _(wrong):
    def project(p):
        return np.array([500 * p[0] / p[2] + 320, 480 * p[1] / p[2] + 240])

    def jac(p):
        x, y, z = p
        return np.array([[500 / z, 0, -500 * x / z**2], [0, 480 / z, -480 * y / (z if wrong else z**2)]])

    return {"f": project, "jac": jac}


@pair(
    "numpy",
    "transpose",
    "a linear system: the adjoint solves with the matrix itself",
    r.normal(size=(3, 3)) + 3 * np.eye(3),
    r.normal(size=3),
)
def _(wrong):
    def vjp(a, b, g):
        lam = np.linalg.solve(a if wrong else a.T, g)
        return -np.outer(lam, np.linalg.solve(a, b)), lam

    return {"f": np.linalg.solve, "vjp": vjp}


@pair(
    "numpy",
    "region",
    "Lennard-Jones with a cutoff: pairs beyond it still pull",
    1.3 * np.array([[0.0, 0, 0], [1.0, 0.1, 0], [0.2, 1.1, 0.3], [2.0, 0.3, 0.1]]),
)
def _(wrong):
    cutoff = 2.2

    def pairs(x):
        i, j = np.triu_indices(len(x), 1)
        d = x[i] - x[j]
        return i, j, d, np.sum(d**2, axis=1)

    def energy(x):
        *_, s = pairs(x)
        return np.sum(np.where(s < cutoff**2, 4 * (s**-6 - s**-3), 0))

    def grad(x):
        i, j, d, s = pairs(x)
        pull = 4 * (-6 * s**-7 + 3 * s**-4) * 2
        if not wrong:
            pull = np.where(s < cutoff**2, pull, 0)
        out = np.zeros_like(x)
        np.add.at(out, i, pull[:, None] * d)
        np.add.at(out, j, -pull[:, None] * d)
        return out

    return {"f": energy, "grad": grad}
