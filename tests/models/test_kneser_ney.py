"""The n-gram model: its probabilities, compared with the formula written with dictionaries, on held-out text."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from models.shared.kneser_ney import DISCOUNTS, bits_of, kneser_ney

TEXT = np.random.default_rng(0).zipf(1.5, 3000) % 12


def written_out(codes, size):
    """Return the function p(character, preceding characters) as defined in the report of Chen and Goodman."""

    def of_order(grams):
        followers = defaultdict(Counter)
        for *before, after in grams:
            followers[tuple(before)][after] += 1
        n = Counter(count for after in followers.values() for count in after.values())
        share = n[1] / (n[1] + 2 * n[2]) if n[1] else 0
        discounts = [0, *(k - (k + 1) * share * n[k + 1] / n[k] if n[k] else -1 for k in (1, 2, 3))]
        return followers, discounts if all(0 <= d <= k for k, d in enumerate(discounts)) else DISCOUNTS

    threes = list(zip(codes[:-2], codes[1:-1], codes[2:], strict=True))
    twos = [gram[1:] for gram in set(threes)]
    ones = [gram[1:] for gram in set(twos)]
    tables = {2: of_order(threes), 1: of_order(twos), 0: of_order(ones)}

    def p(after, before):
        followers, discounts = tables[len(before)]
        shorter = p(after, before[1:]) if before else 1 / size
        counts = followers[before]
        if not counts:
            return shorter
        taken = sum(discounts[min(count, 3)] for count in counts.values())
        return (counts[after] - discounts[min(counts[after], 3)] + taken * shorter) / sum(counts.values())

    return p


@pytest.mark.parametrize("count", [40, 3000])  # with the default discounts for few n-grams, and with estimated ones
def test_it_is_the_formula(count):
    found, p = kneser_ney(TEXT[:count], 14, 3), written_out(TEXT[:count].tolist(), 14)
    for place in np.ndindex(found.shape):
        assert found[place] == pytest.approx(p(place[2], place[:2]), rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_whatever_was_before_the_probabilities_add_up_to_1_and_none_is_0(order):
    found = kneser_ney(TEXT, 14, order)
    assert found.shape == (14,) * order
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-12)
    assert found.min() > 0


def test_the_bits_are_those_of_each_character():
    found = kneser_ney(TEXT, 12, 2)
    expected = [-math.log2(found[a, b]) for a, b in ((3, 1), (1, 2), (2, 2))]
    assert bits_of(found, np.array([3, 1, 2, 2])) == pytest.approx(np.mean(expected))
