"""Initializers of parameters. They draw from the Generator that the caller passes.

To replace the initial values of a layer, assign a tensor: ``layer.weight = init.kaiming_normal(shape, rng)``.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import _checks
from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import DataError, DTypeError, ShapeError
from tinygrad_edu.names import getattr_with_hints as _getattr_with_hints
from tinygrad_edu.ops import creation

__all__ = [
    "all_ones", "all_zeros", "calculate_gain", "fans", "filled", "gaussian", "generator_or_new", "kaiming_normal",
    "kaiming_uniform", "orthogonal", "truncated_normal", "uniform", "xavier_normal", "xavier_uniform",
]  # fmt: skip


def generator_or_new(rng: Any) -> np.random.Generator:
    """Return `rng`, or for None a new Generator that differs from run to run.

    Raises
    ------
    DTypeError
        For anything else.
    """
    return np.random.default_rng() if rng is None else _checks.generator(rng)


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return how many inputs meet in one output of a layer, and how many outputs one input reaches.

    Parameters
    ----------
    shape : sequence of int
        Of a weight: (out, in) of a linear layer, (out, in, kh, kw) of a convolution.

    Raises
    ------
    ShapeError
        For fewer than two axes: a bias has no fans of its own.

    Examples
    --------
    >>> fans((16, 3, 5, 5))
    (75, 400)
    """
    if len(shape) < 2:
        raise ShapeError(f"a weight has the shape (out, in, ...), not {tuple(shape)}; use init.uniform for a bias.")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def uniform(shape: Sequence[int], a: float, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tensor:
    """Return a parameter drawn from the uniform distribution on [-a, a).

    Parameters
    ----------
    shape : sequence of int
    a : float
        The bound.
    rng : numpy.random.Generator
    dtype : float32 or float64

    Returns
    -------
    Tensor, requiring a gradient

    Examples
    --------
    >>> uniform((2, 2), 0.01, np.random.default_rng(0)).numpy()
    array([[ 0.00701248,  0.00273923],
           [ 0.00022273, -0.00460427]], dtype=float32)
    """
    return creation.uniform(-a, a, tuple(shape), rng=rng, dtype=float_dtype(dtype), requires_grad=True)


def float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return a dtype for random parameters, or raise if it is not float32 or float64."""
    if dtype is None or np.dtype(dtype) not in (np.float32, np.float64):
        raise DTypeError(f"parameters are drawn as float32 or float64, not {dtype!r}; use .astype for another.")
    return np.dtype(dtype)


def xavier_uniform(
    shape: Sequence[int], rng: np.random.Generator, dtype: DTypeLike = np.float32, gain: float = 1.0
) -> Tensor:
    """Return a weight drawn from [-a, a) with a = gain * sqrt(6 / (fan_in + fan_out)): for tanh and its like.

    A compromise between keeping the variance of the values on the way forward and that of the gradients on the way
    back. Formula 16 of X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010.

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
    """Return a weight drawn from [-a, a) with a = gain * sqrt(3 / fan_in): with the variance of `kaiming_normal`.

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
    """Return a weight drawn from the normal distribution of variance gain**2 / fan_in: for ReLU, or what has the gain.

    ReLU halves the mean square of what passes; the 2 makes up for it. Formula 10 of K. He, X. Zhang, S. Ren and
    J. Sun, "Delving deep into rectifiers", ICCV 2015. For others, see `calculate_gain`.

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
    """Return a parameter drawn from the normal distribution of this mean and standard deviation.

    Examples
    --------
    >>> values = gaussian((100, 100), 0.5, np.random.default_rng(0)).numpy()
    >>> round(float(values.std()), 2), bool(abs(values.mean()) < 0.02)
    (0.5, True)
    """
    return creation.normal(mean, std, tuple(shape), rng=rng, dtype=float_dtype(dtype), requires_grad=True)


def truncated_normal(
    shape: Sequence[int], std: float, rng: np.random.Generator, dtype: DTypeLike = np.float32, mean: float = 0.0,
    a: float = -2.0, b: float = 2.0,
) -> Tensor:  # fmt: skip
    """Return a parameter drawn from the part of a normal distribution that lies in [a, b].

    As PyTorch's ``trunc_normal_``: the mean and the standard deviation are those of the whole distribution, and the
    bounds are values, no multiples of it. What falls outside is drawn again.

    Raises
    ------
    DataError
        Where [a, b] holds less than a hundredth of the distribution: the drawing would go on for long, or for ever.

    Examples
    --------
    >>> values = truncated_normal((1000,), 1.0, np.random.default_rng(0)).numpy()
    >>> bool(abs(values).max() <= 2), round(float(values.std()), 1)
    (True, 0.9)
    """
    whole = NormalDist(mean, std)
    if not whole.cdf(b) - whole.cdf(a) >= 0.01:
        raise DataError(
            f"truncated_normal: [{a}, {b}] holds less than a hundredth of the normal distribution with the mean {mean} "
            f"and the standard deviation {std}: take bounds nearer to the mean, or a greater std."
        )
    values = gaussian(shape, std, rng, dtype, mean).numpy().copy()
    while (outside := (values < a) | (values > b)).any():
        values[outside] = gaussian((int(outside.sum()),), std, rng, dtype, mean).numpy()
    return Tensor(values, requires_grad=True)


def orthogonal(
    shape: Sequence[int], rng: np.random.Generator, dtype: DTypeLike = np.float32, gain: float = 1.0
) -> Tensor:
    """Return a weight whose rows are orthogonal to each other and of length `gain`; or its columns, if those are fewer.

    Axes after the first count as one. All such matrices are equally likely: the Q of a QR decomposition of normally
    distributed numbers, with the signs of R's diagonal. From A. Saxe, J. McClelland and S. Ganguli, "Exact solutions to
    the nonlinear dynamics of learning in deep linear neural networks", ICLR 2014.

    Raises
    ------
    ShapeError
        For fewer than two axes.

    Examples
    --------
    >>> weight = orthogonal((2, 3), np.random.default_rng(0)).numpy()
    >>> (weight @ weight.T).round(5) + 0.0
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    fans(shape)  # says so where there are too few axes
    rows, columns = shape[0], math.prod(shape[1:])
    drawn = gaussian((max(rows, columns), min(rows, columns)), 1.0, rng, dtype).numpy()
    q, r = np.linalg.qr(drawn)
    q *= np.where(np.diagonal(r) < 0, -1, 1).astype(q.dtype) * gain
    return Tensor((q if rows >= columns else q.T).reshape(shape), requires_grad=True)


def filled(shape: Sequence[int], value: float, dtype: DTypeLike = np.float32) -> Tensor:
    """Return a parameter of which every element is `value`.

    Examples
    --------
    >>> filled((2,), 0.5)
    Tensor([0.5, 0.5], shape=(2,), dtype=float32, requires_grad=True)
    """
    return Tensor(np.full(tuple(shape), value, dtype), requires_grad=True)


def all_zeros(shape: Sequence[int], dtype: DTypeLike = np.float32) -> Tensor:
    """Return a parameter of zeros: for a bias.

    Examples
    --------
    >>> all_zeros((2,))
    Tensor([0., 0.], shape=(2,), dtype=float32, requires_grad=True)
    """
    return filled(shape, 0.0, dtype)


def all_ones(shape: Sequence[int], dtype: DTypeLike = np.float32) -> Tensor:
    """Return a parameter of ones: for the weight of a normalization.

    Examples
    --------
    >>> all_ones((2,))
    Tensor([1., 1.], shape=(2,), dtype=float32, requires_grad=True)
    """
    return filled(shape, 1.0, dtype)


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    """Return what the standard deviation of a weight is multiplied with before an activation, by PyTorch's names.

    Parameters
    ----------
    nonlinearity : str
        "linear", "conv1d" (and the other linear ones), "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
    param : float
        Of "leaky_relu", its slope for negative numbers.

    Raises
    ------
    DataError
        For any other name.

    Examples
    --------
    >>> round(calculate_gain("relu") ** 2, 3)
    2.0
    """
    linear = ("linear", *(f"conv{way}{n}d" for way in ("", "_transpose") for n in (1, 2, 3)))
    gains = dict.fromkeys((*linear, "sigmoid"), 1.0)
    gains |= {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + param**2)), "selu": 3 / 4}
    if nonlinearity not in gains:
        raise DataError(f"calculate_gain: there is no gain for {nonlinearity!r}, only for {', '.join(gains)}.")
    return gains[nonlinearity]


# To a type checker, which reads no globals(), a __getattr__ would make every name right.
globals()["__getattr__"] = _getattr_with_hints("tg.nn.init", __all__)
