"""State, memory layouts, scales, dtypes and shapes of scalars in NumPy."""

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from benchmarks.checkers.stranger.pair import pair

r = np.random.default_rng(12)
V, M = r.normal(size=7), r.normal(size=(4, 3))


@pair("numpy", "state", "a layer's backward uses the cache of an earlier forward", M)
def _(wrong):
    class Tanh:
        cache = None

        def forward(self, x):
            if self.cache is None or not wrong:
                self.cache = np.tanh(x)
            return np.tanh(x)

        def backward(self, g):
            return g * (1 - self.cache**2)

    layer = Tanh()

    def vjp(x, g):
        layer.forward(x)
        return layer.backward(g)

    return {"f": layer.forward, "vjp": vjp}


@pair("numpy", "state", "the gradient accumulates in a buffer that nobody clears", V)
def _(wrong):
    buffer = np.zeros_like(V)

    def grad(x):
        if not wrong:
            buffer[:] = 0
        buffer[...] += np.cos(x)
        return buffer.copy()

    return {"f": lambda x: np.sum(np.sin(x)), "grad": grad}


@pair("numpy", "state", "the gradient is a view of a work array that the next call overwrites", V, V[::-1] * 2)
def _(wrong):
    work = np.empty((2, 7))

    def vjp(x, y, g):
        np.multiply(g, y, out=work[0])
        np.multiply(g, x, out=work[1])
        return (work[0], work[0]) if wrong else (work[0].copy(), work[1].copy())

    return {"f": lambda x, y: x * y, "vjp": vjp}


@pair("numpy", "state", "clips the gradient after the tenth call", 4 * V)
def _(wrong):
    calls = [0]

    def grad(x):
        calls[0] += 1
        d = 3 * x**2
        return np.clip(d, -1, 1) if wrong and calls[0] > 10 else d

    return {"f": lambda x: np.sum(x**3), "grad": grad}


@pair("numpy", "mutation", "the vjp multiplies the cotangent in place", V)
def _(wrong):
    def vjp(x, g):
        if wrong:
            g *= np.exp(x)
            return g
        return g * np.exp(x)

    return {"f": np.exp, "vjp": vjp}


@pair("numpy", "mutation", "the gradient centers the caller's array in place", V)
def _(wrong):
    def grad(x):
        if not wrong:
            x = x.copy()
        x -= x.mean()
        return 2 * x

    return {"f": lambda x: np.sum((x - x.mean()) ** 2), "grad": grad}


@pair("numpy", "scales", "small entries lose their factor beside large ones", np.array([1e8, -3e-8, 2.0, 5e-8, -4e7]))
def _(wrong):
    def vjp(x, g):
        d = 2 * x
        if wrong:
            d[np.abs(x) < 1e-6] = 0
        return g * d

    return {"f": lambda x: x**2, "vjp": vjp}


@pair("numpy", "scales", "norm with an epsilon in the gradient only", 1e-3 * V)
def _(wrong):
    return {"f": np.linalg.norm, "grad": lambda x: x / (np.linalg.norm(x) + (1e-6 if wrong else 0))}


@pair("numpy", "scales", "weights of 1e-8 and 1e8: the gradient sorts them", r.normal(size=4))
def _(wrong):
    w = np.array([1e-8, 1e8, 1.0, 1e-4])
    return {"f": lambda x: w * np.sin(x), "vjp": lambda x, g: g * (w * (w > 1e-6) if wrong else w) * np.cos(x)}


@pair("numpy", "dtype", "the gradient is computed in float32", V)
def _(wrong):
    def vjp(x, g):
        x = x.astype(np.float32) if wrong else x
        return g * 2 * x / (1 + x * x)

    return {"f": lambda x: np.log1p(x * x), "vjp": vjp}


@pair("numpy", "dtype", "the gradient is written into an array of integers", 3 * M)
def _(wrong):
    rows = np.array([2, 0, 2, 1])

    def vjp(x, g):
        out = np.zeros(x.shape, dtype=int if wrong else float)
        np.add.at(out, rows, (5 * g * x[rows]).astype(out.dtype))
        return 2 * out

    return {"f": lambda x: 5 * x[rows] ** 2, "vjp": vjp}


@pair("numpy", "layouts", "flattens in the order of memory", np.asfortranarray(M))
def _(wrong):
    w = np.arange(1.0, 13.0)

    def vjp(x, g):
        out = np.empty_like(x) if wrong else np.empty(x.shape)
        out.ravel(order="K")[:] = g * w
        return out

    return {"f": lambda x: w * x.ravel(), "vjp": vjp}


