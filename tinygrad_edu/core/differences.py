"""How a gradient is proven: move each element of an input a little, and see how far the result moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.core.arrays import sum
from tinygrad_edu.core.engine import Array
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import WrongGradientError


def check_gradient(
    function: Callable[..., Any], *inputs: Any, step: float = 1e-5, tolerance: float = 1e-6, seed: int = 0
) -> None:
    """Compare the gradients of a function with central differences, in float64. Raise if they differ."""
    tensors = [Tensor(x, requires_grad=True, dtype=np.float64) for x in inputs]
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, function(*tensors).shape)

    def loss() -> Any:  # one number, to which the elements of the result contribute differently
        return sum(function(*tensors) * weights)

    loss().backward()
    for k, x in enumerate(tensors):
        slopes, gradient = differences(loss, x, step), np.zeros(x.shape) if x.grad is None else x.grad
        if not np.allclose(gradient, slopes, tolerance, tolerance):
            raise WrongGradientError(f"input {k}: the gradient is\n{gradient}\nand the differences are\n{slopes}")


def differences(loss: Callable[[], Any], x: Tensor, step: float) -> Array:
    """Return the slope of the loss along each element of x."""
    values, slopes = x.numpy().copy(), np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        moved = [values.copy(), values.copy()]
        moved[0][i] += step
        moved[1][i] -= step
        above, below = (loss_at(loss, x, at) for at in moved)
        slopes[i] = (above - below) / (2 * step)
    x.assign(values)
    return slopes


def loss_at(loss: Callable[[], Any], x: Tensor, values: Array) -> Any:
    """Return the loss for other values of x."""
    x.assign(values)
    return loss().item()
