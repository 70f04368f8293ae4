"""Held out: transforms, filters, wavelets, splines in time."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import add, both, iterated, normal, uniform

N = 32
ANGLES = 2 * np.pi * np.outer(np.arange(N), np.arange(N)) / N
COS, SIN = np.cos(ANGLES), np.sin(ANGLES)
DCT = np.cos(np.pi * np.outer(np.arange(N), np.arange(N) + 0.5) / N)


def recursive_filter(x: Any, pole: Any) -> Any:
    y, results = 0 * x[0], []
    for k in range(N):
        y = pole[0] * y + x[k]
        results.append(y)
    return tg.stack(results)


def haar(x: Any) -> Any:
    """Return the wavelet transform of Haar."""
    details = []
    while x.shape[0] > 1:
        details.append((x[::2] - x[1::2]) / 2**0.5)
        x = (x[::2] + x[1::2]) / 2**0.5
    return tg.concatenate([x, *details])


def chirp(f: Any) -> Any:
    times = np.linspace(0, 1, 200)
    return tg.mean(tg.sin(2 * np.pi * (f[0] * times + f[1] * times**2)) * np.sin(2 * np.pi * 30 * times))


def resampled(x: Any, shift: Any) -> Any:
    """Return a band-limited signal at shifted times."""
    gaps = np.arange(8.0) + 10 - np.arange(N)[:, None]
    return x @ tg.sinc(gaps + shift)


WAVES = np.random.default_rng(23).standard_normal((N,))
add("held-out signals: log power spectrum", lambda x: tg.log((COS @ x) ** 2 + (SIN @ x) ** 2 + 1e-6), normal(N))
add("held-out signals: phases", lambda x: tg.arctan2((SIN @ x)[1:9], (COS @ x)[1:9]), normal(N))
add("held-out signals: magnitudes of a cosine transform", lambda x: tg.abs(DCT @ x), normal(N))
add(
    "held-out signals: convolution by spectra",
    lambda x, y: (
        (COS @ ((COS @ x) * (COS @ y) - (SIN @ x) * (SIN @ y)) + SIN @ ((COS @ x) * (SIN @ y) + (SIN @ x) * (COS @ y)))
        / N
    ),
    both(normal(N), normal(N)),
)
add("held-out signals: recursive filter near instability", recursive_filter, both(normal(N), uniform(0.9, 1.05, 1)))
add("held-out signals: Haar wavelets, soft threshold", lambda x: tg.softshrink(haar(x)), normal(N))
add("held-out signals: chirp", chirp, both(lambda rng: (rng.uniform(5, 60, 2),)))
add("held-out signals: band-limited shift", resampled, both(normal(N), uniform(-0.5, 0.5, 1)))
add("held-out signals: median filter", lambda x: tg.median(tg.stack([x[:-2], x[1:-1], x[2:]]), axis=0), normal(N))
add("held-out signals: envelope by maxima", lambda x: tg.max_pool1d(tg.reshape(tg.abs(x), (1, 1, N)), 4), normal(N))
add("held-out signals: total variation", lambda x: tg.sum(tg.sqrt(tg.diff(x) ** 2 + 1e-8)), normal(N))
add("held-out signals: total variation with corners", lambda x: tg.sum(tg.abs(tg.diff(x))), normal(N))
add("held-out signals: decibels", lambda x: 20 * tg.log10(tg.abs(x)), normal(8, scale=1e-4))
add(
    "held-out signals: phase unwrapped",
    lambda x: tg.cumsum((tg.diff(x) + np.pi) % (2 * np.pi) - np.pi),
    normal(10, scale=2),
)
add(
    "held-out signals: echo of 200 reflections",
    lambda x: iterated(lambda y: 0.97 * tg.roll(y, 1) + x, x, 200),
    normal(8),
)
