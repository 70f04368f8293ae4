"""Random draws from given probabilities: dropout, Bernoulli, multinomial, Gumbel softmax."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.engine import (
    Array,
    PlainArrayLike,
    Storage,
    Tensor,
    TensorLike,
    draw_in_vmap,
    from_array,
    open_levels,
    random,
    real_numbers,
    values_of,
)
from tinygrad_edu.errors import DataError, DTypeError, ShapeError
from tinygrad_edu.errors.checks import generator, integer
from tinygrad_edu.ops.elementwise.arithmetic import as_floating
from tinygrad_edu.ops.networks.dropout import random_dropout
from tinygrad_edu.ops.networks.softmax import softmax

__all__ = ["bernoulli", "dropout", "gumbel_softmax", "multinomial"]


def floating_dtype(*values: Any) -> np.dtype[Any]:
    """Return the dtype of draws: that of the floating-point Tensors among the parameters, or arrays, or float32."""
    given = [x for x in values if getattr(x, "dtype", np.dtype(int)).kind == "f"]
    tensors = [x for x in given if isinstance(x, Tensor)]
    return np.result_type(*(x.dtype for x in tensors or given), *([] if given else [np.float32]))


@random
def noise(distribution: str, shape: tuple[int, ...], dtype: Any, rng: np.random.Generator) -> Tensor:
    """Draw from a distribution of NumPy's Generator with its default parameters, such as ``"gumbel"``."""
    return _tensor(getattr(generator(rng), distribution)(size=shape).astype(dtype, copy=False))


