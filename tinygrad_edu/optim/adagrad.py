"""Adagrad: a step as long as the gradient is large beside the root of the sum of its squares."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.optim.formulas import counted, descend, downhill
from tinygrad_edu.optim.optimizer import GroupSettings, MovePart, Optimizer
from tinygrad_edu.optim.settings import AT_LEAST_0, FLAG, Setting


class Adagrad(Optimizer):
    """Adagrad, as in PyTorch: p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum of g**2) + eps) at step t.

    From J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12, 2011.

    Parameters
    ----------
    params : iterable
        As for every `Optimizer`, as are the errors.
    lr : float
        The learning rate.
    lr_decay : float
        How fast the learning rate sinks.
    weight_decay : float
        Pulls every parameter towards 0.
    initial_accumulator_value : float
        What the sum begins at, when the parameter is added.
    eps : float
        Keeps the denominator from 0.
    maximize : bool
        Go up.

    Examples
    --------
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [2.0, -4.0]
    >>> Adagrad([w], lr=0.25).step()
    >>> w.numpy()
    array([ 0.75, -1.75], dtype=float32)
    """

    __slots__ = ()
    _counts = ("step",)
    _remembers = ("sum",)

    lr_decay = Setting(AT_LEAST_0)
    weight_decay = Setting(AT_LEAST_0)
    initial_accumulator_value = Setting(AT_LEAST_0)
    eps = Setting(AT_LEAST_0)
    maximize = Setting(FLAG)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Take on more parameters, and begin their sums, as PyTorch does."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for p in group["params"]:
            self._state_of(p, group)

    def _begin(self, name: str, p: Tensor, s: GroupSettings) -> ndarray:
        begun = super()._begin(name, p, s)
        if name == "sum":
            begun += s["initial_accumulator_value"]
        return begun

    def _moves(self, p: Tensor, s: GroupSettings) -> MovePart:
        rate = s["lr"] / (1 + (counted(self._state_of(p, s)) - 1) * s["lr_decay"])

        def move(w: ndarray, g: ndarray, a: ndarray, b: ndarray, total: ndarray) -> None:
            g = downhill(w, g, s, a)
            np.multiply(g, g, out=b)
            total += b
            np.sqrt(total, out=b)
            b += s["eps"]
            np.divide(g, b, out=b)
            descend(w, b, rate, b)

        return move
