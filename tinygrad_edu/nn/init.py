"""Where parameters begin: random tensors whose scale suits the layer. Every draw comes from the Generator given.

To begin elsewhere than a layer does, give it another tensor: ``layer.weight = init.kaiming_normal(shape, rng)``.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import _checks
from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.names import missing_from as _missing_from
from tinygrad_edu.nn.drawing import drawable
from tinygrad_edu.nn.drawing import uniform_parameter as uniform
from tinygrad_edu.ops.creation import normal

__all__ = ["fans", "generator_or_new", "kaiming_normal", "kaiming_uniform", "uniform", "xavier_uniform"]


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


def xavier_uniform(shape: Sequence[int], rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tensor:
    """Return a weight drawn from [-a, a) with a = sqrt(6 / (fan_in + fan_out)): for tanh and its like.

    A compromise between keeping the variance of the values on the way forward and that of the gradients on the way
    back. Formula 16 of X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010.

    Examples
    --------
    >>> weight = xavier_uniform((100, 200), np.random.default_rng(0))
    >>> bool(abs(weight.numpy()).max() <= (6 / 300) ** 0.5)
    True
    """
    return uniform(shape, math.sqrt(6 / sum(fans(shape))), rng, dtype)


def kaiming_uniform(shape: Sequence[int], rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tensor:
    """Return a weight drawn from [-a, a) with a = sqrt(6 / fan_in): for ReLU, with the variance of `kaiming_normal`.

    Examples
    --------
    >>> weight = kaiming_uniform((100, 200), np.random.default_rng(0))
    >>> bool(abs(weight.numpy()).max() <= (6 / 200) ** 0.5)
    True
    """
    return uniform(shape, math.sqrt(6 / fans(shape)[0]), rng, dtype)


def kaiming_normal(shape: Sequence[int], rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tensor:
    """Return a weight drawn from the normal distribution of variance 2 / fan_in: for ReLU.

    ReLU halves the mean square of what passes; the 2 makes up for it. Formula 10 of K. He, X. Zhang, S. Ren and
    J. Sun, "Delving deep into rectifiers", ICCV 2015.

    Examples
    --------
    >>> weight = kaiming_normal((100, 200), np.random.default_rng(0))
    >>> round(float(weight.numpy().var()) * 200, 1)
    2.0
    """
    return normal(0.0, math.sqrt(2 / fans(shape)[0]), tuple(shape), rng=rng, dtype=drawable(dtype), requires_grad=True)


# To a type checker, which reads no globals(), a __getattr__ would make every name right.
globals()["__getattr__"] = _missing_from("tg.nn.init", __all__)