@pair("numpy", "layouts", "a window by as_strided assumes contiguous elements", r.normal(size=14)[::2])
def _(wrong):
    w = np.array([0.5, -1.0, 2.0])

    def grad(x):
        windows = as_strided(x, (5, 3), (8, 8)) if wrong else sliding_window_view(x, 3)
        out = np.zeros_like(x)
        for i in range(5):
            out[i : i + 3] += 2 * (windows[i] @ w) * w
        return out

    return {"f": lambda x: np.sum((sliding_window_view(x, 3) @ w) ** 2), "grad": grad}


@pair("numpy", "scalars", "a scalar that is broadcast: the mean instead of the sum", np.array(0.7), V)
def _(wrong):
    def vjp(s, x, g):
        return np.mean(g * x) if wrong else np.sum(g * x), g * s

    return {"f": lambda s, x: s * x, "vjp": vjp}


@pair("numpy", "scalars", "an array of shape (1,) gets only the last contribution", np.array([0.7]), V)
def _(wrong):
    def vjp(s, x, g):
        ds = np.zeros_like(s)
        for gi, xi in zip(g, x, strict=True):
            ds[0] = gi * xi if wrong else ds[0] + gi * xi
        return ds, g * s[0]

    return {"f": lambda s, x: s[0] * x, "vjp": vjp}


@pair("numpy", "integer division", "the power rule with an exponent of n // 2", 1.7, 2.4)
def _(wrong):
    n = 5

    def grad(x, y):
        k = n // 2 if wrong else n / 2
        return (n / 2) * x ** (k - 1) * y, x ** (n / 2)

    return {"f": lambda x, y: x ** (n / 2) * y, "grad": grad}


@pair("numpy", "cotangent", "the cotangent is ignored", V)
def _(wrong):
    return {"f": np.arctan, "vjp": lambda x, g: 1 / (1 + x**2) if wrong else g / (1 + x**2)}


@pair("numpy", "cotangent", "guided backpropagation: negative cotangents are dropped", V)
def _(wrong):
    def vjp(x, g):
        return (np.maximum(g, 0) if wrong else g) * (x > 0)

    return {"f": lambda x: np.maximum(x, 0), "vjp": vjp}


@pair("numpy", "cotangent", "the cotangent is applied twice in a chain", V)
def _(wrong):
    def vjp(x, g):
        dy = g * np.cos(np.exp(x))
        return dy * np.exp(x) * (g if wrong else 1)

    return {"f": lambda x: np.sin(np.exp(x)), "vjp": vjp}


@pair("numpy", "one index", "the last sample of a batch is not visited", M)
def _(wrong):
    def vjp(x, g):
        out = np.zeros_like(x)
        for i in range(len(x) - (1 if wrong else 0)):
            n = np.linalg.norm(x[i])
            out[i] = g[i] / n - x[i] * (g[i] @ x[i]) / n**3
        return out

    return {"f": lambda x: x / np.linalg.norm(x, axis=1, keepdims=True), "vjp": vjp}


@pair("numpy", "jvp", "the vjp is right, and the jvp drops a term of the product", V, V[::-1] + 3)
def _(wrong):
    def jvp(x, y, dx, dy):
        return dx * np.log(y) + (0 if wrong else x * dy / y)

    return {"f": lambda x, y: x * np.log(y), "vjp": lambda x, y, g: (g * np.log(y), g * x / y), "jvp": jvp}


@pair("numpy", "jvp", "the tangents are swapped", V, 0.5 * V[::-1])
def _(wrong):
    def jvp(a, b, da, db):
        if wrong:
            da, db = db, da
        return da * np.exp(b) + a * np.exp(b) * db

    return {"f": lambda a, b: a * np.exp(b), "jvp": jvp}


@pair("numpy", "wrt order", "the gradients of two inputs are swapped", V[:3], V[3:6])
def _(wrong):
    def vjp(a, b, g):
        da, db = np.cross(b, g), np.cross(g, a)
        return (db, da) if wrong else (da, db)

    return {"f": np.cross, "vjp": vjp}


@pair("numpy", "region", "the gradient is clipped at 5", 2 * V)
def _(wrong):
    def grad(x):
        d = np.sinh(x)
        return np.clip(d, -5, 5) if wrong else d

    return {"f": lambda x: np.sum(np.cosh(x)), "grad": grad}


@pair("numpy", "broadcasting", "a row that is added to a square matrix: the sum over the other axis", V[:3], M[:3])
def _(wrong):
    return {
        "f": lambda b, x: np.tanh(x + b),
        "vjp": lambda b, x, g: (
            (g * (1 - np.tanh(x + b) ** 2)).sum(axis=1 if wrong else 0),
            g * (1 - np.tanh(x + b) ** 2),
        ),
    }
