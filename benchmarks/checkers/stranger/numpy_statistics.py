"""Likelihoods, losses and statistics in NumPy, with a gradient, a vjp, a Jacobian or a Hessian by hand."""

import numpy as np
from scipy.special import digamma, expit, gammaln

from benchmarks.checkers.stranger.pair import pair

r = np.random.default_rng(11)
X, W, Y = r.normal(size=(6, 3)), r.normal(size=(3, 4)), r.normal(size=6)
LABELS = np.array([0, 3, 1, 2, 1, 3])
COUNTS = np.array([0, 2, 1, 5, 3, 1])


@pair("numpy", "region", "Huber loss: no delta beyond the threshold", np.array([0.2, -0.1, 3.0, -4.0, 0.4]))
def _(wrong):
    delta = 0.7

    def f(e):
        small = np.abs(e) <= delta
        return np.sum(np.where(small, 0.5 * e**2, delta * (np.abs(e) - 0.5 * delta)))

    def grad(e):
        return np.where(np.abs(e) <= delta, e, (1.0 if wrong else delta) * np.sign(e))

    return {"f": f, "grad": grad}


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pair("numpy", "normalization", "weighted cross-entropy: divides by the samples, not by the weights", X, W)
def _(wrong):
    w = np.array([1.0, 2.0, 0.5, 1.5])[LABELS]

    def f(x, theta):
        p = softmax(x @ theta)
        return -np.sum(w * np.log(p[np.arange(6), LABELS])) / w.sum()

    def grad(x, theta):
        d = softmax(x @ theta)
        d[np.arange(6), LABELS] -= 1
        d *= w[:, None] / (len(w) if wrong else w.sum())
        return d @ theta.T, x.T @ d

    return {"f": f, "grad": grad}


@pair("numpy", "normalization", "mean Poisson deviance: the gradient is of the sum", 0.3 * W[:, 0])
def _(wrong):
    def f(b):
        eta = X @ b
        return np.mean(np.exp(eta) - COUNTS * eta)

    def grad(b):
        score = X.T @ (np.exp(X @ b) - COUNTS)
        return score if wrong else score / len(COUNTS)

    return {"f": f, "grad": grad}


@pair("numpy", "dropped term", "Gaussian likelihood: one log sigma instead of n", 0.3, -0.2)
def _(wrong):
    def nll(mu, log_sigma):
        return np.sum(0.5 * ((Y - mu) / np.exp(log_sigma)) ** 2 + log_sigma)

    def grad(mu, log_sigma):
        z = (Y - mu) / np.exp(log_sigma)
        return -np.sum(z) / np.exp(log_sigma), -np.sum(z**2) + (1 if wrong else len(Y))

    return {"f": nll, "grad": grad}


@pair("numpy", "one index", "ridge logistic regression: the intercept is penalized in the gradient only", W[:, 1] * 0.8)
def _(wrong):
    A, y = np.c_[np.ones(6), X[:, :2]], (Y > 0).astype(float)

    def f(b):
        return np.sum(np.logaddexp(0, A @ b) - y * (A @ b)) + 0.05 * np.sum(b[1:] ** 2)

    def grad(b):
        penalty = 0.1 * b
        if not wrong:
            penalty[0] = 0
        return A.T @ (expit(A @ b) - y) + penalty

    return {"f": f, "grad": grad}


@pair("numpy", "one class", "multinomial scores: the loop over classes ends one early", W)
def _(wrong):
    def f(theta):
        z = X @ theta
        return np.sum(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(6), LABELS])

    def grad(theta):
        p, out = softmax(X @ theta), np.zeros_like(theta)
        for k in range(theta.shape[1] - (1 if wrong else 0)):
            out[:, k] = X.T @ (p[:, k] - (k == LABELS))
        return out

    return {"f": f, "grad": grad}


@pair("numpy", "region", "pinball loss: tau for both signs of the residual", np.array([0.3, 1.2, 0.8, -0.6, 2.0]))
def _(wrong):
    tau = 0.9

    def f(u):
        return np.mean(np.maximum(tau * u, (tau - 1) * u))

    def grad(u):
        return np.where(u > 0, tau, -tau if wrong else tau - 1) / u.size

    return {"f": f, "grad": grad}


@pair("numpy", "dropped term", "Student t: the score of nu lacks the half of its digamma", 0.1, 4.5)
def _(wrong):
    def f(mu, nu):
        z = (Y - mu) ** 2
        return np.sum(
            gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi) - (nu + 1) / 2 * np.log1p(z / nu)
        )

    def grad(mu, nu):
        z = (Y - mu) ** 2
        d_mu = np.sum((nu + 1) * (Y - mu) / (nu + z))
        d_nu = 0.5 * (digamma((nu + 1) / 2) - digamma(nu / 2) - 1 / nu)
        if wrong:
            d_nu += 0.5 * digamma(nu / 2)
        return d_mu, np.sum(d_nu - 0.5 * np.log1p(z / nu) + (nu + 1) / 2 * z / (nu * (nu + z)))

    return {"f": f, "grad": grad}


@pair("numpy", "normalization", "sample variance of columns: n instead of n - 1", X)
def _(wrong):
    def vjp(x, g):
        return g * 2 * (x - x.mean(axis=0)) / (len(x) - (0 if wrong else 1))

    return {"f": lambda x: x.var(axis=0, ddof=1), "vjp": vjp}


@pair("numpy", "dropped term", "Pearson correlation: the gradient is not projected", Y, X[:, 0])
def _(wrong):
    def f(x, y):
        return np.corrcoef(x, y)[0, 1]

    def grad(x, y):
        x, y = x - x.mean(), y - y.mean()
        nx, ny, c = np.linalg.norm(x), np.linalg.norm(y), f(x, y)
        if wrong:
            return y / (nx * ny), x / (nx * ny)
        return y / (nx * ny) - c * x / nx**2, x / (nx * ny) - c * y / ny**2

    return {"f": f, "grad": grad}


