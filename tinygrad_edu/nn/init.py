"""Initializers of parameters. All randomness comes from the Generator passed as `rng`.

To replace the initial values of a layer, assign a tensor: ``layer.weight = init.kaiming_normal(shape, rng)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import DataError, DTypeError, ShapeError
from tinygrad_edu.errors import checks as _checks
from tinygrad_edu.errors.hints import add_hints as _add_hints
from tinygrad_edu.errors.hints import getattr_with_hints as _getattr_with_hints
from tinygrad_edu.nn.randomness import new_generator
from tinygrad_edu.ops import creation

__all__ = [
    "all_ones", "all_zeros", "calculate_gain", "fans", "filled", "gaussian", "generator_or_new", "kaiming_normal",
    "kaiming_uniform", "orthogonal", "truncated_normal", "uniform", "xavier_normal", "xavier_uniform",
]  # fmt: skip


def generator_or_new(rng: Any) -> np.random.Generator:
    """Return `rng`, or a new Generator for None: unseeded, or seeded by the current `random_stream`.

    Raises
    ------
    DTypeError
        `rng` is not a Generator or None.
    """
    return new_generator() if rng is None else _checks.generator(rng)


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight: the inputs of each output, and the outputs of each input.

    Parameters
    ----------
    shape : sequence of int
        Shape of the weight: (out, in) for a linear layer, (out, in, kh, kw) for a convolution.

    Raises
    ------
    ShapeError
        `shape` has fewer than two axes.

    Examples
    --------
    >>> fans((16, 3, 5, 5))
    (75, 400)
    """
    shape = _lengths(shape)
    if len(shape) < 2:
        raise ShapeError(f"a weight must have shape (out, in, ...), got {shape}; for a bias, use init.uniform.")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def _lengths(shape: Any) -> tuple[int, ...]:
    """Return a shape as a tuple, or raise for a Tensor, which PyTorch's functions fill."""
    if isinstance(shape, Tensor) or np.ndim(shape) != 1:
        found = f" of shape {shape.shape}" if isinstance(shape, Tensor | np.ndarray) else ""
        raise DTypeError(
            f"nn.init: the first argument is a shape, got a {type(shape).__name__}{found}. The functions return a new "
            f"parameter: layer.weight = nn.init.xavier_uniform(layer.weight.shape, rng)."
        )
    return tuple(shape)


