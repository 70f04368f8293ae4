"""SGD: step = gradient or momentum buffer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from numpy import ndarray

from tinygrad_edu import core
from tinygrad_edu.optim.fast.chunks import elementwise
from tinygrad_edu.optim.optimizer import Optimizer, with_weight_decay
from tinygrad_edu.optim.settings import FINITE, FLAG, NON_NEGATIVE, hyperparameter
from tinygrad_edu.optim.state import Slot


class SGD(core.SGD, Optimizer):
    """Stochastic gradient descent, as in PyTorch, with optional momentum, Nesterov momentum and weight decay.

    With g = grad + weight_decay * p, the momentum buffer is b = g in the first step, and
    momentum * b + (1 - dampening) * g afterwards. The step is p -= lr * b, or p -= lr * (g + momentum * b) with
    Nesterov momentum, or p -= lr * g without momentum.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Parameters, such as ``model.parameters()``, or parameter groups. `Optimizer` lists the errors.
    lr : float, default 1e-3
        Learning rate. To change it between steps, see `schedules`.
    momentum : float, default 0.0
        Momentum factor. 0 means no momentum buffer.
    dampening : float, default 0.0
        Dampening of the momentum: 1 - dampening is the factor of the gradient.
    weight_decay : float, default 0.0
        Weight decay (L2 penalty): adds weight_decay * p to the gradient.
    nesterov : bool, default False
        Whether to use Nesterov momentum. Requires momentum > 0 and dampening = 0.
    maximize : bool, default False
        Whether to maximize the loss instead of minimizing it.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.25)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.numpy()
    array([ 0.125, -0.25 ], dtype=float32)
    """

    state_slots: ClassVar = {"momentum_buffer": Slot(initial=None, when="momentum")}

    lr: float = hyperparameter(default=1e-3, rule=NON_NEGATIVE)
    momentum: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    dampening: float = hyperparameter(default=0.0, rule=FINITE)
    weight_decay: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    nesterov: bool = hyperparameter(default=False, rule=FLAG)
    maximize: bool = hyperparameter(default=False, rule=FLAG, kw_only=True)

    def _checked(self, group: Mapping[str, Any]) -> dict[str, Any]:
        checked = super()._checked(group)
        if checked["nesterov"] and (not checked["momentum"] or checked["dampening"]):
            raise ValueError("SGD: nesterov=True requires momentum > 0, such as 0.9, and dampening=0.")
        return checked

    @elementwise
    def update(self, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        if not (group["weight_decay"] or group["dampening"] or group["nesterov"] or group["maximize"]):
            return super().update(param, grad, state, group)
        grad = with_weight_decay(param, grad, group)
        if group["nesterov"]:  # two parts of the step: lr * g here, lr * momentum * b by the core
            param -= group["lr"] * grad
            group = {**group, "lr": group["lr"] * group["momentum"]}
        elif group["dampening"] and group["momentum"] and "momentum_buffer" in state:
            grad = (1 - group["dampening"]) * grad
        return super().update(param, grad, state, group)
