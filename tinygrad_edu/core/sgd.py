"""Optimizers: each step moves the parameters by their gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Array

Ready = tuple[Any, Array, Mapping[str, Any]]  # a parameter, its gradient, and the hyperparameters of its group


class Optimizer:
    """Base class of optimizers. A subclass defines `update`, the step of one parameter."""

    def __init__(self, params: Iterable[Any], **hyperparameters: Any) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(params), **hyperparameters}]
        self.state: dict[Any, dict[str, Array]] = {}  # what the updates of each parameter keep for the next step

    def step(self) -> None:
        """Update each parameter that has a gradient."""
        self._update_all(self._params_with_grad())

    def _params_with_grad(self) -> list[Ready]:
        """Return the parameters that have a gradient."""
        return [(p, g, group) for group in self.param_groups for p in group["params"] if (g := p.grad) is not None]

    def _update_all(self, params: list[Ready]) -> None:
        """Update parameters one by one."""
        for p, grad, group in params:
            with p.writing():
                self.update(p._data, grad, self.state.setdefault(p, {}), group)

    def update(self, param: Array, grad: Array, state: dict[str, Array], group: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        raise NotImplementedError(
            f"{type(self).__name__} has no update: define update(self, param, grad, state, group)."
        )

    def zero_grad(self) -> None:
        """Set the gradient of each parameter to None."""
        for group in self.param_groups:
            for p in group["params"]:
                p.zero_grad()


class SGD(Optimizer):
    """Stochastic gradient descent: p -= lr * grad moves each parameter against its gradient.

    With momentum, p -= lr * buffer, where buffer = momentum * buffer + grad: a sum of all gradients so far.
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0) -> None:
        super().__init__(params, lr=lr, momentum=momentum)

    def update(self, param: Array, grad: Array, state: dict[str, Array], group: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        param -= group["lr"] * (self._with_momentum(grad, state, group) if group["momentum"] else grad)

    def _with_momentum(self, grad: Array, state: dict[str, Array], group: Mapping[str, Any]) -> Array:
        """Add a gradient to the buffer, and return the buffer."""
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = np.array(grad)
        else:
            state["momentum_buffer"] *= group["momentum"]
            state["momentum_buffer"] += grad
        return state["momentum_buffer"]