def uniform(shape: Sequence[int], a: float, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tensor:
    """Return a parameter drawn from the uniform distribution on [-a, a).

    Parameters
    ----------
    shape : sequence of int
    a : float
        Bound of the interval.
    rng : numpy.random.Generator
    dtype : float32 or float64, default float32

    Returns
    -------
    Tensor, requiring a gradient

    Examples
    --------
    >>> uniform((2, 2), 0.01, np.random.default_rng(0)).numpy()
    array([[ 0.00701248,  0.00273923],
           [ 0.00022273, -0.00460427]], dtype=float32)
    """
    return creation.uniform(-a, a, _lengths(shape), rng=rng, dtype=float_dtype(dtype), requires_grad=True)


def float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return a dtype for random parameters, or raise if it is not float32 or float64."""
    if dtype is None or np.dtype(dtype) not in (np.float32, np.float64):
        raise DTypeError(f"dtype of random parameters must be float32 or float64, got {dtype!r}; cast with .astype.")
    return np.dtype(dtype)


def xavier_uniform(
    shape: Sequence[int], rng: np.random.Generator, dtype: DTypeLike = np.float32, gain: float = 1.0
) -> Tensor:
    """Return a weight drawn from [-a, a) for a = gain * sqrt(6 / (fan_in + fan_out)), for tanh and similar functions.

    It balances the variance of the activations in the forward pass and of the gradients in the backward pass. Formula
    16 of X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010.

    Examples
    --------
    >>> weight = xavier_uniform((100, 200), np.random.default_rng(0))
    >>> bool(abs(weight.numpy()).max() <= (6 / 300) ** 0.5)
    True
    """
    return uniform(shape, gain * math.sqrt(6 / sum(fans(shape))), rng, dtype)


def xavier_normal(
    shape: Sequence[int], rng: np.random.Generator, dtype: DTypeLike = np.float32, gain: float = 1.0
) -> Tensor:
    """Return a weight drawn from the normal distribution with the variance of `xavier_uniform`.

    Examples
    --------
    >>> weight = xavier_normal((100, 200), np.random.default_rng(0))
    >>> round(float(weight.numpy().var()) * 300, 1)
    2.0
    """
    return gaussian(shape, gain * math.sqrt(2 / sum(fans(shape))), rng, dtype)


def kaiming_uniform(
    shape: Sequence[int], rng: np.random.Generator, dtype: DTypeLike = np.float32, gain: float = math.sqrt(2)
) -> Tensor:
    """Return a weight drawn from [-a, a) for a = gain * sqrt(3 / fan_in), with the variance of `kaiming_normal`.

    Examples
    --------
    >>> weight = kaiming_uniform((100, 200), np.random.default_rng(0))
    >>> bool(abs(weight.numpy()).max() <= (6 / 200) ** 0.5)
    True
    """
    return uniform(shape, gain * math.sqrt(3 / fans(shape)[0]), rng, dtype)


def kaiming_normal(
    shape: Sequence[int], rng: np.random.Generator, dtype: DTypeLike = np.float32, gain: float = math.sqrt(2)
) -> Tensor:
    """Return a weight drawn from the normal distribution with variance gain**2 / fan_in. The default gain is for ReLU.

    ReLU halves the mean square of its input; the gain sqrt(2) compensates. Formula 10 of K. He, X. Zhang, S. Ren and
    J. Sun, "Delving deep into rectifiers", ICCV 2015. For other activations, see `calculate_gain`.

    Examples
    --------
    >>> weight = kaiming_normal((100, 200), np.random.default_rng(0))
    >>> round(float(weight.numpy().var()) * 200, 1)
    2.0
    """
    return gaussian(shape, gain / math.sqrt(fans(shape)[0]), rng, dtype)


def gaussian(
    shape: Sequence[int], std: float, rng: np.random.Generator, dtype: DTypeLike = np.float32, mean: float = 0.0
) -> Tensor:
    """Return a parameter drawn from the normal distribution with mean `mean` and standard deviation `std`.

    Examples
    --------
    >>> values = gaussian((100, 100), 0.5, np.random.default_rng(0)).numpy()
    >>> round(float(values.std()), 2), bool(abs(values.mean()) < 0.02)
    (0.5, True)
    """
    return creation.normal(mean, std, _lengths(shape), rng=rng, dtype=float_dtype(dtype), requires_grad=True)


def truncated_normal(
    shape: Sequence[int], std: float, rng: np.random.Generator, dtype: DTypeLike = np.float32, mean: float = 0.0,
    a: float = -2.0, b: float = 2.0,
) -> Tensor:  # fmt: skip
    """Return a parameter drawn from a normal distribution truncated to [a, b].

    As in PyTorch's ``trunc_normal_``, `mean` and `std` describe the distribution before truncation, and the bounds are
    values, not multiples of `std`. Values outside of the bounds are drawn again.

    Raises
    ------
    DataError
        Less than 1% of the distribution is in [a, b], so that drawing again would take too long.

    Examples
    --------
    >>> values = truncated_normal((1000,), 1.0, np.random.default_rng(0)).numpy()
    >>> bool(abs(values).max() <= 2), round(float(values.std()), 1)
    (True, 0.9)
    """
    distribution = NormalDist(mean, std)
    if not distribution.cdf(b) - distribution.cdf(a) >= 0.01:
        raise DataError(
            f"truncated_normal: less than 1% of the normal distribution with mean {mean} and std {std} is in "
            f"[{a}, {b}]. Use bounds closer to the mean, or a larger std."
        )
    values = gaussian(shape, std, rng, dtype, mean).numpy().copy()
    while (outside := (values < a) | (values > b)).any():
        values[outside] = gaussian((int(outside.sum()),), std, rng, dtype, mean).numpy()
    return Tensor(values, requires_grad=True)


def orthogonal(
    shape: Sequence[int], rng: np.random.Generator, dtype: DTypeLike = np.float32, gain: float = 1.0
) -> Tensor:
    """Return a weight with orthogonal rows of norm `gain`, or orthogonal columns if it has fewer columns than rows.

    Axes after the first are flattened. The weight is uniformly distributed: the Q of a QR decomposition of normally
    distributed numbers, times the signs of R's diagonal. From A. Saxe, J. McClelland and S. Ganguli, "Exact solutions
    to the nonlinear dynamics of learning in deep linear neural networks", ICLR 2014.

    Raises
    ------
    ShapeError
        `shape` has fewer than two axes.

    Examples
    --------
    >>> weight = orthogonal((2, 3), np.random.default_rng(0)).numpy()
    >>> (weight @ weight.T).round(5) + 0.0
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    fans(shape)  # raises for fewer than two axes
    rows, columns = shape[0], math.prod(shape[1:])
    drawn = gaussian((max(rows, columns), min(rows, columns)), 1.0, rng, dtype).numpy()
    q, r = np.linalg.qr(drawn)
    q *= np.where(np.diagonal(r) < 0, -1, 1).astype(q.dtype) * gain
    return Tensor((q if rows >= columns else q.T).reshape(shape), requires_grad=True)


def filled(shape: Sequence[int], value: float, dtype: DTypeLike = np.float32) -> Tensor:
    """Return a parameter filled with `value`.

    Examples
    --------
    >>> filled((2,), 0.5)
    Tensor([0.5, 0.5], shape=(2,), dtype=float32, requires_grad=True)
    """
    return Tensor(np.full(_lengths(shape), value, dtype), requires_grad=True)


def all_zeros(shape: Sequence[int], dtype: DTypeLike = np.float32) -> Tensor:
    """Return a parameter of zeros, such as a bias.

    Examples
    --------
    >>> all_zeros((2,))
    Tensor([0., 0.], shape=(2,), dtype=float32, requires_grad=True)
    """
    return filled(shape, 0.0, dtype)


def all_ones(shape: Sequence[int], dtype: DTypeLike = np.float32) -> Tensor:
    """Return a parameter of ones, such as the weight of a normalization layer.

    Examples
    --------
    >>> all_ones((2,))
    Tensor([1., 1.], shape=(2,), dtype=float32, requires_grad=True)
    """
    return filled(shape, 1.0, dtype)


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    """Return the gain of an activation, the factor of the standard deviation of the weight before it.

    Parameters
    ----------
    nonlinearity : str
        As in PyTorch: "linear", "conv1d" (or another convolution), "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
    param : float, default 0.01
        Negative slope of "leaky_relu".

    Raises
    ------
    ValueError
        `nonlinearity` is unknown.

    Examples
    --------
    >>> round(calculate_gain("relu") ** 2, 3)
    2.0
    """
    linear = ("linear", *(f"conv{infix}{n}d" for infix in ("", "_transpose") for n in (1, 2, 3)))
    gains = dict.fromkeys((*linear, "sigmoid"), 1.0)
    gains |= {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + param**2)), "selu": 3 / 4}
    if nonlinearity not in gains:
        raise _checks.invalid_choice("calculate_gain: nonlinearity", nonlinearity, gains)
    return gains[nonlinearity]


_add_hints(globals())
# Set in globals(), which type checkers do not read: a visible __getattr__ would make every name valid.
globals()["__getattr__"] = _getattr_with_hints("tg.nn.init", __all__)
