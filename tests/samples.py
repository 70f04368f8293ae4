"""Statistical tests of samples: they accept a right sampler with fixed seeds, and reject a wrong one."""

import numpy as np
from scipy import stats

LEVEL = 1e-4  # of significance


def follows_frequencies(indices, probabilities):
    """Return whether indices occur with these probabilities: a chi-square test; one that is 0 never occurs."""
    counts, expected = np.bincount(indices, minlength=len(probabilities)), np.asarray(probabilities) * len(indices)
    possible = expected > 0
    if len(counts) > len(expected) or counts[~possible].any():
        return False
    if possible.sum() == 1:
        return True
    return stats.chisquare(counts[possible], expected[possible]).pvalue > LEVEL


def follows(sample, cdf):
    """Return whether numbers have a cumulative distribution function: a Kolmogorov-Smirnov test."""
    return stats.kstest(np.ravel(sample), cdf).pvalue > LEVEL
