"""Lesson 1: derivatives from function values, and a checker of gradients."""

import numpy as np


def one_sided(f, x, h):
    """Return the slope of f between x and x + h; h may be negative."""
    # hole: one_sided
    return (f(x + h) - f(x)) / h
    # end


def central(f, x, h):
    """Return the slope of f between x - h and x + h."""
    # hole: central, in the core: differences.differences
    return (f(x + h) - f(x - h)) / (2 * h)
    # end


def extrapolated(f, x, h):
    """Return the slope of f at x from two central slopes, weighted so that their h² errors cancel."""
    # hole: extrapolated
    return (4 * central(f, x, h / 2) - central(f, x, h)) / 3
    # end


def has_kink(f, x, h=1e-3):
    """Return whether f has a corner at x: the gap between the one-sided slopes does not shrink with h."""

    # hole: has_kink
    def gap(h):
        return abs(one_sided(f, x, h) - one_sided(f, x, -h))

    return gap(h / 8) > max(gap(h) / 2, 1e-6)
    # end


def signed(rng, shape):
    """Return random numbers of both signs, none of them close to 0."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)


def error_of(f, gradient, x, rng):
    """Return the relative error of a gradient: about 0 if it is correct, up to 1 if it is not.

    ``gradient(x, cotangent)`` must be the gradient of ``sum(cotangent * f(x))`` with respect to x, for any cotangent.
    """
    x = np.asarray(x, np.float64)
    cotangent, direction = signed(rng, np.shape(f(x))), signed(rng, x.shape)
    # hole: error_of, in the core: differences.check_gradient
    slopes = extrapolated(lambda t: f(x + t * direction), 0.0, 1e-3)
    numeric, claimed = cotangent * slopes, gradient(x, cotangent) * direction
    # end
    size = np.sum(np.abs(numeric)) + np.sum(np.abs(claimed))
    return abs(np.sum(numeric) - np.sum(claimed)) / (size + 1e-8)
