"""The base class of distributions, and checks of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, everywhere, real_numbers, values_of
from tinygrad_edu.errors import DataError, ShapeError
from tinygrad_edu.errors.hints import KeywordHints, attribute_error
from tinygrad_edu.ops import broadcast_to, log, log1p, sqrt, where
from tinygrad_edu.ops.elementwise.arithmetic import as_floating


class Distribution(KeywordHints):
    """Base class of distributions.

    The parameters broadcast to `batch_shape`, the shape of independent distributions. Each sample of one of them has
    `event_shape`. Parameters that are Tensors receive gradients. If all parameters and the value are arrays or
    numbers, the results are arrays, except for samples, which are Tensors.

    Parameters
    ----------
    batch_shape : tuple of int
        The shape of the parameters.
    event_shape : tuple of int, default ()
        The shape of a sample of one distribution.
    dtype : dtype, default float32
        The dtype of samples: that of the parameters, or float32 if all are numbers or lists.

    Examples
    --------
    >>> from tinygrad_edu.distributions import Normal
    >>> heights = Normal(np.array([160.0, 175.0]), 7.0)
    >>> heights.batch_shape, heights.event_shape
    ((2,), ())
    >>> heights.sample((3,), rng=np.random.default_rng(0)).shape
    (3, 2)
    """

    def __init__(
        self, batch_shape: tuple[int, ...], event_shape: tuple[int, ...] = (), dtype: DTypeLike = np.float32
    ) -> None:
        self.batch_shape, self.event_shape, self.dtype = batch_shape, event_shape, np.dtype(dtype)

    if not TYPE_CHECKING:  # a visible __getattr__ would make every name valid

        def __getattr__(self, name):
            raise attribute_error("Distribution", name, dir(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_shape={self.batch_shape}, event_shape={self.event_shape})"

    def sample(self, sample_shape: int | Sequence[int] = (), *, rng: np.random.Generator) -> Tensor:
        """Draw samples of shape sample_shape + batch_shape + event_shape, without a gradient."""
        return self.rsample(sample_shape, rng=rng).detach()

    def rsample(self, sample_shape: int | Sequence[int] = (), *, rng: np.random.Generator) -> Tensor:
        """Draw samples that are differentiable functions of the parameters and of noise."""
        raise NotImplementedError(
            f"{type(self).__name__} has no differentiable samples. Use sample, and the gradient of log_prob(sample) "
            f"times the loss, or tg.gumbel_softmax."
        )

    def log_prob(self, value: TensorLike) -> Tensor | Array:
        """Return the logarithm of the density, or of the probability, at `value`.

        Outside of the support, and for an outcome of probability 0, it is -inf, and its gradient is 0.
        """
        raise NotImplementedError(f"{type(self).__name__} has no log_prob.")

    def entropy(self) -> Tensor | Array:
        """Return the entropy in nats, of shape batch_shape."""
        raise NotImplementedError(f"{type(self).__name__} has no entropy.")

    @property
    def mean(self) -> Tensor | Array:
        """The mean, of shape batch_shape + event_shape."""
        raise NotImplementedError(f"{type(self).__name__} has no mean.")

    @property
    def variance(self) -> Tensor | Array:
        """The variance, of shape batch_shape + event_shape."""
        raise NotImplementedError(f"{type(self).__name__} has no variance.")

    @property
    def stddev(self) -> Tensor | Array:
        """The standard deviation, of shape batch_shape + event_shape."""
        return sqrt(self.variance)

    def as_value(self, value: Any) -> Any:
        """Return an argument of `log_prob` as a Tensor or array that broadcasts with the samples."""
        value = value if isinstance(value, Tensor) else real_numbers(f"{type(self).__name__}: value", value)
        sample = (*self.batch_shape, *self.event_shape)
        common_shape(f"{type(self).__name__}.log_prob", value=value.shape, sample=sample)
        return value

    def on_support(self, log_prob: Any, inside: Any, value: Any) -> Any:
        """Return log-probabilities with -inf for values outside of the support, and NaN for NaN.

        No gradient flows through -inf.
        """
        if isinstance(value, Tensor) and not isinstance(log_prob, Tensor):
            log_prob = Tensor(log_prob, dtype=value.dtype if value.dtype.kind == "f" else self.dtype)
        inside = inside & (values_of(log_prob) != -np.inf)
        outside = np.where(np.isnan(values_of(value)), np.nan, -np.inf).astype(log_prob.dtype)
        return where(inside, log_prob, outside)

    def full_shape(self, sample_shape: int | Sequence[int]) -> tuple[int, ...]:
        """Return the shape of samples."""
        leading = (sample_shape,) if isinstance(sample_shape, int | np.integer) else tuple(sample_shape)
        return (*leading, *self.batch_shape, *self.event_shape)


def as_parameter(owner: str, name: str, value: Any) -> Any:
    """Return a parameter as a floating-point Tensor or array."""
    return as_floating(value if isinstance(value, Tensor) else real_numbers(f"{owner}: {name}", value))


def broadcast_parameters(owner: str, **values: Any) -> tuple[Any, ...]:
    """Return parameters as floating-point Tensors or arrays of one shape."""
    parameters = {name: as_parameter(owner, name, value) for name, value in values.items()}
    shape = common_shape(owner, **{name: x.shape for name, x in parameters.items()})
    return tuple(x if x.shape == shape else broadcast_to(x, shape) for x in parameters.values())


def common_shape(owner: str, **shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape to which shapes broadcast, or raise."""
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ShapeError(f"{owner}: the shapes do not broadcast: {listed}.") from None


def require(owner: str, name: str, value: Any, condition: Any, must: str) -> None:
    """Raise unless a condition holds for each element of a parameter."""
    if not everywhere(condition):
        raise DataError(f"{owner}: {name} must be {must}, got {value!r}.")


def require_number(owner: str, name: str, value: Any) -> None:
    """Raise if an element of a parameter is NaN."""
    require(owner, name, value, ~np.isnan(values_of(value)), "numbers, not NaN")


def require_positive(owner: str, name: str, value: Any) -> None:
    """Raise unless each element of a parameter is positive."""
    require(owner, name, value, values_of(value) > 0, "> 0")


def log_probability(p: Any) -> Any:
    """Return log(p), where p is 0 without a warning and with the gradient 0."""
    possible = values_of(p) > 0
    return where(possible, log(where(possible, p, 1.0)), -np.inf)


def log_complement(p: Any) -> Any:
    """Return log(1 - p), where p is 1 without a warning and with the gradient 0."""
    possible = values_of(p) < 1
    return where(possible, log1p(-where(possible, p, 0.0)), -np.inf)
