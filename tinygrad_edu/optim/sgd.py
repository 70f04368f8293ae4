"""Stochastic gradient descent, with momentum."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.optim.formulas import descend, downhill
from tinygrad_edu.optim.optimizer import GroupSettings, MovePart, Optimizer
from tinygrad_edu.optim.settings import AT_LEAST_0, FINITE, FLAG, Setting


class SGD(Optimizer):
    """Gradient descent with momentum, Nesterov's momentum and weight decay; the formulas are PyTorch's.

    With g = grad + weight_decay * p, the velocity is g at first, and momentum * velocity + (1 - dampening) * g from
    then on. A step is p -= lr * velocity, or with Nesterov's momentum p -= lr * (g + momentum * velocity).

    Parameters
    ----------
    params : iterable
        As for every `Optimizer`, as are the errors. It, like each of the settings, is PyTorch's, and each setting may
        be changed between steps: see `schedules`.
    lr : float
        The learning rate.
    momentum : float
        How much of the velocity remains from one step to the next.
    dampening : float
        How much of a gradient is kept out of the velocity.
    weight_decay : float
        Pulls every parameter towards 0.
    nesterov : bool
        Look ahead along the velocity. Needs a momentum, and no dampening.
    maximize : bool
        Go up.

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

    __slots__ = ()
    _remembers_for: ClassVar = {"momentum_buffer": "momentum"}

    momentum = Setting(AT_LEAST_0)
    dampening = Setting(FINITE)
    weight_decay = Setting(AT_LEAST_0)
    nesterov = Setting(FLAG)
    maximize = Setting(FLAG)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    def _settings(self, group: Mapping[str, Any]) -> GroupSettings:
        s = super()._settings(group)
        if s["nesterov"] and (not s["momentum"] or s["dampening"]):
            raise ValueError(
                "SGD: nesterov=True looks ahead along the velocity: give it a momentum, such as 0.9, and no dampening."
            )
        return s

    def _moves(self, p: Tensor, s: GroupSettings) -> MovePart:
        lr, momentum = s["lr"], s["momentum"]
        begun = s["dampening"] and "momentum_buffer" in self.state.get(p, ())
        share = 1 - s["dampening"] if begun else 1.0

        def move(w: ndarray, g: ndarray, a: ndarray, b: ndarray, *velocity: ndarray) -> None:
            g = downhill(w, g, s, a)
            if not velocity:
                descend(w, g, lr, b)
                return
            (v,) = velocity
            v *= momentum
            v += g if share == 1 else np.multiply(g, share, out=b)
            if s["nesterov"]:
                descend(w, g, lr, b)
            descend(w, v, lr * momentum if s["nesterov"] else lr, b)

        return move
