"""Activation layers. Each applies a function of `ops` with stored arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import core, ops
from tinygrad_edu.engine import Array, Tensor, TensorLike, random, shape_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.init import filled, generator_or_new
from tinygrad_edu.nn.layers.linear import require_sizes, shape_of_floats
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.randomness import stream
from tinygrad_edu.nn.sharding import refuse_in_shard, require_sample_axis

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import OneInput

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU",
    "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softmax2D",
    "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


Decorated = TypeVar("Decorated", bound="Activation")


@dataclass_transform(eq_default=False)
def with_settings(kind: type[Decorated]) -> type[Decorated]:
    """Generate ``__init__`` from the annotated attributes of an activation, in their order."""
    cls = dataclass(eq=False, repr=False, match_args=False)(kind)
    cls._setting_names = tuple(vars(cls)["__dataclass_fields__"])
    return cls


class Activation(Module):
    """Base class of activations: a `function` of the input and the arguments in ``_setting_names``."""

    function: ClassVar[Callable[..., Any]]

    def extra_repr(self) -> str:
        """Return the arguments."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self._setting_names)


class Elementwise(Activation):
    """Base class of elementwise activations."""

    __call__: OneInput

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply the function."""
        return self.function(x, *(getattr(self, name) for name in self._setting_names))


def is_elementwise(function: Any) -> bool:
    """Return whether a function is a NumPy ufunc or the function of an elementwise activation."""
    functions = (kind.function for kind in Elementwise.__subclasses__())
    return isinstance(function, np.ufunc) or any(function is f for f in functions)


class AlongAxis(Activation):
    """Base class of activations along an axis."""

    __call__: OneInput
    axis: int

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply the function."""
        if self.axis in (0, -len(shape_of(x))):
            refuse_in_shard(f"{self!r}: its axis {self.axis} is the sample axis of an input of shape {shape_of(x)}")
        return self.function(x, self.axis)


# --- Piecewise ---


class ReLU(Elementwise):
    """Compute max(x, 0) elementwise. The derivative at 0 is 0.

    Examples
    --------
    >>> ReLU()(np.array([-2.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """

    function = staticmethod(ops.relu)


class ReLU6(Elementwise):
    """Compute min(max(x, 0), 6) elementwise.

    Examples
    --------
    >>> ReLU6()(np.array([-2.0, 2.0, 8.0]))
    array([0., 2., 6.])
    """

    function = staticmethod(ops.relu6)


@with_settings
class LeakyReLU(Elementwise):
    """Compute x where x > 0, and negative_slope * x elsewhere.

    Parameters
    ----------
    negative_slope : float, default 0.01
        Slope of the negative part.

    Examples
    --------
    >>> LeakyReLU(0.1)(np.array([-2.0, 0.0, 2.0]))
    array([-0.2,  0. ,  2. ])
    """

    negative_slope: float = 0.01
    function = staticmethod(ops.leaky_relu)


@with_settings
class Hardtanh(Elementwise):
    """Clip x to the interval from `min_val` to `max_val`.

    Parameters
    ----------
    min_val : float, default -1.0
        Lower limit.
    max_val : float, default 1.0
        Upper limit.

    Examples
    --------
    >>> Hardtanh()(np.array([-2.0, 0.0, 2.0]))
    array([-1.,  0.,  1.])
    """

    min_val: float = -1.0
    max_val: float = 1.0
    function = staticmethod(ops.hardtanh)


class Hardsigmoid(Elementwise):
    """Compute (x + 3) / 6, clipped to [0, 1]: a piecewise linear sigmoid.

    Examples
    --------
    >>> Hardsigmoid()(np.array([-2.0, 0.0, 2.0]))
    array([0.16666667, 0.5       , 0.83333333])
    """

    function = staticmethod(ops.hardsigmoid)


class Hardswish(Elementwise):
    """Compute x * hardsigmoid(x): `SiLU` without exponentials.

    Examples
    --------
    >>> Hardswish()(np.array([-2.0, 0.0, 2.0]))
    array([-0.33333333,  0.        ,  1.66666667])
    """

    function = staticmethod(ops.hardswish)


@with_settings
class Hardshrink(Elementwise):
    """Compute 0 where -lambd <= x <= lambd, and x elsewhere.

    Parameters
    ----------
    lambd : float, default 0.5
        Largest absolute value that becomes 0.

    Examples
    --------
    >>> Hardshrink()(np.array([-2.0, 0.0, 2.0]))
    array([-2.,  0.,  2.])
    """

    lambd: float = 0.5
    function = staticmethod(ops.hardshrink)


@with_settings
class Softshrink(Elementwise):
    """Compute sign(x) * max(abs(x) - lambd, 0).

    Parameters
    ----------
    lambd : float, default 0.5
        Amount by which absolute values decrease.

    Examples
    --------
    >>> Softshrink()(np.array([-2.0, 0.0, 2.0]))
    array([-1.5,  0. ,  1.5])
    """

    lambd: float = 0.5
    function = staticmethod(ops.softshrink)