@overload
def dropout(x: Tensor, p: float = 0.5, training: bool = True, *, rng: np.random.Generator | None = None) -> Tensor: ...
@overload
def dropout(
    x: PlainArrayLike, p: float = 0.5, training: bool = True, *, rng: np.random.Generator | None = None
) -> Array: ...
def dropout(
    x: TensorLike, p: float = 0.5, training: bool = True, *, rng: np.random.Generator | None = None
) -> Tensor | Array:
    """Return x with each element set to 0 with probability `p`, and the others divided by 1 - p.

    Parameters
    ----------
    x : array_like
        Floating-point numbers.
    p : float, default 0.5
        Probability of dropping an element, from 0 to 1.
    training : bool, default True
        False returns x.
    rng : numpy.random.Generator, optional
        Required to drop elements.

    Raises
    ------
    ValueError
        If `p` is not a probability, or `rng` is missing.
    DTypeError
        If x is not floating-point.

    Examples
    --------
    >>> import numpy as np
    >>> dropout(np.ones(6), 0.5, rng=np.random.default_rng(0))
    array([0., 2., 0., 2., 2., 2.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be a probability from 0 to 1, got {p!r}.")
    x = x if isinstance(x, Tensor) else real_numbers("dropout", x)
    if x.dtype.kind != "f":
        raise DTypeError(f"dropout: x must be floating-point, got {x.dtype}.")
    if not training or p == 0:
        return x
    if rng is None:
        raise ValueError("dropout: p > 0 in training requires rng, a numpy.random.Generator.")
    return random_dropout(x, p, generator(rng))


def bernoulli(p: TensorLike, *, rng: np.random.Generator) -> Tensor:
    """Draw 1 with probability `p` and 0 otherwise, for each element of `p`. No gradient flows to `p`.

    Parameters
    ----------
    p : array_like
        Probabilities from 0 to 1.
    rng : numpy.random.Generator

    Returns
    -------
    Tensor
        Of the shape and dtype of `p`; float32 for integers, Python numbers and lists.

    Raises
    ------
    DataError
        If an element of `p` is not a probability.

    Examples
    --------
    >>> import numpy as np
    >>> bernoulli(np.array([0.0, 0.5, 1.0]), rng=np.random.default_rng(0))
    Tensor([0., 1., 1.], shape=(3,), dtype=float64)
    """
    if open_levels():
        return draw_in_vmap(bernoulli, (p,), {"rng": rng})
    values = _floats("bernoulli", p)
    if not np.all((values >= 0) & (values <= 1)):
        raise DataError(f"bernoulli: p must be probabilities from 0 to 1, got {_wrong(values, values > 1)}.")
    return _tensor((generator(rng).random(values.shape) < values).astype(floating_dtype(p)))


def multinomial(
    weights: TensorLike, num_samples: int, replacement: bool = False, *, rng: np.random.Generator
) -> Tensor:
    """Draw indices of the last axis of `weights`, each with a probability proportional to its weight.

    Parameters
    ----------
    weights : array_like, of shape (..., n)
        Finite numbers >= 0, not all 0.
    num_samples : int
        Number of indices to draw from each row.
    replacement : bool, default False
        Whether an index may be drawn several times.
    rng : numpy.random.Generator

    Returns
    -------
    Tensor
        The indices, int64 of shape (..., num_samples). Without replacement, they are in the order of drawing.

    Raises
    ------
    DataError
        If a weight is invalid, or a row has too few weights that are not 0.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> multinomial(np.array([0.0, 3.0, 1.0]), 2, rng=rng).tolist()
    [2, 1]
    >>> multinomial(np.array([0.0, 3.0, 1.0]), 6, replacement=True, rng=rng).tolist()
    [1, 2, 2, 1, 1, 1]
    """
    if open_levels():
        settings = {"num_samples": num_samples, "replacement": replacement, "rng": rng}
        return draw_in_vmap(multinomial, (weights,), settings)
    values, count = _floats("multinomial", weights), integer("multinomial: num_samples", num_samples, 0)
    if not values.ndim:
        raise ShapeError("multinomial: weights must have shape (..., n), got a number.")
    if not np.all((values >= 0) & np.isfinite(values)):
        raise DataError(f"multinomial: weights must be finite and >= 0, got {_wrong(values, np.isinf(values))}.")
    fewest = np.min(np.count_nonzero(values, -1), initial=values.shape[-1])
    if fewest < (min(count, 1) if replacement else count):
        raise DataError(
            f"multinomial: {count} samples {'with' if replacement else 'without'} replacement from a row with {fewest} "
            f"weights > 0 are not possible."
        )
    draw = _with_replacement if replacement else _without_replacement
    return _tensor(draw(values, count, generator(rng)))


def _with_replacement(weights: Array, count: int, rng: np.random.Generator) -> Array:
    """Return the first indices at which the cumulative weights exceed uniform numbers times the sum."""
    cumulative = np.cumsum(weights / np.max(weights, -1, keepdims=True, initial=np.finfo(float).tiny), -1)
    levels = rng.random((*weights.shape[:-1], count)) * cumulative[..., -1:]
    out = np.empty(levels.shape, np.int64)
    for row in np.ndindex(weights.shape[:-1]):
        out[row] = np.searchsorted(cumulative[row], levels[row], side="right")
    return out


def _without_replacement(weights: Array, count: int, rng: np.random.Generator) -> Array:
    """Return the order of the first events of independent Poisson processes whose rates are the weights."""
    with np.errstate(divide="ignore"):
        times = np.log(rng.standard_exponential(weights.shape)) - np.log(weights)
    return np.argsort(times, -1)[..., :count]


def gumbel_softmax(
    logits: TensorLike, tau: float = 1.0, hard: bool = False, axis: int = -1, *, rng: np.random.Generator
) -> Tensor:
    """Return softmax((logits + noise) / tau), a differentiable approximation of a one-hot categorical sample.

    From E. Jang, S. Gu and B. Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017.

    Parameters
    ----------
    logits : array_like
        Unnormalized log-probabilities. An element of -inf is never drawn.
    tau : float, default 1.0
        Temperature > 0. The lower it is, the closer the result is to one-hot.
    hard : bool, default False
        Whether to return one-hot vectors, with the gradient of the approximation.
    axis : int, default -1
        Axis of the categories.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If `tau` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> gumbel_softmax(np.zeros(3), hard=True, rng=np.random.default_rng(0)).tolist()
    [0.0, 0.0, 1.0]
    """
    if not tau > 0:
        raise ValueError(f"gumbel_softmax: tau must be > 0, got {tau!r}.")
    scores: Any = as_floating(logits)
    scores = scores + noise("gumbel", scores.shape, scores.dtype, rng)
    soft: Any = softmax(scores / tau, axis)
    if hard:
        soft = _one_hot_maximum(scores, axis).astype(soft.dtype) + (soft - soft.detach())
    return soft


def _one_hot_maximum(x: Any, axis: int) -> Any:
    """Return True at the first maximum along an axis, and False elsewhere."""
    indices = np.arange(x.shape[axis]).reshape(-1, *(1,) * (x.ndim - 1 - normalize_axis_index(axis, x.ndim)))
    return np.argmax(values_of(x), axis, keepdims=True) == indices


def _floats(where: str, x: Any) -> Array:
    return np.asarray(real_numbers(where, x), np.float64)


def _wrong(values: Array, is_wrong: Array) -> Any:
    """Return the first number that is wrong, negative or NaN."""
    return values[is_wrong | ~(values >= 0)][0]


def _tensor(values: Array) -> Tensor:
    """Return a Tensor of an array that has no other reference."""
    return from_array(np.asarray(values), False, Storage())
