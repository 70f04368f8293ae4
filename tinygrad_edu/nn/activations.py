"""Activation layers. Each applies a function of `ops` with stored settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.engine import shape_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.init import filled, generator_or_new
from tinygrad_edu.nn.linear import require_sizes
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.randomness import current_stream
from tinygrad_edu.nn.sharding import by_settings, needs_whole_batch, require_batch

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU",
    "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softmax2D",
    "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


Decorated = TypeVar("Decorated", bound="Activation")


@dataclass_transform(eq_default=False)
def with_settings(kind: type[Decorated]) -> type[Decorated]:
    """Make the annotated attributes of an activation the arguments of its ``__init__``, in their order."""
    made = dataclass(eq=False, repr=False, match_args=False)(kind)
    made._setting_names = tuple(vars(made)["__dataclass_fields__"])
    return made


class Activation(Module):
    """What the activations are: a `function` of the input, and of the settings in their order."""

    function: ClassVar[Callable[..., Any]]

    def extra_repr(self) -> str:
        """Return the settings."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self._setting_names)


class Elementwise(Activation):
    """An activation of each element by itself."""

    couples_samples = False

    def forward(self, x: Any) -> Any:
        """Apply the function."""
        return self.function(x, *(getattr(self, name) for name in self._setting_names))


def is_elementwise(function: Any) -> bool:
    """Return whether a function is that of an elementwise activation, or a ufunc of NumPy."""
    known = (kind.function for kind in Elementwise.__subclasses__())
    return isinstance(function, np.ufunc) or any(function is each for each in known)


class AlongAxis(Activation):
    """An activation of all elements along an axis."""

    axis: int

    @by_settings
    def couples_samples(self) -> bool:
        """Whether the axis is the first one, that of the samples."""
        return self.axis == 0

    def forward(self, x: Any) -> Any:
        """Apply the function."""
        if len(shape_of(x)) + self.axis == 0:
            needs_whole_batch(f"{self!r}: axis {self.axis} of its input of shape {shape_of(x)} is that of the samples")
        return self.function(x, self.axis)


# --- Straight lines with a bend ---


class ReLU(Elementwise):
    """max(x, 0) of each element. At 0 its derivative is 0."""

    function = staticmethod(ops.relu)


class ReLU6(Elementwise):
    """min(max(x, 0), 6) of each element."""

    function = staticmethod(ops.relu6)


@with_settings
class LeakyReLU(Elementwise):
    """x where it is positive, and negative_slope * x elsewhere."""

    negative_slope: float = 0.01
    function = staticmethod(ops.leaky_relu)


@with_settings
class Hardtanh(Elementwise):
    """x, held between `min_val` and `max_val`."""

    min_val: float = -1.0
    max_val: float = 1.0
    function = staticmethod(ops.hardtanh)


class Hardsigmoid(Elementwise):
    """(x + 3) / 6, held between 0 and 1: a sigmoid of straight lines."""

    function = staticmethod(ops.hardsigmoid)


class Hardswish(Elementwise):
    """x * hardsigmoid(x): `SiLU` without exponentials."""

    function = staticmethod(ops.hardswish)


@with_settings
class Hardshrink(Elementwise):
    """0 where -lambd <= x <= lambd, and x elsewhere."""

    lambd: float = 0.5
    function = staticmethod(ops.hardshrink)


@with_settings
class Softshrink(Elementwise):
    """x moved towards 0 by `lambd`, and 0 where it would cross it."""

    lambd: float = 0.5
    function = staticmethod(ops.softshrink)


@with_settings
class Threshold(Elementwise):
    """x where it is above `threshold`, and `value` elsewhere."""

    threshold: float
    value: float
    function = staticmethod(ops.threshold)


# --- Smooth ones ---


class Sigmoid(Elementwise):
    """1 / (1 + exp(-x)) of each element."""

    function = staticmethod(ops.sigmoid)


class LogSigmoid(Elementwise):
    """The logarithm of `Sigmoid`, without overflow."""

    function = staticmethod(ops.logsigmoid)


class Tanh(Elementwise):
    """The hyperbolic tangent of each element."""

    function = staticmethod(ops.tanh)


class Tanhshrink(Elementwise):
    """x - tanh(x) of each element."""

    function = staticmethod(ops.tanhshrink)


@with_settings
class Softplus(Elementwise):
    """log(1 + exp(beta * x)) / beta, a smooth `ReLU`; where beta * x is above `threshold`, x itself."""

    beta: float = 1.0
    threshold: float = 20.0
    function = staticmethod(ops.softplus)


class Softsign(Elementwise):
    """x / (1 + |x|) of each element."""

    function = staticmethod(ops.softsign)


@with_settings
class ELU(Elementwise):
    """x where it is positive, and alpha * (exp(x) - 1) elsewhere."""

    alpha: float = 1.0
    function = staticmethod(ops.elu)


