"""Held out: prices of options, yields, portfolios."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import add, both, iterated, normal, uniform


def phi(x: Any) -> Any:
    return 0.5 * (1 + tg.erf(x / 2**0.5))


def black_scholes(spot: Any, volatility: Any, years: Any) -> Any:
    """Return the price of a call with a strike of 100 and a rate of 3 %."""
    spread = volatility * tg.sqrt(years)
    first = (tg.log(spot / 100) + (0.03 + 0.5 * volatility**2) * years) / spread
    return spot * phi(first) - 100 * tg.exp(-0.03 * years) * phi(first - spread)


def bond(rate: Any) -> Any:
    """Return the price of a bond of 30 years with coupons of 4."""
    times = np.arange(1.0, 31)
    return tg.sum(4 * tg.exp(-tg.expand_dims(rate, 1) * times), axis=1) + 100 * tg.exp(-30 * rate)


def binomial_tree(spot: Any) -> Any:
    """Return the price of an American put by a tree of 40 steps."""
    up, growth = 1.03, 1.0005
    p = (growth - 1 / up) / (up - 1 / up)
    value = tg.maximum(0.0, 100 - spot * up ** np.arange(-40.0, 41, 2))
    for step in range(39, -1, -1):
        held = (p * value[1:] + (1 - p) * value[:-1]) / growth
        value = tg.maximum(held, 100 - spot * up ** np.arange(-float(step), step + 1, 2))
    return value


def asian_call(spot: Any, volatility: Any) -> Any:
    """Return the mean payoff over 50 paths."""
    prices = spot * tg.exp(tg.cumsum(0.05 * volatility * PATHS, axis=1))
    return tg.mean(tg.maximum(0.0, tg.mean(prices, axis=1) - 100))


rng = np.random.default_rng(21)
PATHS = rng.standard_normal((50, 20))
COVARIANCE = np.cov(rng.standard_normal((6, 30)))
add(
    "held-out finance: Black-Scholes",
    black_scholes,
    both(uniform(60, 160, 4), uniform(0.1, 0.6, 4), uniform(0.1, 3, 4)),
)
add(
    "held-out finance: Black-Scholes, one day before the end",
    black_scholes,
    both(uniform(99, 101, 4), uniform(0.1, 0.3, 4), uniform(0.002, 0.004, 4)),
)
add("held-out finance: bond", bond, uniform(-0.01, 0.15, 5))
add(
    "held-out finance: yield of a bond",
    lambda p: iterated(lambda r: r + (bond(r) - p) / 2000, 0 * p + 0.04, 200),
    uniform(80, 120, 3),
)
add("held-out finance: American put by a tree", binomial_tree, uniform(85, 115, 1))
add("held-out finance: Asian call by simulation", asian_call, both(uniform(90, 110, 1), uniform(0.5, 2, 1)))
add(
    "held-out finance: barrier of a smoothed knock-out",
    lambda s: tg.mean(tg.prod(tg.sigmoid(30 * (120 - s * tg.exp(0.05 * PATHS.cumsum(axis=1))) / 120), axis=1)),
    uniform(90, 110, 1),
)
add(
    "held-out finance: Sharpe ratio", lambda w: (w @ np.linspace(0.01, 0.1, 6)) / tg.sqrt(w @ COVARIANCE @ w), normal(6)
)
add("held-out finance: value at risk by sorting", lambda w: tg.sort(PATHS[:, :6] @ w)[2], normal(6))
add("held-out finance: log-return of a wealth of 1e12", lambda x: tg.log((1e12 + x) / 1e12), normal(4, scale=1e9))
add("held-out finance: prices in satoshi", lambda x: (x * 1e-8) ** 2 * 6.5e4, uniform(1e8, 1e10, 4))
