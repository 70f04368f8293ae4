"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Array
from tinygrad_edu.core.tensor import Tensor


class Optimizer:
    """Base class of optimizers. A subclass defines `update`, the step of one parameter."""

    def __init__(self, params: Iterable[Tensor], **hyperparameters: Any) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(params), **hyperparameters}]
        self.state: dict[Tensor, dict[str, Array]] = {}  # arrays that an update keeps for the next one, by name

    def zero_grad(self) -> None:
        """Set the gradient of each parameter to None."""
        for p, _ in self.parameters():
            p.zero_grad()

    def step(self) -> None:
        """Update each parameter that has a gradient."""
        for p, group in self.parameters():
            if p.grad is not None:
                with p.writing():
                    self.update(p._data, p.grad, self.state.setdefault(p, {}), group)

    def parameters(self) -> list[tuple[Tensor, dict[str, Any]]]:
        """Return each parameter with its group, which has the hyperparameters."""
        return [(p, group) for group in self.param_groups for p in group["params"]]

    def update(self, param: Array, grad: Array, state: dict[str, Array], group: dict[str, Any]) -> None:
        """Update one parameter in place."""
        raise NotImplementedError(
            f"{type(self).__name__} has no update: define update(self, param, grad, state, group)."
        )


class SGD(Optimizer):
    """Stochastic gradient descent: a step moves each parameter against its gradient.

    With momentum, it moves against a sum of all gradients so far, in which each step multiplies the older ones by
    `momentum`.
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-3, momentum: float = 0.0) -> None:
        super().__init__(params, lr=lr, momentum=momentum)

    def update(self, param: Array, grad: Array, state: dict[str, Array], group: dict[str, Any]) -> None:
        """Update one parameter in place."""
        param -= group["lr"] * (self.with_momentum(grad, state, group) if group["momentum"] else grad)

    def with_momentum(self, grad: Array, state: dict[str, Array], group: dict[str, Any]) -> Array:
        """Return the sum of all gradients so far."""
        buffer = state.setdefault("momentum_buffer", np.zeros_like(grad))
        buffer *= group["momentum"]
        buffer += grad
        return buffer
