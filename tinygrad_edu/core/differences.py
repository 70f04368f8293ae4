"""How a gradient is proven: move each element of an input a little, and see how far the result moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.core.arrays import sum
from tinygrad_edu.core.engine import Array
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import WrongGradientError


def check_gradient(function: Callable[..., Any], *inputs: Any) -> None:
    """Compare the gradients of a function with central differences, in float64. Raise if they differ."""
    tensors = [Tensor(x, requires_grad=True, dtype=np.float64) for x in inputs]
    weights = np.random.default_rng(0).uniform(0.5, 1.5, function(*tensors).shape)

    def loss() -> Any:  # one number, to which the elements of the result contribute differently
        return sum(function(*tensors) * weights)

    loss().backward()
    for k, x in enumerate(tensors):
        slopes, gradient = differences(loss, x), np.zeros(x.shape) if x.grad is None else x.grad
        if not np.allclose(gradient, slopes, 1e-6, 1e-6):
            raise WrongGradientError(f"input {k}: the gradient is\n{gradient}\nand the differences are\n{slopes}.")


def differences(loss: Callable[[], Any], x: Tensor, step: float = 1e-5) -> Array:
    """Return the slope of the loss along each element of x."""
    values, slopes = x.numpy().copy(), np.zeros(x.size)
    for i, unit in enumerate(np.eye(x.size).reshape(-1, *x.shape)):
        x.assign(values + step * unit)
        above = loss().item()
        x.assign(values - step * unit)
        slopes[i] = (above - loss().item()) / (2 * step)
    x.assign(values)
    return slopes.reshape(x.shape)