@pair(
    "numpy", "one index", "median of an even number: all to the upper one", np.array([0.3, 2.0, -1.0, 5.0, 0.9, -3.0])
)
def _(wrong):
    def vjp(x, g):
        out, order = np.zeros_like(x), np.argsort(x)
        out[order[len(x) // 2]] = g if wrong else g / 2
        if not wrong:
            out[order[len(x) // 2 - 1]] = g / 2
        return out

    return {"f": np.median, "vjp": vjp}


@pair(
    "numpy",
    "ties",
    "maximum of two arrays: both get the cotangent at a tie",
    np.array([1.0, 2.0, 3.0]),
    np.array([0.5, 2.0, 4.0]),
)
def _(wrong):
    def vjp(a, b, g):
        if wrong:
            return g * (a >= b), g * (b >= a)
        tie = 0.5 * (a == b)
        return g * ((a > b) + tie), g * ((b > a) + tie)

    return {"f": np.maximum, "vjp": vjp}


@pair("numpy", "second derivative", "Hessian of logistic regression: p instead of p (1 - p)", W[:, 2])
def _(wrong):
    def hess(b):
        p = expit(X @ b)
        return (X.T * (p if wrong else p * (1 - p))) @ X

    y = (Y > 0).astype(float)
    f = lambda b: np.sum(np.logaddexp(0, X @ b) - y * (X @ b))
    return {"f": f, "grad": lambda b: X.T @ (expit(X @ b) - y), "hess": hess}


@pair(
    "numpy",
    "second derivative",
    "Hessian of Rosenbrock: the last diagonal element is that of the inner ones",
    np.array([0.8, 1.1, 0.4, -0.5]),
)
def _(wrong):
    def f(x):
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    def grad(x):
        d = np.zeros_like(x)
        d[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
        d[1:] += 200 * (x[1:] - x[:-1] ** 2)
        return d

    def hess(x):
        H = np.diag(-400 * x[:-1], 1) + np.diag(-400 * x[:-1], -1)
        diagonal = np.zeros_like(x)
        diagonal[:-1] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
        diagonal[1:] += 200
        if wrong:
            diagonal[-1] = 202
        return H + np.diag(diagonal)

    return {"f": f, "grad": grad, "hess": hess}


@pair("numpy", "dropped term", "Jacobian of softmax with a temperature: no 1 / T", np.array([0.5, -1.0, 2.0, 0.1]))
def _(wrong):
    T = 1.3

    def jac(z):
        p = softmax(z / T)
        return (np.diag(p) - np.outer(p, p)) / (1 if wrong else T)

    return {"f": lambda z: softmax(z / T), "jac": jac}


@pair("numpy", "ties", "Cox partial likelihood: the risk set lacks subjects with the same time", 0.5 * W[:, 3])
def _(wrong):
    time, event = np.array([1.0, 2.0, 2.0, 3.0, 4.0, 4.0]), np.array([1, 1, 0, 1, 0, 1])

    def at_risk(i):
        return (time > time[i]) | (np.arange(6) == i) if wrong else time >= time[i]

    def f(b):
        eta = X @ b
        return sum(eta[i] - np.log(np.sum(np.exp(eta[time >= time[i]]))) for i in range(6) if event[i])

    def grad(b):
        w, out = np.exp(X @ b), np.zeros_like(b)
        for i in np.flatnonzero(event):
            m = at_risk(i)
            out += X[i] - w[m] @ X[m] / w[m].sum()
        return out

    return {"f": f, "grad": grad}


@pair(
    "numpy",
    "off by one",
    "hidden Markov model: the last transition is not counted",
    np.log(softmax(r.normal(size=(3, 3)))),
)
def _(wrong):
    emission = r.normal(size=(5, 3))

    def f(log_a):
        alpha = emission[0]
        for e in emission[1:]:
            alpha = e + np.log(np.sum(np.exp(alpha[:, None] + log_a), axis=0))
        return np.log(np.sum(np.exp(alpha)))

    def grad(log_a):
        alphas = [emission[0]]
        for e in emission[1:]:
            alphas.append(e + np.log(np.sum(np.exp(alphas[-1][:, None] + log_a), axis=0)))
        beta, out = np.zeros(3), np.zeros_like(log_a)
        for t in range(len(emission) - 2, -1, -1):
            step = alphas[t][:, None] + log_a + emission[t + 1] + beta
            if not (wrong and t == len(emission) - 2):
                out += np.exp(step - f(log_a))
            beta = np.log(np.sum(np.exp(log_a + emission[t + 1] + beta), axis=1))
        return out

    return {"f": f, "grad": grad}


@pair(
    "numpy",
    "dropped term",
    "divergence of two Gaussians: the variance's own log term has the wrong factor",
    np.array([0.3, -1.0]),
    np.array([0.7, 1.6]),
)
def _(wrong):
    def f(mu, var):
        return 0.5 * np.sum(var + mu**2 - 1 - np.log(var))

    def grad(mu, var):
        return mu, 0.5 * (1 - (2 if wrong else 1) / var)

    return {"f": f, "grad": grad}


@pair("numpy", "cotangent", "logsumexp of rows: a weight of the softmax at the wrong axis", r.normal(size=(3, 3)))
def _(wrong):
    def f(x):
        return np.log(np.sum(np.exp(x), axis=1))

    def vjp(x, g):
        return (g if wrong else g[:, None]) * softmax(x)

    return {"f": f, "vjp": vjp}