@with_settings
class Threshold(Elementwise):
    """Compute x where x > threshold, and `value` elsewhere.

    Parameters
    ----------
    threshold : float
        Greatest x that is replaced.
    value : float
        The replacement.

    Examples
    --------
    >>> Threshold(1.0, -1.0)(np.array([-2.0, 0.0, 2.0]))
    array([-1., -1.,  2.])
    """

    threshold: float
    value: float
    function = staticmethod(ops.threshold)


# --- Smooth ---


class Sigmoid(Elementwise):
    """Compute 1 / (1 + exp(-x)) elementwise.

    Examples
    --------
    >>> Sigmoid()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([0.119, 0.5  , 0.881])
    """

    function = staticmethod(ops.sigmoid)


class LogSigmoid(Elementwise):
    """Compute log(sigmoid(x)) without overflow.

    Examples
    --------
    >>> LogSigmoid()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-2.127, -0.693, -0.127])
    """

    function = staticmethod(ops.logsigmoid)


class Tanh(core.Tanh, Elementwise):
    """Compute the hyperbolic tangent elementwise.

    Examples
    --------
    >>> Tanh()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-0.964,  0.   ,  0.964])
    """

    function = staticmethod(ops.tanh)


class Tanhshrink(Elementwise):
    """Compute x - tanh(x) elementwise.

    Examples
    --------
    >>> Tanhshrink()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-1.036,  0.   ,  1.036])
    """

    function = staticmethod(ops.tanhshrink)


@with_settings
class Softplus(Elementwise):
    """Compute log(1 + exp(beta * x)) / beta, a smooth `ReLU`, and x where beta * x > threshold.

    Parameters
    ----------
    beta : float, default 1.0
        Factor of x. A greater value is closer to `ReLU`.
    threshold : float, default 20.0
        Value of beta * x above which the output is x.

    Examples
    --------
    >>> Softplus()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([0.127, 0.693, 2.127])
    """

    beta: float = 1.0
    threshold: float = 20.0
    function = staticmethod(ops.softplus)


class Softsign(Elementwise):
    """Compute x / (1 + abs(x)) elementwise.

    Examples
    --------
    >>> Softsign()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-0.667,  0.   ,  0.667])
    """

    function = staticmethod(ops.softsign)


@with_settings
class ELU(Elementwise):
    """Compute x where x > 0, and alpha * (exp(x) - 1) elsewhere.

    Parameters
    ----------
    alpha : float, default 1.0
        The output approaches -alpha for large negative x.

    Examples
    --------
    >>> ELU()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-0.865,  0.   ,  2.   ])
    """

    alpha: float = 1.0
    function = staticmethod(ops.elu)


@with_settings
class CELU(Elementwise):
    """Compute x where x > 0, and alpha * (exp(x / alpha) - 1) elsewhere.

    Parameters
    ----------
    alpha : float, default 1.0
        The output approaches -alpha for large negative x.

    Examples
    --------
    >>> CELU()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-0.865,  0.   ,  2.   ])
    """

    alpha: float = 1.0
    function = staticmethod(ops.celu)


class SELU(Elementwise):
    """`ELU`, scaled so that layers preserve mean 0 and variance 1; see `AlphaDropout`.

    Examples
    --------
    >>> SELU()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-1.52 ,  0.   ,  2.101])
    """

    function = staticmethod(ops.selu)


class SiLU(Elementwise):
    """Compute x * sigmoid(x) elementwise.

    Examples
    --------
    >>> SiLU()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-0.238,  0.   ,  1.762])
    """

    function = staticmethod(ops.silu)


class Mish(Elementwise):
    """Compute x * tanh(softplus(x)) elementwise.

    Examples
    --------
    >>> Mish()(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-0.253,  0.   ,  1.944])
    """

    function = staticmethod(ops.mish)


@with_settings
class GELU(Elementwise):
    """Compute x * cdf(x) for the standard normal distribution, with `approximate` "none" or "tanh".

    Parameters
    ----------
    approximate : {"none", "tanh"}, default "none"
        "none" is exact and requires SciPy. "tanh" is an approximation.

    Examples
    --------
    >>> GELU(approximate="tanh")(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-0.045,  0.   ,  1.955])
    """

    approximate: str = "none"
    function = staticmethod(ops.gelu)


# --- Along an axis ---


@with_settings
class GLU(AlongAxis):
    """Multiply the first half of x along `axis` by the sigmoid of the second half.

    Parameters
    ----------
    axis : int, default -1
        The axis that is halved. It must have an even length.

    Examples
    --------
    >>> GLU()(np.array([[3.0, 4.0, 0.0, 0.0]]))
    array([[1.5, 2. ]])
    """

    axis: int = -1
    function = staticmethod(ops.glu)


