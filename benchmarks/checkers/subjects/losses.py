"""Losses and likelihoods, written out as formulas."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import Draw, add, both, normal, uniform

LABELS = np.arange(4)


def logits(low: float, high: float) -> Draw:
    """Draw logits of 4 samples whose correct class leads by a margin."""
    return lambda rng: (rng.standard_normal((4, 4)) + rng.uniform(low, high, (4, 1)) * np.eye(4),)


def total_exp(x: Any) -> Any:
    return tg.sum(tg.exp(x), axis=1, keepdims=True)


def shifted(x: Any) -> Any:
    return x - x.numpy().max(axis=1, keepdims=True)


def log_gamma(x: Any) -> Any:
    """Return the logarithm of the gamma function by Stirling's series at x + 8."""
    y = x + 8
    series = 1 / (12 * y) - 1 / (360 * y**3) + 1 / (1260 * y**5)
    rising = sum(tg.log(x + k) for k in range(8))
    return (y - 0.5) * tg.log(y) - y + 0.5 * np.log(2 * np.pi) + series - rising


CROSS_ENTROPIES = {
    "cross-entropy by -log(exp / sum)": lambda x: -tg.mean(tg.log((tg.exp(x) / total_exp(x))[LABELS, LABELS])),
    "cross-entropy by log(sum of exp) - x": lambda x: tg.mean(tg.log(total_exp(x))[:, 0] - x[LABELS, LABELS]),
    "cross-entropy by shifted exp": lambda x: (
        -tg.mean(shifted(x)[LABELS, LABELS] - tg.log(total_exp(shifted(x)))[:, 0])
    ),
    "cross-entropy of labels as rows": lambda x: -tg.sum(np.eye(4) * tg.log(tg.exp(x) / total_exp(x))) / 4,
}
for name, f in CROSS_ENTROPIES.items():
    add(f"losses: {name}, margins to 20", f, logits(-20, 20))
    add(f"losses: {name}, margins of 36 to 40", f, logits(36, 40), slope="zero")

add(
    "losses: binary cross-entropy by log and 1 - p, up to 12",
    lambda x: -tg.mean(0.7 * tg.log(tg.sigmoid(x)) + 0.3 * tg.log(1 - tg.sigmoid(x))),
    uniform(-12, 12, 8),
)
add(
    "losses: focal loss",
    lambda x: -tg.mean((1 - tg.sigmoid(x)) ** 2 * tg.log(tg.sigmoid(x))),
    uniform(-15, 10, 8),
)
add("losses: hinge, both sides", lambda x: tg.mean(tg.maximum(0.0, 1 - x)), normal(12, scale=2))
add("losses: squared hinge", lambda x: tg.mean(tg.maximum(0.0, 1 - x) ** 2), normal(12, scale=2))
add(
    "losses: hinge exactly at its margin",
    lambda x: tg.mean(tg.maximum(0.0, 1 - x)),
    lambda rng: (np.where(np.arange(6) < 2, 1.0, rng.standard_normal(6)),),
    slope="none",
)
add("losses: squared hinge at its margin", lambda x: tg.maximum(0.0, 1 - x) ** 2 + x, uniform(1.0, 1.0, 3))
add("losses: Huber, errors of all sizes", lambda x: tg.nn.huber_loss(x, np.zeros(9)), normal(9, scale=3))
add("losses: Huber exactly at delta", lambda x: tg.nn.huber_loss(x, np.zeros(3)), uniform(1.0, 1.0, 3))
add(
    "losses: quantile loss at 0.1, 0.5, 0.9",
    lambda x: tg.mean(tg.maximum(QUANTILES * (2 - x), (QUANTILES - 1) * (2 - x))),
    normal(5, 3, scale=4),
)
QUANTILES = np.array([0.1, 0.5, 0.9])
add("losses: log-cosh, errors to 30", lambda x: tg.mean(tg.log(tg.cosh(x))), normal(8, scale=10))
add(
    "losses: contrastive, temperature 0.07",
    lambda x, y: tg.cross_entropy(tg.normalize(x) @ tg.normalize(y).T / 0.07, np.arange(5)),
    both(normal(5, 8), normal(5, 8)),
)
add(
    "losses: triplet margin",
    lambda x, y, z: tg.mean(tg.maximum(0.0, tg.norm(x - y, axis=1) - tg.norm(x - z, axis=1) + 1)),
    both(normal(5, 3), normal(5, 3), normal(5, 3)),
)
add(
    "losses: dice of probabilities",
    lambda x: 1 - 2 * tg.sum(tg.sigmoid(x) * (np.arange(20) % 2)) / (tg.sum(tg.sigmoid(x)) + 10),
    normal(20, scale=4),
)
add("losses: perplexity", lambda x: tg.exp(tg.cross_entropy(x, np.arange(6))), normal(6, 6, scale=3))
add(
    "losses: label smoothing",
    lambda x: -tg.mean((0.9 * np.eye(5) + 0.02) * tg.log_softmax(x, axis=1)),
    normal(5, 5, scale=6),
)
add(
    "losses: KL divergence of Gaussians",
    lambda m, s: 0.5 * tg.sum(tg.exp(s) + m * m - 1 - s),
    both(normal(6), normal(6, scale=2)),
)
add(
    "losses: Gaussian likelihood, log-variance to -12",
    lambda m, s: 0.5 * tg.mean(s + (np.linspace(-1, 1, 6) - m) ** 2 * tg.exp(-s)),
    both(normal(6), uniform(-12, 3, 6)),
)
add(
    "losses: Poisson likelihood of counts",
    lambda x: tg.mean(tg.exp(x) - np.array([0, 1, 3, 20, 100]) * x),
    uniform(-3, 6, 5),
)
add(
    "losses: Student-t likelihood with its degrees of freedom",
    lambda x, d: tg.sum(
        log_gamma(d / 2) - log_gamma((d + 1) / 2) + 0.5 * tg.log(d) + (d + 1) / 2 * tg.log(1 + x * x / d)
    ),
    both(normal(5, scale=3), uniform(1, 30, 5)),
)
add(
    "losses: beta likelihood",
    lambda a, b: tg.sum(log_gamma(a) + log_gamma(b) - log_gamma(a + b) - (a - 1) * np.log(0.3) - (b - 1) * np.log(0.7)),
    both(uniform(0.2, 9, 4), uniform(0.2, 9, 4)),
)
