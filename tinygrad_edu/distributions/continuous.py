"""Distributions of real numbers: normal, Laplace, exponential, uniform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.distributions.distribution import (
    Distribution,
    broadcast_parameters,
    require,
    require_number,
    require_positive,
)
from tinygrad_edu.engine import Array, Tensor, TensorLike, values_of
from tinygrad_edu.ops import abs, log, square
from tinygrad_edu.ops.creation import normal, uniform
from tinygrad_edu.ops.draws import floating_dtype, noise

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class _LocationScale(Distribution):
    """A distribution of loc + scale * z."""

    def __init__(self, loc: TensorLike, scale: TensorLike) -> None:
        name = type(self).__name__
        self.loc, self.scale = broadcast_parameters(name, loc=loc, scale=scale)
        require_number(name, "loc", self.loc)
        require_positive(name, "scale", self.scale)
        super().__init__(self.loc.shape, dtype=floating_dtype(loc, scale))

    @property
    def mean(self) -> Tensor | Array:
        return self.loc


class Normal(_LocationScale):
    """The normal distribution.

    Parameters
    ----------
    loc : array_like
        Means.
    scale : array_like
        Standard deviations > 0.

    Examples
    --------
    >>> Normal(0.0, 1.0).log_prob(np.array([0.0, 1.0])).round(4)
    array([-0.9189, -1.4189])
    """

    def rsample(self, sample_shape: int | Sequence[int] = (), *, rng: np.random.Generator) -> Tensor:
        drawn: Any = normal(size=self.full_shape(sample_shape), rng=rng, dtype=self.dtype)
        return self.loc + self.scale * drawn

    def log_prob(self, value: TensorLike) -> Tensor | Array:
        z = (self.as_value(value) - self.loc) / self.scale
        return -0.5 * z * z - log(self.scale) - HALF_LOG_2PI

    def entropy(self) -> Tensor | Array:
        return 0.5 + HALF_LOG_2PI + log(self.scale)

    @property
    def variance(self) -> Tensor | Array:
        return square(self.scale)


class Laplace(_LocationScale):
    """The Laplace distribution.

    Parameters
    ----------
    loc : array_like
        Means.
    scale : array_like
        Mean absolute deviations > 0.

    Examples
    --------
    >>> Laplace(0.0, 1.0).log_prob(np.array([0.0, 1.0])).round(4)
    array([-0.6931, -1.6931])
    """

    def rsample(self, sample_shape: int | Sequence[int] = (), *, rng: np.random.Generator) -> Tensor:
        drawn: Any = noise("laplace", self.full_shape(sample_shape), self.dtype, rng)
        return self.loc + self.scale * drawn

    def log_prob(self, value: TensorLike) -> Tensor | Array:
        distance: Any = abs(self.as_value(value) - self.loc)
        return -distance / self.scale - log(2 * self.scale)

    def entropy(self) -> Tensor | Array:
        return 1 + log(2 * self.scale)

    @property
    def variance(self) -> Tensor | Array:
        return 2 * square(self.scale)


class Exponential(Distribution):
    """The exponential distribution, of numbers >= 0.

    Parameters
    ----------
    rate : array_like
        Reciprocals of the means, > 0.

    Examples
    --------
    >>> Exponential(2.0).mean
    np.float64(0.5)
    """

    def __init__(self, rate: TensorLike) -> None:
        (self.rate,) = broadcast_parameters("Exponential", rate=rate)
        require_positive("Exponential", "rate", self.rate)
        super().__init__(self.rate.shape, dtype=floating_dtype(rate))

    def rsample(self, sample_shape: int | Sequence[int] = (), *, rng: np.random.Generator) -> Tensor:
        drawn: Any = noise("exponential", self.full_shape(sample_shape), self.dtype, rng)
        return drawn / self.rate

    def log_prob(self, value: TensorLike) -> Tensor | Array:
        value = self.as_value(value)
        return self.on_support(log(self.rate) - self.rate * value, values_of(value) >= 0, value)

    def entropy(self) -> Tensor | Array:
        return 1 - log(self.rate)

    @property
    def mean(self) -> Tensor | Array:
        return 1 / self.rate

    @property
    def variance(self) -> Tensor | Array:
        return 1 / square(self.rate)


class Uniform(Distribution):
    """The uniform distribution over [low, high].

    Parameters
    ----------
    low, high : array_like
        The ends, finite, with low < high.

    Examples
    --------
    >>> Uniform(0.0, 2.0).log_prob(np.array([1.0, 3.0])).round(4)
    array([-0.6931,    -inf])
    """

    def __init__(self, low: TensorLike, high: TensorLike) -> None:
        self.low, self.high = broadcast_parameters("Uniform", low=low, high=high)
        self._width = self.high - self.low
        is_valid = (values_of(self._width) > 0) & np.isfinite(values_of(self._width))
        require("Uniform", "high", high, is_valid, f"> low, which is {low!r}, at a finite distance")
        super().__init__(self.low.shape, dtype=floating_dtype(low, high))

    def rsample(self, sample_shape: int | Sequence[int] = (), *, rng: np.random.Generator) -> Tensor:
        drawn: Any = uniform(size=self.full_shape(sample_shape), rng=rng, dtype=self.dtype)
        return self.low + self._width * drawn

    def log_prob(self, value: TensorLike) -> Tensor | Array:
        value = self.as_value(value)
        inside = (values_of(value) >= values_of(self.low)) & (values_of(value) <= values_of(self.high))
        return self.on_support(-log(self._width), inside, value)

    def entropy(self) -> Tensor | Array:
        return log(self._width)

    @property
    def mean(self) -> Tensor | Array:
        return 0.5 * (self.low + self.high)

    @property
    def variance(self) -> Tensor | Array:
        return square(self._width) / 12
