"""Held out: copulas, order statistics, mixtures, regression, information."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import add, both, normal, powers_of_ten, uniform

rng = np.random.default_rng(22)
DESIGN, COUNTS = rng.standard_normal((40, 4)), rng.poisson(2.0, 40)
GROUPS = rng.integers(0, 5, 40)


def clayton(u: Any, v: Any, theta: Any) -> Any:
    """Return the log-density of Clayton's copula."""
    inner = u**-theta + v**-theta - 1
    return tg.log(1 + theta) - (1 + theta) * tg.log(u * v) - (2 + 1 / theta) * tg.log(inner)


def gaussian_copula(x: Any, y: Any, r: Any) -> Any:
    return -0.5 * tg.log(1 - r * r) - (r * r * (x * x + y * y) - 2 * r * x * y) / (2 * (1 - r * r))


def soft_sort(x: Any) -> Any:
    """Return a sort by softmax over distances."""
    ordered = tg.sort(x)
    weights = tg.softmax(-tg.abs(tg.expand_dims(ordered, 1) - tg.expand_dims(x, 0)) / 0.1, axis=1)
    return weights @ x


def mixed_model(beta: Any, effects: Any, log_deviation: Any) -> Any:
    rate = tg.exp(DESIGN @ beta + effects[GROUPS])
    likelihood = tg.sum(rate - COUNTS * tg.log(rate))
    return likelihood + tg.sum(effects**2) / (2 * tg.exp(2 * log_deviation[0])) + 5 * log_deviation[0]


def hidden_markov(logits: Any, emissions: Any) -> Any:
    """Return the log-likelihood of 15 observations by the forward algorithm."""
    transitions = tg.log_softmax(logits, axis=1)
    state = emissions[0]
    for t in range(1, 15):
        state = tg.logsumexp(tg.expand_dims(state, 1) + transitions, axis=0) + emissions[t]
    return tg.logsumexp(state)


def kernel_density(x: Any) -> Any:
    gaps = tg.expand_dims(x, 0) - tg.expand_dims(x, 1)
    return tg.mean(tg.log(tg.mean(tg.exp(-50 * gaps * gaps), axis=1)))


def gaussian_process(log_scale: Any, log_noise: Any) -> Any:
    gaps = np.subtract.outer(DESIGN[:12, 0], DESIGN[:12, 0]) ** 2
    covariance = tg.exp(-gaps / (2 * tg.exp(2 * log_scale))) + tg.exp(log_noise) * np.eye(12)
    return 0.5 * DESIGN[:12, 1] @ tg.linalg.solve(covariance, DESIGN[:12, 1]) + 0.5 * tg.linalg.slogdet(covariance)[1]


add(
    "held-out statistics: Clayton's copula",
    clayton,
    both(uniform(0.01, 0.99, 4), uniform(0.01, 0.99, 4), uniform(0.2, 6, 4)),
)
add(
    "held-out statistics: Gaussian copula near dependence",
    gaussian_copula,
    both(normal(4), normal(4), lambda rng: (1 - 10 ** rng.uniform(-4, -0.5, 4),)),
)
add("held-out statistics: soft sort", soft_sort, normal(7))
add("held-out statistics: trimmed mean", lambda x: tg.mean(tg.sort(x)[3:-3]), normal(20))
add("held-out statistics: Poisson mixed model", mixed_model, both(normal(4, scale=0.4), normal(5), normal(1)))
add("held-out statistics: hidden Markov chain", hidden_markov, both(normal(3, 3), normal(15, 3, scale=5)))
add("held-out statistics: kernel density", kernel_density, normal(12))
add("held-out statistics: Gaussian process", gaussian_process, both(normal(1, scale=0.3), uniform(-7, 0, 1)))
add("held-out statistics: kurtosis", lambda x: tg.mean((x - tg.mean(x)) ** 4) / tg.var(x) ** 2, normal(15, offset=100))
add(
    "held-out statistics: correlation of nearly proportional rows",
    lambda x, y: tg.cosine_similarity(x - tg.mean(x), x + 1e-3 * y - tg.mean(x + 1e-3 * y), axis=0),
    both(normal(10), normal(10)),
)
add(
    "held-out statistics: entropy with rare classes",
    lambda x: -tg.sum(tg.softmax(x) * tg.log_softmax(x)),
    normal(8, scale=8),
)
add(
    "held-out statistics: mutual information of a table",
    lambda x: tg.sum(x * tg.log(x / (tg.sum(x, axis=0) * tg.sum(x, axis=1, keepdims=True)))),
    lambda rng: (rng.dirichlet(np.ones(12)).reshape(3, 4) + 1e-3,),
)
add(
    "held-out statistics: Wasserstein distance by sorting",
    lambda x, y: tg.mean(tg.abs(tg.sort(x) - tg.sort(y))),
    both(normal(12), normal(12)),
)
add(
    "held-out statistics: Weibull likelihood",
    lambda k, s: -tg.sum(tg.log(k / s) + (k - 1) * tg.log(2 / s) - (2 / s) ** k),
    both(uniform(0.3, 5, 4), powers_of_ten(-1, 2, 4)),
)
add(
    "held-out statistics: negative-binomial dispersion of 1e6",
    lambda r: tg.sum((r + 3) * tg.log(1 + 2 / r)),
    powers_of_ten(2, 6, 3),
)
