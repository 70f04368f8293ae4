"""Character n-gram model, the baseline for the networks that write text."""

import numpy as np
from numpy import ndarray

DISCOUNTS = (0.0, 0.5, 1.0, 1.5)  # if there are too few n-grams to estimate the discounts


def kneser_ney(codes: ndarray, size: int, order: int) -> ndarray:
    """Return the probability of each character after the preceding ones in an n-gram model of a text, (size,) * order.

    Interpolated modified Kneser-Ney smoothing: S. Chen and J. Goodman, "An empirical study of smoothing techniques for
    language modeling", Harvard TR-10-98, 1998, section 3. Each order is interpolated with the order below. The lower
    orders count the distinct contexts of a character, not its occurrences.

    Examples
    --------
    >>> after = kneser_ney(np.array([0, 1, 0, 1, 0, 2]), size=3, order=2)
    >>> after[0].round(2), after.sum(axis=-1).round(12).tolist()
    (array([0.17, 0.5 , 0.33]), [1.0, 1.0, 1.0])
    """
    grams = [codes[k : len(codes) - order + 1 + k] for k in range(order)]
    places = np.ravel_multi_index(grams, (size,) * order)
    counts = [np.bincount(places, minlength=size**order).reshape((size,) * order)]
    for _ in range(order - 1):
        counts.append((counts[-1] > 0).sum(axis=0))
    likely = np.full(size, 1 / size)
    for of_order in reversed(counts):
        likely = _mixed(of_order, likely)
    return likely


def _mixed(counts: ndarray, shorter: ndarray) -> ndarray:
    """Interpolate the counts (..., size) of one order with the probabilities of the order below."""
    taken = _discounts(counts)[np.minimum(counts, 3)]
    total, free = (each.sum(axis=-1, keepdims=True) for each in (counts, taken))
    mixed: ndarray = np.where(total > 0, (counts - taken + free * shorter) / np.maximum(total, 1), shorter)
    return mixed


def _discounts(counts: ndarray) -> ndarray:
    """Return the discounts of counts 0, 1, 2, and 3 or more: equation 26 of Chen and Goodman."""
    n = [np.sum(counts == k) for k in range(5)]
    if not all(n[1:4]):
        return np.array(DISCOUNTS)
    found = [k - (k + 1) * n[1] / (n[1] + 2 * n[2]) * n[k + 1] / n[k] for k in (1, 2, 3)]
    return np.array([0, *found] if all(0 <= d <= k for k, d in zip((1, 2, 3), found, strict=True)) else DISCOUNTS)


def bits_of(likely: ndarray, codes: ndarray) -> float:
    """Return the mean number of bits per character of a text under an n-gram model of another text."""
    order = likely.ndim
    grams = [codes[k : len(codes) - order + 1 + k] for k in range(order)]
    return float(-np.log2(likely[tuple(grams)]).mean())