@with_settings
class CELU(Elementwise):
    """x where it is positive, and alpha * (exp(x / alpha) - 1) elsewhere."""

    alpha: float = 1.0
    function = staticmethod(ops.celu)


class SELU(Elementwise):
    """`ELU`, scaled so that layers keep mean 0 and variance 1: see `AlphaDropout`."""

    function = staticmethod(ops.selu)


class SiLU(Elementwise):
    """x * sigmoid(x) of each element."""

    function = staticmethod(ops.silu)


class Mish(Elementwise):
    """x * tanh(softplus(x)) of each element."""

    function = staticmethod(ops.mish)


@with_settings
class GELU(Elementwise):
    """x times the probability that a standard normal variable is below x; approximate is "none" or "tanh"."""

    approximate: str = "none"
    function = staticmethod(ops.gelu)


# --- Along an axis ---


@with_settings
class GLU(AlongAxis):
    """The first half of x along `axis`, times the sigmoid of the second half."""

    axis: int = -1
    function = staticmethod(ops.glu)


@with_settings
class Softmax(AlongAxis):
    """exp(x) / sum(exp(x)) along `axis`. A loss wants the logits instead: see `CrossEntropyLoss`."""

    axis: int = -1
    function = staticmethod(ops.softmax)


@with_settings
class LogSoftmax(AlongAxis):
    """The logarithm of `Softmax`, without overflow: what `NLLLoss` wants."""

    axis: int = -1
    function = staticmethod(ops.log_softmax)


@with_settings
class Softmin(AlongAxis):
    """Softmax of -x along `axis`: the smallest element gets the greatest share."""

    axis: int = -1
    function = staticmethod(ops.softmin)


class Softmax2D(Module):
    """Softmax over the channels of images, (N, C, H, W) or (C, H, W), for each pixel. For others, ShapeError."""

    couples_samples = False

    def forward(self, x: Any) -> Any:
        """Apply `ops.softmax` along the third axis from the end."""
        if np.ndim(x) not in (3, 4):
            raise ShapeError(f"Softmax2D: images have the axes (N, C, H, W) or (C, H, W), not the shape {np.shape(x)}.")
        require_batch("Softmax2D", shape_of(x), 3)
        return ops.softmax(x, axis=-3)


# --- With a slope that is learned, or drawn ---


class PReLU(Module):
    """x where it is positive, and weight * x elsewhere: a `LeakyReLU` whose slopes are learned.

    Parameters
    ----------
    num_parameters : int
        1 for one slope, or the number of channels along axis 1 for one each.
    init : float
        Where the slopes begin.
    dtype : float32 or float64
        Of the weight.

    Attributes
    ----------
    weight : Tensor, shape (num_parameters,)

    Raises
    ------
    ShapeError
        For a number that is not whole, or less than 1; of `forward`, for an input of another number of channels.

    Examples
    --------
    >>> PReLU()(np.array([-4.0, 4.0])).numpy()
    array([-1.,  4.], dtype=float32)
    """

    couples_samples = False
    _setting_names = ("num_parameters",)

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike = np.float32) -> None:
        require_sizes("PReLU", num_parameters=num_parameters)
        self.num_parameters, self.init = num_parameters, init
        self.weight = filled((num_parameters,), init, dtype)

    def forward(self, x: Any) -> Any:
        """Apply `ops.prelu`."""
        return ops.prelu(x, self.weight)


class RReLU(Module):
    """A `LeakyReLU` whose slope is drawn for each element in training, and the middle of its range in evaluation.

    From B. Xu and others, "Empirical evaluation of rectified activations in convolutional network", 2015.

    Parameters
    ----------
    lower, upper : float
        The range of the slopes.
    rng : numpy.random.Generator, optional
        Draws them. Without it they differ from run to run.

    Raises
    ------
    ValueError
        Where `lower` is above `upper`.

    Examples
    --------
    >>> RReLU(0.1, 0.3).eval()(np.array([-5.0, 5.0]))
    array([-1.,  5.])
    """

    couples_samples = False
    _setting_names = ("lower", "upper")

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, *, rng: np.random.Generator | None = None) -> None:
        if not lower <= upper:
            raise ValueError(f"RReLU: slopes from {lower} to {upper}: lower must not be above upper.")
        self.lower, self.upper = lower, upper
        self.rng = generator_or_new(rng)

    def forward(self, x: Any) -> Any:
        """Draw the slopes, or take the middle of their range."""
        if not self.training:
            return ops.leaky_relu(x, (self.lower + self.upper) / 2)
        slopes = current_stream(self.rng).uniform(self.lower, self.upper, np.shape(x))
        return ops.leaky_relu(x, slopes.astype(np.result_type(x.dtype, np.float16)))
