"""Distributions with finitely many outcomes: Bernoulli and categorical."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.distributions.distribution import (
    Distribution,
    as_parameter,
    log_complement,
    log_probability,
    require,
    require_number,
)
from tinygrad_edu.engine import Array, Tensor, TensorLike, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops import broadcast_to, exp, log, moveaxis, reshape, sigmoid, stack, sum, take_along_axis, where
from tinygrad_edu.ops.draws import bernoulli, floating_dtype, multinomial
from tinygrad_edu.ops.elementwise.sigmoids import logit, logsigmoid
from tinygrad_edu.ops.networks.softmax import log_softmax


class Discrete(Distribution):
    """Base class of distributions with finitely many outcomes, given by probabilities or by logits."""

    probs: Any
    logits: Any

    def __init__(self, probs: TensorLike | None, logits: TensorLike | None, outcome_ndim: int) -> None:
        owner = type(self).__name__
        if (probs is None) == (logits is None):
            raise ValueError(f"{owner}: give either probs or logits, got {'neither' if probs is None else 'both'}.")
        self._by_logits = probs is None
        name, given = ("logits", logits) if self._by_logits else ("probs", probs)
        self._parameter = as_parameter(owner, name, given)
        shape = self._parameter.shape
        if outcome_ndim and not (shape and shape[-1]):
            raise ShapeError(f"{owner}: {name} must have shape (..., n) with n > 0, got {shape}.")
        super().__init__(shape[: len(shape) - outcome_ndim], dtype=floating_dtype(given))

    def outcome_probs(self) -> Any:
        """Return the probabilities of the outcomes, along a last axis."""
        raise NotImplementedError

    def outcome_log_probs(self, possible: Any) -> Any:
        """Return the log-probabilities of the outcomes where `possible` is True, and 0 elsewhere."""
        raise NotImplementedError

    def entropy(self) -> Tensor | Array:
        """Return the entropy in nats. An outcome of probability 0 adds 0 to it, and to its gradient."""
        p = self.outcome_probs()
        return 0.0 - sum(p * self.outcome_log_probs(values_of(p) > 0), -1)


class Bernoulli(Discrete):
    """The distribution of 1 with a probability, and 0 otherwise.

    Parameters
    ----------
    probs : array_like, optional
        Probabilities of 1.
    logits : array_like, optional
        log(probs / (1 - probs)), instead of `probs`.

    Examples
    --------
    >>> Bernoulli(np.array([0.25, 1.0])).log_prob(1.0).round(4)
    array([-1.3863,  0.    ])
    >>> Bernoulli(logits=0.0).probs
    np.float64(0.5)
    """

    def __init__(self, probs: TensorLike | None = None, logits: TensorLike | None = None) -> None:
        super().__init__(probs, logits, 0)
        if self._by_logits:
            require_number("Bernoulli", "logits", self._parameter)
        else:
            values = values_of(self._parameter)
            require("Bernoulli", "probs", probs, (values >= 0) & (values <= 1), "probabilities from 0 to 1")

    @property
    def probs(self) -> Any:
        """The probabilities of 1."""
        return sigmoid(self._parameter) if self._by_logits else self._parameter

    @property
    def logits(self) -> Any:
        """The logarithms of probs / (1 - probs)."""
        return self._parameter if self._by_logits else logit(self._parameter)

    def sample(self, sample_shape: int | Sequence[int] = (), *, rng: np.random.Generator) -> Tensor:
        drawn = bernoulli(broadcast_to(values_of(self.probs), self.full_shape(sample_shape)), rng=rng)
        return drawn.astype(self.dtype)

    def log_prob(self, value: TensorLike) -> Tensor | Array:
        x = self._parameter
        value = self.as_value(value)
        is_one, is_zero = values_of(value) == 1, values_of(value) == 0
        if self._by_logits:
            out = logsigmoid(where(is_one, x, -x))
        else:
            out = log_probability(where(is_one, x, 1.0)) + log_complement(where(is_zero, x, 0.0))
        return self.on_support(out, is_one | is_zero, value)

    def outcome_probs(self) -> Any:
        if self._by_logits:
            return stack([sigmoid(-self._parameter), sigmoid(self._parameter)], -1)
        return stack([1 - self._parameter, self._parameter], -1)

    def outcome_log_probs(self, possible: Any) -> Any:
        x, (zero, one) = self._parameter, (possible[..., 0], possible[..., 1])
        if self._by_logits:
            return stack([where(zero, logsigmoid(-x), 0.0), where(one, logsigmoid(x), 0.0)], -1)
        return stack([log_complement(where(zero, x, 0.0)), log_probability(where(one, x, 1.0))], -1)

    @property
    def mean(self) -> Tensor | Array:
        return self.probs

    @property
    def variance(self) -> Tensor | Array:
        p = self.outcome_probs()
        return p[..., 0] * p[..., 1]


class Categorical(Discrete):
    """The distribution of an index from 0 to n - 1.

    Parameters
    ----------
    probs : array_like, of shape (..., n), optional
        Finite numbers >= 0, which are divided by their sum.
    logits : array_like, of shape (..., n), optional
        Logarithms of unnormalized probabilities, instead of `probs`. An index with -inf is never drawn.

    Examples
    --------
    >>> Categorical(np.array([1.0, 1.0, 2.0])).probs
    array([0.25, 0.25, 0.5 ])
    >>> Categorical(logits=np.zeros((5, 3))).log_prob(2).round(4)
    array([-1.0986, -1.0986, -1.0986, -1.0986, -1.0986])
    """

    def __init__(self, probs: TensorLike | None = None, logits: TensorLike | None = None) -> None:
        super().__init__(probs, logits, 1)
        values = values_of(self._parameter)
        if self._by_logits:
            is_valid = (values < np.inf) & np.any(values > -np.inf, -1, keepdims=True)
            require("Categorical", "logits", logits, is_valid, "numbers < inf, not all -inf")
            self._parameter = log_softmax(self._parameter, -1)
        else:
            is_valid = (values >= 0) & (values < np.inf) & np.any(values > 0, -1, keepdims=True)
            require("Categorical", "probs", probs, is_valid, "finite and >= 0, not all 0")

    @property
    def probs(self) -> Any:
        """The probabilities of the indices, of shape (..., n)."""
        if self._by_logits:
            return exp(self._parameter)
        return self._parameter / sum(self._parameter, -1, keepdims=True)

    @property
    def logits(self) -> Any:
        """The logarithms of `probs`."""
        return self._parameter if self._by_logits else log_probability(self.probs)

    def sample(self, sample_shape: int | Sequence[int] = (), *, rng: np.random.Generator) -> Tensor:
        shape = self.full_shape(sample_shape)
        count = math.prod(shape[: len(shape) - len(self.batch_shape)])
        drawn = multinomial(values_of(self.probs), count, replacement=True, rng=rng)
        return reshape(moveaxis(drawn, -1, 0), shape)

    def log_prob(self, value: TensorLike) -> Tensor | Array:
        value = self.as_value(value)
        shape = np.broadcast_shapes(value.shape, self.batch_shape)
        n, numbers = self._parameter.shape[-1], values_of(value)
        inside = (numbers >= 0) & (numbers < n) & (np.floor(numbers) == numbers)
        index = broadcast_to(np.where(inside, numbers, 0).astype(np.int64), shape)
        out = take_along_axis(broadcast_to(self._parameter, (*shape, n)), index[..., None], -1)[..., 0]
        if not self._by_logits:
            out = log_probability(out) - log(sum(self._parameter, -1))
        return self.on_support(out, inside, value)

    def outcome_probs(self) -> Any:
        return self.probs

    def outcome_log_probs(self, possible: Any) -> Any:
        if self._by_logits:
            return where(possible, self._parameter, 0.0)
        total = sum(self._parameter, -1, keepdims=True)
        return where(possible, log_probability(where(possible, self._parameter, 1.0)) - log(total), 0.0)

    @property
    def mean(self) -> Tensor | Array:
        """NaN: an index has no mean, as in PyTorch."""
        return np.full(self.batch_shape, np.nan, self.dtype)

    @property
    def variance(self) -> Tensor | Array:
        """NaN: an index has no variance, as in PyTorch."""
        return np.full(self.batch_shape, np.nan, self.dtype)