class Softmax(core.Softmax, AlongAxis):
    """Compute exp(x) / sum(exp(x)) along `axis`. `CrossEntropyLoss` takes logits: do not apply Softmax before it.

    Parameters
    ----------
    axis : int, default -1
        The axis along which the outputs sum to 1.

    Examples
    --------
    >>> Softmax()(np.array([[1.0, 1.0, 2.0, 2.0]])).round(3)
    array([[0.134, 0.134, 0.366, 0.366]])
    """

    _setting_names = ("axis",)
    function = staticmethod(ops.softmax)
    forward = AlongAxis.forward  # of this function, with the check of the axis


@with_settings
class LogSoftmax(AlongAxis):
    """Compute log(softmax(x)) along `axis` without overflow: the input of `NLLLoss`.

    Parameters
    ----------
    axis : int, default -1
        The axis along which the exponentials of the outputs sum to 1.

    Examples
    --------
    >>> LogSoftmax()(np.array([[1.0, 1.0, 2.0, 2.0]])).round(3)
    array([[-2.006, -2.006, -1.006, -1.006]])
    """

    axis: int = -1
    function = staticmethod(ops.log_softmax)


@with_settings
class Softmin(AlongAxis):
    """Compute softmax(-x) along `axis`.

    Parameters
    ----------
    axis : int, default -1
        The axis along which the outputs sum to 1.

    Examples
    --------
    >>> Softmin()(np.array([[1.0, 1.0, 2.0, 2.0]])).round(3)
    array([[0.366, 0.366, 0.134, 0.134]])
    """

    axis: int = -1
    function = staticmethod(ops.softmin)


class Softmax2D(Module):
    """Compute softmax over the channels of images (N, C, H, W) or (C, H, W). Other shapes raise ShapeError.

    Examples
    --------
    >>> Softmax2D()(np.ones((5, 4, 1, 1)))[0].ravel()
    array([0.25, 0.25, 0.25, 0.25])
    """

    __call__: OneInput

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.softmax` along the third axis from the end."""
        if np.ndim(x) not in (3, 4):
            raise ShapeError(f"Softmax2D: the input must have shape (N, C, H, W) or (C, H, W), got {np.shape(x)}.")
        require_sample_axis("Softmax2D", shape_of(x), 0, 4)
        return ops.softmax(x, axis=-3)


# --- Learned or random slopes ---


class PReLU(Module):
    """Compute x where x > 0, and weight * x elsewhere: `LeakyReLU` with learned slopes.

    Parameters
    ----------
    num_parameters : int, default 1
        1 for a single slope, or the number of channels (axis 1) for one slope per channel.
    init : float, default 0.25
        Initial slope.
    dtype : float32 or float64, default float32
        Dtype of the parameters.

    Attributes
    ----------
    weight : Tensor, shape (num_parameters,)

    Raises
    ------
    DTypeError, ValueError
        `num_parameters` is not an integer >= 1.
    ShapeError
        The input has another number of channels.

    Examples
    --------
    >>> PReLU()(np.array([-4.0, 4.0])).numpy()
    array([-1.,  4.], dtype=float32)
    """

    _setting_names = ("num_parameters",)

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike = np.float32) -> None:
        require_sizes("PReLU", num_parameters=num_parameters)
        self.num_parameters, self.init = num_parameters, init
        self.weight = filled((num_parameters,), init, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        """Apply `ops.prelu`."""
        shape_of_floats("PReLU", x)
        return ops.prelu(x, self.weight)


class RReLU(Module):
    """`LeakyReLU` with random slopes for each element in training, and the slope (lower + upper) / 2 in evaluation.

    From B. Xu and others, "Empirical evaluation of rectified activations in convolutional network", 2015.

    Parameters
    ----------
    lower : float, default 0.125
        Least slope.
    upper : float, default 1/3
        Greatest slope.
    rng : numpy.random.Generator, optional
        Generator of the slopes. The default is a new, unseeded generator.

    Raises
    ------
    ValueError
        `lower` is greater than `upper`.

    Examples
    --------
    >>> RReLU(0.1, 0.3).eval()(np.array([-5.0, 5.0]))
    array([-1.,  5.])
    """

    __call__: OneInput
    unbiased = True
    _setting_names = ("lower", "upper")

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, *, rng: np.random.Generator | None = None) -> None:
        if not lower <= upper:
            raise ValueError(f"RReLU: lower must be <= upper, got lower={lower}, upper={upper}.")
        self.lower, self.upper = lower, upper
        self.rng = generator_or_new(rng)

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.leaky_relu` with random slopes in training, or the mean slope in evaluation."""
        if not self.training:
            return ops.leaky_relu(x, (self.lower + self.upper) / 2)
        return ops.leaky_relu(x, self.random_slopes(x.shape, np.result_type(x.dtype, np.float16)))

    @random
    def random_slopes(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Draw a slope for each element."""
        return stream(self.rng).uniform(self.lower, self.upper, shape).astype(dtype)
