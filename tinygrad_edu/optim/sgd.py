"""Stochastic gradient descent, in place: no graph, and no memory beyond a velocity and one scratch buffer."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor, refuse_read_only, writing
from tinygrad_edu.errors import DTypeError, NoGraphError


class SGD:
    """Gradient descent with momentum, Nesterov's momentum and weight decay; the formulas are PyTorch's.

    With g = grad + weight_decay * p and velocity = momentum * velocity + g (beginning at 0), a step is
    p -= lr * velocity, or with Nesterov's momentum p -= lr * (g + momentum * velocity).

    Parameters
    ----------
    parameters : iterable of Tensor
        Leaves that require a gradient; ``model.parameters()``.
    lr : float
        The learning rate. It, like each of the settings, may be set between steps: see `schedules`.
    momentum : float
        How much of the velocity remains from one step to the next.
    nesterov : bool
        Look ahead along the velocity.
    weight_decay : float
        Pulls every parameter towards 0.

    Raises
    ------
    ValueError
        For a setting that is negative or not finite, Nesterov without momentum, no parameters or one given twice.
    DTypeError, NoGraphError, ReadOnlyError
        For a parameter that is no Tensor, not a leaf that requires a gradient, or in memory that cannot be written to.

    Examples
    --------
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.25)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.numpy()
    array([ 0.125, -0.25 ], dtype=float32)
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.lr, self.momentum, self.nesterov, self.weight_decay = lr, momentum, nesterov, weight_decay
        self._check_settings()
        self.parameters = _checked(parameters)
        self._velocities: list[ndarray | None] = [None] * len(self.parameters)
        self._parts = _parts([p._data for p in self.parameters])

    def step(self) -> None:
        """Move every parameter that has a gradient down along it."""
        self._check_settings()
        with writing(*(p._cell for p in self.parameters if p.grad is not None)):
            for k, p in enumerate(self.parameters):
                if p.grad is not None:
                    self._move_in_parts(k, p._data, p.grad)

    def _check_settings(self) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            value = getattr(self, name)
            if isinstance(value, str) or not 0 <= value < np.inf:
                raise ValueError(f"SGD: {name} is a number of at least 0, not {value!r}, and finite.")
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: nesterov=True looks ahead along the velocity: give it a momentum, such as 0.9.")

    def _move_in_parts(self, k: int, data: ndarray, g: ndarray) -> None:
        velocity = self._velocities[k]
        if self.momentum and velocity is None:
            velocity = self._velocities[k] = np.zeros(data.shape, data.dtype)
        for part, scratch in self._parts[k]:
            self._move(data[part], g[part], velocity[part] if velocity is not None else None, scratch)

    def _move(self, data: Any, g: Any, velocity: Any, scratch: Any) -> None:
        if self.weight_decay:
            np.multiply(data, self.weight_decay, out=scratch)
            g = np.add(scratch, g, out=scratch)
        if velocity is None:
            _descend(data, g, self.lr, scratch)
            return
        velocity *= self.momentum
        velocity += g
        if self.nesterov:
            _descend(data, g, self.lr, scratch)
        _descend(data, velocity, self.lr * self.momentum if self.nesterov else self.lr, scratch)

    def zero_grad(self) -> None:
        """Forget the gradient of each parameter: ``grad`` becomes None."""
        for p in self.parameters:
            p.zero_grad()


def _descend(data: Any, direction: Any, rate: float, scratch: Any) -> None:
    # A NumPy scalar, from a schedule say, would compute in its own precision.
    np.multiply(direction, float(rate), out=scratch)
    np.subtract(data, scratch, out=data)


# A step passes over its arrays two to seven times: parts of this size stay in the cache meanwhile.
_BYTES = 128 * 1024


def _parts(arrays: list[ndarray]) -> list[list[tuple[Any, ndarray]]]:
    """Return where the parts of each array are, each with a scratch array of its shape."""
    cuts = [[(index, array[index]) for index in _cut(array)] for array in arrays]
    # One buffer for all: each part in its turn uses the beginning of it.
    buffer = np.empty(max((part.nbytes for cut in cuts for _, part in cut), default=0), np.uint8)

    def scratch(part: ndarray) -> ndarray:
        return buffer[: part.nbytes].view(part.dtype).reshape(part.shape)

    return [[(index, scratch(part)) for index, part in cut] for cut in cuts]


def _cut(array: ndarray) -> list[Any]:
    """Return the indices of the parts: as many rows each as `_BYTES` hold, and at least one."""
    if not array.ndim:
        return [...]
    rows = max(1, _BYTES * len(array) // max(1, array.nbytes))
    return [slice(start, start + rows) for start in range(0, len(array), rows)]


def _checked(parameters: Any) -> list[Tensor]:
    """Return a list of different leaves that require a gradient, or say what is wrong."""
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        raise DTypeError(
            f"SGD: parameters is a list of tensors, not one {type(parameters).__name__}: pass model.parameters(), or "
            f"[w] for a single tensor."
        )
    found = list(parameters)
    if not found:
        raise ValueError("SGD: there are no parameters to optimize: the model has no tensor that requires a gradient.")
    for k, p in enumerate(found):
        if not isinstance(p, Tensor):
            raise DTypeError(f"SGD: parameter {k} is a {type(p).__name__}, and must be a Tensor.")
        if not p.requires_grad:
            raise NoGraphError(f"SGD: parameter {k}, of shape {p.shape}, does not require a gradient.")
        refuse_read_only(f"SGD moves parameter {k}", p)
        if not p.is_leaf:
            raise NoGraphError(
                f"SGD: parameter {k}, of shape {p.shape}, was computed by an op: changing it would be lost at the "
                f"next forward. Optimize the leaves that it was computed from."
            )
        if any(p is other for other in found[:k]):
            raise ValueError(f"SGD: parameter {k}, of shape {p.shape}, is there twice, and would move twice a step.")
    return found
